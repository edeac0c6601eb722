//! The Connect REST API of a worker, as tests use it.

use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, ClientBuilder, Identity, Method};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::wait::{seconds, wait_for, wait_until};

/// What a worker answered.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub text: String,
}

impl Reply {
    /// The body as JSON.
    ///
    /// # Errors
    /// When it is not.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.text)
            .with_context(|| format!("not JSON: {} {}", self.status, self.text))
    }

    /// One header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether a rebalance or a change of configs stands in the way, so that the same call is worth
    /// repeating.
    pub fn is_momentary(&self) -> bool {
        // The JVM worker says 500 when a rebalance comes between a request and its turn.
        (self.status == 409 && self.text.contains("Cannot complete request"))
            || (self.status == 500 && self.text.contains("a rebalance is expected"))
    }

    /// Fails unless the status is one of the 200s.
    ///
    /// # Errors
    /// With status and body.
    pub fn success(self) -> Result<Self> {
        if !(200..300).contains(&self.status) {
            bail!("{} {}", self.status, self.text);
        }
        Ok(self)
    }
}

/// A client for one worker.
#[derive(Debug, Clone)]
pub struct Rest {
    url: String,
    client: Client,
}

impl Rest {
    /// A client for the worker at `url` (`http://host:port`).
    ///
    /// # Panics
    /// When no HTTP client can be made on this machine.
    pub fn new(url: &str) -> Self {
        Self {
            url: url.trim_end_matches('/').to_owned(),
            client: client_builder().build().expect("an HTTP client"),
        }
    }

    /// A client for the worker at `url` (`https://host:port`) that trusts the PEM certificates `trusted`
    /// alone, and shows the PEM key and certificate `identity` if asked for one.
    ///
    /// # Errors
    /// When they are not PEM.
    pub fn over_tls(url: &str, trusted: &str, identity: Option<&str>) -> Result<Self> {
        let trusted = Certificate::from_pem_bundle(trusted.as_bytes())?;
        let mut client = client_builder().tls_certs_only(trusted);
        if let Some(identity) = identity {
            client = client.identity(Identity::from_pem(identity.as_bytes())?);
        }
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            client: client.build()?,
        })
    }

    /// The address without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sends any request. `body` is sent as it is, with `headers`.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Result<Reply> {
        let url = format!("{}{path}", self.url);
        let what = || format!("{method} {url}");
        let mut fields = HeaderMap::new();
        for (name, value) in headers {
            fields.insert(HeaderName::try_from(*name)?, HeaderValue::try_from(*value)?);
        }
        let mut request = self
            .client
            .request(Method::from_bytes(method.as_bytes())?, &url)
            .headers(fields);
        if let Some(body) = body {
            request = request.body(body);
        }
        runtime().block_on(async {
            let reply = request.send().await.with_context(what)?;
            let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
            let text = reply.text().await.with_context(what)?;
            Ok(Reply {
                status,
                headers,
                text,
            })
        })
    }

    /// Sends a request with a JSON body, or none.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Reply> {
        let headers: &[_] = match body {
            Some(_) => &[("content-type", "application/json")],
            None => &[],
        };
        self.send(method, path, headers, body.map(Value::to_string))
    }

    /// The same, repeated while a rebalance stands in the way, up to 30 s.
    ///
    /// # Errors
    /// When there is no answer or the rebalance does not end.
    pub fn patient(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Reply> {
        wait_for(
            &format!("{method} {path} to be possible"),
            seconds(30),
            || {
                let reply = self.call(method, path, body)?;
                if reply.is_momentary() {
                    bail!("{} {}", reply.status, reply.text);
                }
                Ok(Some(reply))
            },
        )
    }

    /// GET.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn get(&self, path: &str) -> Result<Reply> {
        self.call("GET", path, None)
    }

    /// Creates or reconfigures a connector.
    ///
    /// # Errors
    /// When the worker refuses.
    pub fn put_config(&self, connector: &str, config: &Value) -> Result<()> {
        self.patient(
            "PUT",
            &format!("/connectors/{connector}/config"),
            Some(config),
        )?
        .success()
        .with_context(|| format!("connector {connector}"))?;
        Ok(())
    }

    /// Creates or reconfigures a connector and waits until it runs with `tasks` tasks. What may fail by
    /// itself soon is not seen running by everyone: [`Self::put_config`] and [`Self::wait_failed`] are for
    /// it.
    ///
    /// # Errors
    /// When the worker refuses, or does not run all within a minute.
    pub fn create(&self, connector: &str, config: &Value, tasks: usize) -> Result<()> {
        self.put_config(connector, config)?;
        self.wait_running(connector, tasks, seconds(60))?;
        Ok(())
    }

    /// Does one of the verbs `pause`, `resume`, `stop`, `restart` and so on.
    ///
    /// # Errors
    /// When the worker refuses.
    pub fn verb(&self, method: &str, connector: &str, verb: &str) -> Result<()> {
        self.patient(method, &format!("/connectors/{connector}/{verb}"), None)?
            .success()
            .with_context(|| format!("{verb} {connector}"))?;
        Ok(())
    }

    /// Deletes a connector.
    ///
    /// # Errors
    /// When the worker refuses.
    pub fn delete(&self, connector: &str) -> Result<()> {
        self.patient("DELETE", &format!("/connectors/{connector}"), None)?
            .success()?;
        Ok(())
    }

    /// The states of a connector and its tasks as the worker knows them now; `None` before there are any.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn states(&self, connector: &str) -> Result<Option<States>> {
        let reply = self.get(&format!("/connectors/{connector}/status"))?;
        if reply.status == 404 {
            return Ok(None);
        }
        Ok(Some(States::read(&reply.success()?.json()?)?))
    }

    /// Waits until the connector is `state` and has exactly `tasks` tasks, all in that state too.
    ///
    /// A stopped connector has no tasks.
    ///
    /// # Errors
    /// When time is up, saying what the states are instead.
    pub fn wait_state(
        &self,
        connector: &str,
        state: &str,
        tasks: usize,
        within: Duration,
    ) -> Result<States> {
        wait_for(
            &format!("{connector} to be {state} with {tasks} tasks"),
            within,
            || {
                let Some(states) = self.states(connector)? else {
                    bail!("no status");
                };
                if states.connector.state != state
                    || states.tasks.len() != tasks
                    || states.tasks.iter().any(|task| task.state != state)
                {
                    bail!("{}", states.text());
                }
                Ok(Some(states))
            },
        )
    }

    /// Waits until the connector and its `tasks` tasks are RUNNING.
    ///
    /// # Errors
    /// When time is up, saying what the states are instead.
    pub fn wait_running(&self, connector: &str, tasks: usize, within: Duration) -> Result<States> {
        self.wait_state(connector, "RUNNING", tasks, within)
    }

    /// Waits up to a minute until the first task of a connector has failed; gives its trace.
    ///
    /// # Errors
    /// When time is up, saying what the states are instead.
    pub fn wait_failed(&self, connector: &str) -> Result<String> {
        wait_for(&format!("{connector} to fail"), seconds(60), || {
            let states = self.states(connector)?.context("no status")?;
            match states.tasks.first() {
                Some(task) if task.state == "FAILED" => Ok(Some(task.trace.clone())),
                _ => bail!("{}", states.text()),
            }
        })
    }

    /// Waits until the worker no longer knows the connector or a status of it.
    ///
    /// # Errors
    /// When time is up.
    pub fn wait_gone(&self, connector: &str, within: Duration) -> Result<()> {
        wait_until(&format!("{connector} to be gone"), within, || {
            Ok(self.get(&format!("/connectors/{connector}"))?.status == 404
                && self.states(connector)?.is_none())
        })
    }

    /// The offsets of a connector, `[{"partition":..., "offset":...}]`.
    ///
    /// # Errors
    /// When the worker refuses.
    pub fn offsets(&self, connector: &str) -> Result<Vec<Value>> {
        let reply = self.patient("GET", &format!("/connectors/{connector}/offsets"), None)?;
        let body = reply.success()?.json()?;
        Ok(body["offsets"].as_array().context("no offsets")?.clone())
    }
}

/// The states of a connector and its tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct States {
    /// The connector instance.
    pub connector: Part,
    /// The tasks by number.
    pub tasks: Vec<Part>,
}

/// The state of a connector instance or a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// `RUNNING`, `FAILED`...
    pub state: String,
    /// `host:port` of the worker that reported it.
    pub worker_id: String,
    /// Causes of a failure, or empty.
    pub trace: String,
}

impl States {
    fn read(body: &Value) -> Result<Self> {
        let part = |value: &Value| -> Result<Part> {
            let text = |name: &str| value[name].as_str().map(str::to_owned);
            Ok(Part {
                state: text("state").with_context(|| format!("no state in {body}"))?,
                worker_id: text("worker_id").with_context(|| format!("no worker_id in {body}"))?,
                trace: text("trace").unwrap_or_default(),
            })
        };
        Ok(Self {
            connector: part(&body["connector"])?,
            tasks: body["tasks"]
                .as_array()
                .with_context(|| format!("no tasks in {body}"))?
                .iter()
                .map(part)
                .collect::<Result<_>>()?,
        })
    }

    /// Every worker that runs a part, the connector's first.
    pub fn workers(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.connector)
            .chain(&self.tasks)
            .map(|part| part.worker_id.as_str())
    }

    /// One line for messages.
    pub fn text(&self) -> String {
        let part = |part: &Part| {
            let cause = part.trace.lines().next().unwrap_or_default();
            format!("{} on {} {cause}", part.state, part.worker_id)
        };
        let tasks: Vec<String> = self.tasks.iter().map(part).collect();
        format!("connector {}; tasks {tasks:?}", part(&self.connector))
    }
}

pub(crate) fn client_builder() -> ClientBuilder {
    // Whoever comes first installs it for the process; a second call is refused, and that is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().timeout(seconds(100)).no_proxy()
}

pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime for HTTP")
    })
}
