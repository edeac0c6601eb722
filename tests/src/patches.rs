//! The two changes of `tests/patches`: what CONTRIBUTING says that they touch. `tests/patches/run` builds them.

use std::collections::BTreeMap;
use std::fs;

use crate::workspace::root;

/// Files that a patch changes, by what it says itself.
fn touched(patch: &str) -> usize {
    patch
        .lines()
        .filter(|line| line.starts_with("diff --git "))
        .count()
}

/// The patches that CONTRIBUTING links, with the number of files behind each: `| [text](link) | 6 |`.
fn stated(contributing: &str) -> BTreeMap<String, usize> {
    let rows = contributing
        .lines()
        .filter_map(|line| line.split_once("](tests/patches/"));
    rows.filter_map(|(_, row)| {
        let (name, rest) = row.split_once(')')?;
        let number = rest.trim_matches(['|', ' ']).parse().ok()?;
        Some((name.to_owned(), number))
    })
    .collect()
}

#[test]
fn patches_touch_as_many_files_as_contributing_says() {
    let contributing = fs::read_to_string(root().join("CONTRIBUTING.md")).expect("CONTRIBUTING.md");
    let mut counted = BTreeMap::new();
    for entry in fs::read_dir(root().join("tests/patches")).expect("tests/patches") {
        let path = entry.expect("an entry of tests/patches").path();
        if path
            .extension()
            .is_some_and(|extension| extension == "patch")
        {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            counted.insert(name, touched(&fs::read_to_string(&path).expect("a patch")));
        }
    }
    assert!(counted.len() >= 2, "{counted:?}");
    assert_eq!(
        stated(&contributing),
        counted,
        "left what CONTRIBUTING.md says, right what the patches touch"
    );
}
