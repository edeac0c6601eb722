use std::os::unix::fs::symlink;

use super::*;

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn hosts(list: &[&str]) -> Reach {
    Reach::new(&[], &texts(list)).unwrap()
}

fn allows(reach: &Reach, host: &str, port: u16) -> bool {
    reach.refusal(&Place::host(host, Some(port))).is_none()
}

#[test]
fn hosts_are_those_of_the_list_however_they_are_written() {
    let reach = hosts(&[
        "db.example.com",
        "kafka:9092",
        "*.shop.example.com",
        "*.web.example.com:443",
        "10.1.0.0/16",
        "192.168.1.7:8080",
        "[fd00::1]:8081",
        "fd00:1::/32",
        "127.0.0.1",
    ]);
    for (host, port) in [
        ("db.example.com", 1),
        ("DB.Example.com.", 5432),
        ("kafka", 9092),
        ("a.shop.example.com", 1),
        ("a.b.shop.example.com", 1),
        ("a.web.example.com", 443),
        ("10.1.255.255", 1),
        ("::ffff:10.1.2.3", 1),
        ("192.168.1.7", 8080),
        ("[fd00::1]", 8081),
        ("fd00:1:2::3", 1),
        ("127.0.0.1", 22),
    ] {
        assert!(allows(&reach, host, port), "{host}:{port}");
    }
    for (host, port) in [
        ("db.example.com.evil.org", 1),
        ("xdb.example.com", 1),
        ("kafka", 9093),
        ("shop.example.com", 1),
        ("evilshop.example.com", 1),
        ("a.web.example.com", 80),
        ("evil#.shop.example.com", 1),
        ("evil/.shop.example.com", 1),
        ("10.2.0.0", 1),
        ("10.1", 1),
        ("0x0a010001", 1),
        ("192.168.1.7", 22),
        ("fd00::1", 8082),
        ("fd01:1::", 1),
        ("localhost", 22),
        ("2130706433", 22),
        ("::1", 22),
        ("", 1),
    ] {
        assert!(!allows(&reach, host, port), "{host}:{port}");
    }
    assert!(allows(&Reach::default(), "anything", 1));
    let open_port = Place::host("kafka", None);
    assert!(reach.refusal(&open_port).is_some(), "the entry has a port");
    let refusal = reach.refusal(&Place::host("metadata", Some(80))).unwrap();
    assert!(
        refusal.contains("metadata:80") && refusal.contains("sluice.http.hosts"),
        "{refusal}"
    );
}

#[test]
fn what_is_neither_a_host_nor_a_folder_is_a_fault_each() {
    let entries = [
        "http://a",
        "a:b",
        "*",
        "*a.b",
        "10.0.0.0/33",
        "a b",
        "",
        "[::1",
        "a:99999",
    ];
    let faults =
        Reach::new(&texts(&["relative", "/does/not/exist"]), &texts(&entries)).unwrap_err();
    assert_eq!(faults.len(), 2 + entries.len(), "{faults:?}");
    assert!(
        faults[0]
            .0
            .contains("relative for configuration sluice.file.roots"),
        "{faults:?}"
    );
    assert!(
        faults[2]
            .0
            .contains("http://a for configuration sluice.http.hosts"),
        "{faults:?}"
    );
}

/// A folder that is allowed, with its parent.
fn folder() -> (tempfile::TempDir, PathBuf, Reach) {
    let parent = tempfile::tempdir().unwrap();
    let root = parent.path().join("root");
    fs::create_dir_all(root.join("inner")).unwrap();
    let reach = Reach::new(&texts(&[root.to_str().unwrap()]), &[]).unwrap();
    (parent, root, reach)
}

fn beneath(reach: &Reach, path: impl Into<PathBuf>) -> bool {
    reach.refusal(&Place::File(path.into())).is_none()
}

#[test]
fn files_are_beneath_a_root_by_where_their_path_leads() {
    let (parent, root, reach) = folder();
    fs::write(root.join("file"), "x").unwrap();
    fs::write(parent.path().join("secret"), "x").unwrap();
    symlink(parent.path(), root.join("up")).unwrap();
    symlink("file", root.join("same")).unwrap();
    symlink(parent.path().join("to-come"), root.join("dangling")).unwrap();
    symlink("../to-come", root.join("relative")).unwrap();
    symlink("inner/to-come", root.join("within")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    symlink(&root, parent.path().join("alias")).unwrap();
    for path in [
        "file",
        "new",
        "a/b/new",
        "inner/../file",
        "./file",
        "same",
        "within",
        "",
        "inner/",
    ] {
        assert!(beneath(&reach, root.join(path)), "{path}");
    }
    assert!(beneath(&reach, parent.path().join("alias/new")));
    for path in [
        "../secret",
        "../rootless",
        "up/secret",
        "up/new",
        "dangling",
        "relative",
        "loop",
        "none/../../secret",
        "none/../new",
        "inner/../../secret",
    ] {
        assert!(!beneath(&reach, root.join(path)), "{path}");
    }
    for path in [
        "/etc/passwd",
        "/dev/stdin",
        "/proc/self/environ",
        "Cargo.toml",
        ".",
    ] {
        assert!(!beneath(&reach, path), "{path}");
        assert!(beneath(&Reach::default(), path), "{path}");
    }
    let why = reach
        .fault("file", &[Place::File("/etc/passwd".into())])
        .unwrap();
    assert!(
        why.message.starts_with("file: /etc/passwd ") && why.message.contains("sluice.file.roots")
    );
}

#[test]
fn a_root_that_is_a_link_counts_as_what_it_points_to() {
    let (parent, root, _) = folder();
    let link = parent.path().join("link");
    symlink(&root, &link).unwrap();
    let reach = Reach::new(&texts(&[link.to_str().unwrap()]), &[]).unwrap();
    assert!(beneath(&reach, link.join("new")) && beneath(&reach, root.join("new")));
    assert!(!beneath(&reach, parent.path().join("new")));
}

#[test]
fn a_link_that_was_made_since_is_not_opened() {
    let (parent, root, reach) = folder();
    let (path, secret) = (root.join("file"), parent.path().join("secret"));
    let mut append = OpenOptions::new();
    append.create(true).append(true);
    assert!(beneath(&reach, &path));
    symlink(&secret, &path).unwrap();
    let refused = |options: &OpenOptions| {
        let error = reach.open(&path, options).unwrap_err();
        assert!(error.to_string().contains("sluice.file.roots"), "{error}");
    };
    refused(&append);
    assert!(!secret.exists(), "it was made");
    fs::write(&secret, "x").unwrap();
    refused(OpenOptions::new().read(true));
    fs::remove_file(&path).unwrap();
    reach.open(&path, &append).unwrap();
    let missing = reach.open(&root.join("none"), OpenOptions::new().read(true));
    assert_eq!(missing.unwrap_err().kind(), ErrorKind::NotFound);
}
