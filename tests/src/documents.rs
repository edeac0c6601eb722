//! Rules about the documents: links lead somewhere, the book has all of its pages, and lines fit a terminal.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workspace::root;

/// Columns of a line of prose; tables, code and links may be longer.
const COLUMNS: usize = 100;

/// All Markdown files, relative to the workspace.
fn documents() -> Vec<PathBuf> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "*.md",
        ])
        .current_dir(root())
        .output()
        .expect("git ls-files");
    let names = String::from_utf8(output.stdout).expect("names in UTF-8");
    let files: Vec<PathBuf> = names.lines().map(PathBuf::from).collect();
    // A file that is gone and not yet committed is still listed.
    let files: Vec<PathBuf> = files
        .into_iter()
        .filter(|file| root().join(file).exists())
        .collect();
    assert!(
        files.iter().any(|file| file.ends_with("README.md")),
        "{files:?}"
    );
    files
}

fn text(file: &Path) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|why| panic!("{}: {why}", file.display()))
}

/// Lines outside blocks of code, with their numbers from 1.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut in_code = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            lines.push((index + 1, line));
        }
    }
    lines
}

/// Targets of the links of a line: `[text](target)`.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
}

/// The name that a heading has in links to it, as GitHub and mdBook make it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    kept.chars()
        .filter_map(|letter| match letter {
            ' ' => Some('-'),
            letter if letter.is_alphanumeric() || "-_".contains(letter) => Some(letter),
            _ => None,
        })
        .collect()
}

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    for file in documents() {
        let text = text(&file);
        for (number, line) in prose(&text) {
            for link in links(line) {
                if link.contains("://") || link.starts_with("mailto:") {
                    continue;
                }
                let (target, heading) = link.split_once('#').unwrap_or((link, ""));
                let target = match target {
                    "" => file.clone(),
                    target => file.parent().unwrap_or(Path::new("")).join(target),
                };
                let there = root().join(&target);
                let found = there.exists()
                    && (heading.is_empty()
                        || fs::read_to_string(&there).is_ok_and(|text| {
                            let mut lines = prose(&text).into_iter();
                            lines.any(|(_, line)| line.starts_with('#') && anchor(line) == heading)
                        }));
                if !found {
                    broken.push(format!("{}:{number}: {link}", file.display()));
                }
            }
        }
    }
    assert!(
        broken.is_empty(),
        "links that lead nowhere:\n{}",
        broken.join("\n")
    );
}

#[test]
fn the_book_has_all_of_its_pages() {
    let summary = text(Path::new("docs/SUMMARY.md"));
    let listed: BTreeSet<PathBuf> = summary
        .lines()
        .flat_map(links)
        .map(|link| Path::new("docs").join(link))
        .collect();
    let pages: BTreeSet<PathBuf> = documents()
        .into_iter()
        .filter(|file| file.starts_with("docs") && !file.ends_with("SUMMARY.md"))
        .collect();
    let missing: Vec<_> = pages.difference(&listed).collect();
    assert!(
        missing.is_empty(),
        "docs/SUMMARY.md does not list {missing:?}"
    );
    let absent: Vec<_> = listed.difference(&pages).collect();
    assert!(
        absent.is_empty(),
        "docs/SUMMARY.md lists {absent:?}, which are not there"
    );
}

#[test]
fn lines_of_prose_fit_a_terminal() {
    let mut long = Vec::new();
    for file in documents()
        .into_iter()
        .filter(|file| file.starts_with("docs"))
    {
        let text = text(&file);
        for (number, line) in prose(&text) {
            let is_table = line.starts_with('|');
            let is_link = links(line).next().is_some();
            if line.chars().count() > COLUMNS && !is_table && !is_link && !line.starts_with("<!--")
            {
                long.push(format!("{}:{number}", file.display()));
            }
        }
    }
    assert!(
        long.is_empty(),
        "lines of more than {COLUMNS} columns: {}",
        long.join(", ")
    );
}
