//! `allowed.paths`: where a provider may read.

use std::path::{Component, Path, PathBuf};

use sluice_api::{ConnectError, Props, Result};

/// Absolute, existing paths; none given allows everything. Links are not followed, as in the JVM.
#[derive(Debug, Default)]
pub(super) struct AllowedPaths(Option<Vec<PathBuf>>);

impl AllowedPaths {
    /// Reads `allowed.paths`, a list with commas between the paths.
    pub(super) fn from_props(props: &Props) -> Result<Self> {
        let Some(text) = props.get("allowed.paths").filter(|text| !text.is_empty()) else {
            return Ok(Self(None));
        };
        let mut paths = Vec::new();
        for path in text.split(',') {
            let path = normalized(Path::new(path));
            if !path.is_absolute() {
                return Err(ConnectError::config(format!(
                    "Path {} is not absolute",
                    path.display()
                )));
            }
            if !path.exists() {
                return Err(ConnectError::config(format!(
                    "Path {} does not exist",
                    path.display()
                )));
            }
            paths.push(path);
        }
        Ok(Self(Some(paths)))
    }

    /// Whether everything may be read.
    pub(super) fn is_unlimited(&self) -> bool {
        self.0.is_none()
    }

    /// The path to read, if that is allowed; a refusal is logged.
    pub(super) fn check(&self, path: &str) -> Option<PathBuf> {
        let Some(allowed) = &self.0 else {
            return Some(PathBuf::from(path));
        };
        let normalized = normalized(Path::new(path));
        if allowed.iter().any(|one| normalized.starts_with(one)) {
            return Some(normalized);
        }
        tracing::warn!(path, "the path is not allowed to be accessed");
        None
    }
}

/// A path without `.` and, where something stands before it, `..`.
fn normalized(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => match result.components().next_back() {
                Some(Component::Normal(_)) => {
                    result.pop();
                }
                Some(Component::RootDir) => {}
                _ => result.push(".."),
            },
            other => result.push(other),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(text: &str) -> Result<AllowedPaths> {
        AllowedPaths::from_props(&Props::from([(
            "allowed.paths".to_owned(),
            text.to_owned(),
        )]))
    }

    #[test]
    fn only_paths_below_an_allowed_one_are_read_however_they_are_written() {
        let paths = allowed("/usr,/etc/").unwrap();
        assert_eq!(
            paths.check("/etc/./x/../passwd"),
            Some("/etc/passwd".into())
        );
        assert_eq!(paths.check("/usr"), Some("/usr".into()));
        assert_eq!(paths.check("/etc/../root/secret"), None);
        assert_eq!(paths.check("/etcetera/x"), None);
        assert_eq!(paths.check("etc/passwd"), None);
        assert!(AllowedPaths::default().check("any").is_some());
    }

    #[test]
    fn allowed_paths_are_absolute_and_exist() {
        assert_eq!(
            allowed("etc").unwrap_err().message(),
            "Path etc is not absolute"
        );
        assert_eq!(
            allowed("/does/not/exist").unwrap_err().message(),
            "Path /does/not/exist does not exist"
        );
    }
}
