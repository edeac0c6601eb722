//! The converter against a server that gives prepared answers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use sluice_api::{Converter, ConverterType, ErrorKind, Props, Result, Value, schemas};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Answers requests, `METHOD PATH`, with a status and a body, and remembers them.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

type Answer = fn(&str) -> (u16, &'static str);

impl Server {
    async fn start(answer: Answer) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answer, Arc::clone(&seen)));
            }
        });
        Self { url, requests }
    }

    fn converter(&self, settings: &[(&str, &str)]) -> Box<dyn Converter> {
        converter(&self.url, settings)
    }

    fn asked(&self) -> Vec<String> {
        self.requests.lock().clone()
    }
}

fn converter(url: &str, settings: &[(&str, &str)]) -> Box<dyn Converter> {
    let mut props: Props = settings
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    props.insert("schema.registry.url".to_owned(), url.to_owned());
    props.insert("retries.wait.ms".to_owned(), "1".to_owned());
    let mut converter = (crate::avro::plugin().new)();
    converter.configure(&props, ConverterType::Value).unwrap();
    converter
}

async fn serve(stream: TcpStream, answer: Answer, seen: Arc<Mutex<Vec<String>>>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let request = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
        let mut length = 0;
        loop {
            let mut header = String::new();
            stream.read_line(&mut header).await.unwrap();
            let header = header.trim_end().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let (status, text) = answer(&request);
        seen.lock().push(request);
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n",
            text.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
    }
}

/// Writes as the loops of the worker do.
async fn write(converter: &dyn Converter, topic: &str, value: &Value) -> Result<Option<Vec<u8>>> {
    loop {
        let mut buffer = Vec::new();
        let result =
            converter.from_connect_data(topic, Some(&schemas::OPTIONAL_STRING), value, &mut buffer);
        match result {
            Err(error) if error.kind() == ErrorKind::NotReady => converter.ready().await,
            other => return Ok(other?.map(<[u8]>::to_vec)),
        }
    }
}

async fn read(converter: &dyn Converter, data: &'static [u8]) -> Result<Value> {
    loop {
        match converter.to_connect_data("t", Some(&Bytes::from_static(data))) {
            Err(error) if error.kind() == ErrorKind::NotReady => converter.ready().await,
            other => return Ok(other?.value),
        }
    }
}

const MESSAGE: &[u8] = &[0, 0, 0, 0, 7, 4, b'o', b'k'];

#[tokio::test]
async fn a_schema_is_registered_once_and_null_needs_none() {
    let server = Server::start(|_| (200, r#"{"id":7}"#)).await;
    let converter = server.converter(&[]);
    assert_eq!(write(&*converter, "t", &Value::Null).await.unwrap(), None);
    assert!(server.asked().is_empty());
    for _ in 0..3 {
        let written = write(&*converter, "t", &Value::from("ok")).await.unwrap();
        assert_eq!(written.unwrap(), [0, 0, 0, 0, 7, 2, 4, b'o', b'k']);
    }
    assert_eq!(server.asked(), ["POST /subjects/t-value/versions"]);
    write(&*converter, "other/topic", &Value::from("ok"))
        .await
        .unwrap();
    assert_eq!(
        server.asked()[1..],
        ["POST /subjects/other%2Ftopic-value/versions"]
    );
}

#[tokio::test]
async fn a_schema_is_fetched_once_with_its_version() {
    let server = Server::start(|request| match request {
        "GET /schemas/ids/7" => (200, r#"{"schema":"\"string\""}"#),
        _ => (200, r#"{"id":7,"version":3,"subject":"t-value"}"#),
    })
    .await;
    let converter = server.converter(&[]);
    for _ in 0..3 {
        assert_eq!(read(&*converter, MESSAGE).await.unwrap(), Value::from("ok"));
    }
    assert_eq!(
        server.asked(),
        ["GET /schemas/ids/7", "POST /subjects/t-value"]
    );
    let read = converter
        .to_connect_data("t", Some(&Bytes::from_static(MESSAGE)))
        .unwrap();
    assert_eq!(read.schema.unwrap().version(), Some(3));
}

#[tokio::test]
async fn a_schema_that_is_in_no_subject_has_no_version() {
    let server = Server::start(|request| match request {
        "GET /schemas/ids/7" => (200, r#"{"schema":"\"string\""}"#),
        _ => (404, r#"{"error_code":40401,"message":"Subject not found"}"#),
    })
    .await;
    let converter = server.converter(&[]);
    assert_eq!(read(&*converter, MESSAGE).await.unwrap(), Value::from("ok"));
}

#[tokio::test]
async fn an_unknown_id_is_asked_for_once_in_a_while_and_told() {
    let server = Server::start(|_| {
        (
            404,
            r#"{"error_code":40403,"message":"Schema 7 not found"}"#,
        )
    })
    .await;
    let converter = server.converter(&[]);
    for _ in 0..3 {
        let error = read(&*converter, MESSAGE).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data);
        assert_eq!(
            error.message(),
            "Failed to deserialize data for topic t to Avro:"
        );
        assert_eq!(
            error.root_cause().message(),
            format!(
                "Error retrieving schema 7: GET schemas/ids/7 at {}/: Schema 7 not found; status 404, error \
                 code: 40403",
                server.url
            )
        );
    }
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_refusal_names_the_subject_and_what_is_wrong() {
    let server =
        Server::start(|_| (409, r#"{"error_code":409,"message":"field x is gone"}"#)).await;
    let error = write(&*server.converter(&[]), "t", &Value::from("ok"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    let cause = error.root_cause().message();
    for part in [
        "\"t-value\"",
        "not compatible",
        "field x is gone",
        "error code: 409",
    ] {
        assert!(cause.contains(part), "{cause}");
    }
}

#[tokio::test]
async fn the_next_address_is_asked_and_errors_of_the_server_are_retried() {
    let server = Server::start(|_| (503, "busy")).await;
    let good = Server::start(|_| (200, r#"{"id":7}"#)).await;
    let both = converter(&format!("{},{}", server.url, good.url), &[]);
    for topic in ["a", "b"] {
        assert!(write(&*both, topic, &Value::from("ok")).await.is_ok());
    }
    // The address that answered stays the first.
    assert_eq!((server.asked().len(), good.asked().len()), (1, 2));

    let alone = server.converter(&[("max.retries", "2")]);
    let error = write(&*alone, "t", &Value::from("ok")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Retriable);
    assert_eq!(server.asked().len(), 1 + 3);

    let nobody = converter("http://127.0.0.1:1", &[("max.retries", "0")]);
    let error = write(&*nobody, "t", &Value::from("ok")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KafkaRetriable);
}

#[tokio::test]
async fn an_outage_is_over_when_it_is_over() {
    use std::sync::atomic::{AtomicBool, Ordering};
    static DOWN: AtomicBool = AtomicBool::new(true);
    let server = Server::start(|_| {
        if DOWN.load(Ordering::SeqCst) {
            (500, "")
        } else {
            (200, r#"{"id":7}"#)
        }
    })
    .await;
    let converter = server.converter(&[("max.retries", "0")]);
    assert!(write(&*converter, "t", &Value::from("ok")).await.is_err());
    DOWN.store(false, Ordering::SeqCst);
    let end = tokio::time::Instant::now() + Duration::from_secs(20);
    while write(&*converter, "t", &Value::from("ok")).await.is_err() {
        assert!(tokio::time::Instant::now() < end, "still failing");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn the_latest_version_is_written_with_if_the_data_fits_it() {
    let server = Server::start(|request| match request {
        "GET /subjects/t-value/versions/latest" => (
            200,
            r#"{"id":9,"version":2,"schema":"[\"null\",\"bytes\",\"string\"]"}"#,
        ),
        _ => (200, r#"{"id":8,"version":1,"schema":"\"int\""}"#),
    })
    .await;
    let latest = [
        ("auto.register.schemas", "false"),
        ("use.latest.version", "true"),
    ];
    let converter = server.converter(&latest);
    let written = write(&*converter, "t", &Value::from("ok")).await.unwrap();
    assert_eq!(written.unwrap(), [0, 0, 0, 0, 9, 4, 4, b'o', b'k']);
    let error = write(&*converter, "u", &Value::from("ok"))
        .await
        .unwrap_err();
    assert!(
        error
            .trace()
            .contains("Incompatible schema 8 of subject \"u-value\""),
        "{}",
        error.trace()
    );
}

#[tokio::test]
async fn references_are_resolved_and_other_formats_refused() {
    let server = Server::start(|request| match request {
        "GET /schemas/ids/7" => (
            200,
            concat!(
                r#"{"schema":"[\"null\",\"com.R\"]","#,
                r#""references":[{"name":"com.R","subject":"r-s","version":2}]}"#
            ),
        ),
        "GET /subjects/r-s/versions/2" => (
            200,
            r#"{"id":1,"schema":"{\"type\":\"enum\",\"name\":\"com.R\",\"symbols\":[\"A\",\"B\"]}"}"#,
        ),
        "GET /schemas/ids/7/versions" => (200, r#"[{"subject":"t-value","version":4}]"#),
        _ => (200, r#"{"schema":"{}","schemaType":"JSON"}"#),
    })
    .await;
    let converter = server.converter(&[]);
    assert_eq!(
        read(&*converter, &[0, 0, 0, 0, 7, 2, 2]).await.unwrap(),
        Value::from("B")
    );
    let error = read(&*converter, &[0, 0, 0, 0, 8, 2]).await.unwrap_err();
    assert!(
        error
            .trace()
            .contains("its schema is JSON, this converter reads Avro"),
        "{}",
        error.trace()
    );
}
