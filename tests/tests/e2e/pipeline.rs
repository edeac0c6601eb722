//! The example `examples/postgresql-to-hdfs` as its page tells it: one command, the terminal, and servers
//! that go and come back.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use sluice_tests::command;
use sluice_tests::data_file::{self, Contents, Format};
use sluice_tests::database::{self, Database, DatabaseKind, PASSWORD, USER};
use sluice_tests::hdfs::Hdfs;
use sluice_tests::kafka::Kafka;
use sluice_tests::pty::Terminal;
use sluice_tests::servers::{is_long, sluice_binary, tests_folder};
use sluice_tests::spark;
use sluice_tests::wait::{seconds, wait_for};
use sluice_tests::worker::Kind;

use crate::context::{Cluster, Context, Needs, Test};

pub(crate) const TESTS: &[Test] = &[Test {
    name: "pipeline::postgresql_to_hdfs_and_to_a_second_postgresql_over_outages",
    needs: Needs {
        hdfs: true,
        ..Needs::POSTGRESQL
    },
    run: postgresql_to_hdfs,
}];

const SINKS: [&str; 3] = ["orders-to-parquet", "orders-to-avro", "orders-to-reports"];

fn postgresql_to_hdfs(context: &Context) -> Result<()> {
    let shop = database::start(DatabaseKind::PostgreSql)?;
    let mut reports = database::start(DatabaseKind::PostgreSql)?;
    let mut hdfs = Hdfs::start()?;
    hdfs.make_folder("/shop", "sluice", "755")?;
    shop.sql(&format!(
        "{}; ALTER TABLE orders OWNER TO {USER}",
        from_page("sql")?
    ))?;
    order(&*shop, 500)?;

    // Names of connectors and topics are those of the example, so the brokers are the test's own.
    let kafka = Kafka::start(&context.servers)?;
    let cluster = context.cluster_on("pipeline", &kafka.bootstrap())?;
    let environment = [
        ("SHOP_URL", shop.url()),
        ("SHOP_USER", USER.to_owned()),
        ("SHOP_PASSWORD", PASSWORD.to_owned()),
        ("REPORTS_URL", reports.url()),
        ("REPORTS_USER", USER.to_owned()),
        ("REPORTS_PASSWORD", PASSWORD.to_owned()),
        ("HDFS_URL", hdfs.url()),
        ("HADOOP_USER_NAME", "sluice".to_owned()),
    ];
    let mut properties = cluster.properties()?;
    for (name, value) in environment {
        properties = properties.environment(name, &value);
    }
    for line in from_page("")?.lines() {
        let (key, value) = line.split_once('=').context("key=value")?;
        properties = properties.with(key, value);
    }
    let worker = cluster.worker(Kind::Agent, &properties)?;
    let url = worker.rest().url();

    let file = tests_folder().join("../examples/postgresql-to-hdfs/connectors.yaml");
    let file = file.display().to_string();
    let applied = sluice(&["--connect", url, "apply", "-f", &file])?.quietly(0)?;
    for name in SINKS.iter().chain(&["orders-source"]) {
        let line = format!("{name}: created");
        ensure!(applied.stdout.contains(&line), "{}", applied.stdout);
    }
    let terminal = open_terminal(&cluster, url)?;
    arrived(&*shop, &*reports, &hdfs)?;
    for sink in SINKS {
        wait_row(&terminal, sink, "HEALTHY", |lag| lag == "0", 60)?;
    }
    wait_row(&terminal, "orders-source", "HEALTHY", |_| true, 10)?;

    hdfs.stop()?;
    reports.crash()?;
    order(&*shop, 300)?;
    for sink in SINKS {
        wait_row(&terminal, sink, "STALLED", |lag| lag == "300", 150)?;
    }
    wait_row(&terminal, "orders-source", "HEALTHY", |_| true, 10)?;
    for name in SINKS {
        worker.rest().wait_running(name, 2, seconds(5))?;
    }

    hdfs.restart()?;
    reports.restart()?;
    arrived(&*shop, &*reports, &hdfs)?;
    for sink in SINKS {
        wait_row(&terminal, sink, "HEALTHY", |lag| lag == "0", 60)?;
    }
    if is_long() {
        spark_reads(&*shop, &hdfs)?;
    }
    Ok(())
}

/// Spark finds the orders too, with amounts as decimals of ten digits.
fn spark_reads(shop: &dyn Database, hdfs: &Hdfs) -> Result<()> {
    let expected = shop.sql("SELECT id, customer, amount FROM orders ORDER BY id")?;
    for (format, folder) in [
        (Format::Parquet, "/shop/parquet/shop-orders"),
        (Format::Avro, "/shop/avro/shop-orders"),
    ] {
        let contents = spark::read(format, &format!("{}{folder}", hdfs.url()))?;
        let fields = contents.schema.as_array().context("a list of fields")?;
        let amount = fields.iter().find(|field| field["name"] == "amount");
        let kind = &amount.context("no amount")?["type"];
        ensure!(*kind == "decimal(10,2)", "Spark reads {kind} in {folder}");
        let found = sorted(contents.rows.iter().map(order_of))?;
        ensure!(
            found.join("\n") == expected,
            "{folder}: Spark reads other rows"
        );
    }
    Ok(())
}

/// The code block of this language on the page of the example.
fn from_page(language: &str) -> Result<String> {
    let page = tests_folder().join("../examples/postgresql-to-hdfs/README.md");
    let page = std::fs::read_to_string(page)?;
    let wanted = match language {
        "" => "config.providers",
        _ => "",
    };
    let block = page
        .split_once(&format!("```{language}\n{wanted}"))
        .and_then(|(_, rest)| rest.split_once("```"))
        .with_context(|| format!("no block {language:?}"))?
        .0;
    Ok(format!(
        "{wanted}{}",
        block.trim_end().trim_end_matches(';')
    ))
}

/// So many new orders.
fn order(shop: &dyn Database, count: u32) -> Result<()> {
    shop.sql(&format!(
        "INSERT INTO orders (customer, amount) SELECT 'customer ' || n, n * 1.25 FROM generate_series(1, \
         {count}) n"
    ))?;
    Ok(())
}

/// Waits until all targets have all orders of the shop, each once.
fn arrived(shop: &dyn Database, reports: &dyn Database, hdfs: &Hdfs) -> Result<()> {
    let rows = "SELECT id, customer, amount FROM orders ORDER BY id";
    let expected = shop.sql(rows)?;
    wait_for("the second table to be as the first", seconds(90), || {
        let found = reports.sql(rows)?;
        ensure!(
            found == expected,
            "{} of {} rows",
            found.lines().count(),
            expected.lines().count()
        );
        Ok(Some(()))
    })?;
    for (format, folder) in [
        (Format::Parquet, "/shop/parquet/shop-orders"),
        (Format::Avro, "/shop/avro/shop-orders"),
    ] {
        wait_for(folder, seconds(90), || {
            let found = orders_in(hdfs, format, folder)?;
            ensure!(
                found.len() >= expected.lines().count(),
                "{} rows",
                found.len()
            );
            Ok(Some(()))
        })?;
        let found = orders_in(hdfs, format, folder)?.join("\n");
        ensure!(found == expected, "{folder}: other rows, or some twice");
    }
    Ok(())
}

/// The column `numeric(10, 2)` of the shop is a decimal of ten digits for every reader.
fn check_amount(format: Format, contents: &Contents) -> Result<()> {
    match format {
        Format::Parquet => {
            let fields = contents.schema.as_array().context("a list of fields")?;
            let amount = fields.iter().find(|field| field["name"] == "amount");
            let kind = &amount.context("no amount")?["type"];
            ensure!(*kind == "decimal128(10, 2)", "PyArrow reads {kind}");
            ensure!(
                contents.duckdb["amount"] == "DECIMAL(10,2)",
                "DuckDB reads {}",
                contents.duckdb
            );
        }
        Format::Avro => {
            let fields = contents.schema["fields"]
                .as_array()
                .context("a list of fields")?;
            let amount = fields.iter().find(|field| field["name"] == "amount");
            let kind = &amount.context("no amount")?["type"];
            ensure!(
                kind["precision"] == 10 && kind["scale"] == 2,
                "Avro has {kind}"
            );
        }
    }
    Ok(())
}

/// The orders in the files of a folder, as `psql` writes them, sorted by id.
fn orders_in(hdfs: &Hdfs, format: Format, folder: &str) -> Result<Vec<String>> {
    let mut orders = Vec::new();
    for file in hdfs.files(folder)? {
        // Files that are not finished are elsewhere, or begin so.
        if file.contains("+tmp") {
            continue;
        }
        let contents = data_file::read(format, &hdfs.read(&file)?)?;
        check_amount(format, &contents)?;
        orders.extend(contents.rows);
    }
    sorted(orders.iter().map(order_of))
}

/// The id of an order, and its line as `psql` writes it.
fn order_of(row: &Value) -> Result<(i64, String)> {
    let text = |name: &str| match &row[name] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let id = row["id"]
        .as_i64()
        .with_context(|| format!("no id: {row}"))?;
    Ok((id, format!("{id}|{}|{}", text("customer"), text("amount"))))
}

/// Lines by their ids.
fn sorted(orders: impl Iterator<Item = Result<(i64, String)>>) -> Result<Vec<String>> {
    let mut orders = orders.collect::<Result<Vec<_>>>()?;
    orders.sort();
    Ok(orders.into_iter().map(|(_, order)| order).collect())
}

fn sluice(arguments: &[&str]) -> Result<command::Output> {
    let mut all = vec![sluice_binary()?.display().to_string()];
    all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    command::run(&all, &[("SLUICE_CONFIG", "/dev/null")], "", seconds(90))
}

/// The terminal on the list of connectors.
fn open_terminal(cluster: &Cluster<'_>, url: &str) -> Result<Terminal> {
    let command = [
        sluice_binary()?.display().to_string(),
        "--config".to_owned(),
        "/dev/null".to_owned(),
        "--connect".to_owned(),
        url.to_owned(),
        "--bootstrap-servers".to_owned(),
        cluster.bootstrap.clone(),
    ];
    let terminal = Terminal::start(&command, &[], 140, 40)?;
    terminal.wait_text("connectors[", seconds(20))?;
    Ok(terminal)
}

/// Waits until the terminal shows this health, and a lag as wanted, in the line of a connector.
fn wait_row(
    terminal: &Terminal,
    connector: &str,
    health: &str,
    lag: fn(&str) -> bool,
    within: u64,
) -> Result<()> {
    let what = format!("{connector} to be {health}, its lag as expected");
    terminal.wait_screen(&what, seconds(within), |screen| {
        screen.lines().any(|line| {
            // Health, name, kind, tasks, lag; before the first a frame or a cursor.
            let words: Vec<&str> = line.split_whitespace().collect();
            let found = words.iter().position(|word| *word == connector);
            found.is_some_and(|at| {
                let before = at.checked_sub(1).map_or("", |before| words[before]);
                before.trim_start_matches(|letter: char| !letter.is_alphabetic()) == health
                    && words.get(at + 3).is_some_and(|word| lag(word))
            })
        })
    })
}
