//! What goes wrong for good says where, what and what to do, and never the password.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::database::{self, DATABASE, DatabaseKind, PASSWORD};
use sluice_tests::rest::Rest;
use sluice_tests::topics::create_topic;
use sluice_tests::wait::{seconds, wait_for};

use super::{order, send, sink, source};
use crate::context::{Context, Needs, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "jdbc::errors::faults_of_postgresql_say_where_and_what_to_do",
        needs: Needs::POSTGRESQL,
        run: |context| faults(context, DatabaseKind::PostgreSql),
    },
    Test {
        name: "jdbc::errors::faults_of_mariadb_say_where_and_what_to_do",
        needs: Needs::MARIADB,
        run: |context| faults(context, DatabaseKind::MariaDb),
    },
    Test {
        name: "jdbc::errors::faults_of_sqlite_say_where_and_what_to_do",
        needs: Needs::SQLITE,
        run: sqlite_faults,
    },
];

/// The worker refuses the configuration, with all these words, and validation shows them at the key.
pub(super) fn refused(
    rest: &Rest,
    name: &str,
    config: &Value,
    key: &str,
    words: &[&str],
) -> Result<()> {
    let reply = rest.patient("PUT", &format!("/connectors/{name}/config"), Some(config))?;
    let mut named = config.clone();
    named["name"] = name.into();
    let class = config["connector.class"].as_str().context("no class")?;
    let path = format!("/connector-plugins/{class}/config/validate");
    let validated = rest.call("PUT", &path, Some(&named))?;
    ensure!(
        (reply.status, validated.status) == (400, 200),
        "{name}: {reply:?} {validated:?}"
    );
    let validated = validated.json()?;
    let at_key = validated["configs"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|config| config["value"]["name"] == key)
        .with_context(|| format!("no {key} in {validated}"))?;
    let at_key = at_key["value"]["errors"].to_string();
    for word in words {
        ensure!(
            reply.text.contains(word) && at_key.contains(word),
            "{name}: {word:?} is not in {} or not in {key}: {at_key}",
            reply.text
        );
    }
    for text in [&reply.text, &validated.to_string()] {
        ensure!(
            !text.contains(PASSWORD),
            "{name}: the password is in {text}"
        );
    }
    Ok(())
}

fn with(config: &Value, key: &str, value: &str) -> Value {
    let mut config = config.clone();
    config[key] = value.into();
    config
}

fn faults(context: &Context, kind: DatabaseKind) -> Result<()> {
    let database = database::start(kind)?;
    let postgresql = kind == DatabaseKind::PostgreSql;
    let owner = if postgresql {
        "; ALTER TABLE orders OWNER TO sluice"
    } else {
        ""
    };
    database.sql(&format!(
        "CREATE TABLE orders (id bigint PRIMARY KEY, name varchar(20)){owner};
         INSERT INTO orders VALUES (1, 'a');"
    ))?;
    // Tables that the user may not read, not write, not create.
    database.sql(if postgresql {
        "CREATE TABLE secret (id bigint PRIMARY KEY); GRANT INSERT ON secret TO sluice;
         CREATE TABLE fixed (id bigint PRIMARY KEY, name varchar(20)); GRANT SELECT ON fixed TO sluice;
         CREATE SCHEMA closed; GRANT USAGE ON SCHEMA closed TO sluice"
    } else {
        "CREATE TABLE secret (id bigint PRIMARY KEY); REVOKE ALL ON shop.* FROM sluice@'127.0.0.1';
         GRANT ALL ON shop.orders TO sluice@'127.0.0.1'; GRANT INSERT ON shop.secret TO sluice@'127.0.0.1';
         CREATE TABLE fixed (id bigint PRIMARY KEY, name varchar(20));
         GRANT SELECT ON shop.fixed TO sluice@'127.0.0.1'"
    })?;
    let cluster = context.cluster("errors")?;
    let mut workers = cluster.start(1)?;
    let rest = workers[0].rest();
    let prefix = format!("{}-", cluster.name);
    let place = database.place();
    let topic = format!("{prefix}in");
    create_topic(&cluster.bootstrap, &topic, 1)?;
    let source = source(
        &*database,
        &prefix,
        &json!({"mode": "bulk", "table.whitelist": "orders"}),
    );
    let sink = sink(
        &*database,
        &topic,
        &json!({"table.name.format": "orders", "insert.mode": "upsert",
        "pk.mode": "record_key", "pk.fields": "id", "max.retries": "3"}),
    );
    let name = format!("{prefix}refused");
    for config in [&source, &sink] {
        refused(
            rest,
            &name,
            &with(config, "connection.password", "wrong-4714"),
            "connection.password",
            &[&place, "connection.password"],
        )?;
        refused(
            rest,
            &name,
            &with(config, "connection.user", "nobody-here"),
            "connection.user",
            &[&place, "connection.user"],
        )?;
        let url = database.url();
        let elsewhere = url.replace("127.0.0.1", "no-such-host.invalid");
        refused(
            rest,
            &name,
            &with(config, "connection.url", &elsewhere),
            "connection.url",
            &["no-such-host.invalid", "connection.url"],
        )?;
        let closed = format!("127.0.0.1:{}", sluice_tests::ports::free_port()?);
        refused(
            rest,
            &name,
            &with(config, "connection.url", &url.replace(&place, &closed)),
            "connection.url",
            &[&closed, "server runs"],
        )?;
        let absent = url.replace(&format!("/{DATABASE}"), "/nowhere");
        refused(
            rest,
            &name,
            &with(config, "connection.url", &absent),
            "connection.url",
            &[&place, "nowhere"],
        )?;
        refused(
            rest,
            &name,
            &with(config, "connection.url", "jdbc:oracle:thin:@h"),
            "connection.url",
            &["jdbc:postgresql:"],
        )?;
        refused(
            rest,
            &name,
            &with(config, "credentials.provider.class", "x"),
            "credentials.provider.class",
            &["credentials.provider.class", "not supported"],
        )?;
    }
    refused(
        rest,
        &name,
        &with(&source, "table.whitelist", "orders,absent"),
        "table.whitelist",
        &[&place, "absent", "table.whitelist"],
    )?;
    refused(
        rest,
        &name,
        &with(&sink, "table.name.format", "absent"),
        "table.name.format",
        &[&place, "absent", "auto.create"],
    )?;
    refused(
        rest,
        &name,
        &with(&source, "mode", "timestamp"),
        "timestamp.column.name",
        &["timestamp.column.name"],
    )?;
    let mut unknown = with(&source, "mode", "incrementing");
    unknown["incrementing.column.name"] = "number".into();
    refused(
        rest,
        &name,
        &unknown,
        "mode",
        &["orders", "number", "id, name"],
    )?;
    refused(
        rest,
        &name,
        &with(&source, "table.whitelist", "secret"),
        "table.whitelist",
        &[&place, "secret", "grant the privilege"],
    )?;
    refused(
        rest,
        &name,
        &with(&sink, "table.name.format", "fixed"),
        "table.name.format",
        &[&place, "INSERT", "fixed", "grant the privilege"],
    )?;
    let mut made = with(&sink, "auto.create", "true");
    made["table.name.format"] = if postgresql { "closed.made" } else { "made" }.into();
    refused(
        rest,
        &name,
        &made,
        "auto.create",
        &[&place, "CREATE", "made", "grant the privilege"],
    )?;

    if postgresql {
        refused(
            rest,
            &name,
            &with(&made, "table.name.format", "nowhere.made"),
            "auto.create",
            &[&place, "schema", "nowhere", "correct the configuration"],
        )?;
    }

    // What changes under a running connector.
    let running = format!("{prefix}sink");
    rest.create(&running, &sink, 1)?;
    send(&cluster.bootstrap, &topic, &[order(1, "x")])?;
    super::wait_sql(&*database, "SELECT name FROM orders WHERE id = 1", "x")?;
    database.sql(if postgresql {
        "ALTER TABLE orders OWNER TO admin; GRANT SELECT ON orders TO sluice"
    } else {
        "REVOKE ALL ON shop.orders FROM sluice@'127.0.0.1'; GRANT SELECT ON shop.orders TO sluice@'127.0.0.1'"
    })?;
    send(&cluster.bootstrap, &topic, &[order(1, "y")])?;
    let trace = rest.wait_failed(&running)?;
    for word in [&place, "orders", "grant the privilege"] {
        ensure!(trace.contains(word), "{word:?} is not in {trace}");
    }
    database.sql(if postgresql {
        "ALTER TABLE orders OWNER TO sluice"
    } else {
        "GRANT ALL ON shop.* TO sluice@'127.0.0.1'"
    })?;
    rest.verb(
        "POST",
        &running,
        "restart?includeTasks=true&onlyFailed=true",
    )?;
    super::wait_sql(&*database, "SELECT name FROM orders WHERE id = 1", "y")?;
    database.sql("DROP TABLE orders")?;
    send(&cluster.bootstrap, &topic, &[order(1, "z")])?;
    let trace = rest.wait_failed(&running)?;
    for word in [&place, "orders", "create"] {
        ensure!(trace.contains(word), "{word:?} is not in {trace}");
    }
    database.sql(if postgresql {
        "ALTER ROLE sluice PASSWORD 'another-4715'"
    } else {
        "ALTER USER sluice@'127.0.0.1' IDENTIFIED BY 'another-4715'"
    })?;
    rest.verb("POST", &running, "restart?includeTasks=true")?;
    let trace = wait_for("the wrong password to be told", seconds(60), || {
        let trace = rest.wait_failed(&running)?;
        ensure!(trace.contains("connection.password"), "{trace}");
        Ok(Some(trace))
    })?;
    ensure!(trace.contains(&place), "{trace}");
    let log = workers[0].process().output();
    ensure!(!log.contains(PASSWORD), "the password is in the log");
    Ok(())
}

fn sqlite_faults(context: &Context) -> Result<()> {
    let database = database::start(DatabaseKind::Sqlite)?;
    database.sql("CREATE TABLE orders (id INTEGER PRIMARY KEY, name TEXT)")?;
    let cluster = context.cluster("errors")?;
    let workers = cluster.start(1)?;
    let rest = workers[0].rest();
    let prefix = format!("{}-", cluster.name);
    let place = database.place();
    let topic = format!("{prefix}in");
    create_topic(&cluster.bootstrap, &topic, 1)?;
    let source = source(
        &*database,
        &prefix,
        &json!({"mode": "bulk", "table.whitelist": "orders"}),
    );
    let sink = sink(&*database, &topic, &json!({"table.name.format": "orders"}));
    let name = format!("{prefix}refused");
    for config in [&source, &sink] {
        refused(
            rest,
            &name,
            &with(config, "connection.url", "jdbc:sqlite:/nowhere/at/all.db"),
            "connection.url",
            &["/nowhere/at/all.db"],
        )?;
    }
    refused(
        rest,
        &name,
        &with(&source, "table.whitelist", "absent"),
        "table.whitelist",
        &[&place, "absent", "table.whitelist"],
    )?;
    refused(
        rest,
        &name,
        &with(&sink, "table.name.format", "absent"),
        "table.name.format",
        &[&place, "absent", "auto.create"],
    )?;
    let read_only = with(
        &sink,
        "connection.url",
        &format!("{}?mode=ro", database.url()),
    );
    let running = format!("{prefix}sink");
    rest.create(&running, &read_only, 1)?;
    send(&cluster.bootstrap, &topic, &[order(1, "x")])?;
    let trace = rest.wait_failed(&running)?;
    for word in [place.as_str(), "readonly", "grant the privilege"] {
        ensure!(trace.contains(word), "{word:?} is not in {trace}");
    }
    Ok(())
}
