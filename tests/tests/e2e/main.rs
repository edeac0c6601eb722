//! End-to-end tests on real servers: Kafka 4.3, JVM Connect 4.3 and the `sluice` binary.
//!
//! One binary, so that it links once and tests share a broker. Without jars (see [`sluice_tests::servers`])
//! they run on the embedded broker, and those that need Java are reported as ignored; without a built
//! `sluice` none can run, which is an error. The lists `TESTS` of the modules name all tests.

mod back_pressure;
mod bad_input;
mod both_brokers;
mod context;
mod conversation;
mod datagen;
mod delivery;
mod demo;
mod differential;
mod embedded;
mod evening;
mod exactly_once;
mod hdfs;
mod headless;
mod hostile;
mod http;
mod http_confluent;
mod https;
mod java_clients;
mod jdbc;
mod joining;
mod kafka_clients;
mod mirror;
mod pipeline;
mod schema_registry;
mod secured;
mod takeover;
mod terminal;
mod transformations;
mod watching;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use context::{Broker, Context, Needs, Test};
use libtest_mimic::{Arguments, Conclusion, Trial};
use sluice_tests::database::DatabaseKind;
use sluice_tests::servers::{self, Servers};

/// Tests at the same time, unless the command line says otherwise: servers and clients share two cores.
const THREADS: usize = 2;

fn all_tests() -> impl Iterator<Item = &'static Test> {
    [
        conversation::TESTS,
        takeover::TESTS,
        bad_input::TESTS,
        hostile::TESTS,
        joining::TESTS,
        kafka_clients::TESTS,
        terminal::TESTS,
        headless::TESTS,
        evening::TESTS,
        watching::TESTS,
        https::TESTS,
        secured::TESTS,
        demo::TESTS,
        delivery::TESTS,
        back_pressure::TESTS,
        exactly_once::TESTS,
        differential::TESTS,
        embedded::TESTS,
        both_brokers::TESTS,
        java_clients::TESTS,
        transformations::TESTS,
        schema_registry::TESTS,
        mirror::TESTS,
        http::TESTS,
        http_confluent::TESTS,
        datagen::TESTS,
        pipeline::TESTS,
    ]
    .into_iter()
    .chain(jdbc::TESTS.iter().copied())
    .chain(hdfs::TESTS.iter().copied())
    .flatten()
}

/// What of the needs of tests this machine has, looked up once.
struct Machine {
    java: bool,
    python: bool,
    hdfs: bool,
    mounts: bool,
}

impl Machine {
    fn look(servers: &Servers) -> Self {
        let python = servers::python().is_ok();
        Self {
            java: servers.have_java(),
            python,
            hdfs: python && sluice_tests::hdfs::is_installed(),
            mounts: sluice_tests::database::can_mount(),
        }
    }

    /// What a test lacks here that is therefore reported as ignored, `None` if it runs. What `tests/run` installs is an error of the
    /// test where it is missing and servers are wanted.
    fn lacks(&self, needs: &Needs) -> Option<&'static str> {
        if needs.java && !self.java {
            return Some("Kafka's jars");
        }
        if needs.mounts && !self.mounts {
            return Some("the right to mount a disk in a namespace");
        }
        if servers::wanted() {
            return None;
        }
        if needs.hdfs && !self.hdfs {
            return Some("an HDFS");
        }
        if needs.python && !self.python {
            return Some("Python's packages");
        }
        let database = needs.database.filter(|kind| !kind.is_installed())?;
        Some(match database {
            DatabaseKind::PostgreSql => "PostgreSQL",
            DatabaseKind::MariaDb => "MariaDB",
            DatabaseKind::Sqlite => "sqlite3",
        })
    }
}

/// Whether a run in two parts has this test in its other part: `SLUICE_TEST_PART=embedded` runs what says
/// most on the embedded broker, and `SLUICE_TEST_PART=kafka` the rest, so that each test runs once. Without
/// the variable all tests run.
fn is_of_other_part(needs: &Needs) -> bool {
    match std::env::var("SLUICE_TEST_PART").as_deref() {
        Ok("embedded") => needs.broker != Broker::Embedded,
        Ok("kafka") => needs.broker != Broker::Kafka,
        _ => false,
    }
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    let found = Servers::find().and_then(Context::new);
    let context = match found {
        Ok(context) => Arc::new(context),
        Err(error) => {
            report(&format!("error: {error:#}"));
            return ExitCode::FAILURE;
        }
    };
    let conclusion = run(&arguments, &context);
    // Servers end with the context, before the process does.
    drop(context);
    conclusion.exit_code()
}

/// How long each test took, with its name.
type Times = Arc<Mutex<Vec<(Duration, &'static str)>>>;

fn run(arguments: &Arguments, context: &Arc<Context>) -> Conclusion {
    let times = Times::default();
    let machine = Machine::look(&context.servers);
    let mut ignored: BTreeMap<&str, usize> = BTreeMap::new();
    let trials = all_tests()
        .map(|test| {
            let context = Arc::clone(context);
            let times = Arc::clone(&times);
            let other_part = is_of_other_part(&test.needs);
            let lacks = machine.lacks(&test.needs).filter(|_| !other_part);
            if let Some(missing) = lacks {
                *ignored.entry(missing).or_default() += 1;
            }
            Trial::test(test.name, move || {
                context::begin_test();
                let begin = Instant::now();
                let outcome = (test.run)(&context);
                let mut times = times.lock().unwrap_or_else(PoisonError::into_inner);
                times.push((begin.elapsed(), test.name));
                drop(times);
                outcome.map_err(|error| format!("{}\n{}", explain(&error), context.logs()).into())
            })
            .with_ignored_flag(other_part || lacks.is_some())
        })
        .collect();
    for (missing, tests) in ignored {
        report(&format!(
            "{tests} tests are ignored here: they need {missing}"
        ));
    }
    let conclusion = libtest_mimic::run(arguments, trials);
    report_slowest(&times);
    conclusion
}

/// The tests that took longest: whoever looks for minutes begins with them.
fn report_slowest(times: &Times) {
    const SHOWN: usize = 30;
    let mut times = times.lock().unwrap_or_else(PoisonError::into_inner);
    times.sort_unstable_by(|first, second| second.cmp(first));
    for (time, name) in times.iter().take(SHOWN) {
        report(&format!("{:6.1} s  {name}", time.as_secs_f64()));
    }
}

/// The causes from the outermost to the root, one per paragraph, without a stack.
fn explain(error: &anyhow::Error) -> String {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    causes.join("\ncaused by: ")
}

#[expect(clippy::print_stderr, reason = "a test runner talks to its user")]
fn report(line: &str) {
    eprintln!("{line}");
}
