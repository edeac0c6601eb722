//! Requests passed on to the worker that can answer them.

use axum::http::{HeaderMap, Method, StatusCode, header};
use bytes::Bytes;
use sluice_api::causes::with_causes;
use sluice_protocol::rest::ErrorMessage;

use super::answer::RestError;
use crate::herder::HerderError;

/// A request as it is passed on.
pub(super) struct Forward<'a> {
    pub(super) method: &'a Method,
    /// Path as received, with its leading slash and still percent-encoded.
    pub(super) path: &'a str,
    /// Query parameters that are carried over, such as `includeTasks=true`.
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) headers: &'a HeaderMap,
    pub(super) body: Bytes,
    /// The `forward` parameter of the request.
    pub(super) hop: Option<bool>,
}

/// Sends the request to `url` and returns status and body of a success.
///
/// At most two hops: any worker to the leader, the leader to the owner.
pub(super) async fn forward(
    client: &reqwest::Client,
    url: Option<String>,
    request: Forward<'_>,
) -> Result<(StatusCode, Bytes), RestError> {
    let next_hop = match request.hop {
        None => "true",
        Some(true) => "false",
        Some(false) => return Err(HerderError::rebalance_conflict().into()),
    };
    let url = url
        .filter(|url| !url.is_empty())
        .ok_or_else(HerderError::no_leader)?;
    let target = format!("{}{}", url.trim_end_matches('/'), request.path);
    let mut outgoing = client
        .request(request.method.clone(), &target)
        .query(&[("forward", next_hop)])
        .query(request.query)
        .header(header::ACCEPT, "application/json");
    if let Some(authorization) = request.headers.get(header::AUTHORIZATION) {
        outgoing = outgoing.header(header::AUTHORIZATION, authorization);
    }
    if !request.body.is_empty() {
        outgoing = outgoing
            .header(header::CONTENT_TYPE, "application/json")
            .body(request.body);
    }
    tracing::debug!(%target, "forwarding a request");
    let io_error = |error: reqwest::Error| {
        RestError::internal(format!(
            "IO Error trying to forward REST request: {}",
            with_causes(&error.without_url())
        ))
    };
    let reply = outgoing.send().await.map_err(io_error)?;
    let status = reply.status();
    let body = reply.bytes().await.map_err(io_error)?;
    if status.is_success() {
        return Ok((status, body));
    }
    if status.as_u16() >= 400 {
        let error: ErrorMessage = serde_json::from_slice(&body).map_err(|error| {
            RestError::internal(format!("IO Error trying to forward REST request: {error}"))
        })?;
        return Err(RestError::new(status, error.message.unwrap_or_default()));
    }
    Err(RestError::internal(format!(
        "Unexpected status code when handling forwarded request: {}",
        status.as_u16()
    )))
}
