//! The calls of the API: request to herder, answer or error to response, forwarding in between.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sluice_protocol::rest::{
    ConnectorOffsets, CreateConnectorRequest, ExpandedConnector, ExpandedConnectors,
    SetLoggerRequest, TaskConfigsRequest,
};
use sluice_protocol::telemetry::Caller;
use sluice_protocol::{ConfigMap, ConnectorTaskId, TargetState};

use super::answer::RestError;
use super::forward::{Forward, forward};
use super::routes::Route;
use super::{empty, generic_error, plain};
use crate::herder::{Herder, HerderError, HerderResult, LoggerScope, RestartOptions};
use crate::session::RequestSignature;

struct Call<'a> {
    herder: &'a Arc<dyn Herder>,
    caller: Caller,
    method: Method,
    path: String,
    query: Query,
    headers: HeaderMap,
    body: Bytes,
    client: &'a reqwest::Client,
    /// How the caller reached us: `http` or `https`.
    scheme: &'static str,
}

/// Answers a request to `route`.
pub(super) async fn carry_out(
    herder: &Arc<dyn Herder>,
    client: &reqwest::Client,
    scheme: &'static str,
    address: SocketAddr,
    route: Route,
    request: axum::http::Request<Bytes>,
) -> Response {
    let (parts, body) = request.into_parts();
    if !accepts_json(&parts.headers) && route != Route::Metrics {
        return generic_error(StatusCode::NOT_ACCEPTABLE);
    }
    if matches!(parts.method, Method::POST | Method::PUT | Method::PATCH)
        && parts
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|given| !is_json(given))
    {
        return generic_error(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let call = Call {
        herder,
        caller: Caller {
            address: Some(address.to_string()),
            user: None,
            user_agent: parts
                .headers
                .get(header::USER_AGENT)
                .and_then(|agent| agent.to_str().ok())
                .map(|agent| {
                    agent
                        .chars()
                        .filter(|c| !c.is_control())
                        .take(200)
                        .collect()
                }),
        },
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: Query::parse(parts.uri.query().unwrap_or_default()),
        headers: parts.headers,
        body,
        client,
        scheme,
    };
    call.answer(route)
        .await
        .unwrap_or_else(|error| error.response())
}

impl Call<'_> {
    async fn answer(&self, route: Route) -> Result<Response, RestError> {
        let herder = self.herder;
        match route {
            Route::ServerInfo => Ok(json(StatusCode::OK, &herder.server_info())),
            Route::Health => {
                let health = herder.health().await;
                let status = StatusCode::from_u16(health.status.http_status())
                    .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                Ok(json(status, &health))
            }
            Route::Metrics => Ok(plain(
                StatusCode::OK,
                "text/plain; version=0.0.4; charset=utf-8",
                &herder.metrics_text(),
            )),
            Route::ListConnectors => self.list_connectors().await,
            Route::CreateConnector => self.create_connector().await,
            Route::Connector(name) => ok(herder.connector_info(&name).await),
            Route::ConnectorConfig(name) => {
                ok(herder.connector_info(&name).await.map(|info| info.config))
            }
            Route::Tasks(name) => ok(herder.task_infos(&name).await),
            Route::ConnectorStatus(name) => ok(herder.connector_status(&name)),
            Route::TaskStatus(name, task) => {
                ok(herder.task_status(&ConnectorTaskId::new(name, task)))
            }
            Route::DeleteConnector(name) => {
                self.no_content(herder.delete_connector(&name, &self.caller).await, &[])
                    .await
            }
            Route::PutConnectorConfig(name) => self.put_config(&name).await,
            Route::PatchConnectorConfig(name) => {
                let patch = self.parsed::<Option<ConfigMap>>()?;
                let Some(patch) = patch else {
                    herder.connector_info(&name).await?;
                    return Err(null_argument("patch"));
                };
                let patched = herder.patch_connector(&name, patch, &self.caller).await;
                self.json_or_forward(patched).await
            }
            Route::Pause(name) => self.target_state(&name, TargetState::Paused).await,
            Route::Resume(name) => self.target_state(&name, TargetState::Started).await,
            Route::Stop(name) => {
                self.no_content(herder.stop_connector(&name, &self.caller).await, &[])
                    .await
            }
            Route::RestartConnector(name) => self.restart(&name).await,
            Route::RestartTask(name, task) => {
                let id = ConnectorTaskId::new(name, task);
                self.no_content(herder.restart_task(&id, &self.caller).await, &[])
                    .await
            }
            Route::ActiveTopics(name) => ok(herder.active_topics(&name)),
            Route::ResetActiveTopics(name) => {
                herder.reset_active_topics(&name)?;
                Ok(empty(StatusCode::ACCEPTED))
            }
            Route::Offsets(name) => ok(herder.offsets(&name).await),
            Route::AlterOffsets(name) => {
                let offsets = self
                    .parsed::<Option<ConnectorOffsets>>()?
                    .ok_or_else(|| null_argument("offsets"))?;
                if offsets.offsets.is_empty() {
                    return Err(RestError::bad_request(
                        "Partitions / offsets need to be provided for an alter offsets request",
                    ));
                }
                let altered = herder
                    .modify_offsets(&name, Some(offsets), &self.caller)
                    .await;
                self.json_or_forward(altered).await
            }
            Route::ResetOffsets(name) => {
                let reset = herder.modify_offsets(&name, None, &self.caller).await;
                self.json_or_forward(reset).await
            }
            Route::PutTaskConfigs(name) => {
                let configs = self.parsed::<TaskConfigsRequest>()?;
                let signature = RequestSignature::new(&self.headers, &self.body);
                let put = herder.put_task_configs(&name, configs, signature).await;
                self.no_content(put, &[]).await
            }
            Route::Fence(name) => {
                let signature = RequestSignature::new(&self.headers, &self.body);
                self.no_content(herder.fence(&name, signature).await, &[])
                    .await
            }
            Route::Plugins => {
                let connectors_only = self.query.get("connectorsOnly").is_none_or(is_true);
                Ok(json(StatusCode::OK, &herder.plugins(connectors_only)))
            }
            Route::PluginConfig(plugin) => ok(herder
                .plugin_config(&plugin, self.query.get("version"))
                .await),
            Route::Validate(plugin) => self.validate(&plugin).await,
            Route::Loggers => Ok(json(StatusCode::OK, &herder.loggers())),
            Route::Logger(name) => ok(herder.logger(&name)),
            Route::SetLogger(name) => self.set_logger(&name).await,
        }
    }

    async fn list_connectors(&self) -> Result<Response, RestError> {
        let expand: Vec<&str> = self.query.all("expand").collect();
        if expand.is_empty() {
            return Ok(json(StatusCode::OK, &self.herder.connectors()));
        }
        let (status, info) = (expand.contains(&"status"), expand.contains(&"info"));
        let mut expanded = ExpandedConnectors::new();
        if info {
            for info in self.herder.connector_infos().await? {
                let name = info.name.clone();
                expanded.insert(
                    name,
                    ExpandedConnector {
                        status: None,
                        info: Some(info),
                    },
                );
            }
        } else {
            expanded.extend(
                self.herder
                    .connectors()
                    .into_iter()
                    .map(|name| (name, ExpandedConnector::default())),
            );
        }
        if status {
            // A connector without a status record yet is left out, as by the JVM worker.
            expanded.retain(|name, entry| match self.herder.connector_status(name) {
                Ok(state) => {
                    entry.status = Some(state);
                    true
                }
                Err(_) => false,
            });
        }
        Ok(json(StatusCode::OK, &expanded))
    }

    async fn create_connector(&self) -> Result<Response, RestError> {
        let request = self
            .parsed::<Option<CreateConnectorRequest>>()?
            .ok_or_else(|| null_argument("createRequest"))?;
        let name = request
            .name
            .as_deref()
            .unwrap_or_default()
            .trim()
            .to_owned();
        let mut config = request
            .config
            .ok_or_else(|| null_argument("connectorConfig"))?;
        adopt_name(&name, &mut config)?;
        let target = request.initial_state.map(|state| state.target_state());
        let put = self
            .herder
            .put_connector(&name, config, target, false, &self.caller)
            .await;
        self.created_or_forward(&name, put).await
    }

    async fn put_config(&self, name: &str) -> Result<Response, RestError> {
        let mut config = self
            .parsed::<Option<ConfigMap>>()?
            .ok_or_else(|| null_argument("connectorConfig"))?;
        adopt_name(name, &mut config)?;
        let put = self
            .herder
            .put_connector(name, config, None, true, &self.caller)
            .await;
        self.created_or_forward(name, put).await
    }

    async fn target_state(&self, name: &str, target: TargetState) -> Result<Response, RestError> {
        self.herder
            .set_target_state(name, target, &self.caller)
            .await?;
        Ok(empty(StatusCode::ACCEPTED))
    }

    async fn restart(&self, name: &str) -> Result<Response, RestError> {
        let flag = |key: &str| self.query.get(key).is_some_and(is_true);
        let options = RestartOptions {
            include_tasks: flag("includeTasks"),
            only_failed: flag("onlyFailed"),
        };
        let text = |flag: bool| if flag { "true" } else { "false" };
        let query = [
            ("includeTasks", text(options.include_tasks)),
            ("onlyFailed", text(options.only_failed)),
        ];
        if options == RestartOptions::default() {
            return self
                .no_content(
                    self.herder.restart_connector(name, &self.caller).await,
                    &query,
                )
                .await;
        }
        match self
            .herder
            .restart_with_plan(name, options, &self.caller)
            .await
        {
            Ok(state) => Ok(json(StatusCode::ACCEPTED, &state)),
            Err(error) => self
                .forward(error, &query)
                .await
                .map(|(_, body)| raw_json(StatusCode::ACCEPTED, body)),
        }
    }

    async fn validate(&self, plugin: &str) -> Result<Response, RestError> {
        let config = self
            .parsed::<Option<ConfigMap>>()?
            .ok_or_else(|| null_argument("connectorConfig"))?;
        let normalized = |class: &str| class.strip_suffix("Connector").unwrap_or(class).to_owned();
        if let Some(class) = config.text("connector.class")
            && !normalized(class).ends_with(&normalized(plugin))
        {
            return Err(RestError::bad_request(format!(
                "Included connector type {class} does not match request type {plugin}"
            )));
        }
        match self.herder.validate(config).await {
            Ok(infos) => Ok(json(StatusCode::OK, &infos)),
            // The JVM worker does not unwrap failures on this endpoint: each is a 500 that names its class.
            Err(HerderError::Invalid(text)) => Err(RestError::internal(format!(
                "org.apache.kafka.connect.runtime.rest.errors.BadRequestException: {text}"
            ))),
            Err(error) => Err(error.into()),
        }
    }

    async fn set_logger(&self, name: &str) -> Result<Response, RestError> {
        let request = self
            .parsed::<Option<SetLoggerRequest>>()?
            .ok_or_else(|| null_argument("levelMap"))?;
        let level = request.level.ok_or_else(|| {
            RestError::bad_request("Desired 'level' parameter was not specified in request.")
        })?;
        let scope = match self.query.get("scope") {
            Some(scope) if scope.eq_ignore_ascii_case("cluster") => LoggerScope::Cluster,
            _ => LoggerScope::Worker,
        };
        match self.herder.set_logger(name, &level, scope).await? {
            Some(changed) => Ok(json(StatusCode::OK, &changed)),
            None => Ok(empty(StatusCode::NO_CONTENT)),
        }
    }

    fn parsed<T: DeserializeOwned>(&self) -> Result<T, RestError> {
        let body: &[u8] = if self.body.is_empty() {
            b"null"
        } else {
            &self.body
        };
        serde_json::from_slice(body).map_err(|error| RestError::internal(error.to_string()))
    }

    async fn created_or_forward<T: Serialize>(
        &self,
        name: &str,
        put: HerderResult<(bool, T)>,
    ) -> Result<Response, RestError> {
        let mut response = match put {
            Ok((true, info)) => json(StatusCode::CREATED, &info),
            Ok((false, info)) => json(StatusCode::OK, &info),
            Err(error) => {
                let (status, body) = self.forward(error, &[]).await?;
                raw_json(status, body)
            }
        };
        if response.status() == StatusCode::CREATED {
            let host = self
                .headers
                .get(header::HOST)
                .and_then(|host| host.to_str().ok())
                .map_or_else(String::new, |host| format!("{}://{host}", self.scheme));
            let encoded =
                percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC)
                    .to_string()
                    .replace("%2D", "-")
                    .replace("%5F", "_")
                    .replace("%2E", ".");
            if let Ok(location) = HeaderValue::from_str(&format!("{host}/connectors/{encoded}")) {
                response.headers_mut().insert(header::LOCATION, location);
            }
        }
        Ok(response)
    }

    async fn json_or_forward<T: Serialize>(
        &self,
        result: HerderResult<T>,
    ) -> Result<Response, RestError> {
        match result {
            Ok(value) => Ok(json(StatusCode::OK, &value)),
            Err(error) => {
                let (_, body) = self.forward(error, &[]).await?;
                Ok(raw_json(StatusCode::OK, body))
            }
        }
    }

    async fn no_content(
        &self,
        result: HerderResult<()>,
        query: &[(&str, &str)],
    ) -> Result<Response, RestError> {
        if let Err(error) = result {
            self.forward(error, query).await?;
        }
        Ok(empty(StatusCode::NO_CONTENT))
    }

    /// Passes the request on if the error asks for it.
    async fn forward(
        &self,
        error: HerderError,
        query: &[(&str, &str)],
    ) -> Result<(StatusCode, Bytes), RestError> {
        let url = match error {
            HerderError::NotHere { url } => url,
            error => return Err(error.into()),
        };
        let request = Forward {
            method: &self.method,
            path: &self.path,
            query,
            headers: &self.headers,
            body: self.body.clone(),
            hop: self.query.get("forward").map(is_true),
        };
        forward(self.client, url, request).await
    }
}

fn adopt_name(name: &str, config: &mut ConfigMap) -> Result<(), RestError> {
    match config.text("name") {
        Some(given) if given == name => Ok(()),
        Some(given) => Err(RestError::bad_request(format!(
            "Connector name configuration ({given}) doesn't match connector name in the URL ({name})"
        ))),
        None => {
            config.set("name", name);
            Ok(())
        }
    }
}

fn null_argument(argument: &str) -> RestError {
    RestError::internal(format!(
        "Cannot read the request because \"{argument}\" is null"
    ))
}

fn accepts_json(headers: &HeaderMap) -> bool {
    let mut ranges = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|range| {
            range
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase()
        })
        .peekable();
    ranges.peek().is_none()
        || ranges.any(|range| {
            matches!(
                range.as_str(),
                "*/*" | "application/*" | "application/json" | ""
            )
        })
}

fn is_json(value: &HeaderValue) -> bool {
    value.to_str().is_ok_and(|value| {
        let kind = value.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("application/json")
    })
}

fn is_true(text: &str) -> bool {
    text.eq_ignore_ascii_case("true")
}

/// For calls that every worker answers itself.
fn ok<T: Serialize>(result: HerderResult<T>) -> Result<Response, RestError> {
    Ok(json(StatusCode::OK, &result?))
}

pub(super) fn json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => raw_json(status, body.into()),
        Err(error) => RestError::internal(error.to_string()).response(),
    }
}

fn raw_json(status: StatusCode, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

/// The query parameters of a request, decoded, in order.
struct Query(Vec<(String, String)>);

impl Query {
    fn parse(text: &str) -> Self {
        Self(
            url::form_urlencoded::parse(text.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }
}
