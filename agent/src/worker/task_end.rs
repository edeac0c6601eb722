//! How a loop ends: panics become errors, and the listener hears how it went.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use sluice_api::{ConnectError, ErrorKind, Result};

/// Runs a step of a plugin; a panic in it becomes an error.
pub(super) async fn catch<T>(step: impl Future<Output = Result<T>>) -> Result<T> {
    match AssertUnwindSafe(step).catch_unwind().await {
        Ok(result) => result,
        Err(panic) => Err(panic_error(panic.as_ref())),
    }
}

fn panic_error(panic: &(dyn Any + Send)) -> ConnectError {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a plugin panicked".to_owned());
    ConnectError::new(ErrorKind::Panic, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_an_error_with_its_text() {
        let error = catch(async {
            let empty: Vec<i32> = Vec::new();
            Ok(empty.first().copied().expect("nothing here"))
        })
        .await
        .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Panic);
        assert_eq!(error.message(), "nothing here");
    }
}
