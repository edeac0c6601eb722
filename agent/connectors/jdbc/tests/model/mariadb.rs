//! MariaDB: two databases of one server.

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, OptsBuilder, Row, Value};
use sluice_tests::database::{Database, PASSWORD, USER};

use crate::records::{Field, Record};
use crate::scenario::{AMOUNTS, INTEGER_KEYS, Mode, NAMES, Random, Scenario, steps};
use crate::{Model, Side};

struct Schema {
    connection: Conn,
    name: &'static str,
    url: String,
}

pub(crate) async fn model(database: &dyn Database) -> Result<Model> {
    database.sql(&format!(
        "CREATE DATABASE ours; CREATE DATABASE model; SET GLOBAL log_bin_trust_function_creators = 1;
         GRANT ALL ON ours.* TO {USER}@'127.0.0.1'; GRANT ALL ON model.* TO {USER}@'127.0.0.1';"
    ))?;
    Ok(Model {
        sides: [
            Box::new(schema(database, "ours").await?),
            Box::new(schema(database, "model").await?),
        ],
        scenario,
    })
}

async fn schema(database: &dyn Database, name: &'static str) -> Result<Schema> {
    let url = database.url();
    let port = url
        .rsplit(':')
        .next()
        .and_then(|rest| rest.split('/').next());
    let options = OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(port.context("a port")?.parse()?)
        .user(Some(USER))
        .pass(Some(PASSWORD))
        .db_name(Some(name))
        .prefer_socket(false)
        .init(vec![
            "SET time_zone = '+00:00', SESSION sql_mode = CONCAT_WS(',', @@sql_mode, \
                    'STRICT_ALL_TABLES', 'NO_BACKSLASH_ESCAPES')",
        ]);
    Ok(Schema {
        connection: Conn::new(options).await?,
        name,
        url: url.replace("/shop", &format!("/{name}")),
    })
}

fn literal(field: &Field) -> String {
    match field {
        Field::Null => "NULL".to_owned(),
        Field::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Field::Number(number) => number.to_string(),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => other.as_sql(true),
    }
}

#[async_trait]
impl Side for Schema {
    async fn clear(&mut self) -> Result<()> {
        let name = self.name;
        for sql in [
            format!("DROP DATABASE {name}"),
            format!("CREATE DATABASE {name} COLLATE utf8mb4_general_ci"),
            format!("USE {name}"),
        ] {
            self.connection.query_drop(sql).await?;
        }
        Ok(())
    }

    async fn run(&mut self, statements: &[String]) -> std::result::Result<(), String> {
        for sql in statements {
            let done = self.connection.query_drop(sql).await;
            done.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    async fn dump(&mut self) -> Result<Vec<String>> {
        let tables: Vec<String> = self
            .connection
            .query("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND \
                    TABLE_TYPE = 'BASE TABLE' ORDER BY 1")
            .await?;
        let mut lines = Vec::new();
        for table in tables {
            let rows: Vec<Row> = self
                .connection
                .query(format!("SELECT * FROM {table}"))
                .await?;
            for row in rows {
                let names: Vec<String> = row
                    .columns_ref()
                    .iter()
                    .map(|column| column.name_str().into_owned())
                    .collect();
                let cells: Vec<String> = names
                    .iter()
                    .zip(row.unwrap())
                    .filter(|(name, _)| *name != "n")
                    .map(|(name, value)| format!("{name}={}", shown(&value)))
                    .collect();
                lines.push(format!("{table} {}", cells.join(" ")));
            }
        }
        lines.sort();
        Ok(lines)
    }

    fn url(&self) -> String {
        self.url.clone()
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
        if scenario.mode == Mode::Update {
            let sets = list(&|name, field| format!("{name} = {}", literal(field)));
            return format!("UPDATE {target} SET {sets} WHERE id = {key}");
        }
        let insert = format!(
            "INSERT INTO {target} (id, {}) VALUES ({key}, {})",
            list(&|name, _| name.to_owned()),
            list(&|_, field| literal(field))
        );
        match scenario.mode {
            Mode::Upsert => {
                let sets = list(&|name, _| format!("{name} = VALUES({name})"));
                format!("{insert} ON DUPLICATE KEY UPDATE {sets}")
            }
            _ => insert,
        }
    }
}

const TEXTS: &[&str] = &["a", "A", "a ", "b", "B", "ab", "\u{e4}", "abcdefghi"];
const NUMBERS: &[&str] = &["1", "1.0", "1.004", "01", "2", "2.00", "3"];
const UUIDS: &[&str] = &[
    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
    "b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
];

const KEYS: &[(&str, &str, &[&str], bool)] = &[
    ("key int", "int", INTEGER_KEYS, true),
    ("key int", "bigint", INTEGER_KEYS, true),
    ("key int of text", "int", &["1", "01", "2", "3", "4"], false),
    (
        "key varchar nocase",
        "varchar(8) COLLATE utf8mb4_general_ci",
        TEXTS,
        false,
    ),
    (
        "key varchar binary",
        "varchar(8) COLLATE utf8mb4_bin",
        TEXTS,
        false,
    ),
    (
        "key varchar without padding",
        "varchar(8) COLLATE utf8mb4_nopad_bin",
        TEXTS,
        false,
    ),
    (
        "key varchar unicode",
        "varchar(8) COLLATE utf8mb4_unicode_ci",
        TEXTS,
        false,
    ),
    ("key char", "char(6)", TEXTS, false),
    ("key varbinary", "varbinary(8)", TEXTS, false),
    ("key decimal", "decimal(10,2)", NUMBERS, false),
    ("key uuid", "uuid", UUIDS, false),
];

/// Codes and numbers that a trigger may raise.
const CODES: &[&str] = &[
    "'45000'",
    "'23000'",
    "'22001'",
    "'42000' SET MYSQL_ERRNO = 1142, MESSAGE_TEXT = 'no'",
    "'42S02' SET MYSQL_ERRNO = 1146, MESSAGE_TEXT = 'no'",
    "'40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'no'",
    "'HY000' SET MYSQL_ERRNO = 1205, MESSAGE_TEXT = 'no'",
    "'HY000' SET MYSQL_ERRNO = 1021, MESSAGE_TEXT = 'no'",
    "'08S01' SET MYSQL_ERRNO = 1053, MESSAGE_TEXT = 'no'",
];

const ADDITIONS: &[(&str, &[&str])] = &[
    ("unique", &["ALTER TABLE t ADD UNIQUE u (name)"]),
    (
        "unique of two",
        &["ALTER TABLE t ADD UNIQUE u (name, amount)"],
    ),
    (
        "unique of a part",
        &["ALTER TABLE t ADD UNIQUE u (name(1))"],
    ),
    ("index", &["CREATE INDEX i ON t (name)"]),
    ("check", &["ALTER TABLE t ADD CHECK (amount > -5)"]),
    (
        "not null",
        &["ALTER TABLE t MODIFY name varchar(6) NOT NULL"],
    ),
    (
        "binary name",
        &["ALTER TABLE t MODIFY name varchar(6) COLLATE utf8mb4_bin"],
    ),
    (
        "foreign key",
        &[
            "CREATE TABLE p (id int PRIMARY KEY)",
            "INSERT INTO p VALUES (0), (1), (2), (3)",
            "ALTER TABLE t ADD FOREIGN KEY (amount) REFERENCES p (id)",
        ],
    ),
    (
        "foreign key in",
        &[
            "CREATE TABLE c (r ?KEY? PRIMARY KEY, FOREIGN KEY (r) REFERENCES t (id))",
            "CREATE TRIGGER child AFTER INSERT ON t FOR EACH ROW INSERT IGNORE INTO c SELECT NEW.id FROM \
             DUAL WHERE NEW.name = 'x'",
        ],
    ),
    (
        "foreign key cascade",
        &[
            "CREATE TABLE c (r ?KEY? PRIMARY KEY, FOREIGN KEY (r) REFERENCES t (id) ON DELETE CASCADE)",
            "CREATE TRIGGER child AFTER INSERT ON t FOR EACH ROW INSERT IGNORE INTO c VALUES (NEW.id)",
        ],
    ),
    (
        "foreign key itself",
        &[
            "ALTER TABLE t ADD UNIQUE w (name)",
            "ALTER TABLE t MODIFY note varchar(6)",
            "ALTER TABLE t ADD FOREIGN KEY (note) REFERENCES t (name)",
        ],
    ),
    (
        "log",
        &[
            "CREATE TABLE log (k int, what text)",
            "CREATE TRIGGER l1 AFTER INSERT ON t FOR EACH ROW INSERT INTO log SELECT count(*), \
             concat('insert ', coalesce(NEW.name, '-')) FROM log",
            "CREATE TRIGGER l2 AFTER UPDATE ON t FOR EACH ROW INSERT INTO log SELECT count(*), \
             concat('update ', coalesce(NEW.name, '-')) FROM log",
            "CREATE TRIGGER l3 AFTER DELETE ON t FOR EACH ROW INSERT INTO log SELECT count(*), \
             concat('delete ', coalesce(OLD.name, '-')) FROM log",
        ],
    ),
    (
        "trigger that counts",
        &[
            "CREATE TRIGGER counts BEFORE INSERT ON t FOR EACH ROW SET NEW.note = (SELECT count(*) FROM t)",
        ],
    ),
    (
        "changed by trigger",
        &["CREATE TRIGGER upper BEFORE INSERT ON t FOR EACH ROW SET NEW.name = upper(NEW.name)"],
    ),
    (
        "refusing trigger",
        &[
            "CREATE TRIGGER refuse BEFORE INSERT ON t FOR EACH ROW IF NEW.name = 'bad' THEN SIGNAL SQLSTATE \
             ?CODE?; END IF",
            "CREATE TRIGGER refuse2 BEFORE UPDATE ON t FOR EACH ROW IF NEW.name = 'bad' THEN SIGNAL SQLSTATE \
             ?CODE?; END IF",
        ],
    ),
    (
        "auto increment",
        &["ALTER TABLE t ADD n int AUTO_INCREMENT, ADD KEY (n)"],
    ),
    (
        "generated",
        &["ALTER TABLE t ADD g int AS (length(name)) PERSISTENT"],
    ),
    ("default", &["ALTER TABLE t ADD d varchar(9) DEFAULT 'd'"]),
    ("no key", &["ALTER TABLE t DROP PRIMARY KEY"]),
    (
        "unique instead of primary key",
        &["ALTER TABLE t DROP PRIMARY KEY, ADD UNIQUE k (id)"],
    ),
];

const CHANGES: &[&str] = &[
    "ALTER TABLE t MODIFY amount bigint",
    "ALTER TABLE t MODIFY amount smallint",
    "ALTER TABLE t MODIFY amount decimal(6,2)",
    "ALTER TABLE t MODIFY amount varchar(9)",
    "ALTER TABLE t MODIFY name varchar(3)",
    "ALTER TABLE t MODIFY name varchar(9) COLLATE utf8mb4_bin",
    "ALTER TABLE t MODIFY id varchar(9) COLLATE utf8mb4_general_ci",
    "ALTER TABLE t ADD UNIQUE x (name)",
    "ALTER TABLE t DROP KEY u",
    "DROP TRIGGER refuse",
    "ALTER TABLE t ADD extra text DEFAULT 'e'",
    "ALTER TABLE t ADD CHECK (amount < 100)",
    "CREATE TRIGGER late BEFORE INSERT ON t FOR EACH ROW SET NEW.note = 'late'",
];

fn scenario(random: &mut Random) -> Scenario {
    let (key_feature, key_type, keys, numeric_keys) = *random.of(KEYS);
    let mut features = vec![key_feature];
    let transactional = !random.once_in(10);
    let engine = if transactional {
        "InnoDB"
    } else {
        *random.of(&["MyISAM", "Aria TRANSACTIONAL=0"])
    };
    if !transactional {
        features.push("engine without transactions");
    }
    let mut tables = vec![format!(
        "CREATE TABLE t (id {key_type} PRIMARY KEY, name varchar(6), amount int, note text) ENGINE={engine}"
    )];
    let mut refuses = false;
    for _ in 0..random.below(4) {
        let (feature, statements) = *random.of(ADDITIONS);
        let again = |part: &str| tables.iter().any(|made| made.contains(part));
        let taken = [
            "TABLE log",
            "TABLE c ",
            "TABLE p ",
            "MODIFY name",
            "PRIMARY KEY, ADD",
            "DROP PRIMARY",
        ];
        let clash = statements.iter().any(|sql| {
            taken.iter().any(|part| sql.contains(part) && again(part))
                || (sql.contains("UNIQUE u") && again("UNIQUE u"))
                || (sql.contains("BEFORE INSERT") && again("BEFORE INSERT"))
        });
        if features.contains(&feature)
            || clash
            || (!transactional && (feature.contains("foreign") || feature == "log"))
            || (feature.starts_with("foreign key i") || feature == "foreign key cascade")
                && again("DROP PRIMARY")
            || statements[0].contains("DROP PRIMARY")
                && (again("TABLE c ") || again("REFERENCES t"))
            || (feature == "foreign key itself" || feature.ends_with(" name")) && again("name")
            || statements[0].contains("name") && again("REFERENCES t (name)")
            // The last record of each batch has to be accepted, see `ends_well`.
            || feature == "unique of a part" && refuses
            || statements[0].contains("?CODE?") && again("name(1)")
        {
            continue;
        }
        features.push(feature);
        refuses |= statements[0].contains("?CODE?");
        let code = *random.of(CODES);
        tables.extend(
            statements
                .iter()
                .map(|sql| sql.replace("?KEY?", key_type).replace("?CODE?", code)),
        );
    }
    let mut target = "t";
    if random.once_in(9) {
        target = "v";
        let (feature, statement) = *random.of(&[
            (
                "view",
                "CREATE VIEW v AS SELECT id, name, amount, note FROM t",
            ),
            (
                "view with check",
                "CREATE VIEW v AS SELECT id, name, amount, note FROM t WHERE name <> 'bad' \
                                 WITH CHECK OPTION",
            ),
        ]);
        features.push(feature);
        tables.push(statement.to_owned());
    }
    let mode = *random.of(&[
        Mode::Upsert,
        Mode::Upsert,
        Mode::Upsert,
        Mode::Insert,
        Mode::Update,
    ]);
    features.push(match mode {
        Mode::Insert => "insert",
        Mode::Upsert => "upsert",
        Mode::Update => "update",
    });
    if mode == Mode::Update {
        // There is nothing to update in an empty table; rows that do not fit are left out one by one.
        let rows = keys.iter().take(4).enumerate().map(|(number, key)| {
            format!("INSERT IGNORE INTO t (id, name, amount) VALUES ('{key}', '{number}n', 1)")
        });
        tables.splice(1..1, rows);
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
        ends_well: refuses,
        transactional,
    }
}
