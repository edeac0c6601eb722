//! The user's editor on a private file, and the file of commands typed.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};

use rustix::process::{Pid, Signal, WaitOptions};

/// How many commands are remembered.
const HISTORY: usize = 200;
/// Largest text taken back from an editor.
const TEXT_CAP: u64 = 4 << 20;

/// Opens `text` in the editor and returns what it became. The file is readable by its owner only, because a
/// new secret may be typed into it, and is removed at once.
pub(crate) async fn edit(command: &str, text: &str) -> io::Result<String> {
    let mut file = tempfile::Builder::new()
        .prefix("sluice-")
        .suffix(".json")
        .tempfile()?;
    file.write_all(text.as_bytes())?;
    file.flush()?;
    let path = file.path().to_owned();
    // A shell splits the command as the user wrote it; the path comes as an argument and is not looked at.
    let child = Command::new("/bin/sh")
        .arg("-c")
        .arg(format!("exec {command} \"$1\""))
        .arg("sluice")
        .arg(&path)
        .spawn()?;
    let status = tokio::task::spawn_blocking(move || wait(child))
        .await
        .map_err(io::Error::other)??;
    if !status.success() {
        return Err(io::Error::other(format!(
            "{command} ended with {status}; nothing written"
        )));
    }
    let size = std::fs::metadata(&path)?.len();
    if size > TEXT_CAP {
        return Err(io::Error::other("the text is larger than 4 MiB"));
    }
    // Read by name: many editors write a new file in place of the old one.
    std::fs::read_to_string(&path)
}

/// Waits for the editor. When it is stopped (ctrl-z), this process stops too, as git and kubectl do: the
/// shell then has the terminal again, and `fg` continues both. Without a shell to continue them the editor
/// continues at once.
fn wait(mut child: Child) -> io::Result<ExitStatus> {
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let Some(id) = id else {
        return child.wait();
    };
    loop {
        let waited = rustix::process::waitpid(Some(id), WaitOptions::UNTRACED);
        let status = match waited {
            Ok(Some((_, status))) => status,
            Ok(None) | Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        if !status.stopped() {
            use std::os::unix::process::ExitStatusExt as _;
            return Ok(ExitStatus::from_raw(status.as_raw()));
        }
        if has_job_control() {
            // Does not return before this process is continued.
            signal_hook::low_level::emulate_default_handler(libc::SIGTSTP)?;
        }
        // A shell continues the whole job; anybody else may have continued us alone.
        rustix::process::kill_process(id, Signal::CONT)?;
    }
}

/// Whether the parent is a shell that will continue a stopped job: of the same session, in another process
/// group.
fn has_job_control() -> bool {
    let Some(parent) = rustix::process::getppid() else {
        return false;
    };
    let session = |id| rustix::process::getsid(id).ok();
    let group = rustix::process::getpgid(Some(parent)).ok();
    session(Some(parent)).is_some()
        && session(Some(parent)) == session(None)
        && group != Some(rustix::process::getpgrp())
}

/// Commands typed in earlier runs, oldest first; none when there is no such file.
pub(crate) fn read_history(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| !line.is_empty() && line.len() < 512)
        .map(|line| crate::text::Text::line(line).to_string())
        .collect();
    let skip = lines.len().saturating_sub(HISTORY);
    lines.drain(..skip);
    lines
}

/// Remembers a command. A history that can't be written is no reason to bother anyone.
pub(crate) fn remember(path: &Path, line: &str) {
    let mut lines = read_history(path);
    lines.retain(|old| old != line);
    lines.push(line.to_owned());
    let skip = lines.len().saturating_sub(HISTORY);
    if let Some(folder) = path.parent() {
        let _ = std::fs::create_dir_all(folder);
    }
    let mut text = lines.get(skip..).unwrap_or_default().join("\n");
    text.push('\n');
    let _ = std::fs::write(path, text);
}

/// Where the copy of a text lies: a name that any connector can have becomes that of a file.
fn draft_path(folder: &Path, connector: Option<&str>) -> PathBuf {
    let name = connector.map_or_else(|| "new".to_owned(), |name| format!("edit-{name}"));
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name: String = name
        .chars()
        .map(|c| if plain(c) { c } else { '_' })
        .take(200)
        .collect();
    folder.join(format!("{name}.json"))
}

/// Keeps a copy of a text, readable by its owner only; answers where.
pub(crate) fn keep_draft(
    folder: &Path,
    connector: Option<&str>,
    text: &str,
) -> io::Result<PathBuf> {
    let path = draft_path(folder, connector);
    std::fs::create_dir_all(folder)?;
    // A file of its own, which then takes the place: a process that made one there before keeps no hold of
    // it.
    let mut file = tempfile::Builder::new()
        .prefix(".draft-")
        .tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(&path)?;
    Ok(path)
}

/// Removes the copy. One that is not there is no error.
pub(crate) fn drop_draft(folder: &Path, connector: Option<&str>) {
    let _ = std::fs::remove_file(draft_path(folder, connector));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_editor_gets_the_text_and_its_change_comes_back() {
        let edited = edit("sed -i s/a/b/", "{\"a\":1}").await.unwrap();
        assert_eq!(edited, "{\"b\":1}");
        assert!(
            edit("false", "x")
                .await
                .unwrap_err()
                .to_string()
                .contains("nothing written")
        );
    }

    #[test]
    fn history_is_kept_without_doubles() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x/history");
        for line in ["tasks", "lag", "tasks"] {
            remember(&path, line);
        }
        assert_eq!(read_history(&path), ["lag", "tasks"]);
    }

    #[test]
    fn a_draft_is_for_its_owner_alone_and_its_name_stays_in_the_folder() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("drafts");
        for name in [None, Some("orders"), Some("../../x"), Some("..")] {
            let path = keep_draft(&folder, name, "text").unwrap();
            assert_eq!(path.parent(), Some(folder.as_path()), "{name:?}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "text");
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name:?}");
            drop_draft(&folder, name);
            assert!(!path.exists());
        }
    }
}
