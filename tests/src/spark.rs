//! Spark as a reader of files on HDFS: the long form of the tests installs it, since it is large and slow to
//! start.

use anyhow::{Context, Result, ensure};

use crate::command;
use crate::data_file::{Contents, Format};
use crate::servers::{cache, tests_folder};
use crate::wait::seconds;

/// All rows of the files in a folder, in no order; `codec` and `duckdb` stay `null`, types are Spark's.
///
/// # Errors
/// When Spark is not installed (`tests/servers/install --long`), or it refuses a file.
pub fn read(format: Format, url: &str) -> Result<Contents> {
    let folder = cache()?.join("spark");
    ensure!(
        folder.join("complete").is_file(),
        "{} is not complete: run tests/servers/install --long",
        folder.display()
    );
    let jars = std::fs::read_dir(folder.join("libs"))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.to_string_lossy().contains("spark-avro"))
        .map(|path| path.display().to_string())
        .collect::<Vec<_>>();
    let command = [
        folder.join("bin/python").display().to_string(),
        tests_folder().join("spark_reads.py").display().to_string(),
        match format {
            Format::Parquet => "parquet".to_owned(),
            Format::Avro => "avro".to_owned(),
        },
        url.to_owned(),
        jars.join(","),
    ];
    let output = command::run(&command, &[], "", seconds(300))?.expect(0)?;
    let json = output
        .stdout
        .lines()
        .last()
        .context("Spark wrote nothing")?;
    Ok(serde_json::from_str(json)?)
}
