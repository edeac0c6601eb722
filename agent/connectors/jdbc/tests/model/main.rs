//! The sink against a model: random tables, random batches, changes of the tables in between, on real
//! databases.
//!
//! The model executes the statements of records in their order, one transaction per `put`; where that
//! transaction is refused, each record alone, those that are refused being dead letters. After each `put`
//! tables and dead letters have to be the same. Values of clocks and sequences are left out.
//!
//! `SLUICE_TEST_ROUNDS` says how many rounds each database has; `SLUICE_TEST_SEED` runs one round again.

mod mariadb;
mod postgresql;
mod records;
mod scenario;
mod sqlite;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use async_trait::async_trait;
use sluice_api::{Props, SinkRecord, SinkTask, TopicPartition};
use sluice_tests::database::{DatabaseKind, PASSWORD, USER, start};
use sluice_toolkit::testing::{Reported, TestContext};

use crate::records::{Maker, Record};
use crate::scenario::{Random, Scenario, Step};

/// Rounds of a run among all other tests.
const ROUNDS: u64 = 150;
/// Seeds that once failed, whatever the database.
const CASES: &[u64] = &[];

/// One side: a schema, database or file of its own, and how statements look there.
#[async_trait]
pub(crate) trait Side: Send {
    /// Removes everything.
    async fn clear(&mut self) -> Result<()>;

    /// Runs statements one by one; an error is what the database says.
    async fn run(&mut self, statements: &[String]) -> std::result::Result<(), String>;

    /// The rows of all tables as texts, without those columns that a sequence fills.
    async fn dump(&mut self) -> Result<Vec<String>>;

    /// The URL for the sink.
    fn url(&self) -> String;

    /// The statement of a record, as the JVM connector makes it.
    fn statement(&self, scenario: &Scenario, record: &Record) -> String;
}

/// What both sides do with batches.
struct Round<'a> {
    scenario: &'a Scenario,
    seed: u64,
}

impl Round<'_> {
    /// The model: in one transaction, else each alone. Answers the offsets of those refused.
    async fn expected(&self, side: &mut dyn Side, batch: &[Record]) -> Result<BTreeSet<i64>> {
        let text = |record: &Record| side.statement(self.scenario, record);
        let statements: Vec<String> = batch.iter().map(text).collect();
        let mut refused = BTreeSet::new();
        if self.scenario.transactional {
            let all: Vec<String> = std::iter::once("BEGIN".to_owned())
                .chain(statements.iter().cloned())
                .chain(std::iter::once("COMMIT".to_owned()))
                .collect();
            if side.run(&all).await.is_ok() {
                return Ok(refused);
            }
            // There may be no transaction any more.
            let _ = side.run(&["ROLLBACK".to_owned()]).await;
        }
        for (record, statement) in batch.iter().zip(statements) {
            let alone = ["BEGIN".to_owned(), statement, "COMMIT".to_owned()];
            if side.run(&alone).await.is_err() {
                let _ = side.run(&["ROLLBACK".to_owned()]).await;
                refused.insert(record.offset);
            }
        }
        Ok(refused)
    }

    async fn task(&self, url: String) -> Result<(Box<dyn SinkTask>, Arc<TestContext>)> {
        let mut props: Props = self.scenario.props();
        for (key, value) in [
            ("name", "c".to_owned()),
            ("connection.url", url),
            ("connection.user", USER.to_owned()),
            ("connection.password", PASSWORD.to_owned()),
            ("table.name.format", self.scenario.target.to_owned()),
            ("max.retries", "1".to_owned()),
            ("retry.backoff.ms", "0".to_owned()),
        ] {
            props.insert(key.to_owned(), value);
        }
        let context = Arc::new(TestContext {
            assignment: vec![TopicPartition::new("t", 0)],
            reported: Some(Reported::default()),
            ..TestContext::new(props)
        });
        let task = (sluice_connector_jdbc::sink().start_task)(context.clone()).await?;
        Ok((task, context))
    }

    async fn run(&self, sides: &mut [Box<dyn Side>; 2], random: &mut Random) -> Result<()> {
        let [ours, model] = sides;
        for side in [&mut *ours, &mut *model] {
            side.clear().await?;
            let made = side.run(&self.scenario.tables).await;
            made.map_err(|error| anyhow::anyhow!("{error}: {:#?}", self.scenario.tables))?;
        }
        let (mut task, context) = self.task(ours.url()).await?;
        let mut maker = Maker::new(self.scenario);
        for step in &self.scenario.steps {
            match step {
                Step::Change(statement) => {
                    let both = [
                        std::slice::from_ref(statement),
                        std::slice::from_ref(statement),
                    ];
                    let first = ours.run(both[0]).await;
                    let second = model.run(both[1]).await;
                    ensure!(
                        first.is_ok() == second.is_ok(),
                        "{statement}: {first:?} {second:?}"
                    );
                }
                Step::Put(size) => {
                    let batch = maker.batch(*size, random);
                    self.put(&mut *task, &context, &mut **model, &batch).await?;
                    let (found, wanted) = (ours.dump().await?, model.dump().await?);
                    ensure!(
                        found == wanted,
                        "tables differ\nours:\n{}\nmodel:\n{}\nafter:\n{}",
                        found.join("\n"),
                        wanted.join("\n"),
                        self.shown(&**model, &batch)
                    );
                }
            }
        }
        Ok(task.stop().await?)
    }

    fn shown(&self, side: &dyn Side, batch: &[Record]) -> String {
        let lines = batch.iter().map(|record| {
            format!(
                "{}: {}",
                record.offset,
                side.statement(self.scenario, record)
            )
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    async fn put(
        &self,
        task: &mut dyn SinkTask,
        context: &TestContext,
        model: &mut dyn Side,
        batch: &[Record],
    ) -> Result<()> {
        let before = context
            .reported
            .as_ref()
            .context("a reporter")?
            .messages()
            .len();
        let records: Vec<SinkRecord> = batch.iter().map(Record::to_sink).collect();
        let mut outcome = task.put(&records).await;
        for _ in 0..3 {
            if !outcome
                .as_ref()
                .is_err_and(sluice_api::ConnectError::is_retriable)
            {
                break;
            }
            outcome = task.put(&records).await;
        }
        let wanted = self.expected(model, batch).await?;
        outcome.with_context(|| {
            format!(
                "refused by the model: {wanted:?}\n{}",
                self.shown(model, batch)
            )
        })?;
        let reported = context.reported.as_ref().context("a reporter")?.messages();
        let mut found = BTreeMap::new();
        for message in reported.get(before..).unwrap_or_default() {
            let offset = message
                .split(['@', ':'])
                .nth(1)
                .context("a place")?
                .parse::<i64>()?;
            let again = found.insert(offset, message);
            ensure!(again.is_none(), "reported twice: {message}");
        }
        ensure!(
            found.keys().eq(wanted.iter()),
            "dead letters {found:#?}, wanted {wanted:?}, of\n{}",
            self.shown(model, batch)
        );
        Ok(())
    }
}

/// A pair of sides and the tables that the database can have.
pub(crate) struct Model {
    pub(crate) sides: [Box<dyn Side>; 2],
    pub(crate) scenario: fn(&mut Random) -> Scenario,
}

/// Writes a line past the test runner, which keeps what succeeding tests print to itself.
fn show(text: &str) -> Result<()> {
    let line = format!("{text}\n");
    Ok(std::io::Write::write_all(
        &mut std::io::stdout(),
        line.as_bytes(),
    )?)
}

async fn rounds(name: &str, mut model: Model) -> Result<()> {
    let number = |key: &str| -> Option<u64> { std::env::var(key).ok()?.parse().ok() };
    let seeds: Vec<u64> = match number("SLUICE_TEST_SEED") {
        Some(seed) => vec![seed],
        None => {
            let count = number("SLUICE_TEST_ROUNDS").unwrap_or(ROUNDS);
            CASES.iter().copied().chain(1..=count).collect()
        }
    };
    let most = number("SLUICE_TEST_FAILURES").unwrap_or(1);
    let mut features: BTreeMap<&str, u64> = BTreeMap::new();
    let mut failures = Vec::new();
    for seed in &seeds {
        let mut random = Random::new(*seed);
        let scenario = (model.scenario)(&mut random);
        for feature in &scenario.features {
            *features.entry(feature).or_default() += 1;
        }
        let round = Round {
            scenario: &scenario,
            seed: *seed,
        };
        if let Err(error) = round.run(&mut model.sides, &mut random).await {
            let failure = format!(
                "{name}: SLUICE_TEST_SEED={} {:?} {:?} {}\n{}\n{:?}\n{error:?}",
                round.seed,
                scenario.features,
                scenario.mode,
                scenario.batch_size,
                scenario.tables.join("\n"),
                scenario.steps
            );
            // At once: a long run says so hours before its end.
            show(&failure)?;
            failures.push(failure);
            if failures.len() as u64 >= most {
                break;
            }
        }
    }
    let mut lines = vec![format!("{name}: {} rounds", seeds.len())];
    lines.extend(
        features
            .iter()
            .map(|(feature, count)| format!("  {feature}: {count}")),
    );
    show(&lines.join("\n"))?;
    ensure!(failures.is_empty(), "{} failures", failures.len());
    Ok(())
}

fn run(kind: DatabaseKind, name: &str) -> Result<()> {
    if !kind.is_installed() {
        return show(&format!("{name}: skipped, it is not installed"));
    }
    let database = start(kind)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let model = match kind {
            DatabaseKind::PostgreSql => postgresql::model(&*database).await?,
            DatabaseKind::MariaDb => mariadb::model(&*database).await?,
            DatabaseKind::Sqlite => sqlite::model()?,
        };
        rounds(name, model).await
    })
}

#[test]
fn postgresql_has_the_result_of_records_in_their_order() -> Result<()> {
    run(DatabaseKind::PostgreSql, "postgresql")
}

#[test]
fn mariadb_has_the_result_of_records_in_their_order() -> Result<()> {
    run(DatabaseKind::MariaDb, "mariadb")
}

#[test]
fn sqlite_has_the_result_of_records_in_their_order() -> Result<()> {
    run(DatabaseKind::Sqlite, "sqlite")
}
