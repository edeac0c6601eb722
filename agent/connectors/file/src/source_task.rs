//! The source task: reads large blocks and hands out lines as slices of them.
//!
//! Lines end with `\n`, `\r\n` or `\r`; a `\r` at the end of what was read waits for the next byte. A last
//! line without end is held until it is complete. Truncation and rotation of the file are not noticed, as in
//! Kafka.
//!
//! What the system has of the file in memory is read on the task's own thread; only what must come from the
//! disk is waited for on a blocking one: to wake another thread and be woken costs more than to copy a block.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use sluice_api::record::shared_name;
use sluice_api::{
    ConnectError, ConnectRecord, Result, SourceOffset, SourcePartition, SourceRecord, SourceTask,
    SourceTaskContext, Value, async_trait, schemas,
};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::source_connector::{BATCH_SIZE, TOPIC, config_def, filename};

pub(crate) const FILENAME_FIELD: &str = "filename";
pub(crate) const POSITION_FIELD: &str = "position";

/// Size of one read.
const READ_SIZE: usize = 256 * 1024;
/// Size of a read that looks whether a file has grown: a thousand idle tasks must not move memory about.
const PROBE_SIZE: usize = 4096;
/// Bytes of a poll, if `batch.size` lines are more: long lines must not pile up.
const BATCH_BYTES: usize = 1024 * 1024;
/// A line longer than this fails the task rather than take all memory.
const MAX_LINE: usize = 64 * 1024 * 1024;
/// How long a poll waits when there is nothing to read.
const IDLE_WAIT: Duration = Duration::from_secs(1);

/// Cuts blocks of bytes into lines.
#[derive(Debug, Default)]
pub struct LineSplitter {
    /// The block as long as there are lines to come.
    whole: Bytes,
    /// What is left of it.
    block: Bytes,
    /// Bytes at the start of the block that are known to hold no line end.
    searched: usize,
}

impl LineSplitter {
    /// The next complete line without its end, and the number of bytes that line and end take.
    pub fn next_line(&mut self) -> Option<(Bytes, usize)> {
        let unsearched = self.block.get(self.searched..).unwrap_or_default();
        let Some(found) = memchr::memchr2(b'\n', b'\r', unsearched) else {
            self.searched = self.block.len();
            return None;
        };
        let length = self.searched + found;
        let taken = match (self.block.get(length), self.block.get(length + 1)) {
            (Some(b'\r'), Some(b'\n')) => length + 2,
            (Some(b'\r'), None) => {
                // Only the next byte tells whether a line feed belongs to this end.
                self.searched = length;
                return None;
            }
            _ => length + 1,
        };
        self.searched = 0;
        let mut line = self.block.split_to(taken);
        line.truncate(length);
        Some((line, taken))
    }

    /// The next line as [`LineSplitter::next_line`] gives it, as text; what is not UTF-8 becomes U+FFFD.
    pub fn next_text(&mut self) -> Option<(ByteString, usize)> {
        let start = self.whole.len() - self.block.len();
        let (line, taken) = self.next_line()?;
        let end = start + line.len();
        let text = ByteString::try_from(line).unwrap_or_else(|_| {
            let line = self.whole.get(start..end).unwrap_or_default();
            sluice_jvm_text::text::utf8_lossy(line).into_owned().into()
        });
        if self.block.is_empty() {
            self.whole = Bytes::new();
        }
        Some((text, taken))
    }

    /// Bytes of a line that is not complete.
    #[must_use]
    pub fn rest(&self) -> &Bytes {
        &self.block
    }

    /// Replaces the block by one that begins with [`LineSplitter::rest`].
    pub fn refill(&mut self, block: Bytes) {
        self.whole = block.clone();
        self.block = block;
    }
}

enum Input {
    /// Not open yet.
    Closed,
    File(File),
    /// Blocks read from stdin by a thread of its own, which can't be interrupted.
    Stdin(mpsc::Receiver<std::io::Result<Bytes>>),
}

pub(crate) struct FileStreamSourceTask {
    context: Arc<dyn SourceTaskContext>,
    path: Option<PathBuf>,
    topic: ByteString,
    batch_size: usize,
    partition: Arc<SourcePartition>,
    position: i64,
    input: Input,
    lines: LineSplitter,
    /// The last read found nothing.
    idle: bool,
    /// The file system tells whether a read would have to wait.
    tells_wait: bool,
}

fn read_waiting(file: &File, target: &mut [u8]) -> std::io::Result<usize> {
    let mut file = file;
    loop {
        match file.read(target) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Reads what is in memory; `WouldBlock` if that is nothing, another error if the file system can't tell.
#[cfg(target_os = "linux")]
fn read_cached(file: &File, target: &mut [u8]) -> std::io::Result<usize> {
    use rustix::io::{ReadWriteFlags, preadv2};
    /// Where the file stands, as `read` does.
    const HERE: u64 = u64::MAX;
    let mut target = [std::io::IoSliceMut::new(target)];
    let read = preadv2(file, &mut target, HERE, ReadWriteFlags::NOWAIT)?;
    let mut file = file;
    if read == 0 && file.metadata()?.len() > file.stream_position().unwrap_or(u64::MAX) {
        // Linux 5.9 and 5.10 tell the end of the file where they would have to wait (preadv2(2), BUGS).
        return Err(ErrorKind::WouldBlock.into());
    }
    Ok(read)
}

#[cfg(not(target_os = "linux"))]
fn read_cached(_file: &File, _target: &mut [u8]) -> std::io::Result<usize> {
    Err(ErrorKind::Unsupported.into())
}

/// Reads a block after `rest`; an empty answer is the end of the file for now.
fn read_block(
    rest: &[u8],
    probe: bool,
    read: impl Fn(&mut [u8]) -> std::io::Result<usize>,
) -> std::io::Result<Bytes> {
    if probe {
        let mut found = [0; PROBE_SIZE];
        let read = read(&mut found)?;
        if read == 0 {
            return Ok(Bytes::new());
        }
        let mut block = BytesMut::with_capacity(rest.len() + read);
        block.extend_from_slice(rest);
        block.extend_from_slice(found.get(..read).unwrap_or_default());
        return Ok(block.freeze());
    }
    // A long line doubles the room, so that it is not copied for each block.
    let room = READ_SIZE.max(rest.len());
    let mut block = BytesMut::with_capacity(rest.len() + room);
    block.extend_from_slice(rest);
    block.resize(rest.len() + room, 0);
    let read = read(block.get_mut(rest.len()..).unwrap_or_default())?;
    if read == 0 {
        return Ok(Bytes::new());
    }
    block.truncate(rest.len() + read);
    Ok(block.freeze())
}

fn now_millis() -> Option<i64> {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(elapsed.as_millis()).ok()
}

impl FileStreamSourceTask {
    /// The file itself is opened by `poll`, which waits for it to come into being.
    pub(crate) async fn start(context: Arc<dyn SourceTaskContext>) -> Result<Self> {
        let config = config_def().parse(context.configs())?;
        let file = filename(&config);
        let named = file.map_or(Value::Null, Value::from);
        Ok(Self {
            path: file.map(PathBuf::from),
            topic: shared_name(config.string(TOPIC)),
            batch_size: usize::try_from(config.int(BATCH_SIZE)).unwrap_or(0).max(1),
            partition: Arc::new(SourcePartition::of(FILENAME_FIELD, named)),
            position: 0,
            input: Input::Closed,
            lines: LineSplitter::default(),
            idle: false,
            tells_wait: true,
            context,
        })
    }

    async fn wait_idle(&self) {
        let stopping = self.context.stopping();
        // Either way the poll ends.
        let _ = tokio::time::timeout(IDLE_WAIT, stopping.cancelled()).await;
    }

    /// Opens the file where the stored offset says; false if it does not exist yet.
    async fn open(&mut self) -> Result<bool> {
        let Some(path) = self.path.clone() else {
            self.input = Input::Stdin(read_stdin()?);
            return Ok(true);
        };
        let reader = self.context.offset_storage_reader();
        let stored = reader.offset(&self.partition).await?;
        let shown = path.display().to_string();
        let reach = self.context.reach().clone();
        let opened = spawn_blocking(move || reach.open(&path, OpenOptions::new().read(true))).await;
        let mut file = match opened.map_err(|e| ConnectError::connect(e.to_string()))? {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                tracing::warn!(
                    file = shown,
                    "Couldn't find file {shown} for FileStreamSourceTask, sleeping to wait for it to be \
                     created"
                );
                return Ok(false);
            }
            Err(error) => {
                return Err(
                    ConnectError::connect(format!("failed to open file {shown}")).caused_by(error),
                );
            }
        };
        match stored
            .as_ref()
            .and_then(|offset| offset.get(POSITION_FIELD))
        {
            None | Some(Value::Null) => self.position = 0,
            Some(Value::Int64(position)) => {
                self.position = *position;
                let start = u64::try_from(*position).map_err(|_| {
                    ConnectError::connect(format!("Offset position {position} is negative"))
                })?;
                file.seek(SeekFrom::Start(start))?;
                tracing::debug!(file = shown, position, "resuming");
            }
            Some(_) => {
                return Err(ConnectError::connect(
                    "Offset position is the incorrect type",
                ));
            }
        }
        self.input = Input::File(file);
        Ok(true)
    }

    /// Reads more; false if there is nothing at the moment.
    async fn fill(&mut self) -> Result<bool> {
        let rest = self.lines.rest().clone();
        if rest.len() > MAX_LINE {
            return Err(ConnectError::connect(format!(
                "{}: the line at byte {} is longer than {MAX_LINE} bytes; is it a file of lines?",
                self.path.as_deref().unwrap_or(Path::new("stdin")).display(),
                self.position
            )));
        }
        match std::mem::replace(&mut self.input, Input::Closed) {
            Input::Closed => Ok(false),
            Input::File(file) => {
                let probe = self.idle;
                let mut cached = None;
                if self.tells_wait {
                    match read_block(&rest, probe, |target| read_cached(&file, target)) {
                        Ok(block) => cached = Some(block),
                        Err(error) => self.tells_wait = error.kind() == ErrorKind::WouldBlock,
                    }
                }
                let (file, block) = match cached {
                    Some(block) => (file, block),
                    None => {
                        let (file, block) = spawn_blocking(move || {
                            let block =
                                read_block(&rest, probe, |target| read_waiting(&file, target));
                            (file, block)
                        })
                        .await
                        .map_err(|e| ConnectError::connect(e.to_string()))?;
                        (file, block?)
                    }
                };
                self.input = Input::File(file);
                self.idle = block.is_empty();
                if self.idle {
                    return Ok(false);
                }
                self.lines.refill(block);
                Ok(true)
            }
            Input::Stdin(mut blocks) => {
                let stopping = self.context.stopping();
                let next = tokio::select! {
                    next = tokio::time::timeout(IDLE_WAIT, blocks.recv()) => next.ok(),
                    () = stopping.cancelled() => None,
                };
                self.input = Input::Stdin(blocks);
                match next {
                    Some(Some(block)) => {
                        let block = block?;
                        let mut joined = BytesMut::with_capacity(rest.len() + block.len());
                        joined.extend_from_slice(&rest);
                        joined.extend_from_slice(&block);
                        self.lines.refill(joined.freeze());
                        Ok(true)
                    }
                    // The end of stdin: nothing will ever come.
                    Some(None) => {
                        self.wait_idle().await;
                        Ok(false)
                    }
                    None => Ok(false),
                }
            }
        }
    }

    /// Adds lines until the batch is full, which is true, or there are no more.
    fn take_lines(&mut self, records: &mut Vec<SourceRecord>, bytes: &mut usize) -> bool {
        let timestamp = now_millis();
        while records.len() < self.batch_size && *bytes < BATCH_BYTES {
            let Some((text, taken)) = self.lines.next_text() else {
                return false;
            };
            *bytes += taken;
            let offset = if self.path.is_some() {
                self.position += i64::try_from(taken).unwrap_or(0);
                Value::Int64(self.position)
            } else {
                Value::Null
            };
            records.push(SourceRecord {
                record: ConnectRecord::new(
                    self.topic.clone(),
                    Some(schemas::STRING.clone()),
                    Value::String(text),
                )
                .with_timestamp(timestamp),
                source_partition: Some(Arc::clone(&self.partition)),
                source_offset: Some(SourceOffset::of(
                    ByteString::from_static(POSITION_FIELD),
                    offset,
                )),
            });
        }
        true
    }
}

/// Runs until stdin ends or the task is gone.
fn read_stdin() -> Result<mpsc::Receiver<std::io::Result<Bytes>>> {
    let (sender, receiver) = mpsc::channel(4);
    std::thread::Builder::new()
        .name("file-source-stdin".to_owned())
        .spawn(move || {
            let mut block = vec![0; READ_SIZE];
            loop {
                let read = match std::io::stdin().lock().read(&mut block) {
                    Ok(0) => break,
                    Ok(count) => Ok(Bytes::copy_from_slice(
                        block.get(..count).unwrap_or_default(),
                    )),
                    Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                    Err(error) => Err(error),
                };
                let failed = read.is_err();
                if sender.blocking_send(read).is_err() || failed {
                    break;
                }
            }
        })?;
    Ok(receiver)
}

#[async_trait]
impl SourceTask for FileStreamSourceTask {
    async fn poll(&mut self) -> Result<Option<Vec<SourceRecord>>> {
        if matches!(self.input, Input::Closed) && !self.open().await? {
            self.wait_idle().await;
            return Ok(None);
        }
        let mut records = Vec::new();
        let mut bytes = 0;
        loop {
            if records.capacity() == 0 && !self.lines.rest().is_empty() {
                records.reserve_exact(self.batch_size.min(10_000));
            }
            if self.take_lines(&mut records, &mut bytes) {
                return Ok(Some(records));
            }
            if !self.fill().await? {
                break;
            }
        }
        if !records.is_empty() {
            return Ok(Some(records));
        }
        if matches!(self.input, Input::File(_)) {
            self.wait_idle().await;
        }
        Ok(None)
    }
}
