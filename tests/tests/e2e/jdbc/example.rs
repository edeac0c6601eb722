//! The configurations of the connector's own page.

use anyhow::{Context as _, Result};
use serde_json::Value;
use sluice_tests::database::{self, DatabaseKind, PASSWORD, USER};
use sluice_tests::servers::tests_folder;

use super::wait_sql;
use crate::context::{Context, Needs, Test};

pub(crate) const TESTS: &[Test] = &[Test {
    name: "jdbc::example::the_configurations_of_the_page_run",
    needs: Needs::POSTGRESQL,
    run: page,
}];

/// The example of this name on the page.
fn example(name: &str) -> Result<Value> {
    let page = tests_folder().join("../agent/connectors/jdbc/README.md");
    let page = std::fs::read_to_string(page)?;
    let text = page
        .split_once(&format!("```json {name}\n"))
        .and_then(|(_, rest)| rest.split_once("```"))
        .with_context(|| format!("no example {name}"))?
        .0;
    Ok(serde_json::from_str(text)?)
}

fn page(context: &Context) -> Result<()> {
    let database = database::start(DatabaseKind::PostgreSql)?;
    database.sql(
        "CREATE TABLE orders (id serial PRIMARY KEY, name text, changed timestamptz NOT NULL DEFAULT now());
         ALTER TABLE orders OWNER TO sluice; INSERT INTO orders (name) SELECT 'n' FROM generate_series(1, 1000);",
    )?;
    let cluster = context.cluster("page")?;
    let workers = cluster.start(1)?;
    for (name, tasks) in [("source", 1), ("sink", 2)] {
        let mut config = example(name)?;
        for (key, value) in [
            ("connection.url", database.url()),
            ("connection.user", USER.to_owned()),
            ("connection.password", PASSWORD.to_owned()),
        ] {
            config[key] = value.into();
        }
        // Tests share a broker.
        let topic = format!("{}-orders", cluster.name);
        match name {
            "source" => config["topic.prefix"] = format!("{}-", cluster.name).into(),
            _ => config["topics"] = topic.into(),
        }
        workers[0]
            .rest()
            .create(&format!("{}-{name}", cluster.name), &config, tasks)?;
    }
    wait_sql(
        &*database,
        "SELECT count(*), min(name), max(id) FROM orders_copy",
        "1000|n|1000",
    )?;
    database.sql("UPDATE orders SET name = 'changed', changed = now() WHERE id = 5")?;
    wait_sql(
        &*database,
        "SELECT name FROM orders_copy WHERE id = 5",
        "changed",
    )
}
