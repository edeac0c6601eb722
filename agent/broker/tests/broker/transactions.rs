//! Transactions on the wire: markers, isolation, fencing, timeouts.

use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, EndTxnRequest, FetchRequest, InitProducerIdRequest, ProducerId,
    TransactionalId,
};
use kafka_protocol::protocol::StrBytes;

use super::Served;
use super::client::{Client, Producer, batch, fetch_request, topic_name, values};

fn id() -> TransactionalId {
    TransactionalId(StrBytes::from_static_str("tx"))
}

async fn init(client: &mut Client, timeout: i32) -> Producer {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(id()))
        .with_transaction_timeout_ms(timeout);
    let answer = client.call(&request, 4).await.unwrap();
    assert_eq!(answer.error_code, 0);
    Producer {
        id: answer.producer_id.0,
        epoch: answer.producer_epoch,
        sequence: 0,
        transactional: true,
    }
}

async fn add(client: &mut Client, producer: Producer) -> i16 {
    let request = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(id())
        .with_v3_and_below_producer_id(ProducerId(producer.id))
        .with_v3_and_below_producer_epoch(producer.epoch)
        .with_v3_and_below_topics(vec![
            AddPartitionsToTxnTopic::default()
                .with_name(topic_name("t"))
                .with_partitions(vec![0]),
        ]);
    let answer = client.call(&request, 3).await.unwrap();
    answer.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code
}

async fn end(client: &mut Client, producer: Producer, committed: bool) -> i16 {
    let request = EndTxnRequest::default()
        .with_transactional_id(id())
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.epoch)
        .with_committed(committed);
    client.call(&request, 3).await.unwrap().error_code
}

/// Records, last stable offset and first offsets of aborted transactions, as a reader of committed records
/// gets them.
async fn committed(client: &mut Client) -> (Vec<(i64, bytes::Bytes)>, i64, Vec<i64>) {
    let answer = client
        .call::<FetchRequest>(&fetch_request("t", 0, 0, 1), 12)
        .await
        .unwrap();
    let part = &answer.responses[0].partitions[0];
    let aborted = part.aborted_transactions.clone().unwrap_or_default();
    (
        values(&part.records.clone().unwrap_or_default()),
        part.last_stable_offset,
        aborted.iter().map(|aborted| aborted.first_offset).collect(),
    )
}

#[tokio::test]
async fn committed_readers_wait_for_open_transactions_and_learn_of_aborted_ones() {
    let served = Served::start().await;
    let mut client = served.client().await;
    client.create_topic("t", 1).await.unwrap();
    let mut producer = init(&mut client, 60_000).await;
    let record = |producer| batch(producer, 1, &[(None, Some("v"))]);

    assert_eq!(
        client.produce("t", record(producer)).await.unwrap().0,
        48,
        "INVALID_TXN_STATE: not added"
    );
    assert_eq!(add(&mut client, producer).await, 0);
    assert_eq!(client.produce("t", record(producer)).await.unwrap(), (0, 0));
    let (seen, stable, _) = committed(&mut client).await;
    assert!(seen.is_empty());
    assert_eq!(stable, 0);

    assert_eq!(end(&mut client, producer, false).await, 0);
    assert_eq!(
        end(&mut client, producer, false).await,
        0,
        "the same answer when asked again"
    );
    let (_, stable, aborted) = committed(&mut client).await;
    assert_eq!((stable, aborted), (2, vec![0]));

    producer.sequence = 1;
    assert_eq!(add(&mut client, producer).await, 0);
    assert_eq!(client.produce("t", record(producer)).await.unwrap(), (0, 2));
    assert_eq!(end(&mut client, producer, true).await, 0);
    let (_, stable, aborted) = committed(&mut client).await;
    assert_eq!((stable, aborted), (4, vec![0]));
}

#[tokio::test]
async fn a_new_instance_fences_the_old_one_and_aborts_its_transaction() {
    let served = Served::start().await;
    let mut client = served.client().await;
    client.create_topic("t", 1).await.unwrap();
    let old = init(&mut client, 60_000).await;
    add(&mut client, old).await;
    client
        .produce("t", batch(old, 1, &[(None, Some("v"))]))
        .await
        .unwrap();
    let new = init(&mut client, 60_000).await;
    assert!(new.epoch > old.epoch);
    let (_, stable, aborted) = committed(&mut client).await;
    assert_eq!((stable, aborted), (2, vec![0]));
    let late = Producer { sequence: 1, ..old };
    assert_eq!(
        client
            .produce("t", batch(late, 1, &[(None, Some("w"))]))
            .await
            .unwrap()
            .0,
        47
    );
    assert_eq!(end(&mut client, old, true).await, 90, "PRODUCER_FENCED");
    assert_eq!(add(&mut client, old).await, 90);
    assert_eq!(add(&mut client, new).await, 0);
}

#[tokio::test]
async fn a_transaction_that_is_open_for_too_long_is_aborted() {
    let served = Served::start().await;
    let mut client = served.client().await;
    client.create_topic("t", 1).await.unwrap();
    let producer = init(&mut client, 100).await;
    add(&mut client, producer).await;
    client
        .produce("t", batch(producer, 1, &[(None, Some("v"))]))
        .await
        .unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while committed(&mut client).await.1 != 2 {
        assert!(std::time::Instant::now() < deadline, "still open");
    }
    assert_eq!(end(&mut client, producer, true).await, 90);
}
