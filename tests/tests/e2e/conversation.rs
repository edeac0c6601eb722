//! The same REST conversation with a JVM worker and an agent.
//!
//! The answers of a JVM worker are kept in `tests/rest/golden-4.3.0.jsonl`. One test proves that a live JVM
//! worker still answers so (`SLUICE_UPDATE_GOLDEN=1` writes the file anew), the other that an agent does, but
//! for the differences in `tests/rest/differences.yaml`.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use sluice_tests::conversation::{Answer, Player, read_steps};
use sluice_tests::differences::{Agreed, Difference, compare, judge, read_agreed};
use sluice_tests::kafka::Kafka;
use sluice_tests::servers::tests_folder;
use sluice_tests::worker::{Kind, Worker, WorkerProperties};

use crate::context::{Context, Needs, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "conversation::the_golden_file_holds_what_a_jvm_worker_answers",
        needs: Needs::JAVA,
        run: jvm_worker_answers_as_golden,
    },
    Test {
        name: "conversation::an_agent_answers_alike_but_for_agreed_differences",
        needs: Needs::NOTHING,
        run: agent_answers_as_jvm_worker,
    },
];

fn jvm_worker_answers_as_golden(context: &Context) -> Result<()> {
    let answers = converse(context, Kind::Jvm)?;
    if std::env::var_os("SLUICE_UPDATE_GOLDEN").is_some() {
        std::fs::write(golden_file(), lines(&answers)?)?;
        return Ok(());
    }
    // A JVM lists the loggers it has made so far, which depends on what ran.
    let loggers = Agreed {
        step: "loggers".to_owned(),
        place: "body/*".to_owned(),
        reason: "depends on the classes loaded so far".to_owned(),
    };
    let (open, _) = judge(compare(&golden()?, &answers), &[loggers]);
    verdict(&open, &[])
}

fn agent_answers_as_jvm_worker(context: &Context) -> Result<()> {
    let agreed = read_agreed(&tests_folder().join("rest/differences.yaml"))?;
    let answers = converse(context, Kind::Agent)?;
    if let Some(file) = std::env::var_os("SLUICE_ANSWERS_FILE") {
        std::fs::write(file, lines(&answers)?)?;
    }
    let (open, idle) = judge(compare(&golden()?, &answers), &agreed);
    verdict(&open, &idle)
}

fn golden_file() -> PathBuf {
    tests_folder().join("rest/golden-4.3.0.jsonl")
}

fn golden() -> Result<Vec<Answer>> {
    let text = std::fs::read_to_string(golden_file()).context("golden answers")?;
    text.lines()
        .map(|line| serde_json::from_str(line).context("golden answers"))
        .collect()
}

/// One answer per line.
fn lines(answers: &[Answer]) -> Result<String> {
    answers.iter().try_fold(String::new(), |mut text, answer| {
        writeln!(text, "{}", serde_json::to_string(answer)?)?;
        Ok(text)
    })
}

fn converse(context: &Context, kind: Kind) -> Result<Vec<Answer>> {
    let steps = read_steps(&tests_folder().join("rest/conversation.yaml"))?;
    let cluster = context.unique("conversation");
    let folder = context.folder(&cluster)?;
    // The names of the connectors, and so of consumer groups, are part of the conversation: no broker is
    // shared.
    let kafka = Kafka::start(&context.servers)?;
    let properties = WorkerProperties::new(&kafka.bootstrap(), &cluster)?;
    let mut worker = Worker::start(kind, &context.servers, &folder, &properties)?;
    let data = folder.join("data");
    std::fs::create_dir(&data)?;
    let answers = Player::new(worker.rest(), &cluster, &data).play(&steps);
    let answers = answers.with_context(|| worker.process().log_end(20))?;
    worker.stop()?;
    ensure!(answers.len() >= 100, "only {} calls", answers.len());
    Ok(answers)
}

fn verdict(open: &[Difference], idle: &[Agreed]) -> Result<()> {
    let mut text = String::new();
    for difference in open {
        writeln!(text, "  {difference}")?;
    }
    for agreed in idle {
        writeln!(
            text,
            "  agreed, but not there: {} {}",
            agreed.step, agreed.place
        )?;
    }
    if !text.is_empty() {
        bail!(
            "{} differences from the JVM worker (first) that are not agreed upon, {} agreements without \
             use\n{text}",
            open.len(),
            idle.len()
        );
    }
    Ok(())
}
