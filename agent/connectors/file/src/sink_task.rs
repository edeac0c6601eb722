//! The sink task: appends one line per record.
//!
//! Lines are written by a blocking thread while the next batch is converted; `flush` waits for it. Lines that
//! come within a few milliseconds of others are written together: waking a thread costs more than writing a
//! batch. As in Kafka, nothing is synced to the disk itself: lines survive the end of the process, not that
//! of the machine.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice_api::{
    ConnectError, Result, SinkOffsets, SinkRecord, SinkTask, SinkTaskContext, Value, async_trait,
};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::FILE;
use crate::sink_connector::config_def;

/// Lines are handed to the writer when there is this much of them,
const WRITE_SIZE: usize = 1024 * 1024;
/// or when this much time has passed since the last write began.
const WRITE_INTERVAL: Duration = Duration::from_millis(5);

enum Output {
    File(File, PathBuf),
    Stdout,
}

impl Output {
    fn write(&mut self, lines: &[u8]) -> std::io::Result<()> {
        match self {
            Self::File(file, path) => write_lines(file, path, lines),
            Self::Stdout => {
                let mut stdout = std::io::stdout().lock();
                stdout.write_all(lines)?;
                stdout.flush()
            }
        }
    }
}

/// Writes all lines, or, when that fails, leaves none behind that is torn: what comes after it, once there is
/// room again, would continue it.
fn write_lines(file: &mut File, path: &Path, lines: &[u8]) -> std::io::Result<()> {
    let mut written = 0;
    while let Some(rest) = lines.get(written..).filter(|rest| !rest.is_empty()) {
        match file.write(rest) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                let torn = lines.iter().take(written).rev();
                let torn = torn.take_while(|byte| **byte != b'\n').count();
                if let Err(error) = cut(
                    file,
                    path,
                    lines.get(written - torn..written).unwrap_or_default(),
                ) {
                    tracing::warn!(%error, "a line that was written in part stays as it is");
                }
                return Err(error);
            }
        }
    }
    Ok(())
}

/// Cuts `end` off a regular file that ends with it. Where other tasks have appended since, the file stays as
/// it is.
fn cut(file: &File, path: &Path, end: &[u8]) -> std::io::Result<()> {
    let about = file.metadata()?;
    let Some(start) = about.len().checked_sub(end.len() as u64) else {
        return Ok(());
    };
    if end.is_empty() || !about.is_file() {
        return Ok(());
    }
    // The file of the task is open for writing alone.
    let mut found = vec![0; end.len()];
    File::open(path)?.read_exact_at(&mut found, start)?;
    if found == end {
        file.set_len(start)
    } else {
        Ok(())
    }
}

type Writing = JoinHandle<(Output, Vec<u8>, std::io::Result<()>)>;

pub(crate) struct FileStreamSinkTask {
    context: Arc<dyn SinkTaskContext>,
    path: Option<PathBuf>,
    /// `None` while a write is under way.
    output: Option<Output>,
    writing: Option<Writing>,
    written_at: Option<Instant>,
    lines: Vec<u8>,
    spare: Vec<u8>,
}

impl FileStreamSinkTask {
    /// Opens the file, which is made if it does not exist.
    pub(crate) async fn start(context: Arc<dyn SinkTaskContext>) -> Result<Self> {
        let config = config_def().parse(context.configs())?;
        let file = config.optional_string(FILE).filter(|name| !name.is_empty());
        let path = file.map(PathBuf::from);
        let output = match path.clone() {
            None => Output::Stdout,
            Some(path) => {
                let name = path.display().to_string();
                let reach = context.reach().clone();
                let (opened, path) = spawn_blocking(move || {
                    let opened = reach.open(&path, OpenOptions::new().create(true).append(true));
                    (opened, path)
                })
                .await
                .map_err(|e| ConnectError::connect(e.to_string()))?;
                let file = opened.map_err(|error| {
                    ConnectError::connect(format!(
                        "Couldn't find or create file '{name}' for FileStreamSinkTask"
                    ))
                    .caused_by(error)
                })?;
                Output::File(file, path)
            }
        };
        Ok(Self {
            context,
            path,
            output: Some(output),
            writing: None,
            written_at: None,
            lines: Vec::new(),
            spare: Vec::new(),
        })
    }

    /// Waits for the write under way.
    async fn settle(&mut self) -> Result<()> {
        let Some(writing) = self.writing.take() else {
            return Ok(());
        };
        let (output, mut written, result) = writing
            .await
            .map_err(|e| ConnectError::connect(e.to_string()))?;
        self.output = Some(output);
        written.clear();
        self.spare = written;
        result.map_err(|error| {
            let name = self
                .path
                .as_ref()
                .map_or("stdout".to_owned(), |p| p.display().to_string());
            ConnectError::connect(format!("failed to write to {name}")).caused_by(error)
        })
    }

    async fn write(&mut self) -> Result<()> {
        self.settle().await?;
        if self.lines.is_empty() {
            return Ok(());
        }
        let Some(mut output) = self.output.take() else {
            return Err(ConnectError::connect("the file is not open"));
        };
        let lines = std::mem::replace(&mut self.lines, std::mem::take(&mut self.spare));
        self.written_at = Some(Instant::now());
        self.writing = Some(spawn_blocking(move || {
            let result = output.write(&lines);
            (output, lines, result)
        }));
        Ok(())
    }
}

#[async_trait]
impl SinkTask for FileStreamSinkTask {
    async fn put(&mut self, records: &[SinkRecord]) -> Result<()> {
        for record in records {
            match &record.record.value {
                Value::String(text) => self.lines.extend_from_slice(text.as_bytes()),
                other => write!(self.lines, "{other}")?,
            }
            self.lines.push(b'\n');
            if self.lines.len() >= WRITE_SIZE {
                self.write().await?;
            }
        }
        if self.lines.is_empty() {
            return Ok(());
        }
        let since = self.written_at.map(|at| at.elapsed());
        match since {
            Some(since) if since < WRITE_INTERVAL => {
                self.context.timeout(WRITE_INTERVAL - since);
                Ok(())
            }
            _ => self.write().await,
        }
    }

    async fn flush(&mut self, _current: &SinkOffsets) -> Result<()> {
        self.write().await?;
        self.settle().await?;
        // What a burst needed is not kept for ever: a worker may have thousands of tasks.
        (self.lines, self.spare) = Default::default();
        Ok(())
    }

    async fn stop(mut self: Box<Self>) -> Result<()> {
        self.write().await?;
        self.settle().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a full disk leaves of a line is cut off, unless somebody else has written behind it.
    #[test]
    fn a_torn_line_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        for (text, torn, left) in [
            ("one\ntw", "tw", "one\n"),
            ("one\n", "", "one\n"),
            ("tw", "tw", ""),
            ("one\ntwother\n", "tw", "one\ntwother\n"),
            ("t", "two", "t"),
        ] {
            std::fs::write(&path, text).unwrap();
            let file = OpenOptions::new().append(true).open(&path).unwrap();
            cut(&file, &path, torn.as_bytes()).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), left, "{text:?}");
        }
    }
}
