//! The REST client: one request at a time per call, several URLs, the next one when a worker does not answer.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sluice_protocol::ConfigMap;
use sluice_protocol::rest::{
    ConfigInfos, ConfigKeyInfo, ConnectorInfo, ConnectorOffsets, ConnectorStateInfo, ErrorMessage,
    ExpandedConnectors, Health, PluginInfo, ServerInfo,
};
use url::Url;

use crate::contexts::{Context, shown_url};
use crate::model::cluster::{WorkerHealth, WorkerKind};
use crate::model::news::Update;
use crate::model::secrets::PasswordKeys;
use crate::text::Text;

/// Largest answer read, in bytes. 10,000 connectors of 4 tasks are 8 MB.
const BODY_CAP: usize = 128 << 20;
/// A worker may need this long while it reads its topics or joins (its own limit is 90 s).
const CALL_TIMEOUT: Duration = Duration::from_secs(95);
/// A worker that needs longer for what it has in memory is not well; the next one is asked.
const QUICK_TIMEOUT: Duration = Duration::from_secs(5);
/// The same for the list of thousands of connectors.
const LONG_LIST_TIMEOUT: Duration = Duration::from_secs(10);
/// Answer of that many bytes from which on a list counts as long: about a thousand connectors.
const LONG_LIST: usize = 400_000;
/// The message for a time limit that is over.
const NO_ANSWER: &str = "no answer in time";
/// How long a question waits for a rebalance to end.
const REBALANCE_PATIENCE: Duration = Duration::from_secs(60);
/// Workers asked for their health.
const PROBED: usize = 64;
/// Time for a connection to be there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Why a call did not work.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum CallError {
    /// The worker answered with an error.
    #[error("{message} (status {status})")]
    Refused {
        status: u16,
        /// What the worker answers, in its own words.
        message: Text,
    },
    /// No worker answered; the same call may work later.
    #[error("{0}")]
    Unreachable(Text),
    /// What is stored is no longer what the edit began with.
    #[error("the configuration was changed by another client meanwhile; nothing written")]
    Changed,
    /// A worker answered, but not with what was expected.
    #[error("unexpected answer: {0}")]
    Malformed(Text),
}

impl CallError {
    /// Whether the same call may work in a moment: a rebalance is under way, or the worker is starting.
    pub(crate) fn is_rebalance(&self) -> bool {
        match self {
            // 409 is also "already exists", which no waiting helps.
            Self::Refused {
                status: 409,
                message,
            } => !message.as_str().ends_with("already exists"),
            Self::Refused { status: 503, .. } => true,
            Self::Refused {
                status: 500,
                message,
            } => message.as_str().contains("rebalance is expected") || self.is_forwarding(),
            _ => false,
        }
    }

    /// Whether the worker asked could not reach the leader for us.
    pub(crate) fn is_forwarding(&self) -> bool {
        matches!(self, Self::Refused { status: 500, message }
            if message.as_str().to_lowercase().contains("error trying to forward"))
    }

    /// Whether asking once more may help: the worker is busy or still starting.
    pub(crate) fn is_momentary(&self) -> bool {
        match self {
            Self::Refused { status: 503, .. } => true,
            Self::Unreachable(why) => why.as_str().ends_with(NO_ANSWER),
            _ => false,
        }
    }

    /// Whether the thing asked for does not exist.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }
}

/// A client for one Connect cluster; clones share connections and the URL that works.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    urls: Arc<[Url]>,
    current: Arc<AtomicUsize>,
    /// Bytes of the last list of connectors.
    list: Arc<AtomicUsize>,
}

impl Client {
    /// Makes a client; nothing is sent yet.
    pub(crate) fn new(context: &Context) -> Result<Self, CallError> {
        let fail = |error: String| CallError::Unreachable(Text::line(&error));
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(Duration::from_secs(60))
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = &context.ca_file {
            let pem = std::fs::read(path).map_err(|e| fail(format!("{}: {e}", path.display())))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem)
                .map_err(|e| fail(format!("{}: {e}", path.display())))?;
            builder = builder.tls_certs_merge(certificates);
        }
        Ok(Self {
            http: builder.build().map_err(|e| fail(e.to_string()))?,
            urls: context.urls.clone().into(),
            current: Arc::default(),
            list: Arc::default(),
        })
    }

    /// The URL that answered last, without credentials.
    pub(crate) fn url(&self) -> Text {
        self.base(self.current.load(Ordering::Relaxed))
            .map_or_else(Text::default, |url| Text::line(&shown_url(url)))
    }

    /// Scheme of the URL that answered last.
    pub(crate) fn scheme(&self) -> &str {
        self.base(self.current.load(Ordering::Relaxed))
            .map_or("http", Url::scheme)
    }

    fn base(&self, place: usize) -> Option<&Url> {
        self.urls.get(place % self.urls.len().max(1))
    }

    /// Sends a call to the worker that answered last; when there is none at that address, to the others.
    async fn call<B: Serialize + Sync>(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&B>,
    ) -> Result<(StatusCode, Vec<u8>), CallError> {
        self.call_within(CALL_TIMEOUT, method, path, query, body)
            .await
    }

    /// The same with a limit for the answer of each worker.
    async fn call_within<B: Serialize + Sync>(
        &self,
        limit: Duration,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&B>,
    ) -> Result<(StatusCode, Vec<u8>), CallError> {
        // A URL can't hold such a segment, whatever it is escaped to; without it the call would mean
        // something else.
        if let Some(dots) = path.iter().find(|part| matches!(**part, "." | ".." | "")) {
            return Err(CallError::Refused {
                status: 400,
                message: Text::line(&format!(
                    "\"{dots}\" can't be part of a URL: this name can't be reached through REST"
                )),
            });
        }
        let start = self.current.load(Ordering::Relaxed);
        let mut last = CallError::Unreachable(Text::from("no URL"));
        for i in 0..self.urls.len() {
            let place = (start + i) % self.urls.len();
            let Some(base) = self.base(place) else {
                continue;
            };
            match self.send(base, limit, &method, path, query, body).await {
                Err(error @ CallError::Unreachable(_)) => last = error,
                Err(
                    error @ CallError::Refused {
                        status: 502..=504, ..
                    },
                ) if self.urls.len() > 1 => last = error,
                answer => {
                    self.current.store(place, Ordering::Relaxed);
                    return answer;
                }
            }
        }
        Err(last)
    }

    async fn send<B: Serialize + Sync>(
        &self,
        base: &Url,
        limit: Duration,
        method: &Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&B>,
    ) -> Result<(StatusCode, Vec<u8>), CallError> {
        let host = shown_url(base);
        let mut url = base.clone();
        {
            let mut segments = url
                .path_segments_mut()
                .map_err(|()| CallError::Malformed(Text::from("URL without path")))?;
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self
            .http
            .request(method.clone(), url)
            .timeout(limit)
            .header("accept", "application/json");
        if let Some(body) = body {
            request = request.json(body);
        }
        let unreachable =
            |error: &reqwest::Error| CallError::Unreachable(Text::line(&describe(&host, error)));
        let mut response = request.send().await.map_err(|e| unreachable(&e))?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| unreachable(&e))? {
            if bytes.len() + chunk.len() > BODY_CAP {
                return Err(CallError::Malformed(Text::from(
                    "answer larger than 128 MiB",
                )));
            }
            bytes.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return Ok((status, bytes));
        }
        let message = match serde_json::from_slice::<ErrorMessage>(&bytes) {
            Ok(error) => error.message.unwrap_or_else(|| "no message".to_owned()),
            Err(_) if bytes.is_empty() => {
                status.canonical_reason().unwrap_or("no message").to_owned()
            }
            Err(_) => String::from_utf8_lossy(&bytes).into_owned(),
        };
        let message = match serde_json::from_slice::<ErrorMessage>(&bytes) {
            Ok(_) => message,
            // Not Connect's words: the address says whose they are.
            Err(_) => format!("{host}: {message}"),
        };
        Err(CallError::Refused {
            status: status.as_u16(),
            message: Text::line(&message),
        })
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, CallError> {
        let (_, bytes) = self.call::<()>(Method::GET, path, query, None).await?;
        self.parse(&bytes)
    }

    fn parse<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, CallError> {
        parse(&self.url(), bytes)
    }

    /// `GET /`: version and Kafka cluster of the worker that answers.
    pub(crate) async fn server(&self) -> Result<ServerInfo, CallError> {
        let nothing: [&str; 0] = [];
        let (_, bytes) = self
            .call_within::<()>(QUICK_TIMEOUT, Method::GET, &nothing, &[], None)
            .await?;
        self.parse(&bytes)
    }

    /// Fails while the worker is still reading its topics: until then it answers as if there were no
    /// connectors. Workers before 3.9, which have no health request, are believed.
    async fn ready(&self) -> Result<(), CallError> {
        let answer = self
            .call_within::<()>(QUICK_TIMEOUT, Method::GET, &["health"], &[], None)
            .await;
        match answer {
            Err(CallError::Refused { status: 404, .. }) | Ok(_) => Ok(()),
            Err(CallError::Refused { message, .. }) => Err(CallError::Refused {
                status: 503,
                message: Text::line(&format!("answers, but is still starting: {message}")),
            }),
            Err(error) => Err(error),
        }
    }

    /// All connectors with status and configuration, in one call.
    pub(crate) async fn connectors(&self) -> Result<ExpandedConnectors, CallError> {
        match self.connectors_unless(None).await? {
            (Some(list), _) => Ok(list),
            (None, _) => Err(CallError::Malformed(Text::from("no list"))),
        }
    }

    /// The same, with a fingerprint of the answer; no list when the answer has the fingerprint `known`.
    pub(crate) async fn connectors_unless(
        &self,
        known: Option<u64>,
    ) -> Result<(Option<ExpandedConnectors>, u64), CallError> {
        let limit = if self.list.load(Ordering::Relaxed) > LONG_LIST {
            LONG_LIST_TIMEOUT
        } else {
            QUICK_TIMEOUT
        };
        let (_, bytes) = self
            .call_within::<()>(
                limit,
                Method::GET,
                &["connectors"],
                &[("expand", "status"), ("expand", "info")],
                None,
            )
            .await
            .map_err(|error| match error {
                CallError::Refused { status: 404, .. } => CallError::Refused {
                    status: 404,
                    message: Text::line(&format!(
                        "{}: answers, but is still starting, or is not a Connect worker",
                        self.url()
                    )),
                },
                error => error,
            })?;
        self.list.store(bytes.len(), Ordering::Relaxed);
        if bytes.trim_ascii() == b"{}" {
            self.ready().await?;
        }
        let url = self.url();
        // A list of thousands takes milliseconds to read; keys must not wait for it.
        let read = move || {
            let mut hasher = DefaultHasher::new();
            bytes.hash(&mut hasher);
            let fingerprint = hasher.finish();
            if known == Some(fingerprint) {
                return Ok((None, fingerprint));
            }
            Ok((Some(parse(&url, &bytes)?), fingerprint))
        };
        tokio::task::spawn_blocking(read)
            .await
            .unwrap_or_else(|_| Err(CallError::Malformed(Text::from("list of connectors"))))
    }

    /// Status of one connector.
    pub(crate) async fn status(&self, name: &str) -> Result<ConnectorStateInfo, CallError> {
        self.get(&["connectors", name, "status"], &[]).await
    }

    /// Configuration of one connector. A worker with a rebalance ahead refuses to give it; that is waited
    /// out.
    pub(crate) async fn config(&self, name: &str) -> Result<ConfigMap, CallError> {
        let began = Instant::now();
        let mut attempt = 0;
        loop {
            match self.get(&["connectors", name, "config"], &[]).await {
                Err(error) if error.is_rebalance() && began.elapsed() < REBALANCE_PATIENCE => {
                    attempt += 1;
                    tokio::time::sleep(super::backoff(attempt)).await;
                }
                answer => return answer,
            }
        }
    }

    /// Offsets of one connector.
    pub(crate) async fn offsets(&self, name: &str) -> Result<ConnectorOffsets, CallError> {
        self.get(&["connectors", name, "offsets"], &[]).await
    }

    /// All plugins, connectors only or all kinds.
    pub(crate) async fn plugins(
        &self,
        connectors_only: bool,
    ) -> Result<Vec<PluginInfo>, CallError> {
        let only = if connectors_only { "true" } else { "false" };
        self.get(&["connector-plugins"], &[("connectorsOnly", only)])
            .await
    }

    /// Keys of type PASSWORD of a plugin (endpoint of 3.2 and later).
    pub(crate) async fn password_keys(&self, class: &str) -> Result<PasswordKeys, CallError> {
        let definitions: Vec<ConfigKeyInfo> = self
            .get(&["connector-plugins", class, "config"], &[])
            .await?;
        Ok(definitions
            .into_iter()
            .filter(|definition| definition.key_type == "PASSWORD")
            .map(|definition| definition.name)
            .collect())
    }

    /// Validates a configuration; faults in it are part of the answer.
    pub(crate) async fn validate(&self, config: &ConfigMap) -> Result<ConfigInfos, CallError> {
        let class = config.text("connector.class").unwrap_or("");
        if class.is_empty() {
            return Err(CallError::Refused {
                status: 400,
                message: Text::from("connector.class: missing"),
            });
        }
        // The server compares the path with the end of the class name.
        let short = class.rsplit('.').next().unwrap_or(class);
        let (_, bytes) = self
            .call(
                Method::PUT,
                &["connector-plugins", short, "config", "validate"],
                &[],
                Some(config),
            )
            .await?;
        self.parse(&bytes)
    }

    /// Writes a configuration; creates the connector when there is none.
    pub(crate) async fn put_config(
        &self,
        name: &str,
        config: &ConfigMap,
    ) -> Result<ConnectorInfo, CallError> {
        let (_, bytes) = self
            .call(
                Method::PUT,
                &["connectors", name, "config"],
                &[],
                Some(config),
            )
            .await?;
        self.parse(&bytes)
    }

    /// `pause`, `resume` or `stop`.
    pub(crate) async fn put_state(&self, name: &str, verb: &str) -> Result<(), CallError> {
        self.call::<()>(Method::PUT, &["connectors", name, verb], &[], None)
            .await
            .map(|_| ())
    }

    /// Restarts by plan; the answer says what is in it.
    pub(crate) async fn restart(
        &self,
        name: &str,
        include_tasks: bool,
        only_failed: bool,
    ) -> Result<Option<ConnectorStateInfo>, CallError> {
        let flag = |on: bool| if on { "true" } else { "false" };
        let query = [
            ("includeTasks", flag(include_tasks)),
            ("onlyFailed", flag(only_failed)),
        ];
        let query: &[(&str, &str)] = if include_tasks || only_failed {
            &query
        } else {
            &[]
        };
        let (status, bytes) = self
            .call::<()>(Method::POST, &["connectors", name, "restart"], query, None)
            .await?;
        if status == StatusCode::ACCEPTED && !bytes.is_empty() {
            return self.parse(&bytes).map(Some);
        }
        Ok(None)
    }

    pub(crate) async fn restart_task(&self, name: &str, task: u32) -> Result<(), CallError> {
        let task = task.to_string();
        self.call::<()>(
            Method::POST,
            &["connectors", name, "tasks", &task, "restart"],
            &[],
            None,
        )
        .await
        .map(|_| ())
    }

    pub(crate) async fn delete(&self, name: &str) -> Result<(), CallError> {
        self.call::<()>(Method::DELETE, &["connectors", name], &[], None)
            .await
            .map(|_| ())
    }

    /// `host:port` of all URLs.
    pub(crate) fn addresses(&self) -> BTreeSet<String> {
        self.urls
            .iter()
            .filter_map(|url| {
                Some(format!(
                    "{}:{}",
                    url.host_str()?,
                    url.port_or_known_default()?
                ))
            })
            .collect()
    }

    /// Asks each worker how it is. When none can be reached under the address it advertises although REST
    /// answers, the addresses are not for us (a container network), and nothing is said about health.
    pub(crate) async fn probe_all(&self, workers: BTreeSet<String>) -> Vec<Update> {
        let looks = workers
            .into_iter()
            .filter(|worker| !worker.is_empty())
            .take(PROBED)
            .map(|worker| async move {
                let (health, version, kind) = self.probe(&worker).await;
                (worker, health, version, kind)
            });
        let answers = futures::future::join_all(looks).await;
        let reached = |health: &WorkerHealth| {
            !matches!(
                health,
                WorkerHealth::Unreachable(_) | WorkerHealth::Refused(_)
            )
        };
        if !answers.iter().any(|(_, health, ..)| reached(health)) {
            return Vec::new();
        }
        let news = |(worker, health, version, kind): (String, _, _, _)| Update::WorkerHealth {
            worker: Text::line(&worker),
            health,
            version,
            kind,
        };
        answers.into_iter().map(news).collect()
    }

    /// Asks one worker, by its id, how it is: health if it has that, its version, and what kind of process
    /// it is.
    pub(crate) async fn probe(
        &self,
        worker: &str,
    ) -> (WorkerHealth, Option<Text>, Option<WorkerKind>) {
        let url = format!("{}://{worker}/", self.scheme());
        let url = Url::parse(&url).ok().filter(|_| is_address(worker));
        let Some(base) = url else {
            return (
                WorkerHealth::Unreachable(Text::from("no address")),
                None,
                None,
            );
        };
        let request = self.http.get(base.clone()).timeout(Duration::from_secs(4));
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => {
                let why = Text::line(&describe(worker, &error));
                let health = if is_refused(&error) {
                    WorkerHealth::Refused(why)
                } else {
                    WorkerHealth::Unreachable(why)
                };
                return (health, None, None);
            }
        };
        let server = answer.headers().get("server").cloned();
        let info: Option<ServerInfo> = match answer.bytes().await {
            Ok(bytes) => self.parse(&bytes).ok(),
            Err(_) => None,
        };
        let server = server.as_ref().map_or(&b""[..], |server| server.as_bytes());
        let commit = info.as_ref().map_or("", |info| info.commit.as_str());
        let kind = kind_of(server, commit);
        let version = info.map(|info| Text::line(&info.version));
        let health = tokio::time::timeout(
            Duration::from_secs(12),
            self.send::<()>(&base, CALL_TIMEOUT, &Method::GET, &["health"], &[], None),
        )
        .await;
        let health = match health {
            Ok(Ok((_, bytes))) => match self.parse::<Health>(&bytes) {
                Ok(health) => match health.warning() {
                    Some(warning) => WorkerHealth::Warns(Text::line(warning)),
                    None => WorkerHealth::Ok,
                },
                Err(_) => WorkerHealth::Answers,
            },
            Ok(Err(CallError::Refused { status: 404, .. })) => WorkerHealth::Answers,
            Ok(Err(CallError::Refused { message, .. } | CallError::Malformed(message))) => {
                WorkerHealth::NotReady(message)
            }
            Ok(Err(CallError::Unreachable(why))) => WorkerHealth::Unreachable(why),
            Ok(Err(CallError::Changed)) | Err(_) => {
                WorkerHealth::NotReady(Text::from("health: no answer in 12 s"))
            }
        };
        (health, version, kind)
    }
}

/// What kind of worker answers, by the header `Server` and the commit. JVM workers run on Jetty and say so.
/// Agents name themselves in the header; those of before had no header, and their name as the commit.
fn kind_of(server: &[u8], commit: &str) -> Option<WorkerKind> {
    if server.starts_with(b"Jetty") {
        Some(WorkerKind::Jvm)
    } else if server.starts_with(b"Sluice/") || commit.starts_with("sluice-") {
        Some(WorkerKind::Agent)
    } else {
        None
    }
}

fn parse<T: DeserializeOwned>(url: &Text, bytes: &[u8]) -> Result<T, CallError> {
    serde_json::from_slice(bytes).map_err(|error| {
        CallError::Malformed(Text::line(&format!(
            "{url}: no answer of Connect's REST API ({error}); is this the URL of a worker?"
        )))
    })
}

/// Whether a worker id is `host:port`. Anything else that a status record names as a worker is not asked.
fn is_address(worker: &str) -> bool {
    let Some((host, port)) = worker.rsplit_once(':') else {
        return false;
    };
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host = match bare {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            !host.is_empty() && host.chars().all(plain)
        }
    };
    host && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// Whether the host answered that nothing listens there.
fn is_refused(error: &reqwest::Error) -> bool {
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(inner) = source {
        let kind = inner
            .downcast_ref::<std::io::Error>()
            .map(std::io::Error::kind);
        if kind == Some(std::io::ErrorKind::ConnectionRefused) {
            return true;
        }
        source = inner.source();
    }
    false
}

/// The innermost reason, which is the one that helps: `connection refused`.
fn describe(host: &str, error: &reqwest::Error) -> String {
    let mut source: &dyn std::error::Error = error;
    while let Some(inner) = source.source() {
        source = inner;
    }
    let why = source.to_string();
    if error.is_timeout() {
        format!("{host}: {NO_ANSWER}")
    } else if why.contains("InvalidContentType") {
        format!("{host}: this port speaks no TLS; with http:// it may answer")
    } else {
        format!("{host}: {why}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, message: &str) -> CallError {
        CallError::Refused {
            status,
            message: Text::line(message),
        }
    }

    #[test]
    fn only_addresses_are_asked_for_their_health() {
        for fine in ["w1:8083", "10.0.0.1:8083", "[::1]:8083", "a-b_c.d:1"] {
            assert!(is_address(fine), "{fine}");
        }
        for wrong in [
            "",
            "w1",
            "w1:",
            ":8083",
            "w1:0",
            "w1:99999",
            "u:p@w1:8083",
            "w1/x:80",
            "w1?x:80",
            "w 1:80",
        ] {
            assert!(!is_address(wrong), "{wrong}");
        }
    }

    #[test]
    fn agents_and_jvm_workers_are_known_by_their_header_and_old_agents_by_their_commit() {
        let commit = "0123456789abcdef";
        assert_eq!(kind_of(b"Jetty(12.0.25)", commit), Some(WorkerKind::Jvm));
        assert_eq!(kind_of(b"Sluice/0.2.0", commit), Some(WorkerKind::Agent));
        assert_eq!(kind_of(b"", "sluice-0.1.0"), Some(WorkerKind::Agent));
        assert_eq!(
            kind_of(b"nginx", commit),
            None,
            "a proxy that hides who answers"
        );
    }

    #[test]
    fn only_conflicts_of_a_rebalance_are_waited_out() {
        assert!(
            refused(
                409,
                "Cannot complete request because of a conflicting operation (e.g. worker rebalance)"
            )
            .is_rebalance()
        );
        assert!(
            refused(
                500,
                "Request cannot be completed because a rebalance is expected"
            )
            .is_rebalance()
        );
        assert!(refused(503, "starting").is_rebalance());
        assert!(!refused(409, "Connector x already exists").is_rebalance());
        assert!(!refused(500, "Failed to start connector: x").is_rebalance());
        assert!(!refused(404, "Unknown connector x").is_rebalance());
    }
}
