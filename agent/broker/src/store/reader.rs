//! Reads from the store by those who must not wait for the disk on their own thread.

use tokio::sync::Semaphore;

use super::{Store, StoreError, StoreHandle};

/// Reads of the store at the same time.
const READERS: usize = 4;

/// The store as tasks read it, a few at a time.
#[derive(Debug)]
pub(crate) struct StoreReader {
    store: StoreHandle,
    places: Semaphore,
}

impl StoreReader {
    pub(crate) fn new(store: StoreHandle) -> Self {
        Self {
            store,
            places: Semaphore::new(READERS),
        }
    }

    /// Runs `read` on a thread that may wait for the disk.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub(crate) async fn read<R: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        let _place = self
            .places
            .acquire()
            .await
            .map_err(|_| StoreError::Closed)?;
        let store = self.store.clone();
        let read = tokio::task::spawn_blocking(move || read(&*store.get()?));
        read.await.unwrap_or(Err(StoreError::Closed))
    }
}
