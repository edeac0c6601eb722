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

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use context::{Context, Test};
use libtest_mimic::{Arguments, Conclusion, Trial};
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

/// Tests that compare with a JVM worker or Kafka itself; without jars they are reported as ignored.
fn needs_java(name: &str) -> bool {
    let modules = [
        "conversation::the_golden_file",
        "takeover::",
        "secured::",
        "differential::",
        "java_clients::",
        "back_pressure::a_topic_that_takes_nothing",
        "hostile::the_layouts",
        "mirror::a_secured_source",
        "both_brokers::",
        "transformations::",
    ];
    name.contains("jvm") || is_of(name, &modules)
}

/// Tests of a database that is not installed; `tests/run` installs them all.
fn lacks_database(name: &str) -> bool {
    is_of(name, &["jdbc::", "pipeline::"]) && !jdbc::database_of(name).is_installed()
}

/// Tests of a full disk, where the system lets us mount none; `tests/run` has no remedy for that.
fn lacks_mounts(name: &str) -> bool {
    let lacks = is_of(name, &["jdbc::disk::"]) && !sluice_tests::database::can_mount();
    if lacks {
        report(&format!(
            "{name} is not run: it takes the right to mount a disk in a namespace"
        ));
    }
    lacks
}

/// Tests of HDFS, and of the files in it, where `tests/servers/install` has not run.
fn lacks_hdfs(name: &str) -> bool {
    is_of(name, &["hdfs::", "pipeline::"])
        && !(sluice_tests::hdfs::is_installed() && servers::python().is_ok())
}

/// What says most on the embedded broker: how it is started, one test of each thing that groups, transactions
/// and the terminal ask of a broker, and the HTTP sinks, which ask little of any. Everything else has Kafka
/// as its judge.
const ON_EMBEDDED: &[&str] = &[
    "embedded::",
    "demo::",
    "http::",
    "http_confluent::",
    "delivery::an_agent_killed",
    "exactly_once::a_connector_has_offsets",
    "mirror::a_consumer_group",
    "headless::verbs_return",
    "terminal::pause_resume",
];

/// Whether a run in two parts has this test in its other part: `SLUICE_TEST_PART=embedded` runs what
/// [`ON_EMBEDDED`] lists, and `SLUICE_TEST_PART=kafka` the rest, so that each test runs once. Without the
/// variable all tests run.
fn is_of_other_part(name: &str) -> bool {
    match std::env::var("SLUICE_TEST_PART").as_deref() {
        Ok("embedded") => !is_of(name, ON_EMBEDDED),
        Ok("kafka") => is_of(name, ON_EMBEDDED),
        _ => false,
    }
}

fn is_of(name: &str, modules: &[&str]) -> bool {
    modules.iter().any(|module| name.starts_with(module))
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
    let have_java = context.servers.have_java();
    let have_python = servers::python().is_ok();
    let trials = all_tests()
        .map(|test| {
            let context = Arc::clone(context);
            let times = Arc::clone(&times);
            let python = test.name.contains("python") && !have_python;
            let skipped = is_of_other_part(test.name)
                || (needs_java(test.name) && !have_java)
                || ((python || lacks_database(test.name) || lacks_hdfs(test.name))
                    && !servers::wanted())
                || lacks_mounts(test.name);
            Trial::test(test.name, move || {
                context::begin_test();
                let begin = Instant::now();
                let outcome = (test.run)(&context);
                let mut times = times.lock().unwrap_or_else(PoisonError::into_inner);
                times.push((begin.elapsed(), test.name));
                drop(times);
                outcome.map_err(|error| format!("{}\n{}", explain(&error), context.logs()).into())
            })
            .with_ignored_flag(skipped)
        })
        .collect();
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
