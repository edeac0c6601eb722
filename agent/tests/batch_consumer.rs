//! The batch consumer on a broker: Kafka, if `SLUICE_TEST_BOOTSTRAP` (host:port) names one, else the embedded
//! one.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/broker.rs"]
mod broker;

use std::time::{Duration, Instant};

use broker::TestBroker;
use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfig as _;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use sluice_agent::embedded;
use sluice_api::TopicPartition;
use sluice_kafka::consumer::{BatchConsumer, EARLIEST};

type Sent = (
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Vec<(String, Option<Vec<u8>>)>,
);

/// Records of every kind of key, value and headers, each after and before one with headers and one without.
fn records() -> Vec<Sent> {
    let keys = [
        None,
        Some(Vec::new()),
        Some(b"key".to_vec()),
        Some(vec![0; 40]),
    ];
    let values = [
        None,
        Some(Vec::new()),
        Some(b"value".to_vec()),
        Some(vec![0; 40]),
        Some((0..=255).cycle().take(9_000).collect()),
    ];
    let headers = [
        Vec::new(),
        vec![("one".to_owned(), Some(b"1".to_vec()))],
        Vec::new(),
        Vec::new(),
        vec![
            ("two".to_owned(), None),
            ("two".to_owned(), Some(vec![0; 3])),
        ],
    ];
    let mut records = Vec::new();
    for key in &keys {
        for value in &values {
            for list in &headers {
                records.push((key.clone(), value.clone(), list.clone()));
            }
        }
    }
    records
}

fn produce(config: &ClientConfig, topic: &str, records: &[Sent]) {
    let producer = BaseProducer::from_config(config).unwrap();
    for (key, value, headers) in records {
        let mut record = BaseRecord::<[u8], [u8]>::to(topic).partition(0);
        if let Some(key) = key {
            record = record.key(key);
        }
        if let Some(value) = value {
            record = record.payload(value);
        }
        if !headers.is_empty() {
            let list = headers
                .iter()
                .fold(OwnedHeaders::new(), |list, (key, value)| {
                    list.insert(Header {
                        key,
                        value: value.as_ref(),
                    })
                });
            record = record.headers(list);
        }
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(Duration::from_secs(30)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_record_has_its_own_headers_whatever_stands_beside_it() {
    let broker = TestBroker::start();
    let sent = records();
    for compression in ["none", "zstd"] {
        let topic = format!("headers-{compression}-{}", std::process::id());
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", broker.bootstrap());
        let mut producer = config.clone();
        producer
            .set("compression.codec", compression)
            .set("linger.ms", "20");
        produce(&producer, &topic, &sent);

        let mut consumer = BatchConsumer::without_group(&config, 500).unwrap();
        consumer
            .assign(&[(TopicPartition::new(topic, 0), Some(EARLIEST))])
            .unwrap();
        let (mut got, mut events) = (Vec::new(), Vec::new());
        let end = Instant::now() + Duration::from_secs(30);
        while got.len() < sent.len() && Instant::now() < end {
            if !consumer.poll(&mut got, &mut events) {
                let _ = tokio::time::timeout(Duration::from_millis(100), consumer.wait()).await;
            }
        }
        // Large values are librdkafka's memory, and outlive the consumer all the same.
        consumer.close().await;
        assert_eq!(got.len(), sent.len(), "{events:?}");
        for (index, (got, (key, value, headers))) in got.iter().zip(&sent).enumerate() {
            let got_headers: Vec<(String, Option<Vec<u8>>)> = got
                .headers
                .iter()
                .map(|(name, value)| (name.to_string(), value.as_ref().map(|value| value.to_vec())))
                .collect();
            assert_eq!(
                got.key.as_deref(),
                key.as_deref(),
                "key of {index}, {compression}"
            );
            assert_eq!(
                got.value.as_deref(),
                value.as_deref(),
                "value of {index}, {compression}"
            );
            assert_eq!(&got_headers, headers, "headers of {index}, {compression}");
        }
    }
}
