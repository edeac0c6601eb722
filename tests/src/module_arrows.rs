//! Rules about the modules of a crate: the arrows of their imports run downwards, so that a module
//! can be read with those below it alone.
//!
//! A circle of modules has no floor that is the lower one, so there must be none.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::workspace::{files_with, root};

/// The crates that keep the rule.
const CRATES: [&str; 7] = [
    "agent",
    "agent/kafka",
    "protocol",
    "tui",
    "agent/broker",
    "agent/plugins",
    "agent/api",
];

/// For each module at the top of a crate those that it names in code that is not a test; `lib` is what stands
/// in `lib.rs` itself.
type Arrows = BTreeMap<String, BTreeSet<String>>;

#[test]
fn modules_import_downwards_only() {
    for folder in CRATES {
        let arrows = arrows(&root().join(folder).join("src"));
        assert!(arrows.len() > 3, "found only {arrows:?} in {folder}");
        let found = circles(&arrows);
        let between: Vec<String> = found
            .iter()
            .flat_map(|circle| circle.iter().map(move |from| (circle, from)))
            .flat_map(|(circle, from)| {
                let to = arrows[from].intersection(circle);
                to.map(move |to| format!("{from} -> {to}"))
            })
            .collect();
        assert!(
            found.is_empty(),
            "modules of {folder} in a circle: {between:?}"
        );
    }
}

/// The modules that can be reached from themselves, together with those on the way.
fn circles(arrows: &Arrows) -> BTreeSet<BTreeSet<String>> {
    let reached = |from: &String| {
        let mut open = vec![from];
        let mut seen = BTreeSet::new();
        while let Some(module) = open.pop() {
            open.extend(
                arrows
                    .get(module)
                    .into_iter()
                    .flatten()
                    .filter(|next| seen.insert((*next).clone())),
            );
        }
        seen
    };
    let all: BTreeMap<&String, BTreeSet<String>> = arrows
        .keys()
        .map(|module| (module, reached(module)))
        .collect();
    all.iter()
        .filter(|(module, reached)| reached.contains(**module))
        .map(|(module, reached)| {
            let back = |other: &&String| all.get(other).is_some_and(|from| from.contains(*module));
            reached.iter().filter(back).cloned().collect()
        })
        .collect()
}

fn arrows(src: &Path) -> Arrows {
    let mut files = Vec::new();
    files_with(src, &["rs"], &mut files);
    let mut sources: Vec<(Vec<String>, String)> = Vec::new();
    for file in files {
        let path: Vec<String> = file
            .with_extension("")
            .strip_prefix(src)
            .expect("below src")
            .iter()
            .map(|part| part.to_string_lossy().into_owned())
            .filter(|part| part != "mod")
            .collect();
        let is_test = path
            .iter()
            .any(|part| part == "tests" || part.ends_with("_tests"));
        if !is_test {
            let text = std::fs::read_to_string(&file).expect("a source file");
            sources.push((path, code(&text)));
        }
    }
    let modules: BTreeSet<&str> = sources.iter().map(|(path, _)| path[0].as_str()).collect();
    let mut arrows = Arrows::new();
    for (path, code) in &sources {
        let from = &path[0];
        let to = arrows.entry(from.clone()).or_default();
        let is_root = from == "lib" || from == "main";
        for name in named_from_root(code, path.len(), is_root) {
            let target = if modules.contains(name) { name } else { "lib" };
            let exists = target != "lib" || modules.contains("lib");
            // What is named without `crate` in the root is a module, or another crate.
            let is_module = !is_root || modules.contains(name);
            if target != from && exists && is_module {
                to.insert(target.to_owned());
            }
        }
    }
    arrows
}

/// A source without comments and without its tests.
fn code(text: &str) -> String {
    let text = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    let line = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The first names of all paths that begin at the root of the crate, in a file this many modules below it.
fn named_from_root(code: &str, depth: usize, is_root: bool) -> Vec<&str> {
    let up = "super::".repeat(depth);
    let mut names = Vec::new();
    for start in ["crate::", up.as_str()] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            let whole = !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':');
            let rest = &code[at + start.len()..];
            if !whole || rest.starts_with("super::") {
                continue;
            }
            match rest.strip_prefix('{') {
                Some(group) => names.extend(group_names(group)),
                None => names.extend(identifier(rest)),
            }
        }
    }
    if is_root {
        let paths = code.match_indices("::").filter_map(|(at, _)| {
            let start = code[..at]
                .rfind(|c: char| !c.is_alphanumeric() && c != '_')
                .map_or(0, |at| at + 1);
            let first = !code[..start].ends_with(':');
            first.then(|| &code[start..at])
        });
        names.extend(paths);
    }
    names
}

fn identifier(text: &str) -> Option<&str> {
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    text.get(..end).filter(|name| !name.is_empty())
}

/// The first names of the paths in a group, of which the opening brace is gone.
fn group_names(group: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' | ',' if depth == 0 => {
                names.extend(identifier(group[start..at].trim_start()));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    names
}

#[test]
fn arrows_are_found_however_they_are_written() {
    let names = |code: &str, depth: usize| -> BTreeSet<String> {
        named_from_root(code, depth, false)
            .into_iter()
            .map(str::to_owned)
            .collect()
    };
    let of = |expected: &[&str]| {
        expected
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(names("use crate::rest::calls;", 1), of(&["rest"]));
    assert_eq!(
        names("use crate::{Value, schema::{Kind, Part}, json};", 1),
        of(&["Value", "schema", "json"])
    );
    assert_eq!(
        names("super::group::join(super::super::herder::X)", 2),
        of(&["herder"])
    );
    assert_eq!(names("use super::group;", 1), of(&["group"]));
    assert_eq!(
        code("a; // crate::x\nb;\n#[cfg(test)]\nmod tests { use crate::y; }"),
        "a; \nb;"
    );
    let circle: Arrows = [("a", "b"), ("b", "c"), ("c", "b")]
        .map(|(from, to)| (from.to_owned(), BTreeSet::from([to.to_owned()])))
        .into();
    assert_eq!(circles(&circle), BTreeSet::from([of(&["b", "c"])]));
}
