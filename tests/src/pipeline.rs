//! A file that goes through a topic into a file: a FileStream source, a topic, a FileStream sink.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::files::{Delivery, count_lines, write_lines};
use crate::rest::Rest;
use crate::wait::wait_for;

/// Two connectors and their files. The sink has one task: two writers would mix their lines.
#[derive(Debug)]
pub struct Pipeline {
    /// The name both connectors begin with.
    pub name: String,
    /// The topic between them.
    pub topic: String,
    input: PathBuf,
    output: PathBuf,
    written: u64,
}

impl Pipeline {
    /// A pipeline with files in `folder`; nothing is created yet.
    ///
    /// Connectors and topic are named `CLUSTER-NAME`: the consumer group of a sink is named after the
    /// connector alone, so on a broker that several clusters share even connectors need names of their own.
    pub fn new(folder: &Path, cluster: &str, name: &str) -> Self {
        Self {
            name: format!("{cluster}-{name}"),
            topic: format!("{cluster}-{name}"),
            input: folder.join(format!("{name}.in")),
            output: folder.join(format!("{name}.out")),
            written: 0,
        }
    }

    /// Adds `count` lines to the end of the input.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add_lines(&mut self, count: u64) -> Result<()> {
        write_lines(&self.input, &self.name, self.written, self.written + count)?;
        self.written += count;
        Ok(())
    }

    /// The name of the source connector.
    pub fn source(&self) -> String {
        format!("{}-source", self.name)
    }

    /// The name of the sink connector.
    pub fn sink(&self) -> String {
        format!("{}-sink", self.name)
    }

    /// The names of both connectors.
    pub fn connectors(&self) -> [String; 2] {
        [self.source(), self.sink()]
    }

    /// The config of the source.
    pub fn source_config(&self) -> Value {
        json!({
            "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
            "tasks.max": "1",
            "file": self.input,
            "topic": self.topic,
        })
    }

    /// The config of the sink.
    pub fn sink_config(&self) -> Value {
        json!({
            "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector",
            "tasks.max": "1",
            "file": self.output,
            "topics": self.topic,
        })
    }

    /// Creates both connectors.
    ///
    /// # Errors
    /// When the worker refuses.
    pub fn create(&self, rest: &Rest) -> Result<()> {
        rest.put_config(&self.source(), &self.source_config())?;
        rest.put_config(&self.sink(), &self.sink_config())
    }

    /// Waits until both connectors and their tasks are RUNNING.
    ///
    /// # Errors
    /// When time is up, saying what the states are.
    pub fn wait_running(&self, rest: &Rest, within: Duration) -> Result<()> {
        for connector in self.connectors() {
            rest.wait_running(&connector, 1, within)?;
        }
        Ok(())
    }

    /// Waits until the output has as many lines as the input, whichever they are.
    ///
    /// # Errors
    /// When time is up, saying how many there are.
    pub fn wait_count(&self, within: Duration) -> Result<()> {
        wait_for(&format!("the lines of {}", self.name), within, || {
            let arrived = count_lines(&self.output)?;
            anyhow::ensure!(arrived >= self.written, "{arrived} of {}", self.written);
            Ok(Some(()))
        })
    }

    /// Waits until every line of the input is in the output.
    ///
    /// # Errors
    /// When time is up, saying what is missing.
    pub fn wait_none_lost(&self, within: Duration) -> Result<Delivery> {
        wait_for(&format!("all lines of {}", self.name), within, || {
            let delivery = self.delivery()?;
            delivery.none_lost()?;
            Ok(Some(delivery))
        })
    }

    /// Compares output and input as they are now.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn delivery(&self) -> Result<Delivery> {
        Delivery::compare(&[&self.input], &[&self.output]).context(self.name.clone())
    }

    /// How many lines have arrived.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn arrived(&self) -> Result<u64> {
        count_lines(&self.output)
    }
}
