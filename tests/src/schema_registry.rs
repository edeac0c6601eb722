//! A small Schema Registry, written from the public description of the REST API: Confluent's own cannot be
//! had from the package registries.
//!
//! It keeps schemas in memory, gives equal ones the same id, knows versions and references, asks for
//! credentials if it was told some, and serves TLS if it was given a certificate. It does not look into
//! schemas: a subject is compatible with everything until a test freezes it, then with nothing new.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::certificates::Identity;

/// A registry on a port of its own; it ends with the test process.
#[derive(Debug, Clone)]
pub struct SchemaRegistry {
    url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Schemas by id - 1.
    schemas: Vec<Schema>,
    /// Ids of the versions of a subject.
    subjects: BTreeMap<String, Vec<usize>>,
    frozen: BTreeSet<String>,
    /// The header `Authorization` that is asked for.
    authorization: Option<String>,
    requests: Vec<String>,
}

/// A schema as it was registered.
#[derive(Debug, Clone)]
struct Schema {
    text: String,
    format: String,
    references: Value,
}

impl Schema {
    fn of(body: &Value) -> Self {
        Self {
            text: body["schema"].as_str().unwrap_or_default().to_owned(),
            format: body["schemaType"].as_str().unwrap_or("AVRO").to_owned(),
            references: match &body["references"] {
                Value::Null => json!([]),
                given => given.clone(),
            },
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        let json = |text: &str| serde_json::from_str::<Value>(text).ok();
        let same_text = self.text == other.text
            || (json(&self.text).is_some() && json(&self.text) == json(&other.text));
        same_text && self.format == other.format && self.references == other.references
    }

    fn answer(&self) -> Value {
        let mut answer = json!({ "schema": self.text });
        if self.format != "AVRO" {
            answer["schemaType"] = json!(self.format);
        }
        if self.references != json!([]) {
            answer["references"] = self.references.clone();
        }
        answer
    }
}

impl SchemaRegistry {
    /// Starts a registry; with a certificate it speaks TLS alone.
    ///
    /// # Errors
    /// When there is no free port, or the certificate cannot be used.
    pub fn start(identity: Option<&Identity>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let tls = identity.map(Identity::server_config).transpose()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let registry = Self {
            url: format!("{scheme}://127.0.0.1:{port}"),
            state: Arc::default(),
        };
        let state = Arc::clone(&registry.state);
        std::thread::Builder::new()
            .name("schema-registry".to_owned())
            .spawn(move || {
                for stream in listener.incoming().flatten() {
                    let (state, tls) = (Arc::clone(&state), tls.clone());
                    std::thread::spawn(move || {
                        // A client that leaves in the middle is no concern of the registry's.
                        let _ = serve(stream, tls, &state);
                    });
                }
            })?;
        Ok(registry)
    }

    /// The address, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for this value of the header `Authorization` from now on.
    pub fn demand(&self, authorization: &str) {
        self.state().authorization = Some(authorization.to_owned());
    }

    /// Refuses new versions of a subject from now on, as incompatible.
    pub fn freeze(&self, subject: &str) {
        self.state().frozen.insert(subject.to_owned());
    }

    /// The text of the latest version of a subject.
    ///
    /// # Errors
    /// When there is none.
    pub fn latest(&self, subject: &str) -> Result<String> {
        let state = self.state();
        let id = state.subjects.get(subject).and_then(|ids| ids.last());
        let id =
            id.with_context(|| format!("no subject {subject} but {:?}", state.subjects.keys()))?;
        Ok(state.schemas[*id - 1].text.clone())
    }

    /// Registers a schema, as a request would.
    ///
    /// # Errors
    /// When it is refused.
    pub fn register(&self, subject: &str, body: &Value) -> Result<i64> {
        let (status, answer) = self.state().register(subject, body);
        answer["id"]
            .as_i64()
            .with_context(|| format!("{status}: {answer}"))
    }

    /// The requests so far, `METHOD PATH`.
    pub fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }
}

fn serve(stream: TcpStream, tls: Option<Arc<ServerConfig>>, state: &Mutex<State>) -> Result<()> {
    match tls {
        Some(config) => {
            let connection = ServerConnection::new(config)?;
            answer_all(StreamOwned::new(connection, stream), state)
        }
        None => answer_all(stream, state),
    }
}

/// Answers the requests of a connection until it is closed.
fn answer_all(stream: impl Read + Write, state: &Mutex<State>) -> Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut words = line.split_whitespace();
        let method = words.next().unwrap_or_default().to_owned();
        let path = words.next().unwrap_or_default().to_owned();
        let (mut length, mut authorization) = (0, None);
        loop {
            let mut header = String::new();
            stream.read_line(&mut header)?;
            let Some((name, value)) = header.trim_end().split_once(':') else {
                break;
            };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse()?,
                "authorization" => authorization = Some(value.trim().to_owned()),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let (status, answer) = {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.requests.push(format!("{method} {path}"));
            if state.authorization.is_some() && state.authorization != authorization {
                (401, json!({ "error_code": 401, "message": "Unauthorized" }))
            } else {
                state.answer(&method, &path, &body)
            }
        };
        let answer = answer.to_string();
        write!(
            stream.get_mut(),
            "HTTP/1.1 {status} X\r\nContent-Type: application/vnd.schemaregistry.v1+json\r\nContent-Length: \
             {}\r\n\r\n{answer}",
            answer.len()
        )?;
        stream.get_mut().flush()?;
    }
}

fn refusal(status: u16, code: u32, message: &str) -> (u16, Value) {
    (status, json!({ "error_code": code, "message": message }))
}

impl State {
    fn answer(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let path = path.split('?').next().unwrap_or_default();
        let parts: Vec<String> = path.split('/').skip(1).map(unescaped).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match (method, parts.as_slice()) {
            ("GET", ["subjects"]) => {
                let subjects: Vec<&String> = self.subjects.keys().collect();
                (200, json!(subjects))
            }
            ("POST", ["subjects", subject, "versions"]) => self.register(subject, body),
            ("POST", ["subjects", subject]) => self.lookup(subject, body),
            ("GET", ["subjects", subject, "versions", version]) => self.version(subject, version),
            ("GET", ["schemas", "ids", id]) => match self.schema(id) {
                Some(schema) => (200, schema.answer()),
                None => refusal(404, 40403, &format!("Schema {id} not found")),
            },
            ("GET", ["schemas", "ids", id, "versions"]) => {
                let uses: Vec<Value> = self
                    .subjects
                    .iter()
                    .flat_map(|(subject, ids)| {
                        ids.iter()
                            .enumerate()
                            .filter(|(_, own)| own.to_string() == *id)
                            .map(move |(index, _)| json!({ "subject": subject, "version": index + 1 }))
                    })
                    .collect();
                (200, json!(uses))
            }
            _ => refusal(404, 404, "HTTP 404 Not Found"),
        }
    }

    fn schema(&self, id: &str) -> Option<&Schema> {
        let id: usize = id.parse().ok()?;
        self.schemas.get(id.checked_sub(1)?)
    }

    fn register(&mut self, subject: &str, body: &Value) -> (u16, Value) {
        let schema = Schema::of(body);
        let known = self.schemas.iter().position(|own| own.is_same(&schema));
        let ids = self.subjects.entry(subject.to_owned()).or_default();
        if let Some(id) = known.map(|index| index + 1)
            && ids.contains(&id)
        {
            return (200, json!({ "id": id }));
        }
        if self.frozen.contains(subject) {
            return refusal(
                409,
                409,
                &format!(
                    "Schema being registered is incompatible with an earlier schema for subject \"{subject}\""
                ),
            );
        }
        let id = match known {
            Some(index) => index + 1,
            None => {
                self.schemas.push(schema);
                self.schemas.len()
            }
        };
        ids.push(id);
        (200, json!({ "id": id }))
    }

    fn lookup(&self, subject: &str, body: &Value) -> (u16, Value) {
        let Some(ids) = self.subjects.get(subject) else {
            return refusal(404, 40401, &format!("Subject '{subject}' not found."));
        };
        let schema = Schema::of(body);
        let found = ids
            .iter()
            .position(|id| self.schemas[*id - 1].is_same(&schema));
        match found {
            Some(index) => self.version(subject, &(index + 1).to_string()),
            None => refusal(404, 40403, "Schema not found"),
        }
    }

    fn version(&self, subject: &str, version: &str) -> (u16, Value) {
        let Some(ids) = self.subjects.get(subject) else {
            return refusal(404, 40401, &format!("Subject '{subject}' not found."));
        };
        let number = match version {
            "latest" => ids.len(),
            number => number.parse().unwrap_or_default(),
        };
        let id = number.checked_sub(1).and_then(|index| ids.get(index));
        let Some(id) = id else {
            return refusal(404, 40402, &format!("Version {version} not found."));
        };
        let mut answer = self.schemas[*id - 1].answer();
        answer["subject"] = json!(subject);
        answer["version"] = json!(number);
        answer["id"] = json!(id);
        (200, answer)
    }
}

/// A part of a path without `%XX`.
fn unescaped(part: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = part.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let code = more
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (first, code) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &more[2..];
            }
            _ => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
