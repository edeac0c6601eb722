//! Editing a configuration: fetch, editor, read, validate, show the difference, write.

use std::sync::Arc;

use sluice_protocol::rest::ConfigInfos;
use sluice_protocol::{ConfigMap, ConnectorName};

use super::{commands, said, verbs};
use crate::effect::Effect;
use crate::model::Model;
use crate::model::action::{Outcome, Verb};
use crate::model::dialog::{Choice, Dialog, EditSession, Outcome as Choose, Planned, Tone};
use crate::model::secrets::{self, Change, PasswordKeys};
use crate::text::Text;
use crate::units;

/// What a new connector starts from.
const TEMPLATE: &str = r#"{
  "name": "",
  "connector.class": "",
  "tasks.max": "1"
}
"#;

/// `e`: fetches the stored configuration first, so that nothing stale is edited.
pub(super) fn begin(model: &mut Model) -> Vec<Effect> {
    match commands::current_connector(model) {
        Some(name) => begin_or_go_on(model, Some(name)),
        None => said(model, Outcome::Bad, "nothing selected"),
    }
}

/// `a`: a new connector from a template.
pub(super) fn begin_new(model: &mut Model) -> Vec<Effect> {
    begin_or_go_on(model, None)
}

/// A text that was left without being written is offered first.
fn begin_or_go_on(model: &mut Model, connector: Option<ConnectorName>) -> Vec<Effect> {
    let Some(draft) = model.ui.drafts.get(&connector).cloned() else {
        return start(model, connector);
    };
    let title = title(&draft);
    let anew = match connector {
        Some(_) => "edits what is stored",
        None => "begins with an empty template",
    };
    let choices = vec![
        Choice::new(
            "edit again",
            "opens the editor with your text",
            Choose::EditAgain(Box::new(draft)),
        ),
        Choice::new("start anew", anew, Choose::StartAnew(connector)),
        Choice::new("Cancel", "keeps your text", Choose::Cancel),
    ];
    let body = vec![(
        Tone::Plain,
        Text::from("there is a text of yours that was not written"),
    )];
    model.ui.dialog = Some(Dialog::new(title, body, choices, 0));
    Vec::new()
}

/// Opens the editor on what is stored, or on a template.
pub(super) fn start(model: &mut Model, connector: Option<ConnectorName>) -> Vec<Effect> {
    if let Some(name) = connector {
        let busy = format!("fetching the configuration of {}", Text::name(&name));
        model.ui.busy = Some(Text::line(&busy));
        return vec![Effect::LoadConfig(name)];
    }
    model.ui.flash = None;
    vec![Effect::Edit(Box::new(EditSession {
        connector: None,
        base: Arc::default(),
        passwords: PasswordKeys::new(),
        text: TEMPLATE.to_owned(),
        merged: None,
    }))]
}

/// The configuration is here: open the editor.
pub(super) fn loaded(
    model: &mut Model,
    connector: ConnectorName,
    loaded: Result<(ConfigMap, PasswordKeys), Text>,
) -> Vec<Effect> {
    model.ui.busy = None;
    match loaded {
        Ok((config, passwords)) => vec![Effect::Edit(Box::new(EditSession {
            text: secrets::editor_text(&config, &passwords),
            connector: Some(connector),
            base: Arc::new(config),
            passwords,
            merged: None,
        }))],
        Err(error) => said(model, Outcome::Bad, &format!("edit {connector}: {error}")),
    }
}

/// Opens the editor once more.
pub(super) fn again(session: EditSession) -> Vec<Effect> {
    vec![Effect::Edit(Box::new(session))]
}

/// The editor was closed.
pub(super) fn closed(
    model: &mut Model,
    mut session: Box<EditSession>,
    text: Result<String, Text>,
) -> Vec<Effect> {
    let text = match text {
        Ok(text) => text,
        Err(error) => {
            return said(model, Outcome::Bad, &format!("editor: {error}"));
        }
    };
    if text.trim().is_empty() || (session.connector.is_none() && text == TEMPLATE) {
        return said(model, Outcome::Pending, "nothing changed, nothing written");
    }
    session.text = text;
    model
        .ui
        .drafts
        .insert(session.connector.clone(), (*session).clone());
    let merged = match secrets::merge(&session.text, &session.base) {
        Ok(merged) => merged,
        Err(error) => return refuse(model, *session, &[error.to_string()]),
    };
    if merged == *session.base {
        model.ui.drafts.remove(&session.connector);
        model.say(Outcome::Pending, "nothing changed, nothing written");
        return vec![Effect::DropDraft(session.connector)];
    }
    match (&session.connector, merged.text("name")) {
        (None, None | Some("")) => {
            return refuse(
                model,
                *session,
                &["name: a new connector needs one".to_owned()],
            );
        }
        (None, Some(name)) if model.cluster().connectors.contains_key(name) => {
            let error = format!("name: connector \"{name}\" exists already");
            return refuse(model, *session, &[error]);
        }
        (Some(connector), Some(name)) if connector.as_str() != name => {
            let error = format!("name: can't be changed (it is \"{connector}\")");
            return refuse(model, *session, &[error]);
        }
        _ => {}
    }
    let config = Arc::new(merged);
    session.merged = Some(Arc::clone(&config));
    model.ui.busy = Some(Text::from("validating"));
    vec![Effect::Validate { session, config }]
}

/// Says what is wrong with the text and offers the editor again.
fn refuse(model: &mut Model, session: EditSession, errors: &[String]) -> Vec<Effect> {
    model.ui.busy = None;
    let body = errors
        .iter()
        .map(|error| (Tone::Bad, Text::line(error)))
        .collect();
    let title = format!("{}: not written", title(&session));
    let connector = session.connector.clone();
    let copy = secrets::draft_text(&session.text, &session.passwords);
    let keep = Effect::KeepDraft(connector.clone(), copy);
    let choices = vec![
        Choice::new(
            "edit again",
            "opens the editor with your text; esc keeps it for the next e",
            Choose::EditAgain(Box::new(session)),
        ),
        Choice::new("discard", "forgets your text", Choose::Discard(connector)),
    ];
    model.ui.dialog = Some(Dialog::new(title, body, choices, 0));
    vec![keep]
}

/// Says in the dialog that offers the text where its copy is. One that could not be kept leaves the text in
/// memory.
pub(super) fn draft_kept(
    model: &mut Model,
    connector: &Option<ConnectorName>,
    place: Result<Text, Text>,
) {
    let offers = |dialog: &&mut Dialog| {
        let of_it = |choice: &Choice| match &choice.outcome {
            Choose::EditAgain(session) => session.connector == *connector,
            _ => false,
        };
        dialog.choices.iter().any(of_it)
    };
    let Some(dialog) = model.ui.dialog.as_mut().filter(offers) else {
        return;
    };
    let text = match place {
        Ok(path) => format!("a copy without secrets is in {path}"),
        Err(why) => format!("no copy in a file: {why}"),
    };
    dialog.body.push((Tone::Dim, Text::line(&text)));
}

/// The cluster refused the write: the text is offered again, at once or with the next `e`.
pub(super) fn not_written(
    model: &mut Model,
    connector: &Option<ConnectorName>,
    why: &str,
) -> Vec<Effect> {
    let Some(draft) = model.ui.drafts.get(connector).cloned() else {
        return Vec::new();
    };
    if model.ui.dialog.is_some() || model.ui.prompt.is_some() {
        model.say(Outcome::Bad, &format!("{why}; e opens your text again"));
        let copy = secrets::draft_text(&draft.text, &draft.passwords);
        return vec![Effect::KeepDraft(connector.clone(), copy)];
    }
    refuse(model, draft, &[why.to_owned()])
}

fn title(session: &EditSession) -> String {
    match &session.connector {
        Some(name) => format!("edit {}", Text::name(name)),
        None => "new connector".to_owned(),
    }
}

/// The server looked at it: show errors by key, and the difference.
pub(super) fn validated(
    model: &mut Model,
    session: EditSession,
    infos: Result<Box<ConfigInfos>, Text>,
) -> Vec<Effect> {
    model.ui.busy = None;
    let infos = match infos {
        Ok(infos) => infos,
        Err(error) => return refuse(model, session, &[format!("validation: {error}")]),
    };
    let mut passwords = session.passwords.clone();
    passwords.extend(password_keys(&infos));
    let errors = errors(&infos, &passwords);
    if !errors.is_empty() || infos.error_count > 0 {
        return refuse(model, session, &errors);
    }
    let Some(config) = session.merged.clone() else {
        return Vec::new();
    };
    let changes = secrets::diff(&session.base, &config, &passwords);
    let name = session
        .connector
        .clone()
        .unwrap_or_else(|| ConnectorName::from(config.text("name").unwrap_or("")));
    let tasks = model
        .cluster()
        .connectors
        .get(&name)
        .map_or(0, |c| c.counts.total);
    let mut body: Vec<(Tone, Text)> = changes.iter().map(change_line).collect();
    body.push((
        Tone::Dim,
        Text::line(&match &session.connector {
            Some(_) => format!(
                "{}, validation OK, {} may restart",
                units::plural(changes.len(), "key"),
                units::plural(tasks, "task")
            ),
            None => "validation OK".to_owned(),
        }),
    ));
    let guarded = name.clone();
    let plan = vec![Planned {
        connector: name,
        verb: Verb::PutConfig {
            config,
            base: session
                .connector
                .is_some()
                .then(|| Arc::clone(&session.base)),
        },
        tasks: Vec::new(),
    }];
    let title = title(&session);
    let choices = vec![
        Choice::new(
            "Cancel",
            "forgets your text; esc keeps it for the next e",
            Choose::Discard(session.connector.clone()),
        ),
        Choice::new(
            "edit again",
            "opens the editor with your text",
            Choose::EditAgain(Box::new(session)),
        ),
        Choice::new(
            "write",
            "writes the configuration to the cluster",
            Choose::Act(plan),
        ),
    ];
    model.ui.dialog = Some(Dialog::new(title, body, choices, 0));
    verbs::guard(model, &[guarded], "write", false);
    Vec::new()
}

fn change_line(change: &Change) -> (Tone, Text) {
    match change {
        Change::Added(key, value) => (Tone::Good, Text::line(&format!("+ {key} = {value}"))),
        Change::Removed(key, value) => (Tone::Bad, Text::line(&format!("- {key} = {value}"))),
        Change::Changed(key, old, new) => {
            (Tone::Warn, Text::line(&format!("~ {key}: {old} -> {new}")))
        }
    }
}

/// Keys with type PASSWORD in an answer of validation.
fn password_keys(infos: &ConfigInfos) -> impl Iterator<Item = String> + '_ {
    infos
        .configs
        .iter()
        .filter_map(|config| config.definition.as_ref())
        .filter(|definition| definition.key_type == "PASSWORD")
        .map(|definition| definition.name.clone())
}

/// `key: error`, without the value of a secret.
pub(crate) fn errors(infos: &ConfigInfos, passwords: &PasswordKeys) -> Vec<String> {
    infos
        .configs
        .iter()
        .filter_map(|config| config.value.as_ref())
        .flat_map(|value| {
            value.errors.iter().map(move |error| {
                if passwords.contains(&value.name)
                    || secrets::is_secret(&value.name, "x", passwords)
                {
                    format!("{}: not accepted", value.name)
                } else {
                    format!("{}: {}", value.name, secrets::masked_text(error))
                }
            })
        })
        .collect()
}

/// Whether a server of this version can restart by plan (KIP-745, 3.0). Agents have a version of their own.
pub(crate) fn restarts_by_plan(version: &str) -> bool {
    match verbs::major_minor(version) {
        Some((0, _)) | None => true,
        Some((major, _)) => major >= 3,
    }
}
