//! SQLite: two files.

use anyhow::Result;
use async_trait::async_trait;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use tempfile::TempDir;

use crate::records::{Field, Record};
use crate::scenario::{AMOUNTS, INTEGER_KEYS, Mode, NAMES, Random, Scenario, steps};
use crate::{Model, Side};

struct File {
    folder: TempDir,
    number: u32,
    connection: Option<std::sync::Mutex<Connection>>,
}

pub(crate) fn model() -> Result<Model> {
    let side = || -> Result<Box<dyn Side>> {
        Ok(Box::new(File {
            folder: TempDir::with_prefix("sluice-model-")?,
            number: 0,
            connection: None,
        }))
    };
    Ok(Model {
        sides: [side()?, side()?],
        scenario,
    })
}

impl File {
    fn path(&self) -> String {
        self.folder
            .path()
            .join(format!("{}.db", self.number))
            .display()
            .to_string()
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        match self.connection.as_ref().map(std::sync::Mutex::lock) {
            Some(Ok(connection)) => work(&connection),
            _ => Err(rusqlite::Error::InvalidQuery),
        }
    }
}

fn literal(field: &Field) -> String {
    match field {
        Field::Null => "NULL".to_owned(),
        Field::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Field::Number(number) => number.to_string(),
    }
}

fn shown(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => format!("{number:?}"),
        ValueRef::Text(text) => format!("'{}'", String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => format!("{bytes:?}"),
    }
}

#[async_trait]
impl Side for File {
    async fn clear(&mut self) -> Result<()> {
        self.connection = None;
        // A file that is gone can be made again under another name only while nobody has it open.
        let _ = std::fs::remove_file(self.path());
        self.number += 1;
        let connection = Connection::open(self.path())?;
        connection.execute_batch("PRAGMA synchronous = off")?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        self.connection = Some(std::sync::Mutex::new(connection));
        Ok(())
    }

    async fn run(&mut self, statements: &[String]) -> std::result::Result<(), String> {
        for sql in statements {
            self.with(|connection| connection.execute_batch(sql))
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    async fn dump(&mut self) -> Result<Vec<String>> {
        Ok(self.with(|connection| {
            let mut statement = connection.prepare(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
            )?;
            let tables: Vec<String> = statement
                .query_map([], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            let mut lines = Vec::new();
            for table in tables {
                let mut statement = connection.prepare(&format!("SELECT * FROM {table}"))?;
                let count = statement.column_count();
                let mut rows = statement.query([])?;
                while let Some(row) = rows.next()? {
                    let cells: rusqlite::Result<Vec<String>> = (0..count)
                        .map(|index| row.get_ref(index).map(shown))
                        .collect();
                    lines.push(format!("{table} {}", cells?.join(" ")));
                }
            }
            lines.sort();
            Ok(lines)
        })?)
    }

    fn url(&self) -> String {
        format!("jdbc:sqlite:{}", self.path())
    }

    fn statement(&self, scenario: &Scenario, record: &Record) -> String {
        let target = scenario.target;
        let key = literal(&record.key);
        let Some(fields) = &record.fields else {
            return format!("DELETE FROM {target} WHERE id = {key}");
        };
        let list = |form: &dyn Fn(&str, &Field) -> String| {
            let parts: Vec<String> = fields
                .iter()
                .map(|(name, field)| form(name, field))
                .collect();
            parts.join(", ")
        };
        let sets = list(&|name, field| format!("{name} = {}", literal(field)));
        if scenario.mode == Mode::Update {
            return format!("UPDATE {target} SET {sets} WHERE id = {key}");
        }
        let insert = format!(
            "INSERT INTO {target} (id, {}) VALUES ({key}, {})",
            list(&|name, _| name.to_owned()),
            list(&|_, field| literal(field))
        );
        match scenario.mode {
            Mode::Upsert => format!("{insert} ON CONFLICT (id) DO UPDATE SET {sets}"),
            _ => insert,
        }
    }
}

const TEXTS: &[&str] = &["a", "A", "a ", "b", "B", "1", "1.0", "01"];

const KEYS: &[(&str, &str, &[&str], bool)] = &[
    ("key integer", "INTEGER", INTEGER_KEYS, true),
    (
        "key integer of text",
        "INTEGER",
        &["1", "01", "2", "1.0", "a"],
        false,
    ),
    ("key text", "TEXT", TEXTS, false),
    ("key nocase", "TEXT COLLATE NOCASE", TEXTS, false),
    ("key rtrim", "TEXT COLLATE RTRIM", TEXTS, false),
    ("key numeric", "NUMERIC", TEXTS, false),
    ("key without type", "", TEXTS, false),
    ("key blob", "BLOB", TEXTS, false),
    ("key real", "REAL", INTEGER_KEYS, true),
];

const ADDITIONS: &[(&str, &str)] = &[
    ("unique", "CREATE UNIQUE INDEX u ON t (name)"),
    (
        "unique partial",
        "CREATE UNIQUE INDEX u ON t (name) WHERE amount > 0",
    ),
    (
        "unique nocase",
        "CREATE UNIQUE INDEX u ON t (name COLLATE NOCASE)",
    ),
    (
        "log",
        "CREATE TABLE log (k, what); CREATE TRIGGER l1 AFTER INSERT ON t BEGIN INSERT INTO log SELECT \
         count(*), 'insert ' || new.name FROM log; END; CREATE TRIGGER l2 AFTER UPDATE ON t BEGIN INSERT \
         INTO log SELECT count(*), 'update ' || new.name FROM log; END; CREATE TRIGGER l3 AFTER DELETE ON t \
         BEGIN INSERT INTO log SELECT count(*), 'delete ' || old.name FROM log; END",
    ),
    (
        "refusing trigger",
        "CREATE TRIGGER refuse BEFORE INSERT ON t WHEN new.name = 'bad' BEGIN SELECT RAISE(?HOW?); END",
    ),
    (
        "foreign key in",
        "CREATE TABLE c (r REFERENCES t (id)); CREATE TRIGGER child AFTER INSERT ON t WHEN new.name = 'x' \
      BEGIN INSERT INTO c VALUES (new.id); END",
    ),
    (
        "foreign key cascade",
        "CREATE TABLE c (r REFERENCES t (id) ON DELETE CASCADE); \
      CREATE TRIGGER child AFTER INSERT ON t BEGIN INSERT INTO c VALUES (new.id); END",
    ),
    ("generated", "ALTER TABLE t ADD g AS (length(name))"),
];

/// Ends of the definition of the column `name`.
const NAME_COLUMNS: &[(&str, &str)] = &[
    ("plain name", "TEXT"),
    ("plain name", "TEXT"),
    ("not null", "TEXT NOT NULL"),
    ("unique", "TEXT UNIQUE"),
    ("unique replace", "TEXT UNIQUE ON CONFLICT REPLACE"),
    ("unique ignore", "TEXT UNIQUE ON CONFLICT IGNORE"),
    ("unique fail", "TEXT UNIQUE ON CONFLICT FAIL"),
    ("unique rollback", "TEXT UNIQUE ON CONFLICT ROLLBACK"),
    ("check", "TEXT CHECK (name <> 'bad')"),
    ("default", "TEXT DEFAULT 'd'"),
];

const CHANGES: &[&str] = &[
    "CREATE UNIQUE INDEX v ON t (amount)",
    "DROP INDEX u",
    "ALTER TABLE t ADD extra TEXT DEFAULT 'e'",
    "DROP TRIGGER refuse",
    "CREATE TRIGGER late AFTER INSERT ON t BEGIN UPDATE t SET note = 'late' WHERE id = new.id; END",
    "DELETE FROM t",
];

fn scenario(random: &mut Random) -> Scenario {
    let (key_feature, key_type, keys, numeric_keys) = *random.of(KEYS);
    let mut features = vec![key_feature];
    let (name_feature, name_type) = *random.of(NAME_COLUMNS);
    features.push(name_feature);
    let (amount_feature, amount) = *random.of(&[
        ("plain amount", ""),
        ("plain amount", ""),
        ("foreign key", " REFERENCES p (id)"),
        (
            "foreign key deferred",
            " REFERENCES p (id) DEFERRABLE INITIALLY DEFERRED",
        ),
        ("check of amount", " CHECK (amount > -5)"),
    ]);
    features.push(amount_feature);
    let end = *random.of(&["", "", "", " WITHOUT ROWID"]);
    if !end.is_empty() {
        features.push("without rowid");
    }
    let mut tables = vec![
        "CREATE TABLE p (id INTEGER PRIMARY KEY)".to_owned(),
        "INSERT INTO p VALUES (0), (1), (2), (3)".to_owned(),
        format!(
            "CREATE TABLE t (id {key_type} PRIMARY KEY, name {name_type}, amount INT{amount}, note){end}"
        ),
    ];
    for _ in 0..random.below(4) {
        let (feature, statement) = *random.of(ADDITIONS);
        let again = |part: &str| tables.iter().any(|made| made.contains(part));
        let taken = ["INDEX u", "TABLE c "];
        if features.contains(&feature)
            || taken
                .iter()
                .any(|part| statement.contains(part) && again(part))
        {
            continue;
        }
        features.push(feature);
        let how = *random.of(&["ABORT, 'no'", "FAIL, 'no'", "ROLLBACK, 'no'", "IGNORE"]);
        tables.push(statement.replace("?HOW?", how));
    }
    let mut mode = *random.of(&[
        Mode::Upsert,
        Mode::Upsert,
        Mode::Upsert,
        Mode::Insert,
        Mode::Update,
    ]);
    let mut target = "t";
    if random.once_in(9) {
        target = "v";
        mode = Mode::Insert;
        features.push("view with trigger");
        tables.push(
            "CREATE VIEW v AS SELECT id, name, amount, note FROM t; CREATE TRIGGER i1 INSTEAD OF INSERT ON v \
             BEGIN INSERT INTO t (id, name, amount) VALUES (new.id, new.name, new.amount); END; CREATE \
             TRIGGER i2 INSTEAD OF DELETE ON v BEGIN DELETE FROM t WHERE id = old.id; END"
                .to_owned(),
        );
    }
    features.push(match mode {
        Mode::Insert => "insert",
        Mode::Upsert => "upsert",
        Mode::Update => "update",
    });
    if mode == Mode::Update {
        // There is nothing to update in an empty table; rows that do not fit are left out one by one.
        let rows = keys.iter().take(4).enumerate().map(|(number, key)| {
            format!("INSERT OR IGNORE INTO t (id, name, amount) VALUES ('{key}', '{number}n', 1)")
        });
        tables.splice(3..3, rows);
    }
    let changes: &[&str] = if target == "t" && random.once_in(2) {
        CHANGES
    } else {
        &[]
    };
    let steps = steps(random, changes);
    if steps
        .iter()
        .any(|step| matches!(step, crate::scenario::Step::Change(_)))
    {
        features.push("changed meanwhile");
    }
    Scenario {
        features,
        tables,
        steps,
        target,
        mode,
        batch_size: *random.of(&[1, 2, 3, 50, 3000]),
        keys,
        numeric_keys,
        names: NAMES,
        amounts: if random.once_in(2) {
            AMOUNTS
        } else {
            &[0, 1, 2, 3]
        },
        notes: random.once_in(2),
        always_amounts: false,
        ends_well: false,
        transactional: true,
    }
}
