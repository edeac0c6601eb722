//! SIGKILL at random moments under load: whatever was acknowledged is there afterwards, in order, once.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::{GroupId, OffsetCommitRequest, OffsetFetchRequest};
use kafka_protocol::protocol::StrBytes;
use sluice_broker::{Broker, BrokerConfig};

use super::client::{ANYBODY, Client, batch, now, topic_name};

/// Names the folder of a broker that is to run in a process of its own.
const FOLDER: &str = "SLUICE_TEST_BROKER_FOLDER";
const ROUNDS: usize = 50;

/// Not a test, but the process that the test below kills: this binary, started with [`FOLDER`].
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_to_be_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let folder = Path::new(&folder);
    let mut config = BrokerConfig::new(folder.join("data"));
    config.limits.free_disk_bytes = 0;
    let broker = Broker::start(config).await.unwrap();
    std::fs::write(folder.join("address.new"), broker.bootstrap()).unwrap();
    std::fs::rename(folder.join("address.new"), folder.join("address")).unwrap();
    std::future::pending::<()>().await;
}

/// A child that does not outlive the test.
struct Victim(Child);

impl Victim {
    async fn start(folder: &Path) -> (Self, String) {
        let address = folder.join("address");
        let _ = std::fs::remove_file(&address);
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::a_broker_to_be_killed", "--nocapture"])
            .env(FOLDER, folder)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let victim = Self(child);
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Ok(text) = std::fs::read_to_string(&address) {
                return (victim, text);
            }
            assert!(Instant::now() < deadline, "the broker does not start");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // Child::kill is SIGKILL.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Appends numbers until the broker is gone; returns the next number and notes what was acknowledged.
async fn append(
    address: String,
    topic: &'static str,
    mut next: u64,
    acknowledged: &mut Vec<u64>,
) -> u64 {
    let Ok(mut client) = Client::connect(&address).await else {
        return next;
    };
    loop {
        let value = next.to_string();
        next += 1;
        match client
            .produce(topic, batch(ANYBODY, now(), &[(None, Some(&value))]))
            .await
        {
            Ok((0, _)) => acknowledged.push(next - 1),
            Ok((code, _)) => panic!("error {code}"),
            Err(_) => return next,
        }
    }
}

/// Commits growing offsets and makes topics until the broker is gone.
async fn commit(address: String, offset: &mut i64, topics: &mut Vec<String>) {
    let Ok(mut client) = Client::connect(&address).await else {
        return;
    };
    loop {
        let partition = OffsetCommitRequestPartition::default().with_committed_offset(*offset + 1);
        let request = OffsetCommitRequest::default()
            .with_group_id(GroupId(StrBytes::from_static_str("g")))
            .with_generation_id_or_member_epoch(-1)
            .with_topics(vec![
                OffsetCommitRequestTopic::default()
                    .with_name(topic_name("t0"))
                    .with_partitions(vec![partition]),
            ]);
        match client.call(&request, 7).await {
            Ok(answer) if answer.topics[0].partitions[0].error_code == 0 => *offset += 1,
            Ok(answer) => panic!("{answer:?}"),
            Err(_) => return,
        }
        let name = format!("made-{}", topics.len());
        match client.create_topic(&name, 1).await {
            Ok(0 | 36) => topics.push(name),
            Ok(code) => panic!("error {code}"),
            Err(_) => return,
        }
    }
}

async fn committed(client: &mut Client) -> i64 {
    let request = OffsetFetchRequest::default()
        .with_group_id(GroupId(StrBytes::from_static_str("g")))
        .with_topics(Some(vec![
            OffsetFetchRequestTopic::default()
                .with_name(topic_name("t0"))
                .with_partition_indexes(vec![0]),
        ]));
    let answer = client.call(&request, 5).await.unwrap();
    answer.topics[0].partitions[0].committed_offset
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_fifty_kills() {
    let folder = tempfile::tempdir().unwrap();
    let topics = ["t0", "t1"];
    let mut next = [0; 2];
    let mut acknowledged = [Vec::new(), Vec::new()];
    let (mut offset, mut made) = (0, Vec::new());
    for round in 0..ROUNDS {
        let (victim, address) = Victim::start(folder.path()).await;
        let mut client = Client::connect(&address).await.unwrap();
        if round == 0 {
            for topic in topics {
                assert_eq!(client.create_topic(topic, 1).await.unwrap(), 0);
            }
        } else {
            assert!(
                committed(&mut client).await >= offset,
                "round {round}: a committed offset is lost"
            );
        }
        let [first, second] = &mut acknowledged;
        let life = Duration::from_millis(20 + rand::random_range(0..150));
        let killed = async {
            tokio::time::sleep(life).await;
            drop(victim);
        };
        let (one, two, (), ()) = tokio::join!(
            append(address.clone(), topics[0], next[0], first),
            append(address.clone(), topics[1], next[1], second),
            commit(address.clone(), &mut offset, &mut made),
            killed,
        );
        next = [one, two];
    }
    let (_victim, address) = Victim::start(folder.path()).await;
    let mut client = Client::connect(&address).await.unwrap();
    for (topic, acknowledged) in topics.iter().zip(&acknowledged) {
        assert!(
            acknowledged.len() > ROUNDS,
            "the load was too small to tell"
        );
        let read = client.read_all(topic).await.unwrap();
        let numbers: Vec<u64> = read
            .iter()
            .map(|(_, value)| std::str::from_utf8(value).unwrap().parse().unwrap())
            .collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "out of order, or twice");
        let missing = acknowledged
            .iter()
            .filter(|number| numbers.binary_search(number).is_err())
            .count();
        assert_eq!(missing, 0, "acknowledged records of {topic} are lost");
        let offsets = read.iter().map(|(offset, _)| *offset);
        assert!(
            offsets.eq(0..i64::try_from(read.len()).unwrap()),
            "offsets have gaps"
        );
    }
    assert!(committed(&mut client).await >= offset);
    for name in made {
        assert_eq!(
            client.create_topic(&name, 1).await.unwrap(),
            36,
            "topic {name} is lost"
        );
    }
}
