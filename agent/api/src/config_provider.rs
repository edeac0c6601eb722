//! Config providers: they give the values of variables such as `${file:/secrets:password}`.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::Props;
use crate::error::Result;

/// Values of a path.
#[derive(Clone, Default)]
pub struct ConfigData {
    /// Values by key. They may be secrets.
    pub data: HashMap<String, String>,
    /// How long they hold, if limited.
    pub ttl: Option<Duration>,
}

/// Shows keys only: values may be secrets.
impl std::fmt::Debug for ConfigData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConfigData")
            .field("keys", &self.data.keys())
            .field("ttl", &self.ttl)
            .finish()
    }
}

/// Gives values of variables.
///
/// Called when a configuration is validated and when connectors and tasks start, never per record. As with
/// the JVM worker, calls hold up what they are made for, so they are to be short: a read of a file, not a
/// long wait for a server.
pub trait ConfigProvider: Send + Sync {
    /// Takes its properties, without prefix.
    fn configure(&mut self, props: &Props) -> Result<()>;

    /// Values of the given keys under a path; keys that do not exist are left out.
    fn get(&self, path: &str, keys: &[String]) -> Result<ConfigData>;

    /// Files that [`ConfigProvider::get`] would read, unless the provider's own properties say which it may
    /// read.
    fn unbounded_files(&self, path: &str, keys: &[String]) -> Vec<PathBuf> {
        let _ = (path, keys);
        Vec::new()
    }
}
