//! A broker for a test: the one that `SLUICE_TEST_BOOTSTRAP` (host:port) names, else the embedded one, so
//! that such a test always runs.

use sluice_api::config::Props;
use tempfile::TempDir;

use super::embedded::{self, Embedded};

/// A broker as long as the test lives.
pub(crate) struct TestBroker {
    bootstrap: String,
    own: Option<(Embedded, TempDir)>,
}

impl TestBroker {
    pub(crate) fn start() -> Self {
        if let Ok(bootstrap) = std::env::var("SLUICE_TEST_BOOTSTRAP") {
            return Self {
                bootstrap,
                own: None,
            };
        }
        let folder = tempfile::tempdir().unwrap();
        let servers = format!("embedded:{}", folder.path().display());
        let (embedded, bootstrap) = elsewhere(async move {
            let mut props = Props::from_iter([("bootstrap.servers".to_owned(), servers)]);
            let embedded = embedded::start(&mut props).await.unwrap().unwrap();
            (embedded, props["bootstrap.servers"].clone())
        });
        Self {
            bootstrap,
            own: Some((embedded, folder)),
        }
    }

    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }
}

impl Drop for TestBroker {
    fn drop(&mut self) {
        if let Some((embedded, _folder)) = self.own.take() {
            elsewhere(embedded.shutdown());
        }
    }
}

/// Waits for something on a thread and a runtime of its own: tests have runtimes that must not be waited on.
fn elsewhere<R: Send + 'static>(work: impl Future<Output = R> + Send + 'static) -> R {
    let waiting = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(work)
    });
    waiting.join().unwrap()
}
