//! The five pipelines: generators into topics into files.

use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

/// One pipeline: a generator, a topic and a file.
pub(super) struct Pipeline {
    /// Name; connectors are `NAME-source` and `NAME-sink`.
    pub(super) name: &'static str,
    /// Name of a generator of the Datagen connector.
    pub(super) generator: &'static str,
    /// Records per second, as a setting.
    pub(super) rate: &'static str,
    /// Partitions of the topic.
    pub(super) partitions: i32,
    /// The source fails after this many records.
    pub(super) fails_after: Option<&'static str>,
    /// The output is a pipe that is read at this many bytes per second.
    pub(super) drained_at: Option<usize>,
}

pub(super) const PIPELINES: [Pipeline; 5] = [
    Pipeline {
        name: "orders",
        generator: "orders",
        rate: "200",
        partitions: 4,
        fails_after: None,
        drained_at: None,
    },
    Pipeline {
        name: "clicks",
        generator: "clicks",
        rate: "2000",
        partitions: 4,
        fails_after: None,
        drained_at: None,
    },
    Pipeline {
        name: "sensors",
        generator: "sensors",
        rate: "50",
        partitions: 2,
        fails_after: None,
        drained_at: None,
    },
    Pipeline {
        name: "payments",
        generator: "orders",
        rate: "40",
        partitions: 1,
        fails_after: Some("1200"),
        drained_at: None,
    },
    Pipeline {
        name: "audit",
        generator: "clicks",
        rate: "300",
        partitions: 2,
        fails_after: None,
        drained_at: Some(20_000),
    },
];

/// How long a pipe is read to its end when the demo ends: as long as a task is given to stop.
const LAST_READS: Duration = Duration::from_secs(5);

/// Makes a named pipe and reads it at a limited rate, so that its writer falls behind.
pub(super) fn drain_slowly(
    path: &Path,
    bytes_per_second: usize,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let made = rustix::fs::mknodat(
        rustix::fs::CWD,
        path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    );
    match made {
        // A resumed demo already has it.
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(error) => {
            return Err(error).with_context(|| format!("cannot make the pipe {}", path.display()));
        }
    }
    // Opened for reading and writing: it opens at once, and never ends while writers come and go.
    let mut pipe = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .with_context(|| format!("cannot open the pipe {}", path.display()))?;
    tokio::spawn(async move {
        let mut buffer = vec![0; bytes_per_second / 10];
        let mut interval = tokio::time::interval(Duration::from_millis(100));
        loop {
            tokio::select! {
                _ = interval.tick() => {
                    // Empty for the moment is an error of a pipe that does not block.
                    let _ = pipe.read(&mut buffer);
                }
                () = stop.cancelled() => break,
            }
        }
        // A writer that waits for room has to get on, or its task could not stop; there may be a whole
        // batch to come.
        let until = tokio::time::Instant::now() + LAST_READS;
        while tokio::time::Instant::now() < until {
            match pipe.read(&mut buffer) {
                Ok(read) if read > 0 => tokio::task::yield_now().await,
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    });
    Ok(())
}
