//! Waiting for a condition, with a deadline and a text that says what did not happen.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const EVERY: Duration = Duration::from_millis(100);

/// An error after which waiting longer is of no use, such as the end of the process that should have done
/// something.
#[derive(Debug)]
pub struct Hopeless(pub String);

impl std::fmt::Display for Hopeless {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Hopeless {}

/// Asks `condition` until it gives a value or `within` has passed.
///
/// `condition` answers `Ok(Some(value))` when the wait is over, `Ok(None)` or an error otherwise; the last
/// error is shown when time is up, so a condition says best with an error what it saw instead. A [`Hopeless`]
/// error ends the wait.
///
/// # Errors
/// After `within`, naming `what` was waited for and what was seen last.
pub fn wait_for<T>(
    what: &str,
    within: Duration,
    mut condition: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let begin = Instant::now();
    loop {
        let seen = match condition() {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => "not yet".to_owned(),
            Err(error) if error.is::<Hopeless>() => return Err(error.context(what.to_owned())),
            Err(error) => format!("{error:#}"),
        };
        if begin.elapsed() >= within {
            bail!("waited {within:?} for {what}; last seen: {seen}");
        }
        std::thread::sleep(EVERY);
    }
}

/// Waits until `condition` is true.
///
/// # Errors
/// After `within`, naming `what` was waited for.
pub fn wait_until(
    what: &str,
    within: Duration,
    mut condition: impl FnMut() -> Result<bool>,
) -> Result<()> {
    wait_for(what, within, || Ok(condition()?.then_some(())))
}

/// A number of seconds as a duration; most deadlines of tests are written with it.
pub const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}
