use sluice_api::{ConnectRecord, MapValue, Props, Value};
use sluice_toolkit::requests::Target as _;

use crate::config::Statuses;
use crate::target::Http;
use crate::template::Template;

fn fault(pairs: &[(&str, &str)]) -> Option<String> {
    // As the agent does when it starts.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut props: Props = [("http.api.url", "http://localhost/${topic}")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into_iter()
        .collect();
    let pairs = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    props.extend(pairs);
    let def = Http::config_def();
    if let Err(fault) = def.refuse_unknown(&props, Http::KEYS) {
        return Some(fault.message);
    }
    match def.parse(&props) {
        Err(fault) => Some(fault.to_string()),
        Ok(parsed) => Http::new(&parsed, &props).err().map(|fault| fault.message),
    }
}

#[test]
fn keys_are_checked_by_name() {
    assert_eq!(fault(&[]), None);
    let taken = [
        (
            "header.converter",
            "org.apache.kafka.connect.storage.StringConverter",
        ),
        ("reporter.bootstrap.servers", "localhost:9092"),
        ("reporter.error.topic.name", "errors"),
        ("confluent.topic.bootstrap.servers", "localhost:9092"),
        ("headers", "A:b|C: d:e"),
        ("request.method", "put"),
        ("auth.type", "basic"),
        ("connection.user", "u"),
        ("connection.password", "p"),
    ];
    assert_eq!(fault(&taken), None);
    for (key, value) in [
        ("http.api.url", "ftp://localhost"),
        ("http.api.url", "nothing"),
        ("request.method", "GET"),
        ("headers", "no colon"),
        ("auth.type", "BASIC"),
        ("auth.type", "OAUTH2"),
        ("retry.on.status.codes", "400-x"),
        ("regex.patterns", "("),
        ("regex.patterns", "a~b"),
        ("http.proxy.host", "proxy"),
        ("ssl.truststore.location", "/t.jks"),
        ("https.ssl.truststore.location", "/t.jks"),
    ] {
        let fault = fault(&[(key, value)]).unwrap_or_else(|| panic!("{key}={value} is taken"));
        let named = match key {
            "auth.type" if value == "BASIC" => "connection.user",
            "auth.type" => "oauth2.token.url",
            "regex.patterns" if value == "a~b" => "regex.replacements",
            key => key,
        };
        assert!(fault.contains(named), "{fault}");
    }
    let secret = fault(&[("headers", "Authorization: Bearer geheim\u{1}x")]).unwrap();
    assert!(!secret.contains("geheim"), "{secret}");
}

#[test]
fn statuses_are_numbers_and_ranges() {
    let statuses = Statuses::parse("408, 429,500-502 ,600-").unwrap();
    for (status, contained) in [
        (408, true),
        (409, false),
        (500, true),
        (502, true),
        (503, false),
        (650, true),
    ] {
        assert_eq!(statuses.contain(status), contained, "{status}");
    }
    assert!(!Statuses::parse("").unwrap().contain(500));
}

#[test]
fn parts_of_records_are_encoded_where_they_stand_in_a_url() {
    let mut record = ConnectRecord {
        topic: "or ders".into(),
        ..ConnectRecord::default()
    };
    record.key = Value::Map(
        [(Value::from("id"), Value::from("a/b?c"))]
            .into_iter()
            .collect::<MapValue>(),
    );
    record.value = Value::Map(
        [(Value::from("n"), Value::from(5))]
            .into_iter()
            .collect::<MapValue>(),
    );
    let filled = |text| Template::parse(text).fill(&record);
    assert_eq!(
        filled("http://h/${topic}/${id}?n=${n}").unwrap(),
        "http://h/or%20ders/a%2Fb%3Fc?n=5"
    );
    assert!(
        filled("http://h/${nope}")
            .unwrap_err()
            .message()
            .contains("nope")
    );
    assert!(Template::parse("http://h/${unfinished").is_constant());
    record.key = Value::Null;
    assert!(Template::parse("${key}").fill(&record).is_err());
}

#[test]
fn a_host_that_records_make_up_is_not_among_those_that_were_allowed() {
    let hosts = ["a.example.com", "*.web.example.com"].map(str::to_owned);
    let reach = sluice_api::Reach::new(&[], &hosts).unwrap();
    let refused = |url: &str| {
        let props = Props::from([("http.api.url".to_owned(), url.to_owned())]);
        !Http::config_def().out_of_reach(&props, &reach).is_empty()
    };
    for url in [
        "http://a.example.com/${topic}",
        "http://a.example.com/${key}?q=${id}",
        "https://b.web.example.com",
    ] {
        assert!(!refused(url), "{url}");
    }
    for url in [
        "http://${key}/",
        "http://${key}.web.example.com/",
        "http://a.example.com${key}/",
        "http://a.example.com:${key}/",
        "http://a.example.com@${key}/",
        "http://169.254.169.254/",
    ] {
        assert!(refused(url), "{url}");
    }
}
