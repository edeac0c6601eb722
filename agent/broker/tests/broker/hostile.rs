//! Requests that are malformed, too large, half sent, and many connections at once.

use bytes::Bytes;
use kafka_protocol::messages::{ApiVersionsRequest, MetadataRequest};

use super::Served;
use super::client::{self, Client};

async fn still_answers(served: &Served) {
    let mut client = served.client().await;
    client
        .call(&ApiVersionsRequest::default(), 0)
        .await
        .unwrap();
}

/// Sends bytes and waits for the end of the connection.
async fn is_closed(served: &Served, bytes: &[u8]) {
    let mut client = served.client().await;
    client.send_raw(bytes).await.unwrap();
    let ended = tokio::time::timeout(std::time::Duration::from_secs(20), async {
        while client.receive_raw().await.is_ok() {}
    });
    ended.await.expect("the connection stays open");
    still_answers(served).await;
}

#[tokio::test]
async fn malformed_requests_end_their_connection_and_nothing_else() {
    let served = Served::start().await;
    // A negative length, and one above the limit.
    is_closed(&served, &(-1_i32).to_be_bytes()).await;
    is_closed(&served, &i32::MAX.to_be_bytes()).await;
    // Too short for a header; an API that does not exist; a version that was not offered.
    is_closed(&served, &[0, 0, 0, 2, 0, 3]).await;
    is_closed(&served, &[0, 0, 0, 10, 0x7f, 0, 0, 0, 0, 0, 0, 1, 0, 0]).await;
    is_closed(&served, &[0, 0, 0, 10, 0, 3, 0, 99, 0, 0, 0, 1, 0, 0]).await;
    // Metadata version 1 that claims two billion topics.
    let lie = [
        0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff,
    ];
    is_closed(&served, &lie).await;
}

#[tokio::test]
async fn a_request_with_any_byte_changed_never_stops_the_broker() {
    let served = Served::start().await;
    let mut good = served.client().await;
    good.create_topic("t", 1).await.unwrap();
    let batch = client::batch(client::ANYBODY, 1, &[(Some("k"), Some("v"))]);
    let frames: Vec<Bytes> = vec![
        client::frame(&client::produce_request("t", batch), 9, 1),
        client::frame(&client::fetch_request("t", 0, 0, 1), 12, 1),
        client::frame(&MetadataRequest::default(), 12, 1),
    ];
    for frame in frames {
        for at in 4..frame.len() {
            for change in [0x80, 0x01, 0xff] {
                let mut bytes = frame.to_vec();
                bytes[at] ^= change;
                // Dropped without reading the answer, which has to do no harm either.
                let mut client = served.client().await;
                client.send_raw(&bytes).await.unwrap();
            }
        }
    }
    still_answers(&served).await;
}

#[tokio::test]
async fn requests_that_stop_half_way_are_given_up_after_the_limit() {
    let served = Served::with(|config| {
        config.limits.request_read_time = std::time::Duration::from_millis(200);
    })
    .await;
    is_closed(&served, &[0, 0, 0, 100, 0, 3]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_connections_are_served_at_once() {
    let served = Served::start().await;
    let mut clients: Vec<Client> = Vec::new();
    for _ in 0..1000 {
        clients.push(served.client().await);
    }
    for client in &mut clients {
        client.send(&MetadataRequest::default(), 9).await.unwrap();
    }
    for client in &mut clients {
        client.receive::<MetadataRequest>(9).await.unwrap();
    }
}
