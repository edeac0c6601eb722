//! Every key of Kafka's clients at its limits: what `golden/client_probes.tsv` says of it, and a client of
//! librdkafka that is made from what we give it.

use rdkafka::consumer::BaseConsumer;
use rdkafka::producer::BaseProducer;
use sluice_api::config::Props;
use sluice_kafka::client::config::librdkafka_config;
use sluice_kafka::client::keys::ClientKind;

const PROBES: &str = include_str!("golden/client_probes.tsv");

/// What Kafka's clients say when they are made, after their configuration class has taken the values.
const LATER: [&str; 5] = [
    "Heartbeat must be set lower than the session timeout",
    "delivery.timeout.ms should be equal to or larger than linger.ms + request.timeout.ms",
    "Invalid url in bootstrap.servers",
    // Groups and servers that are not there.
    "consumer queue not available",
    "Configuration 'bootstrap.servers' must not be empty",
];

/// Values that Kafka takes and that are refused here, since they could not be honoured.
fn is_refused_here(key: &str, value: &str) -> bool {
    match key {
        "partition.assignment.strategy" => true,
        // These need more keys than one.
        "security.protocol" => !value.eq_ignore_ascii_case("plaintext"),
        _ => false,
    }
}

fn make(kind: ClientKind, key: &str, value: &str) -> Result<(), String> {
    let servers = Props::from_iter([("bootstrap.servers".to_owned(), "127.0.0.1:1".to_owned())]);
    let mut own = Props::from_iter([(key.to_owned(), value.to_owned())]);
    match kind {
        ClientKind::Producer => {
            own.entry("enable.idempotence".to_owned())
                .or_insert_with(|| "false".to_owned());
        }
        ClientKind::Consumer => {
            own.entry("group.id".to_owned())
                .or_insert_with(|| "g".to_owned());
        }
        ClientKind::Admin => {}
    }
    let config = librdkafka_config(kind, &servers, &own).map_err(|error| error.to_string())?;
    let made = match kind {
        ClientKind::Consumer => config.create::<BaseConsumer>().map(drop),
        ClientKind::Producer | ClientKind::Admin => config.create::<BaseProducer>().map(drop),
    };
    made.map_err(|error| format!("librdkafka: {error}"))
}

#[test]
fn clients_take_and_refuse_what_kafkas_do() {
    let mut wrong = Vec::new();
    let mut probes = 0;
    for line in PROBES.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [client, key, value, kafka] = fields[..] else {
            panic!("{line:?} has not four fields");
        };
        let kind = match client {
            "producer" => ClientKind::Producer,
            "consumer" => ClientKind::Consumer,
            _ => ClientKind::Admin,
        };
        probes += 1;
        let made = make(kind, key, value);
        let right = match &made {
            Ok(()) => kafka == "ok",
            Err(refusal) if kafka == "ok" => {
                LATER.iter().any(|later| refusal.contains(later)) || is_refused_here(key, value)
            }
            Err(refusal) => refusal == kafka,
        };
        if !right {
            wrong.push(format!(
                "{client} {key}={value:?}\n  Kafka: {kafka}\n  here: {made:?}"
            ));
        }
    }
    assert!(probes > 2000, "{probes} probes");
    assert!(
        wrong.is_empty(),
        "{} of {probes}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn settings_that_only_librdkafka_relates_make_clients() {
    let int = i32::MAX.to_string();
    for (kind, settings) in [
        (
            ClientKind::Consumer,
            vec![("max.poll.interval.ms", "10000")],
        ),
        (
            ClientKind::Consumer,
            vec![
                ("fetch.max.bytes", &int),
                ("max.partition.fetch.bytes", &int),
            ],
        ),
        (
            ClientKind::Consumer,
            vec![("fetch.max.bytes", "1"), ("fetch.min.bytes", &int)],
        ),
        (
            ClientKind::Consumer,
            vec![("fetch.max.wait.ms", &int), ("request.timeout.ms", "1")],
        ),
        (
            ClientKind::Consumer,
            vec![("session.timeout.ms", &int), ("max.poll.interval.ms", "1")],
        ),
        (
            ClientKind::Consumer,
            vec![
                ("group.protocol", "Consumer"),
                ("max.poll.interval.ms", "1"),
            ],
        ),
        (ClientKind::Consumer, vec![("reconnect.backoff.ms", "5000")]),
        (
            ClientKind::Producer,
            vec![("retry.backoff.ms", "5000"), ("retry.backoff.max.ms", "10")],
        ),
        (
            ClientKind::Producer,
            vec![
                ("compression.type", "zstd"),
                ("compression.zstd.level", "-7"),
            ],
        ),
        (
            ClientKind::Producer,
            vec![("compression.type", "lz4"), ("compression.lz4.level", "17")],
        ),
        (
            ClientKind::Producer,
            vec![("linger.ms", "900000"), ("delivery.timeout.ms", "1000000")],
        ),
        (
            ClientKind::Producer,
            vec![
                ("enable.idempotence", "true"),
                ("transactional.id", "t"),
                ("transaction.timeout.ms", "500"),
                ("request.timeout.ms", "100000"),
            ],
        ),
    ] {
        let servers = [("bootstrap.servers", "127.0.0.1:1"), ("group.id", "g")];
        let given = servers[..if kind == ClientKind::Consumer { 2 } else { 1 }]
            .iter()
            .chain(&settings);
        let own: Props = given
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let config = librdkafka_config(kind, &Props::new(), &own).unwrap();
        let made = match kind {
            ClientKind::Consumer => config.create::<BaseConsumer>().map(drop),
            ClientKind::Producer | ClientKind::Admin => config.create::<BaseProducer>().map(drop),
        };
        assert_eq!(
            made.map_err(|error| error.to_string()),
            Ok(()),
            "{settings:?}"
        );
    }
}
