//! The HTTP sink with Confluent's keys.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use sluice_tests::http_server::{Answer, HttpServer, TOKEN};
use sluice_tests::topics::{consume_all, create_topic, produce};
use sluice_tests::wait::{seconds, wait_for};

use crate::context::{Cluster, Context, Needs, Test, merge};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "http_confluent::records_go_where_their_key_and_topic_say",
        needs: Needs::EMBEDDED,
        run: urls,
    },
    Test {
        name: "http_confluent::neighbours_share_a_request_and_text_is_replaced",
        needs: Needs::EMBEDDED,
        run: batches,
    },
    Test {
        name: "http_confluent::clients_have_a_token_of_their_own",
        needs: Needs::EMBEDDED,
        run: token,
    },
    Test {
        name: "http_confluent::refused_records_are_passed_over_or_reported",
        needs: Needs::EMBEDDED,
        run: errors,
    },
];

type Entry<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// Creates a sink of a topic with these records, and waits until the server has answered this many requests;
/// gives method, path and body of each.
fn requests(
    cluster: &Cluster<'_>,
    server: &HttpServer,
    name: &str,
    records: &[Entry<'_>],
    more: &Value,
    count: usize,
) -> Result<Vec<(String, String)>> {
    let topic = format!("{}-{name}", cluster.name);
    create_topic(&cluster.bootstrap, &topic, 1)?;
    produce(&cluster.bootstrap, &topic, records.iter().copied())?;
    let workers = cluster.start(1)?;
    let mut config = json!({
        "connector.class": "io.confluent.connect.http.HttpSinkConnector",
        "tasks.max": "1",
        "topics": topic,
        "http.api.url": server.url(),
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
        "max.retries": "1",
        "retry.backoff.ms": "50",
        "reporter.bootstrap.servers": "localhost:1",
        "confluent.topic.bootstrap.servers": "localhost:1",
    });
    merge(&mut config, more);
    workers[0].rest().create(&topic, &config, 1)?;
    wait_for(&format!("{count} requests"), seconds(60), || {
        let posts = server.posts();
        ensure!(posts.len() >= count, "{posts:#?}");
        Ok(Some(()))
    })?;
    // What would come too much comes before the offsets are committed.
    wait_for("the last offset", seconds(60), || {
        let offsets = workers[0].rest().offsets(&topic)?;
        ensure!(
            offsets
                .iter()
                .any(|entry| entry["offset"]["kafka_offset"] == records.len()),
            "{offsets:?}"
        );
        Ok(Some(()))
    })?;
    let posts = server.posts();
    ensure!(posts.len() == count, "{posts:#?}");
    Ok(posts
        .into_iter()
        .map(|post| (post.line, post.body))
        .collect())
}

fn urls(context: &Context) -> Result<()> {
    let server = HttpServer::start()?;
    let cluster = context.cluster("confluent-urls")?;
    let records: [Entry<'_>; 4] = [
        (Some(b"a/1"), Some(b"one")),
        (Some(b"b"), Some(b"two")),
        (Some(b"b"), None),
        (Some(b"b"), Some(b"three")),
    ];
    let more = json!({
        "http.api.url": format!("{}/${{topic}}?id=${{key}}", server.url()),
        "request.method": "PUT",
        "batch.max.size": "10",
        "behavior.on.null.values": "delete",
    });
    let found = requests(&cluster, &server, "t", &records, &more, 4)?;
    let topic = format!("{}-t", cluster.name);
    let expected = [
        ("PUT", "a%2F1", "one"),
        ("PUT", "b", "two"),
        ("DELETE", "b", ""),
        ("PUT", "b", "three"),
    ]
    .map(|(method, key, body)| {
        (
            format!("{method} /records/{topic}?id={key}"),
            body.to_owned(),
        )
    });
    ensure!(found == expected, "{found:#?}");
    Ok(())
}

fn batches(context: &Context) -> Result<()> {
    let server = HttpServer::start()?;
    let cluster = context.cluster("confluent-batches")?;
    let records: [Entry<'_>; 4] = [
        (Some(b"a"), Some(br#"{"n":1,"card":"1234"}"#)),
        (Some(b"a"), Some(br#"{"n":2,"card":"5678"}"#)),
        (Some(b"b"), Some(br#"{"n":3}"#)),
        (Some(b"b"), None),
    ];
    let more = json!({
        "request.body.format": "json",
        "batch.max.size": "10",
        "batch.json.as.array": "true",
        "batch.key.pattern": "${key}",
        "headers": "X-Team:shop|X-Zone: a:b",
        "auth.type": "BASIC",
        "connection.user": "user",
        "connection.password": "geheim",
        "regex.patterns": "\"(\\d{2})\\d+\"",
        "regex.replacements": "\"$1xx\"",
    });
    let found = requests(&cluster, &server, "t", &records, &more, 2)?;
    let line = "POST /records".to_owned();
    let expected = [
        (
            line.clone(),
            r#"[{"n":1,"card":"12xx"},{"n":2,"card":"56xx"}]"#.to_owned(),
        ),
        (line, r#"[{"n":3}]"#.to_owned()),
    ];
    ensure!(found == expected, "{found:#?}");
    for post in server.posts() {
        for (name, value) in [
            ("authorization", "Basic dXNlcjpnZWhlaW0="),
            ("content-type", "application/json"),
            ("x-team", "shop"),
            ("x-zone", "a:b"),
        ] {
            ensure!(
                post.headers.get(name).is_some_and(|header| header == value),
                "{name}: {post:?}"
            );
        }
    }
    Ok(())
}

fn token(context: &Context) -> Result<()> {
    let server = HttpServer::start()?;
    let cluster = context.cluster("confluent-token")?;
    let records: [Entry<'_>; 2] = [(None, Some(b"one")), (None, Some(b"two"))];
    let more = json!({
        "auth.type": "OAUTH2",
        "oauth2.token.url": format!("{}/token", server.url()),
        "oauth2.client.id": "id",
        "oauth2.client.secret": "geheim",
    });
    let found = requests(&cluster, &server, "t", &records, &more, 3)?;
    let form = "grant_type=client_credentials&scope=any".to_owned();
    ensure!(
        found[0] == ("POST /records/token".to_owned(), form),
        "{found:#?}"
    );
    for post in server.posts().iter().skip(1) {
        let bearer = format!("Bearer {TOKEN}");
        ensure!(
            post.headers
                .get("authorization")
                .is_some_and(|header| *header == bearer),
            "{post:?}"
        );
    }
    Ok(())
}

fn errors(context: &Context) -> Result<()> {
    let server = HttpServer::start()?;
    let cluster = context.cluster("confluent-errors")?;
    server.answer(Answer::RefuseIf(422, "bad"));
    let records: [Entry<'_>; 3] = [
        (None, Some(b"one")),
        (None, Some(b"bad")),
        (None, Some(b"two")),
    ];
    let more = json!({"behavior.on.error": "log", "retry.on.status.codes": "500-"});
    requests(&cluster, &server, "log", &records, &more, 3)?;
    ensure!(
        server.accepted() == ["one", "two"],
        "{:?}",
        server.accepted()
    );

    // The record of before, once more and with one more attempt, since 422 is among the codes.
    let letters = format!("{}-dead", cluster.name);
    create_topic(&cluster.bootstrap, &letters, 1)?;
    let more = json!({
        "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": letters,
        "errors.deadletterqueue.topic.replication.factor": "1",
    });
    requests(&cluster, &server, "report", &records, &more, 7)?;
    let dead = consume_all(&cluster.bootstrap, &letters)?;
    let values: Vec<_> = dead.iter().map(|record| record.value.as_deref()).collect();
    ensure!(values == [Some(&b"bad"[..])], "{dead:?}");
    Ok(())
}
