//! The pages of `docs/reference` are what the definitions in the code say; `UPDATE_REFERENCE=1` writes them
//! again. That of the commands of `sluice` is made by `tui/tests/reference.rs`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failure is the finding of the test"
)]

#[path = "reference/telemetry.rs"]
mod telemetry;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sluice_agent::plugins::Plugins;
use sluice_agent::settings::{Mode, WorkerSettings};
use sluice_agent::telemetry::documented;
use sluice_api::config::{ConfigDef, ConfigKey, DefaultValue};
use sluice_protocol::rest::{PluginInfo, PluginType};

/// A page: its name under `docs/reference`, and its text.
type Pages = BTreeMap<String, String>;

const MADE: &str = "<!-- Made from the definitions by agent/tests/reference.rs; UPDATE_REFERENCE=1 writes it \
                    again. -->";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference")
}

/// The last part of a class: `Cast$Key` of `org.apache.kafka.connect.transforms.Cast$Key`.
fn simple(class: &str) -> &str {
    class.rsplit('.').next().unwrap_or(class)
}

/// A text in a cell of a table: on one line, its bars escaped, nothing of it HTML.
fn cell(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.replace('|', "\\|").replace('<', "&lt;")
}

fn code(text: &str) -> String {
    if text.is_empty() {
        return "empty".to_owned();
    }
    let text = text
        .replace('\n', "\\n")
        .replace('\t', "\\t")
        .replace('|', "\\|");
    format!("`{text}`")
}

fn default(key: &ConfigKey) -> String {
    match &key.default {
        DefaultValue::Required => "required".to_owned(),
        DefaultValue::Value(value) => value
            .display()
            .map_or_else(|| "none".to_owned(), |text| code(&text)),
    }
}

fn capitalised(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + rest.as_str()
}

/// A table of keys, in the order of the definition, under its headings where it has some.
fn keys(def: &ConfigDef) -> String {
    let mut text = String::new();
    let mut heading = None;
    for key in def.keys() {
        if text.is_empty() || key.group != heading {
            heading.clone_from(&key.group);
            if let Some(heading) = &heading {
                write!(text, "\n**{heading}**\n").unwrap();
            }
            text += "\n| key | type | default | importance | meaning |\n|---|---|---|---|---|\n";
        }
        let meaning = capitalised(&cell(&key.documentation));
        let (name, kind, importance) = (
            code(&key.name),
            key.kind.name().to_lowercase(),
            key.importance.name().to_lowercase(),
        );
        writeln!(
            text,
            "| {name} | {kind} | {} | {importance} | {meaning} |",
            default(key)
        )
        .unwrap();
    }
    if text.is_empty() {
        text += "\nIt has no keys.\n";
    }
    text
}

fn page(title: &str, introduction: &str, body: &str) -> String {
    format!("{MADE}\n\n# {title}\n\n{introduction}\n{body}")
}

fn worker() -> String {
    let distributed = WorkerSettings::definition(Mode::Distributed);
    let standalone = WorkerSettings::definition(Mode::Standalone);
    let mut only = ConfigDef::new();
    for key in standalone
        .keys()
        .filter(|key| !distributed.contains(&key.name))
    {
        only.add(key.clone());
    }
    let body = format!(
        "{}\n## Standalone\n\nWorkers without a cluster have this beside the keys that name no topic or \
         group:\n{}",
        keys(&distributed),
        keys(&only)
    );
    page(
        "Keys of a worker",
        "A worker reads a properties file with Kafka Connect's keys. Keys of Kafka's clients stand \
         beside\nthese, for all of its clients or behind `producer.`, `consumer.` and `admin.`; those of a \
         converter\nbehind the key that names it.",
        &body,
    )
}

/// Plugins of one kind on one page, those for keys and for values together.
fn several(plugins: &Plugins, kind: PluginType, title: &str, introduction: &str) -> String {
    let mut body = String::new();
    let infos: Vec<PluginInfo> = plugins
        .infos()
        .filter(|info| info.plugin_type == kind)
        .collect();
    let mut shown = Vec::new();
    for info in &infos {
        let base = info.class.split('$').next().unwrap_or_default();
        if shown.contains(&base) {
            continue;
        }
        shown.push(base);
        let twins = infos
            .iter()
            .filter(|other| other.class.split('$').next() == Some(base));
        let classes: Vec<String> = twins
            .map(|info| format!("- {}\n", code(&info.class)))
            .collect();
        let found = plugins.any(&info.class);
        let def = found.and_then(|(_, definition)| definition.if_at_hand());
        let def = def.unwrap_or_else(|| panic!("no {}", info.class));
        let name = simple(base);
        write!(body, "\n## {name}\n\n{}", classes.concat()).unwrap();
        body += &keys(&def);
    }
    page(title, introduction, &body)
}

fn connectors(plugins: &Plugins, pages: &mut Pages) {
    let mut list = String::new();
    for (kind, heading) in [(PluginType::Source, "Sources"), (PluginType::Sink, "Sinks")] {
        write!(list, "\n## {heading}\n\n").unwrap();
        for info in plugins.infos().filter(|info| info.plugin_type == kind) {
            let found = plugins.any(&info.class);
            let def = found.and_then(|(_, definition)| definition.if_at_hand());
            let def = def.unwrap_or_else(|| panic!("no {}", info.class));
            let vendor = info.class.split('.').nth(1).unwrap_or_default();
            let file = format!("{}-{vendor}.md", simple(&info.class).to_lowercase());
            let introduction = format!(
                "`{}`\n\nThese stand beside the keys that all connectors have.",
                info.class
            );
            pages.insert(
                format!("connectors/{file}"),
                page(simple(&info.class), &introduction, &keys(&def)),
            );
            writeln!(
                list,
                "- [{}](connectors/{file}): `{}`",
                simple(&info.class),
                info.class
            )
            .unwrap();
        }
    }
    pages.insert(
        "connectors.md".to_owned(),
        page(
            "Connectors",
            "All are in the binary; `GET /connector-plugins` lists them.",
            &list,
        ),
    );
}

fn metrics() -> String {
    let mut body = String::new();
    for subject in documented() {
        let labels: Vec<String> = subject.labels.iter().map(|label| code(label)).collect();
        let labels = match labels.as_slice() {
            [] => String::new(),
            labels => format!("Labels: {}.\n\n", labels.join(", ")),
        };
        let head = "| name | type | meaning |\n|---|---|---|";
        write!(body, "\n## {}\n\n{labels}{head}\n", subject.bean).unwrap();
        for (name, kind, help) in subject.rows {
            writeln!(body, "| {} | {kind} | {} |", code(&name), cell(help)).unwrap();
        }
    }
    page(
        "Metrics",
        "`GET /metrics` answers these in Prometheus' text format: the attributes of Kafka Connect's MBeans\n\
         of the type in each heading, under the names that the JMX exporter makes of them with Strimzi's\n\
         rules. A name with a label in braces is always 1; the label holds the text. What a subject does\n\
         not have is left out.",
        &body,
    )
}

fn telemetry() -> String {
    let (introduction, body) = telemetry::page();
    page("Telemetry", &introduction, &body)
}

/// What the program `sluice-agent` says of itself.
fn agent() -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice-agent"));
    for variable in ["COLUMNS", "SLUICE_LOG_FORMAT", "SLUICE_LOG_LEVEL"] {
        command.env_remove(variable);
    }
    let answer = command.arg("--help").output().unwrap();
    let help = String::from_utf8(answer.stdout).unwrap();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    page(
        "sluice-agent",
        "The worker alone, for hosts that need no terminal; `sluice agent` and `sluice standalone` run the\n\
         same.",
        &format!("\n```text\n{}\n```\n", help.join("\n")),
    )
}

fn pages() -> Pages {
    let plugins = Plugins::built_in();
    let mut pages = Pages::new();
    pages.insert("worker.md".to_owned(), worker());
    pages.insert("metrics.md".to_owned(), metrics());
    pages.insert("telemetry.md".to_owned(), telemetry());
    pages.insert("sluice-agent.md".to_owned(), agent());
    connectors(&plugins, &mut pages);
    for (file, kind, title, introduction) in [
        (
            "transformations.md",
            PluginType::Transformation,
            "Transformations",
            "`transforms=NAME,...` names them in the order in which they are applied; `transforms.NAME.type` \
             is\nthe class, and the keys below follow `transforms.NAME.`.",
        ),
        (
            "predicates.md",
            PluginType::Predicate,
            "Predicates",
            "`predicates=NAME,...` names them, `predicates.NAME.type` is the class. A transformation with\n\
             `transforms.X.predicate=NAME` applies where it holds, with `transforms.X.negate=true` where it\n\
             does not.",
        ),
        (
            "converters.md",
            PluginType::Converter,
            "Converters",
            "`key.converter` and `value.converter`, of a worker or of a connector; their keys follow with a\n\
             point.",
        ),
        (
            "header-converters.md",
            PluginType::HeaderConverter,
            "Header converters",
            "`header.converter`, of a worker or of a connector; its keys follow with a point.",
        ),
    ] {
        pages.insert(
            file.to_owned(),
            several(&plugins, kind, title, introduction),
        );
    }
    pages
}

#[test]
fn reference_is_what_the_definitions_say() {
    let (folder, pages) = (folder(), pages());
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        let _ = fs::remove_dir_all(folder.join("connectors"));
        for (file, text) in &pages {
            let file = folder.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
    }
    for (file, text) in &pages {
        let written = fs::read_to_string(folder.join(file)).unwrap_or_default();
        let differs = written
            .lines()
            .zip(text.lines())
            .find(|(written, made)| written != made);
        assert!(
            written == *text,
            "docs/reference/{file} differs from the definitions, first at {differs:?}; UPDATE_REFERENCE=1 \
             writes it again"
        );
    }
    for entry in fs::read_dir(folder.join("connectors")).unwrap() {
        let name = format!(
            "connectors/{}",
            entry.unwrap().file_name().to_string_lossy()
        );
        assert!(
            pages.contains_key(&name),
            "docs/reference/{name} is of no connector"
        );
    }
}
