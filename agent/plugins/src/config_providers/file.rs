//! `FileConfigProvider`: `${file:/path/to/file.properties:key}`.

use std::collections::HashMap;
use std::path::PathBuf;

use sluice_api::config_provider::{ConfigData, ConfigProvider};
use sluice_api::{ConnectError, Props, Result};

use super::allowed_paths::AllowedPaths;

super::provider!(FileConfigProvider, |_| Box::new(
    FileConfigProvider::default()
));

#[derive(Debug, Default)]
struct FileConfigProvider {
    allowed: AllowedPaths,
}

impl ConfigProvider for FileConfigProvider {
    fn configure(&mut self, props: &Props) -> Result<()> {
        self.allowed = AllowedPaths::from_props(props)?;
        Ok(())
    }

    fn unbounded_files(&self, path: &str, _: &[String]) -> Vec<PathBuf> {
        let reads = self.allowed.is_unlimited() && !path.is_empty();
        reads.then(|| path.into()).into_iter().collect()
    }

    fn get(&self, path: &str, keys: &[String]) -> Result<ConfigData> {
        if path.is_empty() {
            return Ok(ConfigData::default());
        }
        let Some(file) = self.allowed.check(path) else {
            return Ok(ConfigData::default());
        };
        let unreadable = |reason: String| {
            tracing::error!(path, reason, "could not read properties");
            ConnectError::config(format!("Could not read properties from file {path}"))
        };
        let bytes = std::fs::read(file).map_err(|error| unreadable(error.to_string()))?;
        let mut data = HashMap::new();
        java_properties::PropertiesIter::new_with_encoding(bytes.as_slice(), encoding_rs::UTF_8)
            .read_into(|key, value| {
                if keys.contains(&key) {
                    data.insert(key, value);
                }
            })
            // The reason may show a piece of the file.
            .map_err(|_| unreadable("not in the format of properties".to_owned()))?;
        Ok(ConfigData { data, ttl: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn values_come_from_a_properties_file_in_utf_8() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.properties");
        std::fs::write(
            &path,
            "# note\nuser = jürg \\\n  x\npassword:hunter2=\u{1F600}\nother=1\n",
        )
        .unwrap();
        let provider = FileConfigProvider::default();
        let found = provider
            .get(path.to_str().unwrap(), &keys(&["user", "password", "nope"]))
            .unwrap()
            .data;
        assert_eq!(found.len(), 2);
        assert_eq!(found["user"], "jürg x");
        assert_eq!(found["password"], "hunter2=\u{1F600}");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error_and_a_forbidden_one_gives_nothing() {
        let mut provider = FileConfigProvider::default();
        assert_eq!(
            provider.get("/nope", &keys(&["a"])).unwrap_err().message(),
            "Could not read properties from file /nope"
        );
        assert!(provider.get("", &keys(&["a"])).unwrap().data.is_empty());
        let props = Props::from([("allowed.paths".to_owned(), "/usr".to_owned())]);
        provider.configure(&props).unwrap();
        assert!(
            provider
                .get("/nope", &keys(&["a"]))
                .unwrap()
                .data
                .is_empty()
        );
    }
}
