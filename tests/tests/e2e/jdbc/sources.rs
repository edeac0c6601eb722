//! Sources: every mode, queries, new tables, numbers, offsets that are read and changed.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use sluice_tests::database::{self, Database, DatabaseKind};
use sluice_tests::wait::{seconds, wait_for};

use super::{numbers, payloads, source};
use crate::context::{Context, Needs, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "jdbc::sources::every_mode_reads_new_and_changed_rows_of_postgresql",
        needs: Needs::POSTGRESQL,
        run: |context| modes(context, DatabaseKind::PostgreSql),
    },
    Test {
        name: "jdbc::sources::every_mode_reads_new_and_changed_rows_of_mariadb",
        needs: Needs::MARIADB,
        run: |context| modes(context, DatabaseKind::MariaDb),
    },
    Test {
        name: "jdbc::sources::every_mode_reads_new_and_changed_rows_of_sqlite",
        needs: Needs::SQLITE,
        run: |context| modes(context, DatabaseKind::Sqlite),
    },
    Test {
        name: "jdbc::sources::a_new_table_of_postgresql_is_noticed_and_a_new_column_read",
        needs: Needs::POSTGRESQL,
        run: |context| new_table(context, DatabaseKind::PostgreSql),
    },
    Test {
        name: "jdbc::sources::a_new_table_of_mariadb_is_noticed_and_a_new_column_read",
        needs: Needs::MARIADB,
        run: |context| new_table(context, DatabaseKind::MariaDb),
    },
    Test {
        name: "jdbc::sources::a_new_table_of_sqlite_is_noticed_and_a_new_column_read",
        needs: Needs::SQLITE,
        run: |context| new_table(context, DatabaseKind::Sqlite),
    },
    Test {
        name: "jdbc::sources::a_table_far_larger_than_the_memory_allowed_is_streamed",
        needs: Needs::POSTGRESQL,
        run: streamed,
    },
];

/// The tables of the tests of modes. Names need quotes.
fn orders(kind: DatabaseKind) -> &'static str {
    match kind {
        DatabaseKind::PostgreSql => {
            "CREATE TABLE \"Order Items\" (id serial PRIMARY KEY, \"na\"\"me\" text, changed timestamptz NOT NULL DEFAULT now());
             CREATE TABLE places (place int, id int, changed timestamptz NOT NULL DEFAULT now());
             ALTER TABLE \"Order Items\" OWNER TO sluice; ALTER TABLE places OWNER TO sluice;
             INSERT INTO \"Order Items\" (\"na\"\"me\") SELECT 'n' || n FROM generate_series(1, 250) n;
             INSERT INTO places SELECT n, n FROM generate_series(1, 250) n;"
        }
        DatabaseKind::MariaDb => {
            "CREATE TABLE `Order Items` (id int AUTO_INCREMENT PRIMARY KEY, `na\"me` text, changed timestamp(3) NOT NULL DEFAULT now(3));
             CREATE TABLE places (place int, id int, changed timestamp(3) NOT NULL DEFAULT now(3));
             INSERT INTO `Order Items` (`na\"me`) SELECT concat('n', seq) FROM seq_1_to_250;
             INSERT INTO places (place, id) SELECT seq, seq FROM seq_1_to_250;"
        }
        DatabaseKind::Sqlite => {
            "CREATE TABLE \"Order Items\" (id INTEGER PRIMARY KEY, \"na\"\"me\" text,
                changed DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')));
             CREATE TABLE places (place int, id int);
             WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 250)
               INSERT INTO \"Order Items\" (\"na\"\"me\") SELECT 'n' || n FROM s;
             INSERT INTO places SELECT id, id FROM \"Order Items\";"
        }
    }
}

/// A row more, and one changed.
fn change(database: &dyn Database) -> Result<()> {
    database.sql(match database.kind() {
        DatabaseKind::PostgreSql => {
            "INSERT INTO \"Order Items\" (id, \"na\"\"me\") VALUES (251, 'new'); INSERT INTO places VALUES (251, 251);
             UPDATE \"Order Items\" SET \"na\"\"me\" = 'changed', changed = now() WHERE id = 2"
        }
        DatabaseKind::MariaDb => {
            "INSERT INTO `Order Items` (id, `na\"me`) VALUES (251, 'new'); INSERT INTO places (place, id) VALUES (251, 251);
             UPDATE `Order Items` SET `na\"me` = 'changed', changed = now(3) WHERE id = 2"
        }
        DatabaseKind::Sqlite => {
            "INSERT INTO \"Order Items\" (id, \"na\"\"me\") VALUES (251, 'new'); INSERT INTO places VALUES (251, 251);
             UPDATE \"Order Items\" SET \"na\"\"me\" = 'changed', changed = strftime('%Y-%m-%d %H:%M:%f', 'now') WHERE id = 2"
        }
    })?;
    Ok(())
}

fn modes(context: &Context, kind: DatabaseKind) -> Result<()> {
    let database = database::start(kind)?;
    database.sql(orders(kind))?;
    let cluster = context.cluster("modes")?;
    let workers = cluster.start(1)?;
    let rest = workers[0].rest();
    let quoted = if kind == DatabaseKind::MariaDb {
        "`Order Items`"
    } else {
        "\"Order Items\""
    };
    let query =
        format!("SELECT o.id, o.changed, p.place FROM {quoted} o JOIN places p ON p.id = o.id");
    let wrapped = format!("SELECT * FROM ({query}) AS q");
    let connectors = [
        ("bulk", json!({"mode": "bulk", "poll.interval.ms": "3000"})),
        ("incrementing", json!({"mode": "incrementing"})),
        (
            "timestamp",
            json!({"mode": "timestamp", "timestamp.column.name": "changed"}),
        ),
        (
            "both",
            json!({"mode": "timestamp+incrementing", "timestamp.column.name": "changed",
                   "incrementing.column.name": "id", "timestamp.delay.interval.ms": "100"}),
        ),
        (
            "query",
            json!({"query": wrapped, "mode": "incrementing", "incrementing.column.name": "id"}),
        ),
    ];
    // Topics have no blanks in their names.
    let rename = json!({
        "transforms": "rename",
        "transforms.rename.type": "org.apache.kafka.connect.transforms.RegexRouter",
        "transforms.rename.regex": "(.*)Order Items",
        "transforms.rename.replacement": "$1orders",
    });
    let topic = |name: &str| match name {
        "query" => format!("{}-query-", cluster.name),
        name => format!("{}-{name}-orders", cluster.name),
    };
    for (name, keys) in &connectors {
        let mut keys = keys.clone();
        crate::context::merge(&mut keys, &rename);
        if *name != "query" {
            keys["table.whitelist"] = "Order Items".into();
        }
        let prefix = format!("{}-{name}-", cluster.name);
        rest.create(
            &format!("{prefix}source"),
            &source(&*database, &prefix, &keys),
            1,
        )?;
    }
    let wait = |name: &str, expected: &dyn Fn(&[i64]) -> bool| {
        wait_for(&format!("the rows of {name}"), seconds(60), || {
            let found = numbers(&cluster.bootstrap, &topic(name), "id")?;
            let last = &found[found.len().saturating_sub(5)..];
            ensure!(expected(&found), "{} rows, last {last:?}", found.len());
            Ok(Some(found))
        })
    };
    let all: Vec<i64> = (1..=250).collect();
    for name in ["incrementing", "timestamp", "both", "query"] {
        wait(name, &|found| found.len() >= all.len())?;
    }
    wait("bulk", &|found| found.len() >= 2 * all.len())?;
    change(&*database)?;
    // New rows, and those that changed in modes that see it.
    for (name, rows) in [
        ("incrementing", 251),
        ("query", 251),
        ("timestamp", 252),
        ("both", 252),
    ] {
        let found = wait(name, &|found| found.len() >= rows)?;
        let mut expected: Vec<i64> = all.clone();
        expected.push(251);
        if rows == 252 {
            expected.push(2);
        }
        let sorted = |mut ids: Vec<i64>| {
            ids.sort_unstable();
            ids
        };
        let last = found[found.len() - 5..].to_vec();
        ensure!(
            sorted(found) == sorted(expected),
            "{name}: other rows, last {last:?}"
        );
    }
    wait("bulk", &|found| found.contains(&251))?;
    let values = payloads(&cluster.bootstrap, &topic("timestamp"))?;
    ensure!(
        values.iter().any(|value| value["na\"me"] == "changed"),
        "no changed row"
    );
    // A restart goes on where it was, and offsets can be set.
    let name = format!("{}-incrementing-source", cluster.name);
    rest.verb("POST", &name, "restart?includeTasks=true")?;
    let offsets = wait_for("the offset of the last row", seconds(30), || {
        let offsets = rest.offsets(&name)?;
        let last = offsets
            .first()
            .map(|entry| entry["offset"]["incrementing"].clone());
        ensure!(last == Some(251.into()), "{offsets:?}");
        Ok(Some(offsets))
    })?;
    rest.verb("PUT", &name, "stop")?;
    let body = json!({"offsets": [{"partition": offsets[0]["partition"], "offset": {"incrementing": 249}}]});
    wait_for(
        "the connector to be stopped and its offset set",
        seconds(30),
        || {
            let path = format!("/connectors/{name}/offsets");
            rest.patient("PATCH", &path, Some(&body))?
                .success()
                .map(Some)
        },
    )?;
    rest.verb("PUT", &name, "resume")?;
    let found = wait("incrementing", &|found| found.len() >= 253)?;
    ensure!(found[251..] == [250, 251], "{:?}", &found[250..]);
    Ok(())
}

fn new_table(context: &Context, kind: DatabaseKind) -> Result<()> {
    let database = database::start(kind)?;
    let owner = |table: &str| match kind {
        DatabaseKind::PostgreSql => format!("; ALTER TABLE {table} OWNER TO sluice"),
        _ => String::new(),
    };
    let make = |table: &str| {
        let key = match kind {
            DatabaseKind::PostgreSql => "serial",
            DatabaseKind::MariaDb => "int AUTO_INCREMENT",
            DatabaseKind::Sqlite => "INTEGER",
        };
        let columns = format!("id {key} PRIMARY KEY, name varchar(20) NOT NULL DEFAULT 'nobody'");
        database.sql(&format!(
            "CREATE TABLE {table} ({columns}){}; INSERT INTO {table} (name) VALUES ('a')",
            owner(table)
        ))
    };
    make("parcels_a")?;
    make("other")?;
    let cluster = context.cluster("tables")?;
    let workers = cluster.start(1)?;
    let rest = workers[0].rest();
    let prefix = format!("{}-", cluster.name);
    let name = format!("{prefix}source");
    let keys = json!({"mode": "incrementing", "table.include.list": "(.*\\.)?parcels_.*", "tasks.max": "2"});
    rest.create(&name, &source(&*database, &prefix, &keys), 1)?;
    make("parcels_b")?;
    rest.wait_running(&name, 2, seconds(60))?;
    let rows = |table: &str, count: usize| {
        wait_for(&format!("{count} rows of {table}"), seconds(60), || {
            let found = payloads(&cluster.bootstrap, &format!("{prefix}{table}"))?;
            ensure!(found.len() >= count, "{found:?}");
            Ok(Some(found))
        })
    };
    rows("parcels_a", 1)?;
    rows("parcels_b", 1)?;
    database.sql(
        "ALTER TABLE parcels_a ADD COLUMN weight int; INSERT INTO parcels_a (name, weight) VALUES ('b', 7)",
    )?;
    let found = rows("parcels_a", 2)?;
    ensure!(found[1]["weight"] == 7, "{found:?}");
    // The task that had the first table has another one beside it now; nothing was read twice for that.
    let ids: BTreeSet<i64> = numbers(&cluster.bootstrap, &format!("{prefix}parcels_a"), "id")?
        .into_iter()
        .collect();
    ensure!(found.len() == 2 && ids.len() == 2, "{found:?}");
    database.sql("DROP TABLE parcels_b")?;
    rest.wait_running(&name, 1, seconds(60))?;
    Ok(())
}

/// Two million rows of a kilobyte would not fit the agent's memory, were they read at once.
fn streamed(context: &Context) -> Result<()> {
    const ROWS: usize = 200_000;
    let database = database::start(DatabaseKind::PostgreSql)?;
    database.sql(&format!(
        "CREATE TABLE big AS SELECT n AS id, repeat('x', 1000) AS filler FROM generate_series(1, {ROWS}) n;
         ALTER TABLE big ALTER COLUMN id SET NOT NULL; ALTER TABLE big OWNER TO sluice;"
    ))?;
    let cluster = context.cluster("big")?;
    let mut workers = cluster.start(1)?;
    let prefix = format!("{}-", cluster.name);
    let keys = json!({"mode": "incrementing", "incrementing.column.name": "id", "table.whitelist": "big",
                      "batch.max.rows": "500", "value.converter.schemas.enable": "false",
                      "transforms": "drop", "transforms.drop.type": "org.apache.kafka.connect.transforms.ReplaceField$Value",
                      "transforms.drop.exclude": "filler"});
    let id = workers[0].process().id();
    let rest = workers[0].rest();
    let name = format!("{prefix}source");
    rest.create(&name, &source(&*database, &prefix, &keys), 1)?;
    wait_for("the last row", seconds(120), || {
        let offsets = rest.offsets(&name)?;
        let last = offsets
            .first()
            .and_then(|entry| entry["offset"]["incrementing"].as_u64());
        ensure!(last == Some(ROWS as u64), "{offsets:?}");
        Ok(Some(()))
    })?;
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let peak: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .and_then(|number| number.trim().parse().ok())
        .context("no VmHWM")?;
    // The rows are 200 MB.
    ensure!(peak < 120_000, "the agent took {peak} kB");
    Ok(())
}
