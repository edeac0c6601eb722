//! A program that runs to its end: what it wrote to standard output, what to standard error, and its exit
//! status.

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use crate::wait::wait_for;

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// What it was, for messages.
    pub command: String,
    /// Exit status; 128 and the signal's number when a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Fails unless the exit status is `code`.
    ///
    /// # Errors
    /// With all that was written.
    pub fn expect(self, code: i32) -> Result<Self> {
        if self.code != code {
            bail!(
                "{}: exit status {} and not {code}\n{}{}",
                self.command,
                self.code,
                self.stdout,
                self.stderr
            );
        }
        Ok(self)
    }

    /// Fails unless it ended with `code` and wrote nothing to standard error.
    ///
    /// # Errors
    /// With all that was written.
    pub fn quietly(self, code: i32) -> Result<Self> {
        let output = self.expect(code)?;
        if !output.stderr.is_empty() {
            bail!("{}: complained: {}", output.command, output.stderr);
        }
        Ok(output)
    }

    /// Fails unless it ended with `code`, wrote nothing to standard output, and `part` of why to standard
    /// error.
    ///
    /// # Errors
    /// With all that was written.
    pub fn refuses(self, code: i32, part: &str) -> Result<Self> {
        let output = self.expect(code)?;
        if !output.stdout.is_empty() || !output.stderr.contains(part) {
            bail!(
                "{}: expected {part:?} on standard error alone\n--- out ---\n{}\n--- err ---\n{}",
                output.command,
                output.stdout,
                output.stderr
            );
        }
        Ok(output)
    }

    /// Standard output as JSON.
    ///
    /// # Errors
    /// When it is not.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.stdout)
            .with_context(|| format!("{}: not JSON\n{}", self.command, self.stdout))
    }

    /// Standard output as YAML.
    ///
    /// # Errors
    /// When it is not.
    pub fn yaml(&self) -> Result<Value> {
        serde_yaml_ng::from_str(&self.stdout)
            .with_context(|| format!("{}: not YAML\n{}", self.command, self.stdout))
    }
}

/// Runs a command without a terminal, `input` on its standard input, and kills it when it does not end
/// `within`.
///
/// # Errors
/// When it cannot be started or has to be killed.
pub fn run(
    command: &[String],
    environment: &[(&str, &str)],
    input: &str,
    within: Duration,
) -> Result<Output> {
    use std::os::unix::process::ExitStatusExt as _;
    let shown = command.join(" ");
    let (program, arguments) = command.split_first().context("empty command")?;
    let folder = TempDir::with_prefix("sluice-command-")?;
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("in"), input)?;
    let mut child = Command::new(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::from(File::open(file("in"))?))
        .stdout(Stdio::from(File::create(file("out"))?))
        .stderr(Stdio::from(File::create(file("err"))?))
        .spawn()
        .with_context(|| format!("start {shown}"))?;
    let ended = wait_for(&format!("the end of {shown}"), within, || {
        Ok(child.try_wait()?)
    });
    let text = |name: &str| -> Result<String> {
        Ok(String::from_utf8_lossy(&std::fs::read(file(name))?).into_owned())
    };
    let (stdout, stderr) = (text("out")?, text("err")?);
    let status = match ended {
        Ok(status) => status,
        Err(error) => {
            child.kill()?;
            child.wait()?;
            return Err(error.context(format!("{stdout}{stderr}")));
        }
    };
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .context("neither status nor signal")?;
    Ok(Output {
        command: shown,
        code,
        stdout,
        stderr,
    })
}
