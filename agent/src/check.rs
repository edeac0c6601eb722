//! What a worker of this build would say to files, without starting anything: `sluice check`.
//!
//! A worker's file goes through all that keeps `sluice agent` from starting and all of which it warns. Its
//! brokers are read, never written to: the config topic says which connectors an agent that joins could not
//! run. Connectors go through the same definitions as on a worker. Values that are declared secret are not in
//! findings.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sluice_api::causes::with_causes;
use sluice_api::config::Props;
use sluice_api::plugin::Environment;
use sluice_kafka::admin::Admin;
use sluice_kafka::client::config::{librdkafka_config, unknown_settings};
use sluice_kafka::client::keys::ClientKind;
use sluice_kafka::wire::bootstrap;
use sluice_kafka::wire::settings::ClientSettings;
use sluice_protocol::{ConfigMap, Finding, TargetState, WorkerId};
use tokio::sync::mpsc;

use crate::cluster::{ClusterConfigState, ConfigSnapshotSource as _};
use crate::connector_file::ConnectorFile;
use crate::embedded;
use crate::group::GroupConfig;
use crate::herder::capability::{self, MissingClass};
use crate::plugins::Plugins;
use crate::process::converter_faults;
use crate::properties::with_prefix;
use crate::rest;
use crate::settings::{
    DistributedSettings, InternalTopic, Mode, Role, WorkerSettings, WorkerSettingsError,
    keys_without_effect, read_properties, unknown_keys, worker_id,
};
use crate::storage::ConfigBackingStore as _;
use crate::storage::kafka_config::KafkaConfigBackingStore;
use crate::validation::{self, OwnChecks, looks_secret};

/// Checks with the plugins of this build and, once it has read one, by a worker's file.
pub struct Checker {
    environment: Environment,
    /// The worker's file, if it is without faults; before, one with Connect's defaults.
    worker: WorkerSettings,
    /// What that worker lets its users have.
    plugins: Plugins,
    /// Whether `worker` is a file's.
    has_file: bool,
    /// Whether the file asks for a broker in the worker's process.
    embedded: bool,
}

impl Checker {
    /// A checker; config providers may look into the environment.
    ///
    /// # Errors
    /// Connect's defaults do not make a worker: a bug.
    pub fn new(environment: Environment) -> Result<Self, WorkerSettingsError> {
        // Clients of REST want one; a second installation would only say that it is there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let worker = plain_worker()?;
        Ok(Self {
            environment,
            plugins: worker.plugins.clone(),
            worker,
            has_file: false,
            embedded: false,
        })
    }

    /// Everything that a worker with this file would refuse or warn about. Connectors are checked by it from
    /// now on.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn worker_file(&mut self, path: &Path) -> Result<Vec<Finding>, String> {
        let subject = path.display().to_string();
        let mut props = match read_properties(path) {
            Ok(props) => props,
            Err(error @ WorkerSettingsError::Read { .. }) => return Err(with_causes(&error)),
            Err(error) => return Ok(vec![Finding::error(subject, with_causes(&error))]),
        };
        if let Some(other) = is_other_file(&props) {
            return Ok(vec![Finding::error(subject, other)]);
        }
        let given = props.clone();
        let mode = mode(&props);
        let mut found = Findings::new(&subject, &given);
        match embedded::check(&mut props) {
            Ok(embedded) => self.embedded = embedded,
            Err(error) => found.fault(&with_causes(&error)),
        }
        for key in unknown_keys(&props, mode) {
            found.warn(key, "is not known and has no effect");
        }
        for key in keys_without_effect(&props) {
            found.warn(
                key,
                "names Java classes or jars, which are not loaded here: it has no effect",
            );
        }
        match WorkerSettings::with_environment(props, mode, &self.environment) {
            Ok(config) => {
                found.of_worker(&config);
                found.of_clients(&config.props);
                self.plugins = config.plugins.clone();
                self.worker = config;
                self.has_file = true;
            }
            Err(WorkerSettingsError::Invalid(faults)) => {
                faults.iter().for_each(|fault| found.fault(fault));
                // With variables the values of the clients are not known.
                if !given.values().any(|value| value.contains("${")) {
                    found.of_clients(&given);
                }
            }
            Err(error) => found.fault(&with_causes(&error)),
        }
        Ok(found.all)
    }

    /// What the brokers of the worker's file say: its topics, and the connectors in the config topic that an
    /// agent could not run. Nothing is asked without a file that is fine, and for a broker in the worker's
    /// own process.
    ///
    /// # Errors
    /// They cannot be asked within `limit`.
    pub async fn brokers(&self, limit: Duration) -> Result<Vec<Finding>, String> {
        if !self.has_file || self.embedded {
            return Ok(Vec::new());
        }
        let servers = self.worker.bootstrap_servers.join(",");
        if let Err(error) = bootstrap::resolve(&servers).await {
            let key = "bootstrap.servers";
            let finding = Finding::error(key, error.to_string());
            return Ok(vec![finding.at(key, Some(servers))]);
        }
        let unreachable =
            |why: String| format!("brokers {servers}: {why}; --offline leaves them out");
        let asked = tokio::time::timeout(limit, self.ask()).await;
        match asked {
            Ok(answer) => answer.map_err(unreachable),
            Err(_) => Err(unreachable(format!("no answer within {limit:?}"))),
        }
    }

    async fn ask(&self) -> Result<Vec<Finding>, String> {
        let worker = &self.worker;
        let admin = Admin::new(&worker.props).map_err(|error| with_causes(&error))?;
        let topics = admin.topics().await.map_err(|error| with_causes(&error))?;
        let mut found = Vec::new();
        let Some(cluster) = worker.distributed() else {
            return Ok(found);
        };
        let own = [
            &cluster.config_topic,
            &cluster.offset_topic,
            &cluster.status_topic,
        ];
        let there: Vec<String> = own
            .iter()
            .map(|topic| topic.name.clone())
            .filter(|topic| topics.contains_key(topic))
            .collect();
        // Without the right to look the check is skipped, as by the worker.
        let policies = admin.describe_configs(&there).await.unwrap_or_default();
        for InternalTopic {
            key, name: topic, ..
        } in own
        {
            let policy = policies.get(topic).and_then(|entries| {
                let entry = entries.iter().find(|entry| entry.name == "cleanup.policy");
                entry?.value.clone()
            });
            if let Some(policy) = policy.filter(|policy| policy.trim() != "compact") {
                let text = format!(
                    "topic {topic} has cleanup.policy={policy}, and a worker starts only with compact"
                );
                found.push(Finding::error(format!("topic {topic}"), text).at(*key, None));
            }
        }
        let config_topic = &cluster.config_topic.name;
        match topics.get(config_topic) {
            Some(1) => found.extend(self.config_topic(cluster).await?),
            Some(partitions) => {
                let text = format!("has {partitions} partitions and must have one");
                let finding = Finding::error(format!("topic {config_topic}"), text);
                found.push(finding.at("config.storage.topic", Some(config_topic.clone())));
            }
            None => {}
        }
        Ok(found)
    }

    /// The connectors in the config topic that an agent with this file could not run.
    async fn config_topic(&self, cluster: &DistributedSettings) -> Result<Vec<Finding>, String> {
        let (updates, _unread) = mpsc::unbounded_channel();
        let store = KafkaConfigBackingStore::new(
            &self.worker.props,
            cluster,
            "sluice-check-",
            Arc::new(updates),
        );
        let read = store.start().await;
        let configs = store.snapshot();
        store.stop().await;
        read.map_err(|error| with_causes(&error))?;
        let mut found = Vec::new();
        for name in configs.connectors() {
            let Some(config) = configs.connector_config(name) else {
                continue;
            };
            let subject = format!("connector {name}");
            let here = self.connector(&subject, config, OwnChecks::Skipped).await;
            found.extend(
                here.into_iter()
                    .map(|one| unless_stopped(&configs, name, one)),
            );
        }
        Ok(found)
    }

    /// What a worker of this build says to a connector's configuration: its classes, then its keys.
    pub async fn connector(
        &self,
        subject: &str,
        config: &ConfigMap,
        own: OwnChecks,
    ) -> Vec<Finding> {
        let missing = capability::missing_classes(&self.plugins, config);
        let mut found: Vec<Finding> = missing
            .iter()
            .map(|one| {
                Finding::error(
                    subject,
                    "an agent has no such class and cannot run this connector",
                )
                .at(one.key.clone(), Some(one.class.clone()))
            })
            .collect();
        if missing.iter().any(|one| one.key == "connector.class") {
            return found;
        }
        let answer = validation::validate_with(&self.plugins, &self.worker, config, own).await;
        let infos = match answer {
            Ok(infos) => infos,
            Err(error) => {
                found.push(Finding::error(subject, error.to_string()));
                return found;
            }
        };
        for info in &infos.configs {
            let Some(value) = &info.value else { continue };
            let said = |one: &MissingClass| {
                one.key == value.name || value.name.starts_with(one.key.trim_end_matches("type"))
            };
            // Variables of providers that are not known here stand for values that are not known either.
            let raw = config.text(&value.name);
            let unknown = raw.is_some_and(|raw| raw.contains("${"));
            if missing.iter().any(said) || (unknown && !self.has_file) {
                continue;
            }
            let password = info
                .definition
                .as_ref()
                .is_some_and(|definition| definition.key_type == "PASSWORD");
            let shown = raw.filter(|_| !password && !looks_secret(&value.name));
            found.extend(value.errors.iter().map(|error| {
                Finding::error(subject, error.clone()).at(&value.name, shown.map(str::to_owned))
            }));
        }
        found
    }

    /// A connector's file as `sluice standalone` reads it: its name and configuration.
    ///
    /// # Errors
    /// What is wrong with it, without its path.
    pub fn connector_file(&self, bytes: &[u8]) -> Result<(String, ConfigMap), String> {
        ConnectorFile::parse(bytes).map(|file| (file.name, file.config))
    }
}

/// What runs nowhere is in nobody's way, but will be when it is resumed.
fn unless_stopped(configs: &ClusterConfigState, name: &str, finding: Finding) -> Finding {
    if configs.target_state(name) == Some(TargetState::Stopped) {
        Finding {
            level: sluice_protocol::Level::Warning,
            text: format!("{} (it is STOPPED now)", finding.text),
            ..finding
        }
    } else {
        finding
    }
}

/// A worker with Connect's defaults, to check connectors of which no worker's file was given.
fn plain_worker() -> Result<WorkerSettings, WorkerSettingsError> {
    let converter = "org.apache.kafka.connect.json.JsonConverter";
    let props = [
        ("bootstrap.servers", "localhost:9092"),
        ("group.id", "connect-cluster"),
        ("key.converter", converter),
        ("value.converter", converter),
        ("config.storage.topic", "connect-configs"),
        ("offset.storage.topic", "connect-offsets"),
        ("status.storage.topic", "connect-status"),
    ];
    let props = props.map(|(key, value)| (key.to_owned(), value.to_owned()));
    WorkerSettings::from_props(props.into_iter().collect(), Mode::Distributed)
}

/// The kind of worker that a file is for: those of `connect-standalone` name a file for offsets and no group.
fn mode(props: &Props) -> Mode {
    if props.contains_key("offset.storage.file.filename") && !props.contains_key("group.id") {
        Mode::Standalone
    } else {
        Mode::Distributed
    }
}

/// What a file is that no worker's file is.
fn is_other_file(props: &Props) -> Option<&'static str> {
    if props.contains_key("connector.class") {
        return Some("is the file of a connector and not of a worker: check it with -f");
    }
    let mirror = props.contains_key("clusters")
        && props
            .keys()
            .any(|key| key.contains("->") || key.ends_with(".bootstrap.servers"));
    mirror.then_some(
        "is a file of connect-mirror-maker and not of a worker: MirrorMaker's connectors run on a worker, \
         each with a configuration of its own",
    )
}

/// Findings about one worker's file.
struct Findings<'a> {
    subject: &'a str,
    given: &'a Props,
    all: Vec<Finding>,
}

impl<'a> Findings<'a> {
    fn new(subject: &'a str, given: &'a Props) -> Self {
        Self {
            subject,
            given,
            all: Vec::new(),
        }
    }

    /// The value of a key, unless its name says that it is secret.
    fn shown(&self, key: &str) -> Option<String> {
        self.given.get(key).filter(|_| !looks_secret(key)).cloned()
    }

    /// An error, at the key that its text names.
    fn fault(&mut self, text: &str) {
        match named_key(text, self.given) {
            Some(key) => self.fault_at(key, text),
            None => self.add(Finding::error(self.subject, text.trim())),
        }
    }

    fn fault_at(&mut self, key: &str, text: &str) {
        let finding = Finding::error(self.subject, text.trim());
        self.add(finding.at(key, self.shown(key)));
    }

    /// Adds a finding once: the same fault may be found on the way of several clients.
    fn add(&mut self, finding: Finding) {
        if !self.all.contains(&finding) {
            self.all.push(finding);
        }
    }

    fn warn(&mut self, key: &str, text: &str) {
        let finding = Finding::warning(self.subject, text).at(key, self.shown(key));
        self.all.push(finding);
    }

    /// What is found once the keys are fine by themselves.
    fn of_worker(&mut self, config: &WorkerSettings) {
        for fault in converter_faults(config) {
            self.fault(&fault);
        }
        let (faults, warnings) = rest::check(config);
        for fault in faults {
            self.fault(&with_causes(&fault));
        }
        for warning in warnings {
            self.warn("listeners", &warning);
        }
        let url = config.rest.advertised_url(&[]);
        let group = match &config.role {
            Role::Distributed(cluster) => {
                let id = WorkerId::from(worker_id(&url));
                GroupConfig::new(&config.props, cluster, &id, &url).err()
            }
            Role::Standalone { .. } => ClientSettings::from_props(&config.props, "check").err(),
        };
        if let Some(error) = group {
            self.fault(&with_causes(&error));
        }
    }

    /// What the settings of the worker's Kafka clients say.
    fn of_clients(&mut self, raw: &Props) {
        let clients = [
            (ClientKind::Admin, "admin."),
            (ClientKind::Producer, "producer."),
            (ClientKind::Consumer, "consumer."),
        ];
        for (kind, prefix) in clients {
            let own = with_prefix(raw, prefix);
            for key in unknown_settings(kind, &own) {
                let key = format!("{prefix}{key}");
                self.warn(&key, "no Kafka client has such a setting: it has no effect");
            }
            if let Err(error) = librdkafka_config(kind, raw, &own) {
                let text = with_causes(&error);
                match named_key(&text, &own).filter(|key| own.contains_key(*key)) {
                    Some(key) => self.fault_at(&format!("{prefix}{key}"), &text),
                    None => self.fault(&text),
                }
            }
        }
    }
}

/// The key that a fault is about, in the forms of Kafka's and our texts: `configuration KEY:`, `configuration
/// "KEY"`, `KEY: ...`; else any key of the file that stands in it as a word.
fn named_key<'a>(text: &'a str, given: &'a Props) -> Option<&'a str> {
    let after = |mark: &str| {
        let rest = text.split(mark).nth(1)?.trim_start_matches('"');
        let end = rest.find([':', '"', ' ']).unwrap_or(rest.len());
        rest.get(..end)
            .filter(|key| key.contains('.') || given.contains_key(*key))
    };
    let first = || {
        let (key, _) = text.split_once(':')?;
        let is_key = !key.contains(' ') && (key.contains('.') || given.contains_key(key));
        is_key.then_some(key)
    };
    let word = || {
        let mut words = text.split(|c: char| !(c.is_alphanumeric() || "._-".contains(c)));
        words.find(|word| word.contains('.') && given.contains_key(*word))
    };
    after("configuration ").or_else(first).or_else(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINE: &str = "bootstrap.servers=localhost:9092\ngroup.id=c\n\
        key.converter=org.apache.kafka.connect.json.JsonConverter\n\
        value.converter=org.apache.kafka.connect.storage.StringConverter\n\
        config.storage.topic=cc\noffset.storage.topic=co\nstatus.storage.topic=cs\n\
        listeners=http://127.0.0.1:0\n";

    fn of_file(text: &str) -> Vec<Finding> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worker.properties");
        std::fs::write(&path, text).unwrap();
        Checker::new(Environment::new())
            .unwrap()
            .worker_file(&path)
            .unwrap()
    }

    /// Level, key and value of each, `!` for an error and `?` for a warning.
    fn brief(found: &[Finding]) -> Vec<String> {
        let one = |f: &Finding| {
            let mark = if f.level == sluice_protocol::Level::Error {
                '!'
            } else {
                '?'
            };
            let key = f.key.as_deref().unwrap_or("-");
            format!("{mark}{key}={}", f.value.as_deref().unwrap_or("-"))
        };
        found.iter().map(one).collect()
    }

    #[test]
    fn a_file_that_a_worker_starts_with_has_no_findings() {
        assert_eq!(of_file(FINE), []);
        let standalone = "bootstrap.servers=localhost:9092\noffset.storage.file.filename=/tmp/o\n\
            key.converter=org.apache.kafka.connect.json.JsonConverter\n\
            value.converter=org.apache.kafka.connect.json.JsonConverter\nlisteners=http://127.0.0.1:0\n";
        assert_eq!(of_file(standalone), []);
    }

    #[test]
    fn each_fault_names_its_key_and_value() {
        let with = |more: &str| brief(&of_file(&format!("{FINE}{more}\n")));
        for (more, expected) in [
            ("group.idd=x", "?group.idd=x"),
            ("plugin.path=/opt/jars", "?plugin.path=/opt/jars"),
            ("listeners=http://:8083", "?listeners=http://:8083"),
            (
                "value.converter=com.example.No",
                "!value.converter=com.example.No",
            ),
            ("connect.protocol=odd", "!connect.protocol=odd"),
            (
                "offset.flush.interval.ms=often",
                "!offset.flush.interval.ms=often",
            ),
            ("bootstrap.servers=a:99999", "!bootstrap.servers=a:99999"),
            (
                "heartbeat.interval.ms=20000",
                "!heartbeat.interval.ms=20000",
            ),
            ("security.protocol=odd", "!security.protocol=odd"),
            ("producer.acks=3", "!producer.acks=3"),
            ("consumer.nonsense=1", "?consumer.nonsense=1"),
            ("listeners=htp://h:1", "!listeners=htp://h:1"),
        ] {
            let found = with(more);
            assert!(found.contains(&expected.to_owned()), "{more}: {found:?}");
        }
        let bare = brief(&of_file("key.converter=x\nproducer.acks=3\n"));
        assert!(bare.contains(&"!producer.acks=3".to_owned()), "{bare:?}");
        assert!(bare.contains(&"!group.id=-".to_owned()), "{bare:?}");
        assert!(
            bare.contains(&"!bootstrap.servers=-".to_owned()),
            "{bare:?}"
        );
    }

    #[test]
    fn secrets_are_in_no_finding() {
        let found = of_file(&format!(
            "{FINE}security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\nsasl.jaas.config=geheim no jaas\n\
             ssl.keystore.location=/no/such.jks\nssl.keystore.password=geheim\nodd.password=geheim\n"
        ));
        assert!(found.len() > 1, "{found:?}");
        assert!(!format!("{found:?}").contains("geheim"), "{found:?}");
    }

    #[test]
    fn files_of_other_kinds_are_recognised() {
        let found = of_file("name=a\nconnector.class=FileStreamSink\n");
        assert!(found[0].text.contains("-f"), "{found:?}");
        let found = of_file("clusters = a, b\na.bootstrap.servers = h:1\na->b.enabled = true\n");
        assert!(found[0].text.contains("connect-mirror-maker"), "{found:?}");
        let mut checker = Checker::new(Environment::new()).unwrap();
        let gone = checker.worker_file(Path::new("/no/such/worker.properties"));
        assert!(gone.is_err_and(|error| error.contains("/no/such/worker.properties")));
    }

    async fn of_connector(pairs: &[(&str, &str)]) -> Vec<Finding> {
        let pairs = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let config: ConfigMap = pairs.collect();
        let checker = Checker::new(Environment::new()).unwrap();
        checker
            .connector("connector c", &config, OwnChecks::Skipped)
            .await
    }

    #[tokio::test]
    async fn classes_and_keys_of_a_connector_are_checked_once_each() {
        let fine = [
            ("name", "c"),
            ("connector.class", "FileStreamSink"),
            ("topics", "t"),
            ("file", "/tmp/x"),
        ];
        assert_eq!(of_connector(&fine).await, []);
        let mut wrong = fine.to_vec();
        wrong.extend([
            ("tasks.max", "many"),
            ("transforms", "a"),
            ("transforms.a.type", "com.example.No"),
            ("errors.tolerance", "${vault:x:y}"),
            ("value.converter", "com.example.Avro"),
        ]);
        let mut found = brief(&of_connector(&wrong).await);
        // Kafka says two things about this number.
        found.dedup();
        assert_eq!(
            found,
            [
                "!value.converter=com.example.Avro",
                "!transforms.a.type=com.example.No",
                "!tasks.max=many"
            ]
        );
        let foreign = [(
            "connector.class",
            "io.debezium.connector.mysql.MySqlConnector",
        )];
        assert_eq!(brief(&of_connector(&foreign).await).len(), 1);
        let none = of_connector(&[("topics", "t")]).await;
        assert!(none[0].text.contains("connector type"), "{none:?}");
    }
}
