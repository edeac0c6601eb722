//! A full disk: errors for clients, no damage, and it goes on when there is space again.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use sluice_broker::{Broker, BrokerConfig};

use super::Served;
use super::client::{ANYBODY, Client, batch, now};

/// `KAFKA_STORAGE_ERROR`.
const STORAGE_ERROR: i16 = 56;

/// A small file system in memory.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None` where one may not mount.
    fn new(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder.path())
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// Appends until it is refused; the number of records that were taken.
async fn fill(client: &mut Client, value: &str, mut taken: usize) -> usize {
    loop {
        let text = format!("{taken} {value}");
        match client
            .produce("t", batch(ANYBODY, now(), &[(None, Some(&text))]))
            .await
            .unwrap()
        {
            (0, _) => taken += 1,
            (STORAGE_ERROR, _) => return taken,
            (code, _) => panic!("error {code}"),
        }
        assert!(taken < 10_000, "the disk does not get full");
    }
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
async fn full_and_free_again(reserve: u64) {
    let Some(disk) = SmallDisk::new("96m") else {
        eprintln!("no file system can be mounted here: skipped");
        return;
    };
    let filler = disk.path().join("filler");
    std::fs::write(&filler, vec![1; 60 << 20]).unwrap();
    let mut config = BrokerConfig::new(disk.path().join("data"));
    config.limits.free_disk_bytes = reserve;
    let broker = Broker::start(config.clone()).await.unwrap();
    let mut client = Client::connect(&broker.bootstrap()).await.unwrap();
    assert_eq!(client.create_topic("t", 1).await.unwrap(), 0);
    let value = "x".repeat(200_000);
    let taken = fill(&mut client, &value, 0).await;
    assert!(taken > 10, "only {taken} records fit");

    std::fs::remove_file(&filler).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    let more = loop {
        let text = format!("{taken} {value}");
        if client
            .produce("t", batch(ANYBODY, now(), &[(None, Some(&text))]))
            .await
            .unwrap()
            .0
            == 0
        {
            break taken + 1;
        }
        assert!(Instant::now() < deadline, "appends are still refused");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    check(&mut client, more).await;
    broker.shutdown().await;
    let broker = Broker::start(config).await.unwrap();
    check(
        &mut Client::connect(&broker.bootstrap()).await.unwrap(),
        more,
    )
    .await;
    broker.shutdown().await;
}

/// All acknowledged records are there, in order. One that was refused may be there too: it was written when
/// the disk failed.
async fn check(client: &mut Client, taken: usize) {
    let mut numbers: Vec<usize> = client
        .read_all("t")
        .await
        .unwrap()
        .iter()
        .map(|(_, value)| {
            let text = std::str::from_utf8(value).unwrap();
            text.split(' ').next().unwrap().parse().unwrap()
        })
        .collect();
    numbers.dedup();
    assert_eq!(numbers, (0..taken).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_nearly_full_refuses_appends_until_there_is_space() {
    full_and_free_again(16 << 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_does_no_damage() {
    full_and_free_again(0).await;
}

#[tokio::test]
async fn topics_are_refused_too_when_the_disk_is_full() {
    let served = Served::with(|config| config.limits.free_disk_bytes = u64::MAX).await;
    let mut client = served.client().await;
    assert_eq!(client.create_topic("t", 1).await.unwrap(), STORAGE_ERROR);
}
