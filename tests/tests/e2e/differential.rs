//! The same records through the same connector configurations on a JVM worker and on an agent: what sinks
//! write, what sources produce, dead letter topics with their headers, and states of tasks have to be equal,
//! but for the differences in `tests/differential/differences.yaml`. The configurations are in
//! `tests/differential/cases.yaml`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Map, Value};
use sluice_tests::corpus::{json_records, text_lines};
use sluice_tests::differences::{Difference, judge, read_agreed};
use sluice_tests::rest::Rest;
use sluice_tests::servers::tests_folder;
use sluice_tests::topics::{Record, consume_all, create_topic, produce_corpus};
use sluice_tests::wait::{seconds, wait_for};
use sluice_tests::worker::{Kind, Worker};

use crate::context::{Cluster, Context, Needs, Test};

pub(crate) const TESTS: &[Test] = &[Test {
    name: "differential::agents_make_of_every_record_what_a_jvm_worker_makes_of_it",
    needs: Needs::JAVA,
    run: same_results,
}];

/// Connectors at the same time: two workers and a broker share the machine.
const AT_ONCE: usize = 15;

/// A connector configuration to be compared.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// The corpus it reads: `json` for a sink, `text` for a source.
    corpus: Corpus,
    /// What is different from the base configuration.
    #[serde(default)]
    config: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Corpus {
    Json,
    Text,
}

/// What a worker made of a case.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    /// State of the task with the causes of its failure, one per line.
    state: Vec<String>,
    /// Lines of a sink's file, or records that a source produced.
    output: Vec<String>,
    dead_letters: Vec<String>,
}

fn same_results(context: &Context) -> Result<()> {
    let file = tests_folder().join("differential/cases.yaml");
    let cases: Vec<Case> = serde_yaml_ng::from_str(&std::fs::read_to_string(&file)?)
        .with_context(|| file.display().to_string())?;
    ensure!(cases.len() >= 80, "only {} cases", cases.len());
    let jvm_cluster = context.cluster("diffjvm")?;
    let agent_cluster = context.cluster("diffagent")?;
    let corpus = context.unique("corpus");
    create_topic(&agent_cluster.bootstrap, &corpus, 1)?;
    let records = json_records();
    produce_corpus(&agent_cluster.bootstrap, &corpus, &records)?;
    let text = agent_cluster.folder.join("corpus.txt");
    std::fs::write(&text, text_lines())?;
    let jvm = Side::start(Kind::Jvm, &jvm_cluster, &corpus, &text, records.len())?;
    let agent = Side::start(Kind::Agent, &agent_cluster, &corpus, &text, records.len())?;
    let mut differences = Vec::new();
    for part in cases.chunks(AT_ONCE) {
        for side in [&jvm, &agent] {
            for case in part {
                side.create(case)?;
            }
        }
        for case in part {
            let (first, second) = (jvm.outcome(case)?, agent.outcome(case)?);
            differences.extend(compare(&case.name, &first, &second));
        }
    }
    if let Some(file) = std::env::var_os("SLUICE_ANSWERS_FILE") {
        let text: String = differences.iter().map(|one| format!("{one}\n")).collect();
        std::fs::write(file, text)?;
    }
    let agreed = read_agreed(&tests_folder().join("differential/differences.yaml"))?;
    let (open, idle) = judge(differences, &agreed);
    let mut report = String::new();
    for difference in &open {
        writeln!(report, "  {difference}")?;
    }
    for agreed in &idle {
        writeln!(
            report,
            "  agreed, but not there: {} {}",
            agreed.step, agreed.place
        )?;
    }
    if !report.is_empty() {
        bail!(
            "{} differences from the JVM worker (first) that are not agreed upon, {} agreements without \
             use\n{report}",
            open.len(),
            idle.len()
        );
    }
    Ok(())
}

/// One of the two workers.
struct Side<'a> {
    cluster: &'a Cluster<'a>,
    worker: Worker,
    corpus: &'a str,
    records: usize,
    text: &'a Path,
}

impl<'a> Side<'a> {
    fn start(
        kind: Kind,
        cluster: &'a Cluster<'a>,
        corpus: &'a str,
        text: &'a Path,
        records: usize,
    ) -> Result<Self> {
        Ok(Self {
            worker: cluster.worker(kind, &cluster.properties()?)?,
            cluster,
            corpus,
            records,
            text,
        })
    }

    fn rest(&self) -> &Rest {
        self.worker.rest()
    }

    fn connector(&self, case: &Case) -> String {
        format!("{}-{}", self.cluster.name, case.name)
    }

    fn file(&self, case: &Case) -> PathBuf {
        self.cluster.folder.join(format!("{}.out", case.name))
    }

    /// The topic a source writes to, or the dead letter topic of a sink.
    fn topic(&self, case: &Case) -> String {
        self.connector(case)
    }

    fn create(&self, case: &Case) -> Result<()> {
        const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";
        let mut config = Map::new();
        let mut set = |key: &str, value: &str| config.insert(key.to_owned(), value.into());
        create_topic(&self.cluster.bootstrap, &self.topic(case), 1)?;
        match case.corpus {
            Corpus::Json => {
                set(
                    "connector.class",
                    "org.apache.kafka.connect.file.FileStreamSinkConnector",
                );
                set("topics", self.corpus);
                set("file", &self.file(case).display().to_string());
                set("errors.deadletterqueue.topic.name", &self.topic(case));
                set("errors.deadletterqueue.context.headers.enable", "true");
            }
            Corpus::Text => {
                set(
                    "connector.class",
                    "org.apache.kafka.connect.file.FileStreamSourceConnector",
                );
                set("topic", &self.topic(case));
                set("file", &self.text.display().to_string());
            }
        }
        set("tasks.max", "1");
        set("key.converter", JSON);
        set("value.converter", JSON);
        set("errors.tolerance", "all");
        for (key, value) in &case.config {
            set(key, value);
        }
        self.rest()
            .put_config(&self.connector(case), &Value::Object(config))
    }

    /// Waits until the case is through with the corpus, or has failed; then removes it.
    fn outcome(&self, case: &Case) -> Result<Outcome> {
        let name = self.connector(case);
        let length = std::fs::metadata(self.text)?.len();
        let state = wait_for(&format!("the end of {name}"), seconds(90), || {
            let states = self.rest().states(&name)?.context("no status")?;
            ensure!(states.tasks.len() == 1, "{}", states.text());
            let task = &states.tasks[0];
            if task.state == "FAILED" {
                return Ok(Some(causes(&task.trace)));
            }
            let offsets = self.rest().offsets(&name)?;
            let done = offsets.iter().any(|entry| match case.corpus {
                Corpus::Json => entry["offset"]["kafka_offset"] == self.records,
                // A source counts characters where it should count bytes, so its last position is 5 less; the
                // last two lines may be skipped.
                Corpus::Text => entry["offset"]["position"].as_u64() >= Some(length - 14),
            });
            ensure!(
                done && task.state == "RUNNING",
                "{} {offsets:?}",
                states.text()
            );
            Ok(Some(vec!["RUNNING".to_owned()]))
        })?;
        self.rest().delete(&name)?;
        let records = consume_all(&self.cluster.bootstrap, &self.topic(case))?;
        let own = |text: String| text.replace(&self.cluster.name, "CLUSTER");
        let topic: Vec<String> = records.iter().map(|record| own(show(record))).collect();
        let mut outcome = Outcome {
            state: state.into_iter().map(own).collect(),
            ..Outcome::default()
        };
        match case.corpus {
            Corpus::Text => outcome.output = topic,
            Corpus::Json => {
                outcome.dead_letters = topic;
                let lines = std::fs::read(self.file(case)).unwrap_or_default();
                let lines = String::from_utf8_lossy(&lines).into_owned();
                outcome.output = lines.lines().map(str::to_owned).collect();
            }
        }
        Ok(outcome)
    }
}

/// FAILED and the exceptions of a trace, without the stacks.
fn causes(trace: &str) -> Vec<String> {
    let exceptions = trace
        .lines()
        .filter(|line| !line.starts_with('\t') && !line.trim().is_empty())
        .map(str::to_owned);
    std::iter::once("FAILED".to_owned())
        .chain(exceptions)
        .collect()
}

fn show(record: &Record) -> String {
    let text = |bytes: &Option<Vec<u8>>| match bytes {
        None => "null".to_owned(),
        Some(bytes) => bytes.escape_ascii().to_string(),
    };
    let mut shown = format!("{} => {}", text(&record.key), text(&record.value));
    for (name, value) in &record.headers {
        // A Java stack is no part of the comparison; its exception and message are headers of their own.
        if !name.ends_with("exception.stacktrace") {
            let _ = write!(shown, " | {name}={}", text(value));
        }
    }
    shown
}

/// A line as it is compared. Java writes maps in the order of a hash table, and arrays of bytes with an
/// address; before Java 19 it writes more digits of some numbers than tell them apart (JDK-4511638).
fn canonical(line: &str) -> String {
    let mut text = shortest_numbers(&sorted_maps(line));
    if let Some(at) = text.find("[B@") {
        let address = text[at + 3..]
            .bytes()
            .take_while(u8::is_ascii_hexdigit)
            .count();
        text.replace_range(at + 3..at + 3 + address, "");
    }
    text
}

/// The same text with each number that has an exponent in its shortest form: as a float if it has no more
/// digits than those, else as a double.
fn shortest_numbers(text: &str) -> String {
    let digit =
        |character: char| character.is_ascii_digit() || matches!(character, '.' | '-' | 'E');
    let mut shortened = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let number = &rest[start..];
        let end = number.find(|c| !digit(c)).unwrap_or(number.len());
        let (before, token) = (&rest[..start], &number[..end]);
        shortened.push_str(before);
        let mantissa = token.split_once('E').map(|(mantissa, _)| mantissa.len());
        match (mantissa, token.parse::<f32>(), token.parse::<f64>()) {
            (Some(..=10), Ok(float), _) => {
                let _ = write!(shortened, "{float:E}");
            }
            (Some(_), _, Ok(double)) => {
                let _ = write!(shortened, "{double:E}");
            }
            _ => shortened.push_str(token),
        }
        rest = &number[end..];
    }
    shortened + rest
}

/// The same text with the entries of each `{k=v, ...}` sorted.
fn sorted_maps(text: &str) -> String {
    // The entries of each map that is open; the first "map" is the line.
    let mut open = vec![vec![String::new()]];
    for character in text.chars() {
        let depth = open.len();
        let closed = if character == '}' && depth > 1 {
            let mut entries = open.pop().unwrap_or_default();
            entries.sort_unstable();
            Some(format!("{{{}}}", entries.join(", ")))
        } else {
            None
        };
        let Some(entries) = open.last_mut() else {
            break;
        };
        let Some(entry) = entries.last_mut() else {
            break;
        };
        match (character, closed) {
            (_, Some(map)) => entry.push_str(&map),
            ('{', None) => open.push(vec![String::new()]),
            (' ', None) if depth > 1 && entry.ends_with(',') => {
                entry.pop();
                entries.push(String::new());
            }
            (other, None) => entry.push(other),
        }
    }
    // Maps that were not closed are text.
    let parts: Vec<String> = open.iter().map(|entries| entries.join(", ")).collect();
    parts.join("{")
}

fn compare(case: &str, first: &Outcome, second: &Outcome) -> Vec<Difference> {
    let mut differences = Vec::new();
    for (part, one, two) in [
        ("state", &first.state, &second.state),
        ("output", &first.output, &second.output),
        ("dead letters", &first.dead_letters, &second.dead_letters),
    ] {
        let mut add = |place: String, first: &str, second: &str| {
            differences.push(Difference {
                step: case.to_owned(),
                place,
                first: first.to_owned(),
                second: second.to_owned(),
            });
        };
        let one: Vec<String> = one.iter().map(|line| canonical(line)).collect();
        let two: Vec<String> = two.iter().map(|line| canonical(line)).collect();
        if one.len() == two.len() {
            for (number, (a, b)) in one.iter().zip(&two).enumerate() {
                if a != b {
                    add(format!("{part} {number}: {a}"), a, b);
                }
            }
            continue;
        }
        let (only_one, only_two) = (beyond(&one, &two), beyond(&two, &one));
        for line in only_one {
            add(format!("{part}: {line}"), line, "nothing");
        }
        for line in only_two {
            add(format!("{part}: {line}"), "nothing", line);
        }
    }
    differences
}

/// The lines that are in one list more often than in the other.
fn beyond<'a>(lines: &'a [String], others: &[String]) -> Vec<&'a str> {
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for other in others {
        *count.entry(other).or_default() += 1;
    }
    lines
        .iter()
        .map(String::as_str)
        .filter(|line| match count.get_mut(line) {
            Some(left) if *left > 0 => {
                *left -= 1;
                false
            }
            _ => true,
        })
        .collect()
}
