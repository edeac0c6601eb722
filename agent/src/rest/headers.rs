//! Headers that configuration adds to replies: CORS and `response.http.headers.config`.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use regex::Regex;

/// Cross-origin replies, when `access.control.allow.origin` is not blank.
#[derive(Debug, Clone)]
pub(super) struct Cors {
    any: bool,
    origins: Vec<Regex>,
    methods: String,
}

impl Cors {
    /// `origins`: comma-separated regular expressions, `*` for any. `methods`: empty for GET, POST, HEAD.
    pub(super) fn new(origins: &str, methods: &str) -> Result<Option<Self>, String> {
        if origins.trim().is_empty() {
            return Ok(None);
        }
        let mut cors = Self {
            any: false,
            origins: Vec::new(),
            methods: "GET,HEAD,POST".to_owned(),
        };
        for origin in origins
            .split(',')
            .map(str::trim)
            .filter(|origin| !origin.is_empty())
        {
            if origin == "*" {
                cors.any = true;
            } else {
                cors.origins
                    .push(Regex::new(&format!("^(?:{origin})$")).map_err(|error| {
                    format!(
                        "access.control.allow.origin: {origin} is no regular expression: {error}"
                    )
                })?);
            }
        }
        if !methods.trim().is_empty() {
            cors.methods = methods
                .split(',')
                .map(str::trim)
                .collect::<Vec<_>>()
                .join(",");
        }
        Ok(Some(cors))
    }

    /// Adds the headers to a reply; a preflight becomes a success.
    pub(super) fn apply(
        &self,
        method: &Method,
        origin: Option<&HeaderValue>,
        preflight: Option<&HeaderValue>,
        response: &mut Response,
    ) {
        response
            .headers_mut()
            .append(header::VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = origin else { return };
        let allowed = self.any
            || origin
                .to_str()
                .is_ok_and(|origin| self.origins.iter().any(|one| one.is_match(origin)));
        if !allowed {
            return;
        }
        response
            .headers_mut()
            .insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if method == Method::OPTIONS && preflight.is_some() {
            *response.status_mut() = StatusCode::OK;
            let headers = response.headers_mut();
            if let Ok(methods) = HeaderValue::from_str(&self.methods) {
                headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
            }
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                HeaderValue::from_static("Content-Type"),
            );
            headers.insert(
                header::ACCESS_CONTROL_MAX_AGE,
                HeaderValue::from_static("60"),
            );
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Set,
    Add,
    SetDate,
    AddDate,
}

/// The headers of `response.http.headers.config`.
#[derive(Debug, Clone, Default)]
pub(super) struct ExtraHeaders(Vec<(Action, HeaderName, HeaderValue)>);

impl ExtraHeaders {
    /// Parses `action Name:value, ...`; an element with a comma stands in double quotes.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut headers = Vec::new();
        for element in split_quoted(text) {
            let fault = |why: &str| format!("response.http.headers.config: \"{element}\" {why}");
            let (head, value) = element
                .split_once(':')
                .ok_or_else(|| fault("has no colon between name and value"))?;
            let (action, name) = head
                .trim()
                .split_once(' ')
                .ok_or_else(|| fault("is not of the form 'action Name:value'"))?;
            let action = match action.to_ascii_lowercase().as_str() {
                "set" => Action::Set,
                "add" => Action::Add,
                "setdate" => Action::SetDate,
                "adddate" => Action::AddDate,
                _ => return Err(fault("does not start with set, add, setDate or addDate")),
            };
            let name =
                HeaderName::try_from(name.trim()).map_err(|_| fault("has a malformed name"))?;
            let mut value = value.trim().to_owned();
            if matches!(action, Action::SetDate | Action::AddDate) {
                let millis = value
                    .parse()
                    .map_err(|_| fault("needs a date in milliseconds"))?;
                value = chrono::DateTime::from_timestamp_millis(millis)
                    .ok_or_else(|| fault("has a date out of range"))?
                    .format("%a, %d %b %Y %H:%M:%S GMT")
                    .to_string();
            }
            let value = HeaderValue::try_from(value).map_err(|_| fault("has a malformed value"))?;
            headers.push((action, name, value));
        }
        Ok(Self(headers))
    }

    /// Adds them to a reply.
    pub(super) fn apply(&self, reply: &mut HeaderMap) {
        for (action, name, value) in &self.0 {
            match action {
                Action::Set | Action::SetDate => {
                    reply.insert(name, value.clone());
                }
                Action::Add | Action::AddDate => {
                    reply.append(name, value.clone());
                }
            }
        }
    }
}

fn split_quoted(text: &str) -> Vec<String> {
    let (mut elements, mut current, mut quoted) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => elements.push(std::mem::take(&mut current)),
            other => current.push(other),
        }
    }
    elements.push(current);
    elements
        .iter()
        .map(|one| one.trim().to_owned())
        .filter(|one| !one.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    #[test]
    fn configured_headers_are_parsed_with_quotes_and_applied() {
        let extra =
            ExtraHeaders::parse("add X-A: 1, \"set Cache-Control: no-cache, no-store\"").unwrap();
        let mut headers = HeaderMap::new();
        extra.apply(&mut headers);
        assert_eq!(headers["x-a"], "1");
        assert_eq!(headers["cache-control"], "no-cache, no-store");
        assert!(
            ExtraHeaders::parse("put X:1")
                .unwrap_err()
                .contains("put X:1")
        );
    }

    #[test]
    fn an_allowed_origin_is_echoed_and_another_is_not() {
        let cors = Cors::new("https?://good\\.example", "").unwrap().unwrap();
        let apply = |origin: &'static str| {
            let mut response = Response::new(Body::empty());
            let origin = HeaderValue::from_static(origin);
            cors.apply(&Method::GET, Some(&origin), None, &mut response);
            response
        };
        assert!(
            apply("http://good.example")
                .headers()
                .contains_key("access-control-allow-origin")
        );
        let refused = apply("http://evil.example");
        assert!(
            !refused
                .headers()
                .contains_key("access-control-allow-origin")
        );
        assert_eq!(refused.headers()["vary"], "Origin");
    }
}
