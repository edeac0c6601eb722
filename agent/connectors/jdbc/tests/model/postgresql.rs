//! PostgreSQL: two schemas of one database.

use anyhow::Result;
use async_trait::async_trait;
use sluice_tests::database::{Database, PASSWORD, USER};
use tokio_postgres::{Client, NoTls};

use crate::records::{Field, Record};
use crate::scenario::{AMOUNTS, INTEGER_KEYS, Mode, NAMES, Random, Scenario, Step, steps};
use crate::{Model, Side};

struct Schema {
    client: Client,
    name: &'static str,
    url: String,
}

pub(crate) async fn model(database: &dyn Database) -> Result<Model> {
    database.sql(&format!(
        "CREATE EXTENSION citext; CREATE EXTENSION btree_gist; GRANT CREATE ON DATABASE shop TO {USER};
         CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
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
    let address = url
        .trim_start_matches("jdbc:")
        .replace("//", &format!("//{USER}:{PASSWORD}@"));
    let (client, connection) = tokio_postgres::connect(&address, NoTls).await?;
    tokio::spawn(async move { drop(connection.await) });
    Ok(Schema {
        client,
        name,
        url: format!("{url}?currentSchema={name},public"),
    })
}

fn literal(field: &Field) -> String {
    match field {
        Field::Null => "NULL".to_owned(),
        Field::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Field::Number(number) => format!("'{number}'"),
    }
}

#[async_trait]
impl Side for Schema {
    async fn clear(&mut self) -> Result<()> {
        let name = self.name;
        let sql = format!(
            "SET client_min_messages = error; DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}; \
             SET search_path = {name}, public"
        );
        Ok(self.client.batch_execute(&sql).await?)
    }

    async fn run(&mut self, statements: &[String]) -> std::result::Result<(), String> {
        for sql in statements {
            let done = self.client.batch_execute(sql).await;
            done.map_err(|error| match error.as_db_error() {
                Some(error) => format!("{} {}", error.code().code(), error.message()),
                None => error.to_string(),
            })?;
        }
        Ok(())
    }

    async fn dump(&mut self) -> Result<Vec<String>> {
        let tables = self
            .client
            .query(
                "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = $1::text::regnamespace AND \
                 c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1",
                &[&self.name],
            )
            .await?;
        let mut lines = Vec::new();
        for table in tables {
            let table: String = table.try_get(0)?;
            let sql = format!(
                "SELECT (to_jsonb(t) - 'n')::text FROM {}.{table} t ORDER BY 1",
                self.name
            );
            for row in self.client.query(&sql, &[]).await? {
                lines.push(format!("{table} {}", row.try_get::<_, String>(0)?));
            }
        }
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
                let sets = list(&|name, _| format!("{name} = EXCLUDED.{name}"));
                format!("{insert} ON CONFLICT (id) DO UPDATE SET {sets}")
            }
            _ => insert,
        }
    }
}

const UUIDS: &[&str] = &[
    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
    "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
    "b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    "B0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
];
const TEXTS: &[&str] = &["a", "A", "a ", "b", "B", "ab", "abcdefghi"];
const NUMBERS: &[&str] = &["1", "1.0", "1.004", "01", "2", "2.00", "+3", "3"];
const DIGITS: &[&str] = &["1", "01", "+1", " 2", "2", "3", "4"];

/// Type of the key, texts of keys, whether they are numbers.
const KEYS: &[(&str, &str, &[&str], bool)] = &[
    ("key int", "int", INTEGER_KEYS, true),
    ("key int", "bigint", INTEGER_KEYS, true),
    ("key int of text", "int", DIGITS, false),
    ("key text", "text", TEXTS, false),
    ("key varchar", "varchar(8)", TEXTS, false),
    ("key uuid", "uuid", UUIDS, false),
    ("key numeric", "numeric(10,2)", NUMBERS, false),
    ("key citext", "citext", TEXTS, false),
    ("key char", "char(6)", TEXTS, false),
    ("key nocase", "text COLLATE nocase", TEXTS, false),
];

/// Codes that a trigger may raise; those of the second half sound like faults of everything.
const CODES: &[&str] = &[
    "P0001", "23505", "22012", "0A000", "XX000", "42501", "42P01", "40001", "53100", "57014",
    "08006", "28000", "3D000",
];

/// Additions to the table, each with a name, by statements after its creation.
const ADDITIONS: &[(&str, &str)] = &[
    ("unique", "CREATE UNIQUE INDEX u ON t (name)"),
    ("unique constraint", "ALTER TABLE t ADD UNIQUE (name)"),
    (
        "unique deferred",
        "ALTER TABLE t ADD UNIQUE (name) DEFERRABLE INITIALLY DEFERRED",
    ),
    (
        "unique deferrable",
        "ALTER TABLE t ADD UNIQUE (name) DEFERRABLE INITIALLY IMMEDIATE",
    ),
    (
        "unique partial",
        "CREATE UNIQUE INDEX u ON t (name) WHERE amount > 0",
    ),
    (
        "unique expression",
        "CREATE UNIQUE INDEX u ON t (lower(name))",
    ),
    ("unique of two", "CREATE UNIQUE INDEX u ON t (name, amount)"),
    ("index", "CREATE INDEX i ON t (name)"),
    (
        "exclusion",
        "ALTER TABLE t ADD EXCLUDE USING gist (name WITH =, amount WITH =)",
    ),
    (
        "exclusion deferred",
        "ALTER TABLE t ADD EXCLUDE USING gist (name WITH =) DEFERRABLE INITIALLY DEFERRED",
    ),
    ("check", "ALTER TABLE t ADD CHECK (amount > -5)"),
    (
        "check by function",
        "CREATE FUNCTION few() RETURNS boolean LANGUAGE sql AS 'SELECT count(*) < 6 FROM t WHERE name IS NOT \
         NULL'; ALTER TABLE t ADD CHECK (few())",
    ),
    ("not null", "ALTER TABLE t ALTER name SET NOT NULL"),
    (
        "foreign key",
        "CREATE TABLE p (id bigint PRIMARY KEY); INSERT INTO p VALUES (0), (1), (2), (3); \
      ALTER TABLE t ADD FOREIGN KEY (amount) REFERENCES p",
    ),
    (
        "foreign key deferred",
        "CREATE TABLE p (id bigint PRIMARY KEY); INSERT INTO p VALUES (0), (1), (2), (3); \
      ALTER TABLE t ADD FOREIGN KEY (amount) REFERENCES p DEFERRABLE INITIALLY DEFERRED",
    ),
    ("foreign key in", "CREATE TABLE c (r ?KEY? REFERENCES t)"),
    (
        "foreign key cascade",
        "CREATE TABLE c (r ?KEY? REFERENCES t ON DELETE CASCADE, d text); CREATE FUNCTION child() RETURNS \
         trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO c VALUES (NEW.id, 'new'); RETURN NULL; END$$; \
         CREATE TRIGGER child AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION child()",
    ),
    (
        "foreign key itself",
        "ALTER TABLE t ADD UNIQUE (name); ALTER TABLE t ADD FOREIGN KEY (note) REFERENCES t (name)",
    ),
    (
        "log",
        "CREATE TABLE log (k int, what text); \
      CREATE FUNCTION logged() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO log \
      SELECT count(*), concat_ws(' ', TG_OP, OLD.name, '->', NEW.name) FROM log; RETURN NULL; END$$; \
      CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION logged()",
    ),
    (
        "log of statements",
        "CREATE TABLE log (k int, what text); CREATE FUNCTION logged() RETURNS trigger LANGUAGE plpgsql AS \
         $$BEGIN INSERT INTO log SELECT count(*), TG_OP FROM log; RETURN NULL; END$$; CREATE TRIGGER logged \
         AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH STATEMENT EXECUTE FUNCTION logged()",
    ),
    (
        "changed by trigger",
        "CREATE FUNCTION upper() RETURNS trigger LANGUAGE plpgsql AS \
      $$BEGIN NEW.name := upper(NEW.name); RETURN NEW; END$$; \
      CREATE TRIGGER upper BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION upper()",
    ),
    (
        "refusing trigger",
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
      $$BEGIN IF NEW.name = 'bad' THEN RAISE 'no' USING ERRCODE = '?CODE?'; END IF; RETURN NEW; END$$; \
      CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION refuse()",
    ),
    (
        "refusing trigger at the commit",
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
      $$BEGIN IF NEW.name = 'bad' THEN RAISE 'no' USING ERRCODE = '?CODE?'; END IF; RETURN NEW; END$$; \
      CREATE CONSTRAINT TRIGGER refuse AFTER INSERT OR UPDATE ON t DEFERRABLE INITIALLY DEFERRED \
      FOR EACH ROW EXECUTE FUNCTION refuse()",
    ),
    (
        "row security",
        "CREATE POLICY p ON t USING (true) WITH CHECK (name IS DISTINCT FROM 'bad'); \
      ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY",
    ),
    (
        "rule",
        "CREATE TABLE log (k int, what text); CREATE RULE r AS ON INSERT TO t DO ALSO \
      INSERT INTO log VALUES (1, NEW.name)",
    ),
    (
        "rule instead",
        "CREATE RULE r AS ON DELETE TO t WHERE OLD.name = 'x' DO INSTEAD NOTHING",
    ),
    (
        "identity",
        "ALTER TABLE t ADD n int GENERATED ALWAYS AS IDENTITY",
    ),
    (
        "identity written",
        "ALTER TABLE t ALTER amount SET NOT NULL; ALTER TABLE t ALTER amount ADD GENERATED ALWAYS AS \
         IDENTITY",
    ),
    (
        "identity by default",
        "ALTER TABLE t ALTER amount SET NOT NULL; \
      ALTER TABLE t ALTER amount ADD GENERATED BY DEFAULT AS IDENTITY",
    ),
    (
        "generated",
        "ALTER TABLE t ADD g int GENERATED ALWAYS AS (length(name)) STORED",
    ),
    ("default", "ALTER TABLE t ADD d text DEFAULT 'd'"),
    ("narrow", "ALTER TABLE t ALTER name TYPE varchar(3)"),
    ("char name", "ALTER TABLE t ALTER name TYPE char(3)"),
    (
        "domain",
        "CREATE DOMAIN short AS varchar(3); ALTER TABLE t ALTER name TYPE short",
    ),
    (
        "domain with check",
        "CREATE DOMAIN good AS text CHECK (value <> 'bad'); ALTER TABLE t ALTER name TYPE good",
    ),
    ("child table", "CREATE TABLE heir () INHERITS (t)"),
    (
        "no primary key",
        "ALTER TABLE t DROP CONSTRAINT t_pkey; CREATE UNIQUE INDEX k ON t (id)",
    ),
    ("no key", "ALTER TABLE t DROP CONSTRAINT t_pkey"),
    (
        "partial key",
        "ALTER TABLE t DROP CONSTRAINT t_pkey; CREATE UNIQUE INDEX k ON t (id) WHERE amount > 0",
    ),
];

const CHANGES: &[&str] = &[
    "ALTER TABLE t ALTER amount TYPE bigint",
    "ALTER TABLE t ALTER amount TYPE smallint",
    "ALTER TABLE t ALTER amount TYPE numeric(6,2)",
    "ALTER TABLE t ALTER amount TYPE text",
    "ALTER TABLE t ALTER name TYPE varchar(3)",
    "ALTER TABLE t ALTER name TYPE citext",
    "ALTER TABLE t ALTER name TYPE text",
    "ALTER TABLE t ALTER id TYPE text",
    "ALTER TABLE t ALTER id TYPE text COLLATE nocase",
    "ALTER TABLE t ALTER id TYPE citext",
    "ALTER TABLE t ALTER note TYPE varchar(2)",
    "ALTER TABLE t ADD UNIQUE (name)",
    "ALTER TABLE t ADD UNIQUE (name) DEFERRABLE INITIALLY DEFERRED",
    "CREATE UNIQUE INDEX v ON t (amount) WHERE name <> 'x'",
    "DROP INDEX u",
    "DROP TRIGGER refuse ON t",
    "ALTER TABLE t DISABLE TRIGGER ALL",
    "ALTER TABLE t ADD extra text DEFAULT 'e'",
    "ALTER TABLE t ADD CHECK (amount < 100)",
    "ALTER TABLE t ALTER amount SET NOT NULL",
    "TRUNCATE t CASCADE",
    "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS \
     $$BEGIN NEW.note := 'late'; RETURN NEW; END$$; \
     CREATE TRIGGER late BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION late()",
    "CREATE RULE s AS ON DELETE TO t DO INSTEAD NOTHING",
    "DROP TABLE t CASCADE; CREATE TABLE t (id text PRIMARY KEY, name text, amount numeric, note text)",
];

fn scenario(random: &mut Random) -> Scenario {
    let (key_feature, key_type, keys, numeric_keys) = *random.of(KEYS);
    let mut features = vec![key_feature];
    let kind = key_type.split(' ').next().unwrap_or_default();
    let mut tables = vec![format!(
        "CREATE TABLE t (id {key_type} PRIMARY KEY, name text, amount int, note text){}",
        if random.once_in(12) {
            features.push("partitioned");
            " PARTITION BY HASH (id); CREATE TABLE t0 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER \
             0); CREATE TABLE t1 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 1)"
        } else {
            ""
        }
    )];
    let mut mode = *random.of(&[
        Mode::Upsert,
        Mode::Upsert,
        Mode::Upsert,
        Mode::Insert,
        Mode::Update,
    ]);
    let mut refuses = false;
    let partitioned = features.contains(&"partitioned");
    for _ in 0..random.below(4) {
        let (feature, statements) = *random.of(ADDITIONS);
        let again = |part: &str| tables.iter().any(|made| made.contains(part));
        // Not everything goes with everything, and each helper is made once.
        let taken = [
            "log ",
            "refuse()",
            "TABLE c ",
            "TABLE p ",
            "INDEX u",
            "t_pkey",
            "ALTER name TYPE",
            "IDENTITY",
            "RULE r ",
        ];
        if features.contains(&feature)
            || taken
                .iter()
                .any(|part| statements.contains(part) && again(part))
            || (partitioned
                && (feature.starts_with("unique")
                    || feature.starts_with("excl")
                    || feature.contains("identity")
                    || feature.contains("key")
                    || feature == "child table"))
            || (feature == "foreign key itself" && again("(name)"))
            || (feature.contains("identity") && again("heir"))
            || (feature == "child table" && again("IDENTITY"))
            // The last record of each batch has to be accepted, see `ends_well`.
            || (feature == "check by function" && refuses)
            || (statements.contains("?CODE?") && again("few()"))
            || ((feature.starts_with("foreign key in")
                || feature.starts_with("foreign key casc")
                || feature == "child table")
                && again("t_pkey"))
            || (statements.contains("t_pkey") && (again("TABLE c ") || again("heir")))
            || (feature == "char name" || feature.contains("domain") || feature == "narrow")
                && again("name")
        {
            continue;
        }
        features.push(feature);
        refuses |= statements.contains("?CODE?");
        if feature.starts_with("rule") && random.once_in(2) {
            mode = Mode::Insert;
        }
        let code = *random.of(CODES);
        tables.push(statements.replace("?KEY?", kind).replace("?CODE?", code));
    }
    let mut view = None;
    if random.once_in(9) {
        let (feature, statement) = *random.of(&[
            ("view", "CREATE VIEW v AS SELECT id, name, amount, note FROM t"),
            ("view with check", "CREATE VIEW v AS SELECT id, name, amount, note FROM t WHERE name <> 'bad' \
                                 WITH CHECK OPTION"),
            ("view with trigger", "CREATE VIEW v AS SELECT id, name, amount, note FROM t; CREATE OR REPLACE \
                                   FUNCTION instead() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT \
                                   INTO t (id, name) VALUES (NEW.id, 'by view'); RETURN NEW; END$$; CREATE \
                                   TRIGGER instead INSTEAD OF INSERT ON v FOR EACH ROW EXECUTE FUNCTION \
                                   instead()"),
        ]);
        features.push(feature);
        tables.push(statement.to_owned());
        view = Some(statement);
        if random.once_in(2) {
            mode = Mode::Insert;
        }
    }
    features.push(match mode {
        Mode::Insert => "insert",
        Mode::Upsert => "upsert",
        Mode::Update => "update",
    });
    if mode == Mode::Update {
        // There is nothing to update in an empty table; rows that do not fit are left out one by one.
        let rows = keys.iter().take(4).enumerate().map(|(number, key)| {
            format!(
                "INSERT INTO t (id, name, amount) VALUES ('{key}', '{number}n', 1) ON CONFLICT DO \
                     NOTHING"
            )
        });
        tables.splice(1..1, rows);
    }
    let changes: &[&str] = if random.once_in(2) { CHANGES } else { &[] };
    let mut steps = steps(random, changes);
    let mut changed = false;
    for step in &mut steps {
        if let Step::Change(change) = step {
            changed = true;
            // A table takes its view with it; a view that is gone fails the task, and no record.
            if let (Some(view), true) = (view, change.starts_with("DROP TABLE")) {
                *change = format!("{change}; {view}");
            }
        }
    }
    if changed {
        features.push("changed meanwhile");
    }
    let always_amounts = features
        .iter()
        .any(|feature| feature.starts_with("identity"));
    Scenario {
        features,
        tables,
        steps,
        target: if view.is_some() { "v" } else { "t" },
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
        always_amounts,
        ends_well: refuses,
        transactional: true,
    }
}
