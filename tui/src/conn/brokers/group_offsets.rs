//! Committed offsets and members of many consumer groups at once.
//!
//! librdkafka's binding asks for one group per client. On the wire one FindCoordinator, OffsetFetch or
//! DescribeGroups carries many groups (KIP-699, KIP-709), so that hundreds of sinks cost a handful of
//! requests. Brokers before 3.0 get a request for each group, all of them under way at once.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::{
    DescribeGroupsRequest, FindCoordinatorRequest, OffsetFetchRequest, OffsetFetchResponse,
};
use kafka_protocol::protocol::StrBytes;
use sluice_kafka::connection::{BrokerConnection, ConnectionError, PendingResponse};
use sluice_kafka::security::{Sasl, ScramAlgorithm, Secret, Security, SecurityProtocol, Tls};
use sluice_kafka::settings::ClientSettings;
use sluice_kafka::{discovery, group_of};

use super::lag::{Place, own};

/// Groups in one request.
const AT_ONCE: usize = 100;
/// Longest wait for one answer.
const LIMIT: Duration = Duration::from_secs(5);
/// Newest version of OffsetFetch that names topics, as this side reads them.
const NEWEST_FETCH: i16 = 9;
/// Newest version of OffsetFetch for one group.
const OLDER_FETCH: i16 = 7;
/// Newest version of FindCoordinator for one group.
const OLDER_FIND: i16 = 3;

/// What a group committed, and which task reads what.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct GroupLook {
    /// Committed offsets, as far as any were.
    pub(super) committed: BTreeMap<Place, i64>,
    /// Number of the task that reads a partition.
    pub(super) owners: BTreeMap<Place, u32>,
}

/// Asks the coordinators of groups; keeps its connections between looks.
pub(super) struct GroupOffsets {
    settings: ClientSettings,
    connections: HashMap<String, BrokerConnection>,
}

impl GroupOffsets {
    /// From librdkafka's client properties; `None` when they ask for something that the wire client does
    /// not have.
    pub(super) fn new(config: &BTreeMap<String, String>, bootstrap: &str) -> Option<Self> {
        Some(Self {
            settings: ClientSettings {
                bootstrap_servers: bootstrap
                    .split(',')
                    .map(|server| server.trim().to_owned())
                    .filter(|server| !server.is_empty())
                    .collect(),
                security: security(config)?,
                client_id: "sluice-terminal".to_owned(),
                request_timeout: LIMIT,
                connect_timeout: LIMIT,
                retry_backoff: Duration::from_millis(100),
                retry_backoff_max: Duration::from_secs(1),
                api_timeout: LIMIT,
            },
            connections: HashMap::new(),
        })
    }

    /// What the groups committed and who is in them. A group that can't be asked about is left out.
    pub(super) async fn look(&mut self, groups: &[String]) -> BTreeMap<String, GroupLook> {
        self.connections
            .retain(|_, connection| !connection.is_closed());
        let mut looks = BTreeMap::new();
        let coordinators = match self.coordinators(groups).await {
            Ok(coordinators) => coordinators,
            Err(error) => {
                tracing::debug!(%error, "no coordinators");
                return looks;
            }
        };
        for (address, groups) in coordinators {
            for some in groups.chunks(AT_ONCE) {
                if let Err(error) = self.ask(&address, some, &mut looks).await {
                    tracing::debug!(%error, address, "groups not asked about");
                    self.connections.remove(&address);
                    break;
                }
            }
        }
        looks
    }

    async fn connection(&mut self, address: &str) -> Result<&BrokerConnection, ConnectionError> {
        if !self.connections.contains_key(address) {
            let connection = BrokerConnection::connect(address, &self.settings).await?;
            self.connections.insert(address.to_owned(), connection);
        }
        self.connections
            .get(address)
            .ok_or_else(|| ConnectionError::Closed(address.to_owned()))
    }

    /// Groups by the address of their coordinator.
    async fn coordinators(
        &mut self,
        groups: &[String],
    ) -> Result<BTreeMap<String, Vec<String>>, discovery::DiscoveryError> {
        let broker = discovery::any_broker(&self.settings).await?;
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut add = |group: &str, code: i16, host: &str, port: i32| {
            if code == 0 {
                let host = if host.contains(':') {
                    format!("[{host}]")
                } else {
                    host.to_owned()
                };
                let address = format!("{host}:{port}");
                found.entry(address).or_default().push(group.to_owned());
            }
        };
        for some in groups.chunks(AT_ONCE) {
            let keys = some
                .iter()
                .map(|group| StrBytes::from_string(group.clone()));
            let request = FindCoordinatorRequest::default().with_coordinator_keys(keys.collect());
            match broker.send(&request, LIMIT) {
                Ok(mut pending) => {
                    for c in pending.wait().await?.coordinators {
                        add(&c.key, c.error_code, &c.host, c.port);
                    }
                }
                // The encoder refuses many keys in a version that has one.
                Err(ConnectionError::Malformed { .. }) => {
                    let mut all = Vec::with_capacity(some.len());
                    for group in some {
                        let key = StrBytes::from_string(group.clone());
                        let request = FindCoordinatorRequest::default().with_key(key);
                        all.push((group, broker.send_at_most(&request, OLDER_FIND, LIMIT)?));
                    }
                    for (group, mut pending) in all {
                        let c = pending.wait().await?;
                        add(group, c.error_code, &c.host, c.port);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        let address = broker.address().to_owned();
        self.connections.entry(address).or_insert(broker);
        Ok(found)
    }

    async fn ask(
        &mut self,
        address: &str,
        groups: &[String],
        looks: &mut BTreeMap<String, GroupLook>,
    ) -> Result<(), ConnectionError> {
        let connection = self.connection(address).await?;
        let ids = groups.iter().map(|group| group_of(group)).collect();
        let members = DescribeGroupsRequest::default().with_groups(ids);
        let mut members = connection.send(&members, LIMIT)?;
        let mut fetched = Vec::new();
        for (group, mut pending) in fetches(connection, groups)? {
            fetched.push((group, pending.wait().await?));
        }
        for (group, answer) in fetched {
            committed(group, &answer, looks);
        }
        for group in members.wait().await?.groups {
            let Some(look) = looks
                .get_mut(group.group_id.as_str())
                .filter(|_| group.error_code == 0)
            else {
                continue;
            };
            for member in &group.members {
                let assignment = Some(&*member.member_assignment);
                own(&mut look.owners, &member.client_id, assignment);
            }
        }
        Ok(())
    }
}

type Fetch = (Option<String>, PendingResponse<OffsetFetchRequest>);

/// One request for all groups, or one for each where the broker knows no other.
fn fetches(
    connection: &BrokerConnection,
    groups: &[String],
) -> Result<Vec<Fetch>, ConnectionError> {
    let all = groups.iter().map(|group| {
        OffsetFetchRequestGroup::default()
            .with_group_id(group_of(group))
            .with_topics(None)
    });
    let request = OffsetFetchRequest::default().with_groups(all.collect());
    match connection.send_at_most(&request, NEWEST_FETCH, LIMIT) {
        Ok(pending) => Ok(vec![(None, pending)]),
        Err(ConnectionError::Malformed { .. }) => groups
            .iter()
            .map(|group| {
                let request = OffsetFetchRequest::default()
                    .with_group_id(group_of(group))
                    .with_topics(None);
                let pending = connection.send_at_most(&request, OLDER_FETCH, LIMIT)?;
                Ok((Some(group.clone()), pending))
            })
            .collect(),
        Err(error) => Err(error),
    }
}

/// Takes over an answer: of the one group asked about, or of each in it.
fn committed(
    group: Option<String>,
    answer: &OffsetFetchResponse,
    looks: &mut BTreeMap<String, GroupLook>,
) {
    if let Some(group) = group.filter(|_| answer.error_code == 0) {
        let look = looks.entry(group).or_default();
        for topic in &answer.topics {
            for p in topic.partitions.iter().filter(|p| p.error_code == 0) {
                commit(look, &topic.name.0, p.partition_index, p.committed_offset);
            }
        }
    }
    for found in answer.groups.iter().filter(|found| found.error_code == 0) {
        let look = looks.entry(found.group_id.to_string()).or_default();
        for topic in &found.topics {
            for p in topic.partitions.iter().filter(|p| p.error_code == 0) {
                commit(look, &topic.name.0, p.partition_index, p.committed_offset);
            }
        }
    }
}

fn commit(look: &mut GroupLook, topic: &str, partition: i32, offset: i64) {
    // -1 stands for none.
    if offset >= 0 {
        look.committed.insert((topic.to_owned(), partition), offset);
    }
}

/// librdkafka's security settings as the wire client has them.
fn security(config: &BTreeMap<String, String>) -> Option<Security> {
    let text = |key: &str| {
        config
            .get(key)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    };
    let protocol = match text("security.protocol")
        .unwrap_or("PLAINTEXT")
        .to_ascii_uppercase()
        .as_str()
    {
        "PLAINTEXT" => SecurityProtocol::Plaintext,
        "SSL" => SecurityProtocol::Ssl,
        "SASL_PLAINTEXT" => SecurityProtocol::SaslPlaintext,
        "SASL_SSL" => SecurityProtocol::SaslSsl,
        _ => return None,
    };
    let with_tls = matches!(protocol, SecurityProtocol::Ssl | SecurityProtocol::SaslSsl);
    let with_sasl = matches!(
        protocol,
        SecurityProtocol::SaslPlaintext | SecurityProtocol::SaslSsl
    );
    Some(Security {
        protocol,
        tls: if with_tls { Some(tls(&text)?) } else { None },
        sasl: if with_sasl { Some(sasl(&text)?) } else { None },
    })
}

fn tls<'a>(text: &impl Fn(&str) -> Option<&'a str>) -> Option<Tls> {
    let unknown = [
        "ssl.keystore.location",
        "ssl.engine.location",
        "ssl.ca.certificate.stores",
    ];
    let unverified =
        text("enable.ssl.certificate.verification").is_some_and(|value| value == "false");
    if unverified || unknown.iter().any(|key| text(key).is_some()) {
        return None;
    }
    // Under Java's names, which the wire client reads; a file that cannot be read is librdkafka's to report.
    let pem = |file: &str, inline: &str| -> Option<Option<String>> {
        match (text(inline), text(file)) {
            (Some(pem), _) => Some(Some(pem.to_owned())),
            (None, Some(path)) => std::fs::read_to_string(path).ok().map(Some),
            (None, None) => Some(None),
        }
    };
    let verified = text("ssl.endpoint.identification.algorithm") != Some("none");
    let settings = [
        (
            "ssl.truststore.certificates",
            pem("ssl.ca.location", "ssl.ca.pem")?,
        ),
        (
            "ssl.keystore.certificate.chain",
            pem("ssl.certificate.location", "ssl.certificate.pem")?,
        ),
        ("ssl.keystore.key", pem("ssl.key.location", "ssl.key.pem")?),
        (
            "ssl.key.password",
            text("ssl.key.password").map(str::to_owned),
        ),
        (
            "ssl.endpoint.identification.algorithm",
            (!verified).then(String::new),
        ),
    ];
    let settings = settings.into_iter();
    let settings = settings.filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Tls::from_props(&settings.collect()).ok()
}

fn sasl<'a>(text: &impl Fn(&str) -> Option<&'a str>) -> Option<Sasl> {
    let username = text("sasl.username")?.to_owned();
    let password = Secret::new(text("sasl.password")?);
    let mechanism = text("sasl.mechanism").or_else(|| text("sasl.mechanisms"))?;
    let algorithm = match mechanism {
        "PLAIN" => return Some(Sasl::Plain { username, password }),
        "SCRAM-SHA-256" => ScramAlgorithm::Sha256,
        "SCRAM-SHA-512" => ScramAlgorithm::Sha512,
        _ => return None,
    };
    Some(Sasl::Scram {
        algorithm,
        username,
        password,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn settings_that_only_librdkafka_has_are_left_to_it() {
        assert!(security(&config(&[])).is_some());
        let scram = [
            ("security.protocol", "sasl_ssl"),
            ("sasl.mechanisms", "SCRAM-SHA-512"),
            ("sasl.username", "u"),
            ("sasl.password", "p"),
            (
                "ssl.ca.pem",
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            ),
        ];
        let found = security(&config(&scram)).unwrap();
        assert!(matches!(found.sasl, Some(Sasl::Scram { .. })));
        let trusted = found.tls.unwrap().stores.trusted;
        assert!(trusted.is_some_and(|pem| pem.contains("AAAA")));
        for more in [
            ("sasl.mechanisms", "GSSAPI"),
            ("enable.ssl.certificate.verification", "false"),
            ("ssl.keystore.location", "/store.p12"),
            ("ssl.certificate.location", "/no/such/file.pem"),
            ("security.protocol", "odd"),
        ] {
            let mut all = config(&scram);
            all.insert(more.0.to_owned(), more.1.to_owned());
            assert!(security(&all).is_none(), "{more:?}");
        }
    }
}
