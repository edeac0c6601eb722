//! `sluice-agent` as a program: what it says of itself, and its exit status.

#![expect(clippy::unwrap_used, reason = "a failure is the finding of the test")]

use std::process::{Command, Output};

fn program(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice-agent"));
    command
        .env_remove("SLUICE_LOG_FORMAT")
        .env_remove("SLUICE_LOG_LEVEL");
    let Output {
        status,
        stdout,
        stderr,
    } = command.args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn help_and_version_are_answers_and_mistakes_are_errors() {
    let (code, help, _) = program(&["--help"]);
    assert_eq!(code, 0);
    for part in [
        "<WORKER>",
        "[CONNECTORS]...",
        "--log-format",
        "SLUICE_LOG_LEVEL",
        "embedded:DIR",
    ] {
        assert!(help.contains(part), "no {part} in {help}");
    }
    let (code, version, _) = program(&["--version"]);
    assert_eq!(
        (code, version.trim()),
        (0, concat!("sluice-agent ", env!("CARGO_PKG_VERSION")))
    );
    for (arguments, wanted, part) in [
        (&[][..], 1, "<WORKER>"),
        (&["--bogus"], 1, "--bogus"),
        (&["worker.properties", "--log-format", "xml"], 1, "xml"),
        (&["worker.properties", "--log-level", "LOUD"], 1, "LOUD"),
        (&["/none/worker.properties"], 2, "/none/worker.properties"),
        (
            &["/none/worker.properties", "c.json"],
            2,
            "/none/worker.properties",
        ),
    ] {
        let (code, _, said) = program(arguments);
        assert_eq!(code, wanted, "{arguments:?}: {said}");
        assert!(said.contains(part), "{arguments:?}: {said}");
    }
}
