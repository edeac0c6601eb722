//! One program of transactions on Kafka and on the embedded broker, with the same results.

use std::time::Duration;

use anyhow::{Context as _, Result};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use sluice_tests::kafka::Kafka;
use sluice_tests::servers::BrokerKind;
use sluice_tests::topics;

use crate::context::{Context, Needs, Test};

pub(crate) const TESTS: &[Test] = &[Test {
    name: "both_brokers::transactions_have_the_same_results_on_kafka_and_on_the_embedded_broker",
    needs: Needs::JAVA,
    run: same_transactions,
}];

const LIMIT: Duration = Duration::from_secs(30);

fn same_transactions(context: &Context) -> Result<()> {
    let kafka = Kafka::start_kind(&context.servers, BrokerKind::Kafka)?;
    let embedded = Kafka::start_kind(&context.servers, BrokerKind::Embedded)?;
    let wanted = program(&kafka.bootstrap()).context("on Kafka")?;
    let got = program(&embedded.bootstrap()).context("on the embedded broker")?;
    anyhow::ensure!(
        wanted == got,
        "results differ\nKafka:    {wanted:#?}\nembedded: {got:#?}"
    );
    anyhow::ensure!(wanted.len() > 8, "too few results: {wanted:?}");
    Ok(())
}

/// Runs all of it and tells what happened, without anything that differs between two runs.
fn program(bootstrap: &str) -> Result<Vec<String>> {
    let mut results = Vec::new();
    topics::create_topic(bootstrap, "in", 1)?;
    topics::create_topic(bootstrap, "out", 1)?;
    topics::produce(
        bootstrap,
        "in",
        (0..10).map(|_| (None, Some(b"input".as_slice()))),
    )?;

    let first = producer(bootstrap)?;
    first.init_transactions(LIMIT)?;
    first.begin_transaction()?;
    send(&first, "aborted")?;
    first.abort_transaction(LIMIT)?;
    first.begin_transaction()?;
    send(&first, "committed")?;
    results.push(format!("open: {:?}", read(bootstrap, "read_committed")?));
    first.commit_transaction(LIMIT)?;
    results.push(format!(
        "committed: {:?}",
        read(bootstrap, "read_committed")?
    ));
    results.push(format!("all: {:?}", read(bootstrap, "read_uncommitted")?));

    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "copier")
        .set("enable.auto.commit", "false")
        .create()?;
    let metadata = consumer.group_metadata().context("no group metadata")?;
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset("in", 0, Offset::Offset(4))?;
    first.begin_transaction()?;
    send(&first, "with offsets, aborted")?;
    first.send_offsets_to_transaction(&offsets, &metadata, LIMIT)?;
    first.abort_transaction(LIMIT)?;
    results.push(format!("offsets aborted: {}", committed(&consumer)?));
    first.begin_transaction()?;
    send(&first, "with offsets, committed")?;
    first.send_offsets_to_transaction(&offsets, &metadata, LIMIT)?;
    first.commit_transaction(LIMIT)?;
    results.push(format!("offsets committed: {}", committed(&consumer)?));

    // A second instance fences the first in the middle of its transaction.
    first.begin_transaction()?;
    send(&first, "fenced")?;
    let second = producer(bootstrap)?;
    second.init_transactions(LIMIT)?;
    results.push(format!(
        "fenced commit: {}",
        outcome(first.commit_transaction(LIMIT))
    ));
    results.push(format!(
        "fenced begin: {}",
        outcome(first.begin_transaction())
    ));
    second.begin_transaction()?;
    send(&second, "second")?;
    second.commit_transaction(LIMIT)?;
    results.push(format!(
        "after fencing: {:?}",
        read(bootstrap, "read_committed")?
    ));

    // The new instance can abort as well.
    second.begin_transaction()?;
    send(&second, "before the end")?;
    second.abort_transaction(LIMIT)?;
    results.push(format!(
        "at the end: {:?}",
        read(bootstrap, "read_committed")?
    ));
    Ok(results)
}

fn producer(bootstrap: &str) -> Result<BaseProducer> {
    Ok(ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("transactional.id", "program")
        .set("transaction.timeout.ms", "60000")
        .create()?)
}

fn send(producer: &BaseProducer, value: &str) -> Result<()> {
    producer
        .send(BaseRecord::<(), str>::to("out").payload(value))
        .map_err(|(error, _)| error)?;
    producer.flush(LIMIT)?;
    Ok(())
}

/// `ok`, or whether the error is fatal and its code.
fn outcome(result: Result<(), KafkaError>) -> String {
    match result {
        Ok(()) => "ok".to_owned(),
        Err(KafkaError::Transaction(error)) => {
            format!("{:?}, fatal {}", error.code(), error.is_fatal())
        }
        Err(error) => format!("{:?}", error.rdkafka_error_code()),
    }
}

fn committed(consumer: &BaseConsumer) -> Result<String> {
    let mut asked = TopicPartitionList::new();
    asked.add_partition("in", 0);
    let found = consumer.committed_offsets(asked, LIMIT)?;
    let element = found.find_partition("in", 0).context("no answer")?;
    Ok(format!("{:?}", element.offset()))
}

/// All values of the topic up to its end as this isolation level sees it.
fn read(bootstrap: &str, isolation: &str) -> Result<Vec<String>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "reader")
        .set("isolation.level", isolation)
        .set("enable.partition.eof", "true")
        .set("enable.auto.commit", "false")
        .create()?;
    let mut from = TopicPartitionList::new();
    from.add_partition_offset("out", 0, Offset::Beginning)?;
    consumer.assign(&from)?;
    let mut values = Vec::new();
    loop {
        match consumer.poll(LIMIT).context("no answer in time")? {
            Ok(message) => {
                let value = message.payload().unwrap_or_default();
                values.push(String::from_utf8_lossy(value).into_owned());
            }
            Err(KafkaError::PartitionEOF(_)) => return Ok(values),
            Err(error) => return Err(error.into()),
        }
    }
}
