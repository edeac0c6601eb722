use std::sync::Mutex;

use super::*;
use crate::testing::{Reported, TestContext};
use sluice_api::config::{ConfigKey, ConfigType};
use sluice_api::record::{ConnectRecord, TimestampType};

/// Refuses a request for the record in it that says with which status, as `500` or `404 0`; keeps all others.
#[derive(Default)]
struct Picky {
    batch_size: usize,
    /// Whether everything is refused with 403.
    closed: bool,
    accepted: Mutex<Vec<String>>,
    requests: Mutex<usize>,
}

#[async_trait]
impl Target for Picky {
    const KEYS: &'static [&'static str] = &[];

    fn config_def() -> ConfigDef {
        let key = |name: &str| ConfigKey::new(name, ConfigType::Int);
        ConfigDef::new()
            .define(key("max.retries").default("2"))
            .define(key("retry.backoff.ms").default("0"))
            .define(key("batch").default("1"))
            .define(key("closed").default("0"))
    }

    fn new(config: &ParsedConfig, _: &Props) -> std::result::Result<Self, KeyFault> {
        Ok(Self {
            batch_size: config.int("batch").unsigned_abs() as usize,
            closed: config.int("closed") == 1,
            ..Self::default()
        })
    }

    async fn check(&self) -> std::result::Result<(), KeyFault> {
        Ok(())
    }

    fn batch_size(&self) -> usize {
        self.batch_size
    }

    async fn send(&self, records: &[SinkRecord]) -> std::result::Result<(), Refusal> {
        *self.requests.lock().unwrap() += 1;
        let texts: Vec<&str> = records
            .iter()
            .filter_map(|r| r.record.value.as_str())
            .collect();
        let status = if self.closed {
            Some(403)
        } else {
            texts.iter().find_map(|text| text.parse().ok())
        };
        match status {
            Some(status) => Err(Refusal::answered(
                status,
                Some("0"),
                format!("was answered {status}"),
            )),
            None => {
                let mut accepted = self.accepted.lock().unwrap();
                accepted.extend(texts.into_iter().map(str::to_owned));
                Ok(())
            }
        }
    }
}

fn records(texts: &[String]) -> Vec<SinkRecord> {
    texts
        .iter()
        .zip(0..)
        .map(|(text, offset)| SinkRecord {
            record: ConnectRecord::new("t".into(), None, Value::from(text.as_str())),
            kafka_offset: offset,
            timestamp_type: TimestampType::CreateTime,
            original_topic: "t".into(),
            original_kafka_partition: 0,
            original_kafka_offset: offset,
        })
        .collect()
}

/// The task after it was given `texts` until it takes no more than a retry, with its answer and what it
/// reported.
async fn put(
    props: &[(&str, &str)],
    tolerant: bool,
    puts: &[Vec<String>],
) -> (Vec<String>, Vec<String>, Result<()>, usize) {
    let props: Props = props
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let reported = Reported::default();
    let context = TestContext {
        reported: tolerant.then(|| reported.clone()),
        ..TestContext::new(props)
    };
    let started = RequestTask::<Picky>::start(Arc::new(context)).await;
    let mut task = started.unwrap();
    let mut outcome = Ok(());
    for texts in puts {
        let records = records(texts);
        loop {
            outcome = task.put(&records).await;
            if !matches!(&outcome, Err(error) if error.is_retriable()) {
                break;
            }
        }
    }
    let target = task.system.target;
    let requests = *target.requests.lock().unwrap();
    (
        target.accepted.into_inner().unwrap(),
        reported.messages(),
        outcome,
        requests,
    )
}

const STATUSES: [u16; 11] = [500, 503, 429, 408, 404, 405, 410, 401, 403, 307, 400];

#[tokio::test]
async fn whatever_is_said_of_some_records_is_theirs_and_all_others_arrive_in_order() {
    for status in STATUSES {
        for batch in ["1", "3", "50"] {
            for bad in [
                vec![0],
                vec![9],
                vec![4],
                vec![0, 1, 2],
                vec![3, 7],
                vec![8, 9],
            ] {
                let texts: Vec<String> = (0..10)
                    .map(|i| {
                        if bad.contains(&i) {
                            status.to_string()
                        } else {
                            format!("r{i}")
                        }
                    })
                    .collect();
                let good: Vec<String> = texts
                    .iter()
                    .filter(|t| t.starts_with('r'))
                    .cloned()
                    .collect();
                let (accepted, reported, outcome, _) =
                    put(&[("batch", batch)], true, &[texts]).await;
                let case = format!("{status}, batches of {batch}, bad {bad:?}: {reported:?}");
                assert!(outcome.is_ok(), "{case}: {outcome:?}");
                assert_eq!(accepted, good, "{case}");
                let named: Vec<bool> = bad
                    .iter()
                    .zip(&reported)
                    .map(|(offset, text)| text.contains(&format!("record t-0@{offset}:")))
                    .collect();
                assert_eq!(named, vec![true; bad.len()], "{case}");
                assert_eq!(reported.len(), bad.len(), "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_record_that_comes_alone_is_reported_for_the_next_ones_show_the_rest() {
    for status in STATUSES {
        let puts = [vec![status.to_string()], vec!["r1".to_owned()]];
        let (accepted, reported, outcome, _) = put(&[], true, &puts).await;
        assert!(outcome.is_ok(), "{status}: {outcome:?}");
        assert_eq!((accepted.len(), reported.len()), (1, 1), "{status}");
    }
}

#[tokio::test]
async fn a_system_that_takes_nothing_fails_the_task_and_its_topic_is_no_dead_letter() {
    let texts: Vec<String> = (0..5_000).map(|i| format!("r{i}")).collect();
    for batch in ["1", "500"] {
        let props = [("batch", batch), ("closed", "1")];
        let (accepted, reported, outcome, requests) =
            put(&props, true, std::slice::from_ref(&texts)).await;
        let error = outcome.unwrap_err();
        assert!(
            !error.is_retriable() && format!("{error:#}").contains("none of the last 101 records"),
            "{error:#}"
        );
        assert!(
            accepted.is_empty() && reported.is_empty() && requests < 400,
            "{requests}"
        );
    }
}

#[tokio::test]
async fn without_tolerance_the_first_refusal_fails_the_task() {
    for (status, attempts) in [(403, 1), (500, 3), (400, 1)] {
        let texts = vec!["r0".to_owned(), status.to_string(), "r2".to_owned()];
        let (accepted, reported, outcome, requests) = put(&[], false, &[texts]).await;
        assert!(outcome.is_err() && reported.is_empty(), "{status}");
        assert_eq!((accepted.len(), requests), (1, 1 + attempts), "{status}");
    }
}

#[test]
fn retry_after_is_seconds_or_a_date_and_has_a_limit() {
    let pause = |text: &str| Refusal::answered(503, Some(text), String::new()).pause;
    assert_eq!(pause("7"), Duration::from_secs(7));
    assert_eq!(pause(" 99999999 "), LONGEST_PAUSE);
    assert_eq!(pause("soon"), Duration::ZERO);
    assert_eq!(pause("-3"), Duration::ZERO);
    assert_eq!(pause("Sun, 06 Nov 1994 08:49:37 GMT"), Duration::ZERO);
    assert_eq!(pause("Fri, 01 Jan 2100 00:00:00 GMT"), LONGEST_PAUSE);
}
