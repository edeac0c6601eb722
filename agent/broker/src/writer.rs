//! The one writer: a thread that takes jobs, lets them decide on its state, commits many of them at once, and
//! answers.
//!
//! A job sees what earlier jobs of the same commit decided. Readers see nothing before the commit, and no
//! job is answered before it. When a commit fails, every job in it fails and the state is read from the store
//! again: what is stored is the truth.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use fjall::PersistMode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::clock;
use crate::config::FsyncPolicy;
use crate::state::State;
use crate::store::{Commit, LOG_MEMTABLE, Store, StoreError, StoreHandle};

/// Jobs of one commit.
const JOBS: usize = 512;
/// Bytes of batches of one commit, about.
const COMMIT_BYTES: usize = 2 << 20;
/// Jobs that may wait.
const WAITING: usize = 4096;
/// Free space is looked at again after this many bytes.
const LOOK_AFTER: usize = 4 << 20;
/// Free space is looked at again after this time, however little was written.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Pause between attempts to open a store that failed.
const REOPEN_EVERY: Duration = Duration::from_millis(500);

type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
type Job = Box<dyn FnOnce(&mut State, &mut Commit) -> Answer + Send>;

struct Ordered {
    job: Job,
    _place: OwnedSemaphorePermit,
}

/// An answer that comes after the commit.
pub(crate) type Receipt<R> = oneshot::Receiver<Result<R, StoreError>>;

/// Waits for a receipt.
///
/// # Errors
/// If the commit failed.
pub(crate) async fn settle<R>(receipt: Receipt<R>) -> Result<R, StoreError> {
    receipt.await.unwrap_or(Err(StoreError::Closed))
}

/// The way to the writer. It ends when the last of these is dropped.
#[derive(Clone)]
pub(crate) struct Writer {
    jobs: mpsc::Sender<Ordered>,
    places: Arc<Semaphore>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl Writer {
    /// Hands a job over and returns once it has its place in the order; the receipt comes with the commit.
    ///
    /// # Errors
    /// If the writer has ended.
    pub(crate) async fn order<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut State, &mut Commit) -> R + Send + 'static,
    ) -> Result<Receipt<R>, StoreError> {
        let place = Arc::clone(&self.places)
            .acquire_owned()
            .await
            .map_err(|_| StoreError::Closed)?;
        let (sender, receipt) = oneshot::channel();
        let job: Job = Box::new(move |state, commit| {
            let result = job(state, commit);
            Box::new(move |outcome| {
                // Who asked may have gone away.
                let _ = sender.send(outcome.map(|()| result));
            })
        });
        self.jobs
            .send(Ordered { job, _place: place })
            .map_err(|_| StoreError::Closed)?;
        Ok(receipt)
    }

    /// Runs a job and waits for its commit.
    ///
    /// # Errors
    /// If the commit failed.
    pub(crate) async fn run<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut State, &mut Commit) -> R + Send + 'static,
    ) -> Result<R, StoreError> {
        settle(self.order(job).await?).await
    }
}

/// What the thread works with.
pub(crate) struct WriterSettings {
    pub(crate) path: PathBuf,
    pub(crate) fsync: FsyncPolicy,
    pub(crate) free_disk_bytes: u64,
}

/// Starts the writer on an open store and the state read from it.
///
/// # Errors
/// If the system gives no thread.
pub(crate) fn start(
    settings: WriterSettings,
    handle: StoreHandle,
    state: State,
) -> Result<(Writer, std::thread::JoinHandle<()>), StoreError> {
    let (jobs, ordered) = mpsc::channel();
    let thread = std::thread::Builder::new()
        .name("broker-writer".to_owned())
        .spawn(move || {
            Thread {
                space: Space::new(&settings.path, settings.free_disk_bytes),
                settings,
                handle,
                state,
                unsynced: None,
                in_memory: 0,
            }
            .run(&ordered);
        })
        .map_err(|error| StoreError::Failed {
            doing: "start the writer",
            reason: error.to_string(),
        })?;
    let writer = Writer {
        jobs,
        places: Arc::new(Semaphore::new(WAITING)),
    };
    Ok((writer, thread))
}

struct Thread {
    settings: WriterSettings,
    handle: StoreHandle,
    state: State,
    space: Space,
    /// When the first write happened that was not forced to the disk yet.
    unsynced: Option<Instant>,
    /// Bytes committed since the store was last made to write out what it holds in memory.
    in_memory: usize,
}

impl Thread {
    fn run(mut self, ordered: &mpsc::Receiver<Ordered>) {
        loop {
            let first = match self.until_sync() {
                Some(wait) => match ordered.recv_timeout(wait) {
                    Ok(first) => first,
                    Err(RecvTimeoutError::Timeout) => {
                        self.sync();
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => break,
                },
                None => match ordered.recv() {
                    Ok(first) => first,
                    Err(_) => break,
                },
            };
            self.commit(first, ordered);
        }
        self.sync();
        self.handle.set(None);
    }

    fn until_sync(&self) -> Option<Duration> {
        let FsyncPolicy::Every(period) = self.settings.fsync else {
            return None;
        };
        let since = self.unsynced?;
        Some((since + period).saturating_duration_since(Instant::now()))
    }

    fn sync(&mut self) {
        self.unsynced = None;
        if let Ok(store) = self.handle.get()
            && let Err(error) = store.sync()
        {
            tracing::error!(%error, "data could not be forced to the disk");
        }
    }

    fn commit(&mut self, first: Ordered, ordered: &mpsc::Receiver<Ordered>) {
        let Ok(store) = self.handle.get() else {
            self.refuse(first, ordered);
            return;
        };
        let mut commit = Commit::new(store, self.space.is_enough(), clock::now());
        let mut answers = vec![(first.job)(&mut self.state, &mut commit)];
        while answers.len() < JOBS && commit.bytes() < COMMIT_BYTES {
            let Ok(next) = ordered.try_recv() else { break };
            answers.push((next.job)(&mut self.state, &mut commit));
        }
        self.space.used(commit.bytes());
        let outcome = self.write(commit);
        if outcome.is_ok() && self.until_sync().is_some_and(|wait| wait.is_zero()) {
            self.sync();
        }
        let failed = outcome.is_err();
        for answer in answers {
            answer(outcome.clone());
        }
        if failed {
            self.reopen();
        } else if self.in_memory >= LOG_MEMTABLE {
            self.write_out();
        }
    }

    /// Bounds what the store holds in memory. A failure is one of the next commit too, which deals with it.
    fn write_out(&mut self) {
        self.in_memory = 0;
        if let Ok(store) = self.handle.get()
            && let Err(error) = store.write_out()
        {
            tracing::error!(%error, "batches could not be written to files");
        }
    }

    /// Writes what was decided and shows it to readers.
    fn write(&mut self, mut commit: Commit) -> Result<(), StoreError> {
        self.state.store_changes(&mut commit);
        let (bytes, is_empty) = (commit.bytes(), commit.is_empty());
        let changed = commit.write(match self.settings.fsync {
            FsyncPolicy::Always => PersistMode::SyncData,
            FsyncPolicy::Never | FsyncPolicy::Every(_) => PersistMode::Buffer,
        })?;
        if !is_empty && matches!(self.settings.fsync, FsyncPolicy::Every(_)) {
            self.unsynced.get_or_insert_with(Instant::now);
        }
        self.in_memory += bytes;
        self.state.publish(&changed);
        Ok(())
    }

    /// The store is being opened again: everything that waits is refused.
    fn refuse(&mut self, first: Ordered, ordered: &mpsc::Receiver<Ordered>) {
        // Dropping a job drops its sender, which says "closed".
        drop(first);
        while let Ok(next) = ordered.try_recv() {
            drop(next);
        }
        self.reopen();
    }

    /// Opens the store again after a failed write; its journal ends with the last commit that was complete.
    fn reopen(&mut self) {
        self.in_memory = 0;
        let old = self.handle.set(None);
        let begin = Instant::now();
        if let Some(mut old) = old {
            // Readers hold it for one read at most.
            loop {
                match Arc::try_unwrap(old) {
                    Ok(store) => {
                        drop(store);
                        break;
                    }
                    Err(shared) => old = shared,
                }
                if begin.elapsed() > Duration::from_secs(30) {
                    tracing::error!("the failed store is still being read");
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        let opened = Store::open(&self.settings.path).and_then(|store| {
            let store = Arc::new(store);
            self.state.reload(&store)?;
            Ok(store)
        });
        match opened {
            Ok(store) => {
                tracing::warn!("the store was opened again after a failed write");
                self.handle.set(Some(store));
                self.state.publish_all();
            }
            Err(error) => {
                tracing::error!(%error, "the store cannot be opened again; next attempt follows");
                std::thread::sleep(REOPEN_EVERY);
            }
        }
    }
}

/// Watches the free space of the disk.
struct Space {
    path: PathBuf,
    least: u64,
    enough: bool,
    looked: Option<Instant>,
    used: usize,
}

impl Space {
    fn new(path: &Path, least: u64) -> Self {
        Self {
            path: path.to_owned(),
            least,
            enough: true,
            looked: None,
            used: 0,
        }
    }

    fn used(&mut self, bytes: usize) {
        self.used += bytes;
    }

    fn is_enough(&mut self) -> bool {
        let fresh = self.looked.is_some_and(|at| at.elapsed() < LOOK_EVERY);
        if fresh && self.used < LOOK_AFTER {
            return self.enough;
        }
        self.used = 0;
        self.looked = Some(Instant::now());
        // A system that does not tell is one on which writes themselves have to fail.
        let enough = rustix::fs::statvfs(&self.path).map_or(true, |stat| {
            stat.f_bavail.saturating_mul(stat.f_frsize) >= self.least
        });
        if enough != self.enough {
            self.enough = enough;
            if enough {
                tracing::info!("there is space on the disk again");
            } else {
                tracing::error!(
                    least = self.least,
                    "the disk is nearly full: appends are refused"
                );
            }
        }
        enough
    }
}
