//! Editing a configuration.

use super::*;

fn edit(model: &mut Model, change: impl Fn(&str) -> String) -> Vec<Effect> {
    let effects = type_in(model, "e");
    let Some(Effect::LoadConfig(name)) = effects.first().cloned() else {
        panic!("{effects:?}");
    };
    let stored = ConfigMap::from([
        ("name", name.as_str()),
        ("connector.class", "X"),
        ("db.password", "geheim"),
        ("a", "1"),
    ]);
    let effects = update(
        model,
        Message::ConfigLoaded(name, Ok((stored, Default::default()))),
    );
    let Some(Effect::Edit(session)) = effects.into_iter().next() else {
        panic!("no editor");
    };
    assert!(!session.text.contains("geheim"));
    let text = change(&session.text);
    update(model, Message::EditorClosed(session, Ok(text)))
}

#[test]
fn an_edit_is_validated_shown_and_written_with_the_stored_secret() {
    let mut model = fixtures::failing();
    let effects = edit(&mut model, |text| text.replace("\"1\"", "\"2\""));
    let Some(Effect::Validate { session, config }) = effects.into_iter().next() else {
        panic!("not validated");
    };
    assert_eq!(config.text("db.password"), Some("geheim"));
    let fine = ConfigInfos {
        name: "X".into(),
        error_count: 0,
        groups: Vec::new(),
        configs: Vec::new(),
    };
    update(&mut model, Message::Validated(session, Ok(Box::new(fine))));
    let dialog = model.ui.dialog.clone().unwrap();
    let body: Vec<&str> = dialog.body.iter().map(|(_, line)| line.as_str()).collect();
    assert_eq!(body[0], "~ a: 1 -> 2");
    assert_eq!(dialog.selected, 0, "Cancel has the focus");
    let effects = type_in(&mut model, "y");
    let Some(Effect::Act {
        verb: Verb::PutConfig {
            config,
            base: Some(base),
        },
        ..
    }) = effects.get(1)
    else {
        panic!("{effects:?}");
    };
    assert_eq!((config.text("a"), base.text("a")), (Some("2"), Some("1")));
    assert_eq!(config.text("db.password"), Some("geheim"));
}

#[test]
fn an_edit_without_change_writes_nothing() {
    let mut model = fixtures::failing();
    let effects = edit(&mut model, str::to_owned);
    assert!(matches!(effects[..], [Effect::DropDraft(_)]), "{effects:?}");
    assert_eq!(flash(&model), "nothing changed, nothing written");
}

#[test]
fn a_wrong_edit_offers_the_editor_again_with_the_text() {
    let mut model = fixtures::failing();
    let effects = edit(&mut model, |_| "{ not json".to_owned());
    let [Effect::KeepDraft(connector, copy)] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert_eq!(copy, "{ not json\n");
    let place = Ok(crate::text::Text::from("/state/x.json"));
    update(&mut model, Message::DraftKept(connector.clone(), place));
    let body = &model.ui.dialog.as_ref().unwrap().body;
    assert!(body[1].1.as_str().ends_with("/state/x.json"), "{body:?}");
    let effects = type_in(&mut model, "\n");
    assert!(matches!(effects.first(), Some(Effect::Edit(session)) if session.text == "{ not json"));
    let mut model = fixtures::failing();
    edit(&mut model, |text| {
        text.replace("\"name\": \"", "\"name\": \"x")
    });
    let body = &model.ui.dialog.as_ref().unwrap().body;
    assert!(
        body[0].1.as_str().starts_with("name: can't be changed"),
        "{body:?}"
    );
}

#[test]
fn errors_of_validation_are_shown_by_key_without_secret_values() {
    let mut model = fixtures::failing();
    let effects = edit(&mut model, |text| text.replace("\"1\"", "\"2\""));
    let Some(Effect::Validate { session, .. }) = effects.into_iter().next() else {
        panic!("not validated");
    };
    let wrong = |name: &str, kind: &str| ConfigInfo {
        definition: Some(ConfigKeyInfo {
            name: name.into(),
            key_type: kind.into(),
            required: true,
            default_value: None,
            importance: "HIGH".into(),
            documentation: None,
            group: None,
            order_in_group: -1,
            width: None,
            display_name: None,
            dependents: Vec::new(),
        }),
        value: Some(ConfigValueInfo {
            name: name.into(),
            value: None,
            recommended_values: Vec::new(),
            errors: vec!["Invalid value geheim".into()],
            visible: true,
        }),
    };
    let infos = ConfigInfos {
        name: "X".into(),
        error_count: 2,
        groups: Vec::new(),
        configs: vec![wrong("tasks.max", "INT"), wrong("blob", "PASSWORD")],
    };
    update(&mut model, Message::Validated(session, Ok(Box::new(infos))));
    let body: Vec<String> = model
        .ui
        .dialog
        .unwrap()
        .body
        .iter()
        .map(|(_, line)| line.to_string())
        .collect();
    assert_eq!(
        body,
        ["tasks.max: Invalid value geheim", "blob: not accepted"]
    );
}

#[test]
fn a_new_connector_needs_a_name_that_is_free() {
    let mut model = fixtures::failing();
    let effects = type_in(&mut model, "a");
    let Some(Effect::Edit(session)) = effects.into_iter().next() else {
        panic!("no editor");
    };
    let taken = r#"{"name":"ghost-es-0003","connector.class":"X"}"#;
    let effects = update(
        &mut model,
        Message::EditorClosed(session.clone(), Ok(taken.into())),
    );
    assert!(
        matches!(effects[..], [Effect::KeepDraft(None, _)]),
        "{effects:?}"
    );
    assert!(
        model.ui.dialog.take().unwrap().body[0]
            .1
            .as_str()
            .contains("exists already")
    );
    let free = r#"{"name":"n","connector.class":"X"}"#;
    let effects = update(&mut model, Message::EditorClosed(session, Ok(free.into())));
    assert!(matches!(effects.first(), Some(Effect::Validate { .. })));
}
