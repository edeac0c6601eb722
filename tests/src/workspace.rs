//! Rules about the workspace itself: which crate may know which, and how many packages we build on.
//!
//! The arrows are those of ARCHITECTURE.md: `tui -> protocol <- agent -> api <- plugins, connectors`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The lock file may list this many packages; a change that needs more says why it is worth them.
///
/// Of these some fifty are the clients of the JDBC connectors (tokio-postgres, mysql_async, rusqlite), and
/// thirty-six HDFS's and Parquet's (hdfs-native, parquet). Six more check documents against a JSON Schema
/// (boon), which `FromJson` does if it is asked to; jsonschema would have been more than twice that. Nineteen are ours:
/// a crate is split where that lets a part be read, tested and fuzzed alone.
const MOST_PACKAGES: usize = 529;

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace around this crate")
}

/// For each crate of the workspace the packages it names in `[dependencies]` (not those for tests or builds).
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(root())
        .output()
        .expect("cargo metadata");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata as JSON");
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let name = |value: &Value| value["name"].as_str().unwrap_or_default().to_owned();
    list(&metadata["packages"])
        .iter()
        .map(|package| {
            let named = list(&package["dependencies"])
                .iter()
                .filter(|dependency| dependency["kind"].is_null())
                .map(name)
                .collect();
            (name(package), named)
        })
        .collect()
}

/// A crate and everything of the workspace it reaches, as it were linked.
fn reached(all: &BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<String> {
    let mut open = vec![from.to_owned()];
    let mut seen = BTreeSet::new();
    while let Some(name) = open.pop() {
        for next in all.get(&name).into_iter().flatten() {
            if seen.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    seen
}

fn own(names: &BTreeSet<String>) -> BTreeSet<&str> {
    names
        .iter()
        .map(String::as_str)
        .filter(|name| *name == "sluice" || name.starts_with("sluice-"))
        .collect()
}

#[test]
fn crates_know_only_those_the_architecture_lets_them_know() {
    let all = dependencies();
    for (name, named) in &all {
        let allowed: &[&str] = match name.as_str() {
            "sluice-protocol" | "sluice-jvm-text" | "sluice-wire" | "sluice-keystore" => &[],
            "sluice-api" => &["sluice-jvm-text"],
            "sluice-plugins" => &["sluice-api", "sluice-jvm-text", "sluice-keystore"],
            // What several connectors need, on top of the contract and the converters' encoders.
            "sluice-toolkit" => &["sluice-api", "sluice-jvm-text", "sluice-plugins"],
            // Both ends of the wire check the other's lengths by the same layouts.
            "sluice-broker" => &["sluice-wire"],
            "sluice-kafka" => &["sluice-api", "sluice-keystore", "sluice-wire"],
            "sluice-agent" => &[
                "sluice-api",
                "sluice-broker",
                "sluice-jvm-text",
                "sluice-kafka",
                "sluice-keystore",
                "sluice-plugins",
                "sluice-protocol",
            ],
            // The terminal asks about groups and offsets as the worker does, and its own mapping starts there.
            "sluice" => &[
                "sluice-agent",
                "sluice-broker",
                "sluice-kafka",
                "sluice-protocol",
            ],
            "sluice-tests" => &["sluice-protocol"],
            // The one connector whose other system is Kafka.
            "sluice-connector-mirror" => &["sluice-api", "sluice-jvm-text", "sluice-kafka"],
            // Of the plugins: files hold what the converters' encoders make of values, and records of
            // Avro become Connect's by the rules of the Avro converter.
            connector if connector.starts_with("sluice-connector-") => &[
                "sluice-api",
                "sluice-jvm-text",
                "sluice-plugins",
                "sluice-toolkit",
            ],
            other => panic!("{other} is not in the list of crates: say here what it may know"),
        };
        for other in own(named) {
            let connector = name == "sluice-agent" && other.starts_with("sluice-connector-");
            assert!(
                allowed.contains(&other) || connector,
                "{name} must not depend on {other}"
            );
        }
    }
}

#[test]
fn crates_stay_free_of_what_they_must_never_hold() {
    const CLIENTS: [&str; 4] = ["rdkafka", "kafka-protocol", "reqwest", "axum"];
    const TERMINAL: [&str; 3] = ["ratatui", "crossterm", "portable-pty"];
    let all = dependencies();
    for (name, _) in all.iter().filter(|(name, _)| *name != "sluice-tests") {
        let reached = reached(&all, name);
        let mut never: Vec<&str> = Vec::new();
        match name.as_str() {
            "sluice-protocol" => {
                never.extend(CLIENTS);
                never.extend(TERMINAL);
                never.push("tokio");
            }
            "sluice" => {}
            "sluice-agent" => never.extend(TERMINAL),
            // The broker speaks the protocol as a server, and is no client of anything.
            "sluice-broker" => {
                never.extend(["rdkafka", "reqwest", "axum"]);
                never.extend(TERMINAL);
            }
            "sluice-kafka" | "sluice-connector-mirror" => {
                never.push("axum");
                never.extend(TERMINAL);
            }
            // Plugins and connectors talk to other systems, but never to Kafka: the runtime does.
            _ => {
                never.extend(["rdkafka", "kafka-protocol", "axum"]);
                never.extend(TERMINAL);
            }
        }
        for package in never {
            assert!(
                !reached.contains(package),
                "{name} must not reach {package}"
            );
        }
    }
}

/// `CONTRIBUTING.md` promises it to whoever adds one.
#[test]
fn a_connector_is_a_folder_a_feature_and_a_line() {
    let mut files = Vec::new();
    for folder in ["agent", "protocol", "tui"] {
        files_with(&root().join(folder), &["rs", "toml"], &mut files);
    }
    files.push(root().join("Cargo.toml"));
    let connectors = std::fs::read_dir(root().join("agent/connectors")).expect("a folder");
    let mut seen = 0;
    for connector in connectors.flatten().map(|entry| entry.path()) {
        let name = connector.file_name().and_then(|name| name.to_str());
        let name = format!("sluice-connector-{}", name.expect("a name in ASCII"));
        let naming: BTreeSet<&Path> = files
            .iter()
            .filter(|file| !file.starts_with(&connector))
            .filter(|file| {
                let text = std::fs::read_to_string(file).expect("a source file");
                // Whole names: one connector's may begin another's.
                [name.clone(), name.replace('-', "_")].iter().any(|name| {
                    text.match_indices(name).any(|(at, _)| {
                        let next = text[at + name.len()..].chars().next();
                        !next.is_some_and(|c| c.is_alphanumeric() || c == '-' || c == '_')
                    })
                })
            })
            .map(|file| file.strip_prefix(root()).expect("below the root"))
            .collect();
        let list = Path::new("agent/src/plugins.rs");
        let feature = Path::new("agent/Cargo.toml");
        // The file connector is Kafka's own, comes always, and has the tests and loggers of the worker.
        let allowed = match name.as_str() {
            "sluice-connector-file" => naming.clone(),
            _ => BTreeSet::from([feature, list]),
        };
        assert_eq!(naming, allowed, "{name}");
        seen += 1;
    }
    assert!(seen >= 5, "found only {seen} connectors");
}

/// The example of CONTRIBUTING.
#[test]
fn the_http_connector_stays_under_150_lines() {
    let mut files = Vec::new();
    files_with(
        &root().join("agent/connectors/http/src"),
        &["rs"],
        &mut files,
    );
    let lines = |file: &PathBuf| {
        std::fs::read_to_string(file)
            .expect("a source file")
            .lines()
            .count()
    };
    let lines: usize = files.iter().map(lines).sum();
    assert!((50..150).contains(&lines), "{lines} lines in {files:?}");
}

#[test]
fn only_main_and_demo_of_the_terminal_name_the_agent() {
    let mut files = Vec::new();
    files_with(&root().join("tui/src"), &["rs"], &mut files);
    assert!(files.len() > 3, "found only {files:?}");
    for file in files {
        let own = file
            .strip_prefix(root().join("tui/src"))
            .expect("below tui/src");
        if own == Path::new("main.rs") || own.starts_with("demo.rs") || own.starts_with("demo") {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("a source file");
        assert!(
            !text.contains("sluice_agent"),
            "{} names the agent crate",
            file.display()
        );
    }
}

/// The modules of the terminal, each below those that may name it.
const TERMINAL_MODULES: [&str; 20] = [
    "text", "units", "cli", "terminal", "editor", "model", "keys", "layout", "theme", "effect",
    "contexts", "message", "screen", "conn", "update", "view", "actions", "headless", "runtime",
    "demo",
];

#[test]
fn modules_of_the_terminal_name_only_those_below_them() {
    let mut files = Vec::new();
    files_with(&root().join("tui/src"), &["rs"], &mut files);
    let mut arrows = 0;
    for file in files {
        let own = file.strip_prefix(root().join("tui/src")).expect("below it");
        let own = own.to_str().expect("a path in ASCII");
        // Tests may name all of it, and `main` does.
        if own == "main.rs" || own.contains("tests") || own.contains("fixtures") {
            continue;
        }
        let module = own.split(['/', '.']).next().unwrap_or_default();
        let place = |name: &str| TERMINAL_MODULES.iter().position(|other| *other == name);
        let above = place(module).unwrap_or_else(|| panic!("{module} is not in the list"));
        let text = std::fs::read_to_string(&file).expect("a source file");
        let code = text.split("#[cfg(test)]\nmod tests {").next();
        let code = code.unwrap_or_default();
        for named in named_in_crate(code) {
            // Items of `main.rs` itself are none of these.
            let Some(below) = place(named) else { continue };
            arrows += 1;
            assert!(below <= above, "{own} names {named}, which is above it");
            // What is drawn depends on the model alone, and what a key does not on how that is drawn.
            assert!((module, named) != ("view", "update"), "{own} names {named}");
        }
    }
    assert!(arrows > 100, "found only {arrows} arrows");
}

/// The modules that paths with `crate::` name, those in braces included.
fn named_in_crate(code: &str) -> Vec<&str> {
    let mut named = Vec::new();
    for (at, start) in code.match_indices("crate::") {
        let rest = &code[at + start.len()..];
        let list = rest.strip_prefix('{').and_then(|list| list.split_once('}'));
        let paths = list.map_or(vec![rest], |(list, _)| list.split(',').collect());
        for path in paths {
            let path = path.trim_start();
            let end = path.find(|c: char| !c.is_alphanumeric() && c != '_');
            named.push(&path[..end.unwrap_or(path.len())]);
        }
    }
    named
}

/// `CONTRIBUTING.md` promises it. Beside its file and its line in the list a screen is named only
/// by what leads to it: keys, words, commands for scripts and other screens.
#[test]
fn a_screen_is_a_file_and_a_line() {
    const SHARED: [&str; 6] = ["mod", "cell", "column", "part", "rows", "words"];
    const LEADS: [&str; 4] = [
        "update/commands.rs",
        "update/line.rs",
        "headless/get.rs",
        "headless/rows.rs",
    ];
    let source = root().join("tui/src");
    let read = |path: &Path| std::fs::read_to_string(path).expect("a source file");
    let list = read(&source.join("screen/mod.rs"));
    let list = list.split("#[cfg(test)]").next().unwrap_or_default();
    let mut files = Vec::new();
    files_with(&source, &["rs"], &mut files);
    let outside = files.iter().filter(|file| {
        let own = file.strip_prefix(&source).expect("below it");
        let own = own.to_str().expect("a path in ASCII");
        !own.starts_with("screen") && !own.contains("tests") && !LEADS.contains(&own)
    });
    let outside: Vec<(&PathBuf, String)> = outside.map(|file| (file, read(file))).collect();
    let entries = std::fs::read_dir(source.join("screen")).expect("a folder");
    let mut seen = 0;
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_stem().and_then(|name| name.to_str());
        let name = name.expect("a name in ASCII");
        if SHARED.contains(&name) {
            continue;
        }
        let line = format!("&{name}::");
        assert_eq!(list.matches(&line).count(), 1, "{line} in the list");
        assert_eq!(list.matches(&format!("{name}::")).count(), 1, "{name}");
        for (file, text) in &outside {
            let named = text.contains(&format!("screen::{name}"));
            assert!(!named, "{} names the screen {name}", file.display());
        }
        seen += 1;
    }
    assert!(seen >= 8, "found only {seen} screens");
}

#[test]
fn the_lock_file_stays_small() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).expect("Cargo.lock");
    let packages = lock.lines().filter(|line| *line == "[[package]]").count();
    assert!(
        packages <= MOST_PACKAGES,
        "{packages} packages in Cargo.lock, agreed are {MOST_PACKAGES}"
    );
}

pub(crate) fn files_with(folder: &Path, extensions: &[&str], found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).expect("a source folder");
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            files_with(&path, extensions, found);
        } else if let Some(extension) = path.extension().and_then(|extension| extension.to_str())
            && extensions.contains(&extension)
        {
            found.push(path);
        }
    }
}
