//! Kafka's own classes, run on cases that are made anew: where its jars and Java are, what they answer.

#![allow(
    dead_code,
    reason = "each of the tests that share this needs a part of it"
)]

pub(crate) mod random;

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value as Json;
use sluice_tests::servers::{self, KAFKA_VERSION};

/// The folder with Kafka's jars, as `tests/servers/install` makes it; `None` without one, unless
/// `SLUICE_TEST_SERVERS` asks for it.
fn jars() -> Option<PathBuf> {
    let folder = servers::cache()
        .ok()?
        .join(format!("kafka-{KAFKA_VERSION}"));
    if folder.join("complete").is_file() {
        return Some(folder.join("libs"));
    }
    assert!(
        !servers::wanted(),
        "{}: run tests/servers/install",
        folder.display()
    );
    None
}

/// The seeds to run: that of `SLUICE_TEST_SEED`, else as many as `SLUICE_TEST_ROUNDS` says, which is one.
pub(crate) fn seeds() -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    match number("SLUICE_TEST_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("SLUICE_TEST_ROUNDS").unwrap_or(1)).collect(),
    }
}

/// What Kafka's classes make of cases, one line of JSON for each: see `golden/README.md`. `None`, and a word
/// about it, where there are no jars.
#[expect(clippy::print_stderr, reason = "says why nothing was compared")]
pub(crate) fn answers(cases: &Json) -> Option<String> {
    let Some(jars) = jars() else {
        eprintln!("skipped: no jars of Kafka (tests/servers/install)");
        return None;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("cases.json");
    std::fs::write(&file, cases.to_string()).expect("a file of cases");
    let program = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/golden/TransformationGolden.java"
    );
    let output = Command::new("java")
        .args(["-Dlog4j2.level=OFF", "-Xmx512m", "-XX:+UseSerialGC", "-cp"])
        .arg(jars.join("*"))
        .arg(program)
        .arg(&file)
        .env("TZ", "UTC")
        .output()
        .expect("java");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(String::from_utf8(output.stdout).expect("texts in UTF-8"))
}
