//! `DirectoryConfigProvider`: `${directory:/path/to/folder:file}`, each file one value, as mounted secrets
//! are.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use sluice_api::config_provider::{ConfigData, ConfigProvider};
use sluice_api::{ConnectError, Props, Result};

use super::allowed_paths::AllowedPaths;

super::provider!(DirectoryConfigProvider, |_| Box::new(
    DirectoryConfigProvider::default()
));

#[derive(Debug, Default)]
struct DirectoryConfigProvider {
    allowed: AllowedPaths,
}

impl ConfigProvider for DirectoryConfigProvider {
    fn configure(&mut self, props: &Props) -> Result<()> {
        self.allowed = AllowedPaths::from_props(props)?;
        Ok(())
    }

    fn unbounded_files(&self, path: &str, keys: &[String]) -> Vec<PathBuf> {
        if path.is_empty() || !self.allowed.is_unlimited() {
            return Vec::new();
        }
        keys.iter().map(|key| Path::new(path).join(key)).collect()
    }

    fn get(&self, path: &str, keys: &[String]) -> Result<ConfigData> {
        if path.is_empty() {
            return Ok(ConfigData::default());
        }
        let Some(folder) = self.allowed.check(path) else {
            return Ok(ConfigData::default());
        };
        if !folder.is_dir() {
            tracing::warn!(path, "the path is not a directory");
            return Ok(ConfigData::default());
        }
        let mut data = HashMap::new();
        for key in keys {
            // Only names of files in the folder itself: nothing leads out of it.
            if key.contains('/') || matches!(key.as_str(), "" | "." | "..") {
                continue;
            }
            let file = folder.join(key);
            if !file.is_file() {
                continue;
            }
            let bytes = std::fs::read(&file).map_err(|error| {
                tracing::error!(file = %file.display(), %error, "could not read file");
                ConnectError::config(format!(
                    "Could not read file {} for property {key}",
                    file.display()
                ))
            })?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            data.insert(key.clone(), text);
        }
        Ok(ConfigData { data, ttl: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_of_the_folder_is_a_value_as_it_stands() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("password"), "hunter2\n").unwrap();
        std::fs::write(folder.path().join("other"), "x").unwrap();
        std::fs::create_dir(folder.path().join("inner")).unwrap();
        let provider = DirectoryConfigProvider::default();
        let keys = ["password", "inner", "nope", "../password", ".."].map(str::to_owned);
        let path = folder.path().to_str().unwrap();
        let found = provider.get(path, &keys).unwrap().data;
        assert_eq!(found.len(), 1);
        assert_eq!(found["password"], "hunter2\n");
        assert!(provider.get("/nope", &keys).unwrap().data.is_empty());
        assert!(provider.get("", &keys).unwrap().data.is_empty());
    }
}
