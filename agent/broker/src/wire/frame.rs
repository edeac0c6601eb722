//! Frames from a socket: a length of four bytes, then the request.
//!
//! Large requests wait until the budget of the whole broker has room for them, so that neither lies about
//! lengths nor many slow senders cost more memory than that.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Requests up to this size are read without asking for budget.
pub(crate) const SMALL: usize = 16 << 10;
/// Room made at once.
const STEP: usize = 64 << 10;

/// Why no more requests come.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    /// The connection broke, or the client closed it inside a frame.
    #[error("connection ended")]
    Io(#[from] io::Error),
    /// A length that is negative or above the limit.
    #[error("request of {0} bytes is not accepted")]
    Length(i64),
    /// The rest of a request did not come.
    #[error("request was not complete in time")]
    Slow,
}

/// Budget that a request holds while it is in memory: for its bytes, and for what they become.
pub(crate) type Held = Vec<OwnedSemaphorePermit>;

/// Cuts a stream into requests.
#[derive(Debug)]
pub(crate) struct FrameReader<R> {
    stream: R,
    buffer: BytesMut,
    largest: usize,
    budget: Arc<Semaphore>,
    /// Units of the budget in all.
    units: u32,
    limit: Duration,
}

/// Bytes per unit of the budget.
pub(crate) const UNIT: usize = 1 << 10;

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Reads from `stream`; no request may be larger than `largest` bytes, `budget` has `units` of [`UNIT`]
    /// bytes.
    pub(crate) fn new(
        stream: R,
        largest: usize,
        budget: Arc<Semaphore>,
        units: u32,
        limit: Duration,
    ) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
            largest,
            budget,
            units,
            limit,
        }
    }

    /// The next request without its length; `None` at the end of the stream.
    ///
    /// # Errors
    /// If the stream fails or ends inside a request, or the request is not acceptable.
    pub(crate) async fn next(&mut self) -> Result<Option<(Bytes, Held)>, FrameError> {
        while self.buffer.len() < 4 {
            if !self.more(STEP.min(8 << 10)).await? {
                return if self.buffer.is_empty() {
                    Ok(None)
                } else {
                    Err(io::Error::from(io::ErrorKind::UnexpectedEof).into())
                };
            }
        }
        let claimed = i64::from(self.buffer.get_i32());
        let length = usize::try_from(claimed)
            .ok()
            .filter(|length| *length <= self.largest)
            .ok_or(FrameError::Length(claimed))?;
        tokio::time::timeout(self.limit, self.body(length))
            .await
            .map_err(|_| FrameError::Slow)?
            .map(Some)
    }

    async fn body(&mut self, length: usize) -> Result<(Bytes, Held), FrameError> {
        let held = if length > SMALL {
            let units = u32::try_from(length / UNIT)
                .unwrap_or(u32::MAX)
                .min(self.units);
            let permit = Arc::clone(&self.budget).acquire_many_owned(units).await;
            Some(permit.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?)
        } else {
            None
        };
        // The budget covers what is claimed, up to all of it; beyond, room is made as bytes arrive.
        let covered = length.min(self.units as usize * UNIT);
        self.buffer
            .reserve(covered.saturating_sub(self.buffer.len()));
        while self.buffer.len() < length {
            let missing = length - self.buffer.len();
            if !self.more(missing.min(STEP)).await? {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
        let frame = self.buffer.split_to(length).freeze();
        if self.buffer.is_empty() {
            // The next request gets a buffer of its own; an idle connection holds none.
            self.buffer = BytesMut::new();
        }
        Ok((frame, held.into_iter().collect()))
    }

    async fn more(&mut self, room: usize) -> Result<bool, FrameError> {
        self.buffer.reserve(room);
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }
}
