//! End-to-end tests on real servers: Kafka 4.3, JVM Connect 4.3 and the `sluice` binary.
//!
//! One binary, so that it links once and tests share a broker. Without servers (see [`sluice_tests::servers`]) every
//! test here is reported as ignored and the reason is printed. The lists `TESTS` of the modules name all tests.

mod bad_input;
mod context;
mod conversation;
mod delivery;
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
        delivery::TESTS,
        transformations::TESTS,
    ]
    .into_iter()
    .flatten()
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
    let trials = all_tests()
        .map(|test| {
            let context = Arc::clone(&context);
            Trial::test(test.name, move || {
                context::begin_test();
                (test.run)(&context)
                    .map_err(|error| format!("{}\n{}", explain(&error), context.logs()).into())
            })
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
