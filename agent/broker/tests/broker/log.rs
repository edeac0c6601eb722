//! Records: order, duplicates, waiting, retention, compaction, restarts.

use std::time::Duration;

use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{CreateTopicsRequest, InitProducerIdRequest, ListOffsetsRequest};
use kafka_protocol::protocol::StrBytes;
use sluice_broker::{Broker, BrokerConfig};

use super::Served;
use super::client::{ANYBODY, Client, Producer, batch, fetch_request, now, topic_name};

async fn create(client: &mut Client, name: &str, configs: &[(&'static str, &'static str)]) {
    let configs = configs.iter().map(|(name, value)| {
        CreatableTopicConfig::default()
            .with_name(StrBytes::from_static_str(name))
            .with_value(Some(StrBytes::from_static_str(value)))
    });
    let topic = CreatableTopic::default()
        .with_name(topic_name(name))
        .with_num_partitions(1)
        .with_replication_factor(1)
        .with_configs(configs.collect());
    let request = CreateTopicsRequest::default().with_topics(vec![topic]);
    let answer = client.call(&request, 7).await.unwrap();
    assert_eq!(answer.topics[0].error_code, 0);
}

async fn offset_at(client: &mut Client, topic: &str, timestamp: i64) -> (i64, i64) {
    let request = ListOffsetsRequest::default().with_topics(vec![
        ListOffsetsTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(vec![
                ListOffsetsPartition::default().with_timestamp(timestamp),
            ]),
    ]);
    let answer = client.call(&request, 7).await.unwrap();
    let part = &answer.topics[0].partitions[0];
    assert_eq!(part.error_code, 0);
    (part.timestamp, part.offset)
}

#[tokio::test]
async fn records_keep_their_order_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(BrokerConfig::new(folder.path()))
        .await
        .unwrap();
    let mut client = Client::connect(&broker.bootstrap()).await.unwrap();
    client.create_topic("t", 1).await.unwrap();
    for number in 0..50 {
        let value = format!("value {number}");
        let (code, offset) = client
            .produce(
                "t",
                batch(
                    ANYBODY,
                    now(),
                    &[(None, Some(&value)), (None, Some("second"))],
                ),
            )
            .await
            .unwrap();
        assert_eq!((code, offset), (0, number * 2));
    }
    broker.shutdown().await;
    let broker = Broker::start(BrokerConfig::new(folder.path()))
        .await
        .unwrap();
    let mut client = Client::connect(&broker.bootstrap()).await.unwrap();
    let read = client.read_all("t").await.unwrap();
    assert_eq!(read.len(), 100);
    for (number, (offset, value)) in read.iter().enumerate() {
        assert_eq!(*offset, i64::try_from(number).unwrap());
        if number % 2 == 0 {
            assert_eq!(value, format!("value {}", number / 2).as_bytes());
        }
    }
    broker.shutdown().await;
}

#[tokio::test]
async fn a_second_broker_on_the_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(BrokerConfig::new(folder.path()))
        .await
        .unwrap();
    let refused = Broker::start(BrokerConfig::new(folder.path())).await;
    let text = refused.map(|_| ()).unwrap_err().to_string();
    assert!(text.contains("in use by another broker"), "{text}");
    broker.shutdown().await;
}

#[tokio::test]
async fn a_repeated_batch_is_recognised_and_a_gap_is_refused() {
    let served = Served::start().await;
    let mut client = served.client().await;
    client.create_topic("t", 1).await.unwrap();
    let id = client
        .call(
            &InitProducerIdRequest::default().with_transactional_id(None),
            4,
        )
        .await
        .unwrap();
    let producer = |sequence| Producer {
        id: id.producer_id.0,
        epoch: id.producer_epoch,
        sequence,
        transactional: false,
    };
    let first = batch(producer(0), 1, &[(None, Some("a")), (None, Some("b"))]);
    let second = batch(producer(2), 1, &[(None, Some("c"))]);
    assert_eq!(client.produce("t", first.clone()).await.unwrap(), (0, 0));
    assert_eq!(client.produce("t", second).await.unwrap(), (0, 2));
    assert_eq!(
        client.produce("t", first).await.unwrap(),
        (0, 0),
        "a duplicate has its first offset"
    );
    let gap = batch(producer(9), 1, &[(None, Some("d"))]);
    assert_eq!(
        client.produce("t", gap).await.unwrap().0,
        45,
        "OUT_OF_ORDER_SEQUENCE_NUMBER"
    );
    assert_eq!(client.read_all("t").await.unwrap().len(), 3);
}

#[tokio::test]
async fn damaged_batches_are_refused() {
    let served = Served::start().await;
    let mut client = served.client().await;
    client.create_topic("t", 1).await.unwrap();
    let good = batch(ANYBODY, 1, &[(None, Some("a"))]);
    let mut damaged = good.to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    assert_eq!(
        client.produce("t", damaged.into()).await.unwrap().0,
        2,
        "CORRUPT_MESSAGE"
    );
    let short = good.slice(..good.len() - 1);
    assert_eq!(client.produce("t", short).await.unwrap().0, 2);
    let mut old = good.to_vec();
    old[16] = 1;
    assert_eq!(client.produce("t", old.into()).await.unwrap().0, 43);
    assert!(client.read_all("t").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_waiting_fetch_is_woken_by_an_append() {
    let served = Served::start().await;
    let mut writer = served.client().await;
    writer.create_topic("t", 1).await.unwrap();
    let mut reader = served.client().await;
    let begin = std::time::Instant::now();
    reader
        .send(&fetch_request("t", 0, 30_000, 0), 12)
        .await
        .unwrap();
    writer
        .produce("t", batch(ANYBODY, 1, &[(None, Some("a"))]))
        .await
        .unwrap();
    let answer = reader
        .receive::<kafka_protocol::messages::FetchRequest>(12)
        .await
        .unwrap();
    assert!(
        begin.elapsed() < Duration::from_secs(20),
        "the fetch waited to its end"
    );
    assert!(
        !answer.responses[0].partitions[0]
            .records
            .clone()
            .unwrap_or_default()
            .is_empty()
    );
}

#[tokio::test]
async fn offsets_are_found_by_time() {
    let served = Served::start().await;
    let mut client = served.client().await;
    client.create_topic("t", 1).await.unwrap();
    for time in [100, 300, 200, 500] {
        client
            .produce("t", batch(ANYBODY, time, &[(None, Some("a"))]))
            .await
            .unwrap();
    }
    assert_eq!(offset_at(&mut client, "t", 100).await, (100, 0));
    assert_eq!(offset_at(&mut client, "t", 150).await, (300, 1));
    assert_eq!(offset_at(&mut client, "t", 301).await, (500, 3));
    assert_eq!(offset_at(&mut client, "t", 501).await, (-1, -1));
    assert_eq!(offset_at(&mut client, "t", -1).await.1, 4);
    assert_eq!(offset_at(&mut client, "t", -2).await.1, 0);
    assert_eq!(offset_at(&mut client, "t", -3).await, (500, 3));
}

#[tokio::test]
async fn old_records_go_and_new_ones_stay() {
    let served =
        Served::with(|config| config.maintenance_interval = Duration::from_millis(50)).await;
    let mut client = served.client().await;
    create(&mut client, "t", &[("retention.ms", "3600000")]).await;
    let large = "x".repeat(600_000);
    for _ in 0..3 {
        client
            .produce("t", batch(ANYBODY, 1000, &[(None, Some(&large))]))
            .await
            .unwrap();
    }
    client
        .produce("t", batch(ANYBODY, now(), &[(None, Some(&large))]))
        .await
        .unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while offset_at(&mut client, "t", -2).await.1 != 3 {
        assert!(
            std::time::Instant::now() < deadline,
            "old records are still there"
        );
        tokio::task::yield_now().await;
    }
    assert_eq!(
        client.fetch("t", 0, 0).await.unwrap().responses[0].partitions[0].error_code,
        1,
        "OFFSET_OUT_OF_RANGE"
    );
    assert_eq!(offset_at(&mut client, "t", -1).await.1, 4);
}

#[tokio::test]
async fn compaction_keeps_the_last_record_of_each_key() {
    let served =
        Served::with(|config| config.maintenance_interval = Duration::from_millis(50)).await;
    let mut client = served.client().await;
    create(
        &mut client,
        "t",
        &[
            ("cleanup.policy", "compact"),
            ("min.cleanable.dirty.ratio", "0.01"),
        ],
    )
    .await;
    let filler = "x".repeat(2000);
    for round in 0..60 {
        let value = format!("{round} {filler}");
        let records = [
            (Some("a"), Some(value.as_str())),
            (Some("b"), Some(value.as_str())),
        ];
        client
            .produce("t", batch(ANYBODY, 1, &records))
            .await
            .unwrap();
    }
    // In one batch, and large enough that it alone makes the log worth a compaction, whatever one did in
    // between.
    let large = "x".repeat(40_000);
    let last = [("a", large.as_str()), ("b", large.as_str()), ("c", "once")];
    let last = last.map(|(key, value)| (Some(key), Some(value)));
    client.produce("t", batch(ANYBODY, 1, &last)).await.unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        let left = client.read_all("t").await.unwrap();
        if left.len() <= 3 {
            let offsets: Vec<i64> = left.iter().map(|(offset, _)| *offset).collect();
            assert_eq!(offsets, [120, 121, 122], "offsets never change");
            break;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "{} records are left",
            left.len()
        );
    }
}
