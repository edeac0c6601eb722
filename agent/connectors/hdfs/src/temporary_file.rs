//! A file on its way: encoded in memory, sent to HDFS when there is enough of it.

use sluice_api::{Result, Value};

use crate::error::StoreResult;
use crate::ownership::Finished;
use crate::store::{OpenFile, Store};
use sluice_toolkit::files::format::Encoder;

/// Bytes that are sent at once. A file that never has as many is made only when it is finished, so that many
/// small files at a time cost neither connections nor data nodes.
const CHUNK: usize = 256 << 10;

/// A file that is being written and has no final name yet.
pub(crate) struct TemporaryFile {
    /// Path of the folder it is in, and its name there.
    folder: String,
    name: String,
    encoder: Box<dyn Encoder>,
    ready: Vec<u8>,
    open: Option<OpenFile>,
    /// Offsets of the first and the last record.
    pub(crate) range: Option<(i64, i64)>,
}

impl TemporaryFile {
    /// An empty file, which HDFS does not know yet.
    pub(crate) fn new(folder: String, name: String, encoder: Box<dyn Encoder>) -> Self {
        Self {
            folder,
            name,
            encoder,
            ready: Vec::new(),
            open: None,
            range: None,
        }
    }

    /// Adds the value of a record. Nothing is sent yet.
    ///
    /// # Errors
    /// The value does not fit, and is not in the file.
    pub(crate) fn add(&mut self, value: &Value, offset: i64) -> Result<()> {
        self.encoder.write(value, &mut self.ready)?;
        self.range = Some((self.range.map_or(offset, |(first, _)| first), offset));
        Ok(())
    }

    /// Bytes of memory, roughly.
    pub(crate) fn held(&self) -> usize {
        self.encoder.held() + self.ready.len()
    }

    /// Has what the encoder keeps back written.
    ///
    /// # Errors
    /// The format's own.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.encoder.flush(&mut self.ready)
    }

    /// Whether there is enough to be sent.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.len() >= CHUNK
    }

    /// Sends what is ready, and makes the file if it is the first time.
    pub(crate) async fn send(&mut self, store: &Store) -> StoreResult<()> {
        let file = match &mut self.open {
            Some(file) => file,
            None => {
                let file = store
                    .create(&format!("{}/{}", self.folder, self.name))
                    .await?;
                self.open.insert(file)
            }
        };
        if self.ready.is_empty() {
            return Ok(());
        }
        let room = self.ready.len().min(2 * CHUNK);
        let bytes = std::mem::replace(&mut self.ready, Vec::with_capacity(room));
        file.write(bytes.into()).await
    }

    /// Ends the contents; [`TemporaryFile::close`] sends them.
    ///
    /// # Errors
    /// The format's own.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.encoder.finish(&mut self.ready)
    }

    /// Sends the rest and closes the file, which will get its final path.
    pub(crate) async fn close(mut self, store: &Store, path: String) -> StoreResult<Finished> {
        self.send(store).await?;
        if let Some(file) = self.open.take() {
            file.close().await?;
        }
        Ok(Finished {
            name: self.name,
            path,
        })
    }
}
