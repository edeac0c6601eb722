//! The page of the commands is what `sluice` says of itself; `UPDATE_REFERENCE=1` writes it again.

#![expect(clippy::unwrap_used, reason = "a failure is the finding of the test")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

const HEAD: &str =
    "<!-- Made from the definitions by tui/tests/reference.rs; UPDATE_REFERENCE=1 writes it \
                    again. -->

# Commands

Each command answers `--help` with what stands here. For the worker alone there is
[sluice-agent](sluice-agent.md).
";

/// The help of a command, at the width that it has without a terminal.
fn help(command: &[String]) -> String {
    let mut sluice = Command::new(env!("CARGO_BIN_EXE_sluice"));
    for variable in [
        "COLUMNS",
        "SLUICE_CONFIG",
        "SLUICE_LOG_FORMAT",
        "SLUICE_LOG_LEVEL",
    ] {
        sluice.env_remove(variable);
    }
    let answer = sluice.args(command).arg("--help").output().unwrap();
    assert!(answer.status.success(), "{command:?}: {answer:?}");
    let text = String::from_utf8(answer.stdout).unwrap();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

/// The commands that a help lists, without the one that prints it.
fn commands(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    listed
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

/// The chapters of a command and of those below it.
fn chapters(command: &[String], page: &mut String) {
    let help = help(command);
    let name = [&["sluice".to_owned()], command].concat().join(" ");
    write!(page, "\n## {name}\n\n```text\n{help}\n```\n").unwrap();
    for below in commands(&help) {
        chapters(&[command, &[below]].concat(), page);
    }
}

#[test]
fn the_reference_has_every_command() {
    let mut page = HEAD.to_owned();
    chapters(&[], &mut page);
    for command in [
        "get",
        "apply",
        "check",
        "agent",
        "standalone",
        "broker",
        "demo",
        "completions",
    ] {
        assert!(
            page.contains(&format!("\n## sluice {command}\n")),
            "no {command} in {page}"
        );
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/commands.md");
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        fs::write(&file, &page).unwrap();
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    let differs = written
        .lines()
        .zip(page.lines())
        .find(|(written, made)| written != made);
    assert!(
        written == page,
        "docs/reference/commands.md differs from what the commands say, first at {differs:?}; \
         UPDATE_REFERENCE=1 writes it again"
    );
}
