//! Sends any bytes as a request to a broker in this process: API and version first, then the header's rest
//! and the body.
#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use sluice_broker::{Broker, BrokerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

struct Served {
    runtime: tokio::runtime::Runtime,
    broker: Broker,
    _folder: tempfile::TempDir,
}

static SERVED: LazyLock<Served> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut config = BrokerConfig::new(folder.path());
    config.limits.partitions_per_topic = 10;
    let broker = runtime.block_on(Broker::start(config)).unwrap();
    Served {
        runtime,
        broker,
        _folder: folder,
    }
});

fuzz_target!(|data: &[u8]| {
    SERVED.runtime.block_on(async {
        let mut stream = TcpStream::connect(SERVED.broker.address()).await.unwrap();
        let mut frame = u32::try_from(data.len()).unwrap().to_be_bytes().to_vec();
        frame.extend_from_slice(data);
        stream.write_all(&frame).await.unwrap();
        // An answer, the end of the connection, or a fetch or join that waits: all are fine, a panic is not.
        let _ = tokio::time::timeout(Duration::from_millis(20), stream.read_u8()).await;
    });
});
