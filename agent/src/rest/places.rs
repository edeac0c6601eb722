//! Who may be connected: the number of connections, and which of them gives way to a new one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// Most connections, if there are descriptors for more.
const MOST: u64 = 1_024;

/// The connections of all listeners of a worker.
#[derive(Debug)]
pub(super) struct Places {
    limit: usize,
    /// As many as there may be open sockets.
    sockets: Arc<Semaphore>,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    by_number: HashMap<u64, Arc<State>>,
}

#[derive(Debug)]
struct State {
    /// The requests that are complete and worked on (with HTTP/1.1 one at most), and since when that is so.
    working: watch::Sender<(bool, Instant)>,
    given_up: CancellationToken,
}

/// The place of one connection, free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    number: u64,
    state: Arc<State>,
    places: Arc<Places>,
}

impl Places {
    /// As many as leave three of four file descriptors to Kafka and connectors.
    pub(super) fn by_descriptors() -> Arc<Self> {
        let descriptors = getrlimit(Resource::RLIMIT_NOFILE).map_or(MOST, |(soft, _)| soft);
        Self::new(usize::try_from((descriptors / 4).clamp(8, MOST)).unwrap_or(8))
    }

    fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            sockets: Arc::new(Semaphore::new(limit)),
            taken: Mutex::default(),
        })
    }

    /// Waits until a connection that gave way has closed its socket: descriptors are what the limit
    /// is about. The permit goes back after the socket.
    pub(super) async fn socket(&self) -> Option<OwnedSemaphorePermit> {
        self.sockets.clone().acquire_owned().await.ok()
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// A place for a new connection. If all are taken, the one that has waited longest for its
    /// client gives way; `None` if each has a request that is worked on.
    pub(super) fn take(self: &Arc<Self>) -> Option<Arc<Place>> {
        let mut taken = self.taken.lock();
        if taken.by_number.len() >= self.limit {
            let (number, since) = taken
                .by_number
                .iter()
                .map(|(number, state)| (*number, *state.working.borrow()))
                .filter(|(_, (working, _))| !working)
                .map(|(number, (_, since))| (number, since))
                .min_by_key(|(_, since)| *since)?;
            tracing::debug!(waited = ?since.elapsed(), "all REST connections are taken");
            if let Some(state) = taken.by_number.remove(&number) {
                state.given_up.cancel();
            }
        }
        let number = taken.next;
        taken.next += 1;
        let state = Arc::new(State {
            working: watch::Sender::new((false, Instant::now())),
            given_up: CancellationToken::new(),
        });
        taken.by_number.insert(number, state.clone());
        Some(Arc::new(Place {
            number,
            state,
            places: self.clone(),
        }))
    }
}

impl Place {
    /// Cancelled when the connection has to end for another.
    pub(super) fn given_up(&self) -> CancellationToken {
        self.state.given_up.clone()
    }

    /// Marks that a whole request is there and worked on, until the guard is dropped.
    pub(super) fn occupy(&self) -> Occupied<'_> {
        self.state.working.send_replace((true, Instant::now()));
        Occupied(self)
    }

    /// Ends when no request has been worked on for `pause`.
    pub(super) async fn unoccupied(&self, pause: Duration) {
        let mut working = self.state.working.subscribe();
        loop {
            // The sender lives as long as this place.
            let _ = working.wait_for(|(working, _)| !working).await;
            if tokio::time::timeout(pause, working.changed())
                .await
                .is_err()
            {
                return;
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken.lock().by_number.remove(&self.number);
    }
}

/// A request that is worked on.
pub(super) struct Occupied<'a>(&'a Place);

impl Drop for Occupied<'_> {
    fn drop(&mut self) {
        self.0.state.working.send_replace((false, Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_waiting_connection_gives_way_and_one_that_is_worked_on_does_not() {
        let places = Places::new(2);
        let first = places.take().unwrap();
        let second = places.take().unwrap();
        let working = first.occupy();
        let third = places.take().unwrap();
        assert!(!first.given_up().is_cancelled());
        assert!(second.given_up().is_cancelled());

        let also_working = third.occupy();
        assert!(places.take().is_none());

        drop((working, also_working));
        // It answered last, so it is not the one that has waited longest.
        drop(first.occupy());
        let _fourth = places.take().unwrap();
        assert!(third.given_up().is_cancelled());
        assert!(!first.given_up().is_cancelled());
    }

    #[test]
    fn a_dropped_place_is_free() {
        let places = Places::new(1);
        drop(places.take());
        let only = places.take().unwrap();
        assert!(!only.given_up().is_cancelled());
    }
}
