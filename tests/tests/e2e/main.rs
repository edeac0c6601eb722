//! End-to-end tests on real servers: Kafka 4.3, JVM Connect 4.3 and the `sluice` binary.
//!
//! One binary, so that it links once and tests share a broker. Without jars (see [`sluice_tests::servers`]) they run on the
//! embedded broker, and those that need Java are reported as ignored. The lists `TESTS` of the modules name all tests.

mod bad_input;
mod both_brokers;
mod context;
mod conversation;
mod delivery;
mod demo;
mod differential;
mod embedded;
mod exactly_once;
mod headless;
mod https;
mod java_clients;
mod mirror;
mod secured;
mod takeover;
mod terminal;
mod transformations;

use std::process::ExitCode;
use std::sync::Arc;

use context::{Context, Test};
use libtest_mimic::{Arguments, Trial};
use sluice_tests::servers::{self, Servers};

/// Tests at the same time, unless the command line says otherwise: servers and clients share two cores.
const THREADS: usize = 2;

fn all_tests() -> impl Iterator<Item = &'static Test> {
    [
        conversation::TESTS,
        takeover::TESTS,
        bad_input::TESTS,
        terminal::TESTS,
        headless::TESTS,
        https::TESTS,
        secured::TESTS,
        demo::TESTS,
        delivery::TESTS,
        exactly_once::TESTS,
        differential::TESTS,
        embedded::TESTS,
        both_brokers::TESTS,
        java_clients::TESTS,
        transformations::TESTS,
        mirror::TESTS,
    ]
    .into_iter()
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
        "mirror::a_secured_source",
        "both_brokers::",
    ];
    name.contains("jvm") || modules.iter().any(|module| name.starts_with(module))
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    match Servers::find() {
        Ok(servers) => run(&arguments, servers),
        Err(reason) if servers::wanted() => {
            report(&format!(
                "error: real servers were asked for, but: {reason:#}"
            ));
            ExitCode::FAILURE
        }
        Err(reason) => skip(&arguments, &format!("{reason:#}")),
    }
}

fn run(arguments: &Arguments, servers: Servers) -> ExitCode {
    let context = Arc::new(match Context::new(servers) {
        Ok(context) => context,
        Err(error) => {
            report(&format!("error: {error:#}"));
            return ExitCode::FAILURE;
        }
    });
    let have_java = context.servers.have_java();
    let trials = all_tests()
        .map(|test| {
            let context = Arc::clone(&context);
            let skipped = needs_java(test.name) && !have_java;
            Trial::test(test.name, move || {
                context::begin_test();
                (test.run)(&context)
                    .map_err(|error| format!("{}\n{}", explain(&error), context.logs()).into())
            })
            .with_ignored_flag(skipped)
        })
        .collect();
    let conclusion = libtest_mimic::run(arguments, trials);
    // Servers end with the context, before the process does.
    drop(context);
    conclusion.exit_code()
}

/// The causes from the outermost to the root, one per paragraph, without a stack.
fn explain(error: &anyhow::Error) -> String {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    causes.join("\ncaused by: ")
}

fn skip(arguments: &Arguments, reason: &str) -> ExitCode {
    let trials: Vec<Trial> = all_tests()
        .map(|test| Trial::test(test.name, || Ok(())).with_ignored_flag(true))
        .collect();
    let count = trials.len();
    let conclusion = libtest_mimic::run(arguments, trials);
    report(&format!("skipped {count} tests on real servers: {reason}"));
    conclusion.exit_code()
}

#[expect(clippy::print_stderr, reason = "a test runner talks to its user")]
fn report(line: &str) {
    eprintln!("{line}");
}
