//! Where the jars of Kafka and JVM Connect are, or why there are none.
//!
//! `tests/servers/install` puts them into a cache outside the clone; `tests/run` calls it and sets
//! `SLUICE_TEST_SERVERS=1`. Without that variable tests run on the embedded broker, and those that need Java
//! are reported as ignored.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The version of Kafka and Kafka Connect that tests run against.
pub const KAFKA_VERSION: &str = "4.3.0";

/// Which broker tests run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerKind {
    /// Kafka 4.3, which is the judge.
    Kafka,
    /// `sluice broker`, which needs no Java.
    Embedded,
}

/// The installed jars of one Kafka version, if there are any, and the broker to start.
#[derive(Debug, Clone)]
pub struct Servers {
    libs: Option<PathBuf>,
    broker: BrokerKind,
}

impl Servers {
    /// Finds the jars, if tests on real servers were asked for (`SLUICE_TEST_SERVERS`), and chooses the
    /// broker: Kafka with jars, unless `SLUICE_TEST_BROKER=embedded`, else the embedded one.
    ///
    /// # Errors
    /// When jars were asked for and are not in the cache, or there is no built `sluice`, which no test can do
    /// without.
    pub fn find() -> Result<Self> {
        sluice_binary()?;
        if !wanted() {
            return Ok(Self {
                libs: None,
                broker: BrokerKind::Embedded,
            });
        }
        let folder = cache()?.join(format!("kafka-{KAFKA_VERSION}"));
        if !folder.join("complete").is_file() {
            bail!(
                "{} is not complete: run tests/servers/install",
                folder.display()
            );
        }
        let broker = match std::env::var("SLUICE_TEST_BROKER") {
            Ok(kind) if kind == "embedded" => BrokerKind::Embedded,
            Ok(kind) if !kind.is_empty() && kind != "kafka" => {
                bail!("SLUICE_TEST_BROKER is {kind:?}, not kafka or embedded")
            }
            _ => BrokerKind::Kafka,
        };
        Ok(Self {
            libs: Some(folder.join("libs")),
            broker,
        })
    }

    /// The broker that tests share.
    pub fn broker(&self) -> BrokerKind {
        self.broker
    }

    /// Whether there are jars, so that Kafka and JVM workers can be started.
    pub fn have_java(&self) -> bool {
        self.libs.is_some()
    }

    /// The jar of one of Kafka's artifacts, such as `kafka-clients`.
    ///
    /// # Errors
    /// When there are no jars.
    pub fn jar(&self, artifact: &str) -> Result<PathBuf> {
        let libs = self.libs.as_ref().context("no jars")?;
        Ok(libs.join(format!("{artifact}-{KAFKA_VERSION}.jar")))
    }

    /// Compiles a Java source of `tests/servers/plugin` into a folder of its own in `folder`, which can be a
    /// `plugin.path`.
    ///
    /// # Errors
    /// When there are no jars, or the compiler refuses it.
    pub fn compile_plugin(&self, source: &str, folder: &Path) -> Result<()> {
        let libs = self.libs.as_ref().context("no jars")?;
        let output = std::process::Command::new("javac")
            .arg("-cp")
            .arg(libs.join("*"))
            .arg("-d")
            .arg(folder.join("plugin"))
            .arg(tests_folder().join("servers/plugin").join(source))
            .output()
            .context("javac")?;
        if !output.status.success() {
            bail!("javac: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    /// The command line up to the main class: `java`, memory limit, logging, class path.
    ///
    /// # Errors
    /// When there are no jars.
    pub fn java(&self, heap: &str, log_level: &str) -> Result<Vec<String>> {
        let libs = self
            .libs
            .as_ref()
            .context("no jars: tests/run starts real servers")?;
        Ok(vec![
            "java".to_owned(),
            format!("-Xmx{heap}"),
            // Short-lived servers on few cores: the second compiler would cost more than it gives.
            "-XX:TieredStopAtLevel=1".to_owned(),
            "-XX:+UseSerialGC".to_owned(),
            format!("-Dsluice.log.level={log_level}"),
            format!(
                "-Dlog4j2.configurationFile={}",
                tests_folder().join("servers/log4j2.properties").display()
            ),
            "-cp".to_owned(),
            format!("{}/*", libs.display()),
        ])
    }
}

/// Whether tests on real servers were asked for, so that a missing server is a failure and not a reason to
/// skip.
pub fn wanted() -> bool {
    std::env::var_os("SLUICE_TEST_SERVERS").is_some_and(|value| !value.is_empty() && value != "0")
}

/// Whether this is the form that takes hours (`SLUICE_TEST_LONG`, set by `tests/run --long`).
pub fn is_long() -> bool {
    std::env::var_os("SLUICE_TEST_LONG").is_some_and(|value| !value.is_empty() && value != "0")
}

/// The interpreter with the packages of `tests/servers/requirements.txt`, which `tests/servers/install` puts
/// beside the jars.
///
/// # Errors
/// When it is not installed.
pub fn python() -> Result<PathBuf> {
    let folder = cache()?.join("python");
    if !folder.join("complete").is_file() {
        bail!(
            "{} is not complete: run tests/servers/install",
            folder.display()
        );
    }
    Ok(folder.join("bin/python"))
}

/// The folder `tests/` of the clone this binary was built from.
pub fn tests_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The cache for downloads: `SLUICE_TEST_CACHE`, else `sluice-test` in the user's cache folder.
///
/// # Errors
/// When neither variable nor home folder says where.
pub fn cache() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("SLUICE_TEST_CACHE") {
        return Ok(PathBuf::from(folder));
    }
    if let Some(folder) = std::env::var_os("XDG_CACHE_HOME") {
        return Ok(PathBuf::from(folder).join("sluice-test"));
    }
    let home = std::env::var_os("HOME").context("neither SLUICE_TEST_CACHE nor HOME is set")?;
    Ok(PathBuf::from(home).join(".cache/sluice-test"))
}

/// The built `sluice` binary: `SLUICE_BIN`, else beside this test binary.
///
/// # Errors
/// When there is none; `tests/run` builds it.
pub fn sluice_binary() -> Result<PathBuf> {
    if let Some(file) = std::env::var_os("SLUICE_BIN") {
        return Ok(PathBuf::from(file));
    }
    // Test binaries are in TARGET/PROFILE/deps, binaries in TARGET/PROFILE.
    let here = std::env::current_exe().context("own path")?;
    let file = here
        .ancestors()
        .nth(2)
        .map(|profile| profile.join("sluice"))
        .filter(|file| file.is_file())
        .context(
            "no built `sluice` beside the tests: cargo build --workspace --bins, or set SLUICE_BIN",
        )?;
    Ok(file)
}
