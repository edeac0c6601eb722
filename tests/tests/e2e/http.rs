//! The HTTP sink against a real server that refuses, hangs, goes and comes back.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sluice_tests::certificates::{Authority, write_pem};
use sluice_tests::http_server::{Answer, HttpServer};
use sluice_tests::ports::free_port;
use sluice_tests::servers::tests_folder;
use sluice_tests::topics::{consume_all, create_topic, produce};
use sluice_tests::wait::{seconds, wait_for, wait_until};
use sluice_tests::worker::Worker;

use crate::context::{Cluster, Context, Needs, Test, merge, tested_kind};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "http::batches_arrive_complete_and_in_order_with_their_headers",
        needs: Needs::EMBEDDED,
        run: batches,
    },
    Test {
        name: "http::refusals_that_pass_cost_nothing_and_repeat_nothing",
        needs: Needs::EMBEDDED,
        run: outage,
    },
    Test {
        name: "http::a_poison_record_becomes_a_dead_letter_and_the_rest_arrives",
        needs: Needs::EMBEDDED,
        run: poison,
    },
    Test {
        name: "http::whatever_is_said_of_one_record_is_its_own_fault_and_retry_after_is_kept",
        needs: Needs::EMBEDDED,
        run: refused,
    },
    Test {
        name: "http::a_poison_record_fails_the_task_when_no_error_is_tolerated",
        needs: Needs::EMBEDDED,
        run: intolerant,
    },
    Test {
        name: "http::a_server_that_hangs_or_is_gone_is_waited_for",
        needs: Needs::EMBEDDED,
        run: gone,
    },
    Test {
        name: "http::a_killed_agent_loses_nothing",
        needs: Needs::EMBEDDED,
        run: killed,
    },
    Test {
        name: "http::structs_are_sent_as_json",
        needs: Needs::EMBEDDED,
        run: structs,
    },
    Test {
        name: "http::faults_say_where_and_what_to_do_and_never_the_secret",
        needs: Needs::EMBEDDED,
        run: faults,
    },
    Test {
        name: "http::records_go_by_tls_and_to_no_stranger",
        needs: Needs::EMBEDDED,
        run: tls,
    },
    Test {
        name: "http::the_configuration_of_the_page_runs",
        needs: Needs::EMBEDDED,
        run: page,
    },
];

const CLASS: &str = "io.aiven.kafka.connect.http.HttpSinkConnector";
const SECRET: &str = "Bearer open-sesame-4715";

/// A sink that sends JSON arrays of up to 100 records, and does not give up soon.
fn config(server: &HttpServer, topic: &str, more: &Value) -> Value {
    let mut config = json!({
        "connector.class": CLASS,
        "tasks.max": "1",
        "topics": topic,
        "http.url": server.url(),
        "http.authorization.type": "static",
        "http.headers.authorization": SECRET,
        "http.headers.content.type": "application/json",
        "batching.enabled": "true",
        "batch.max.size": "100",
        "batch.prefix": "[",
        "batch.separator": ",",
        "batch.suffix": "]",
        "max.retries": "1000",
        "retry.backoff.ms": "200",
        "http.timeout": "5",
        "consumer.override.session.timeout.ms": "6000",
        "consumer.override.heartbeat.interval.ms": "500",
    });
    merge(&mut config, more);
    config
}

/// A topic of one partition.
fn topic(cluster: &Cluster<'_>) -> Result<String> {
    let topic = format!("{}-in", cluster.name);
    create_topic(&cluster.bootstrap, &topic, 1)?;
    Ok(topic)
}

/// Writes the numbers as JSON.
fn write(cluster: &Cluster<'_>, topic: &str, numbers: std::ops::Range<u32>) -> Result<()> {
    let values: Vec<String> = numbers.map(|n| n.to_string()).collect();
    let values = values.iter().map(|value| (None, Some(value.as_bytes())));
    produce(&cluster.bootstrap, topic, values)
}

/// The numbers that the server has accepted, in order.
fn numbers(server: &HttpServer) -> Result<Vec<u32>> {
    let mut all = Vec::new();
    for body in server.accepted() {
        let batch: Vec<u32> =
            serde_json::from_str(&body).with_context(|| format!("not an array: {body}"))?;
        ensure!(batch.len() <= 100, "{} records at once", batch.len());
        all.extend(batch);
    }
    Ok(all)
}

fn wait_numbers(server: &HttpServer, expected: &[u32]) -> Result<()> {
    wait_for("all records to arrive", seconds(60), || {
        let found = numbers(server)?;
        ensure!(found.len() >= expected.len(), "{} records", found.len());
        Ok(Some(()))
    })?;
    ensure!(numbers(server)? == expected, "not in order or repeated");
    Ok(())
}

fn wait_posts(server: &HttpServer, more: usize) -> Result<()> {
    let before = server.posts().len();
    wait_until("more requests", seconds(30), || {
        Ok(server.posts().len() >= before + more)
    })
}

fn batches(context: &Context) -> Result<()> {
    let server = HttpServer::start()?;
    let cluster = context.cluster("http-batches")?;
    let workers = cluster.start(1)?;
    let topic = topic(&cluster)?;
    write(&cluster, &topic, 0..1000)?;
    let more = json!({"http.headers.additional": "X-Team:shop, X-Zone: a:b"});
    workers[0]
        .rest()
        .create(&cluster.name, &config(&server, &topic, &more), 1)?;
    wait_numbers(&server, &Vec::from_iter(0..1000))?;
    let posts = server.posts();
    ensure!(posts.len() < 100, "{} requests", posts.len());
    for post in posts {
        for (name, value) in [
            ("authorization", SECRET),
            ("content-type", "application/json"),
            ("x-team", "shop"),
            ("x-zone", "a:b"),
        ] {
            let found = post.headers.get(name).map(|value| value.as_bytes());
            ensure!(found == Some(value.as_bytes()), "{name}: {found:?}");
        }
    }
    // Without batching a request is a record, as it is.
    let server = HttpServer::start()?;
    let topic = format!("{topic}-single");
    create_topic(&cluster.bootstrap, &topic, 1)?;
    write(&cluster, &topic, 7..10)?;
    let single = config(&server, &topic, &json!({"batching.enabled": "false"}));
    workers[0]
        .rest()
        .create(&format!("{}-single", cluster.name), &single, 1)?;
    wait_for("three requests", seconds(30), || {
        let accepted = server.accepted();
        ensure!(accepted == ["7", "8", "9"], "{accepted:?}");
        Ok(Some(()))
    })
}

fn outage(context: &Context) -> Result<()> {
    let server = HttpServer::start()?;
    let cluster = context.cluster("http-outage")?;
    let mut workers = cluster.start(1)?;
    let topic = topic(&cluster)?;
    server.answer(Answer::Refuse(503));
    workers[0]
        .rest()
        .create(&cluster.name, &config(&server, &topic, &json!({})), 1)?;
    write(&cluster, &topic, 0..500)?;
    wait_posts(&server, 3)?;
    server.answer(Answer::Refuse(429));
    wait_posts(&server, 3)?;
    // From the third batch on it is refused again: the first two are not sent twice.
    server.answer(Answer::RefuseIf(500, "[200,"));
    wait_until("the third batch to be refused", seconds(30), || {
        let posts = server.posts();
        let refused = posts
            .iter()
            .filter(|post| post.body.starts_with("[200,") && !post.accepted);
        Ok(refused.count() >= 2)
    })?;
    server.answer(Answer::Accept);
    wait_numbers(&server, &Vec::from_iter(0..500))?;
    workers[0]
        .rest()
        .wait_running(&cluster.name, 1, seconds(10))?;
    let log = workers[0].process().output();
    ensure!(
        log.contains("503") && !log.contains("open-sesame"),
        "no word of the outage, or the secret, in the log"
    );
    Ok(())
}

fn poison(context: &Context) -> Result<()> {
    let server = HttpServer::start()?;
    let cluster = context.cluster("http-poison")?;
    let workers = cluster.start(1)?;
    let topic = topic(&cluster)?;
    let dead = format!("{topic}-dead");
    server.answer(Answer::RefuseIf(400, "777"));
    let more = json!({
        "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": dead,
        "errors.deadletterqueue.topic.replication.factor": "1",
        "errors.deadletterqueue.context.headers.enable": "true",
    });
    write(&cluster, &topic, 0..1000)?;
    // A null value is no JSON either.
    produce(&cluster.bootstrap, &topic, [(None, None)])?;
    write(&cluster, &topic, 1000..1010)?;
    workers[0]
        .rest()
        .create(&cluster.name, &config(&server, &topic, &more), 1)?;
    let expected: Vec<u32> = (0..1010).filter(|number| *number != 777).collect();
    wait_numbers(&server, &expected)?;
    let letters = wait_for("two dead letters", seconds(30), || {
        let letters = consume_all(&cluster.bootstrap, &dead)?;
        ensure!(letters.len() == 2, "{} dead letters", letters.len());
        Ok(Some(letters))
    })?;
    assert_eq!(letters[0].value.as_deref(), Some(b"777".as_slice()));
    assert_eq!(letters[1].value, None);
    let header = |letter: usize, name: &str| -> Result<String> {
        let headers = &letters[letter].headers;
        let found = headers.iter().find(|(key, _)| key == name);
        let value = found.and_then(|(_, value)| value.clone());
        let value = value.with_context(|| format!("no {name} in {headers:?}"))?;
        Ok(String::from_utf8(value)?)
    };
    assert_eq!(header(0, "__connect.errors.topic")?, topic);
    assert_eq!(header(0, "__connect.errors.offset")?, "777");
    let why = header(0, "__connect.errors.exception.message")?;
    ensure!(
        why.contains(&server.url()) && why.contains("400") && !why.contains("open-sesame"),
        "{why}"
    );
    ensure!(header(1, "__connect.errors.exception.message")?.contains("null"));
    Ok(())
}

fn refused(context: &Context) -> Result<()> {
    const REFUSED: &[(u16, &str)] = &[
        (500, "100"),
        (404, "111"),
        (403, "122"),
        (401, "133"),
        (405, "144"),
        (410, "155"),
        (307, "166"),
        (429, "199"),
    ];
    let server = HttpServer::start()?;
    let cluster = context.cluster("http-refused")?;
    let workers = cluster.start(1)?;
    let topic = topic(&cluster)?;
    let dead = format!("{topic}-dead");
    server.answer(Answer::RefuseEach(REFUSED));
    write(&cluster, &topic, 100..200)?;
    let more = json!({
        "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": dead,
        "errors.deadletterqueue.topic.replication.factor": "1",
        "max.retries": "1",
    });
    let rest = workers[0].rest();
    rest.create(&cluster.name, &config(&server, &topic, &more), 1)?;
    let bad: Vec<u32> = REFUSED
        .iter()
        .filter_map(|(_, text)| text.parse().ok())
        .collect();
    let expected: Vec<u32> = (100..200).filter(|number| !bad.contains(number)).collect();
    wait_numbers(&server, &expected)?;
    wait_for("eight dead letters in order", seconds(30), || {
        let letters = consume_all(&cluster.bootstrap, &dead)?;
        let texts: Vec<u32> = letters
            .iter()
            .filter_map(|letter| {
                std::str::from_utf8(letter.value.as_deref()?)
                    .ok()?
                    .parse()
                    .ok()
            })
            .collect();
        ensure!(texts == bad, "{texts:?}");
        Ok(Some(()))
    })?;
    // A server that says when to come back is not asked before.
    let before = server.posts().len();
    server.answer(Answer::Later(3));
    let begin = std::time::Instant::now();
    write(&cluster, &topic, 300..301)?;
    wait_until("the refusal", seconds(30), || {
        Ok(server.posts().len() > before)
    })?;
    server.answer(Answer::Accept);
    wait_until("the record", seconds(30), || {
        Ok(numbers(&server)?.contains(&300))
    })?;
    ensure!(begin.elapsed() > seconds(3), "{:?}", begin.elapsed());
    ensure!(
        server.posts().len() == before + 2,
        "{} posts",
        server.posts().len() - before
    );
    Ok(())
}

fn intolerant(context: &Context) -> Result<()> {
    let server = HttpServer::start()?;
    let cluster = context.cluster("http-intolerant")?;
    let mut workers = cluster.start(1)?;
    let topic = topic(&cluster)?;
    server.answer(Answer::RefuseIf(422, "42"));
    write(&cluster, &topic, 0..100)?;
    let name = &cluster.name;
    let fine = config(&server, &topic, &json!({}));
    workers[0].rest().put_config(name, &fine)?;
    let trace = workers[0].rest().wait_failed(name)?;
    let place = format!("record {topic}-0@42");
    ensure!(
        trace.contains(&place) && trace.contains("422") && trace.contains("[hidden]"),
        "{trace}"
    );
    assert_eq!(numbers(&server)?, Vec::from_iter(0..42));
    // What is wrong with all requests is no fault of a record, and says so.
    for (status, word) in [(401, "http.headers.authorization"), (404, "http.url")] {
        server.answer(Answer::Refuse(status));
        workers[0]
            .rest()
            .verb("POST", name, "restart?includeTasks=true")?;
        let trace = wait_for("the new failure", seconds(60), || {
            let trace = workers[0].rest().wait_failed(name)?;
            ensure!(trace.contains(&status.to_string()), "{trace}");
            Ok(Some(trace))
        })?;
        ensure!(
            trace.contains(word) && !trace.contains("open-sesame"),
            "{trace}"
        );
    }
    server.answer(Answer::Refuse(500));
    let few = config(&server, &topic, &json!({"max.retries": "2"}));
    workers[0].rest().put_config(name, &few)?;
    wait_until("the task to give up", seconds(60), || {
        Ok(workers[0]
            .rest()
            .wait_failed(name)?
            .contains("gave up after 3 attempts"))
    })?;
    let log = workers[0].process().output();
    ensure!(!log.contains("open-sesame"), "the secret is in the log");
    Ok(())
}

fn gone(context: &Context) -> Result<()> {
    let mut server = HttpServer::start()?;
    let cluster = context.cluster("http-gone")?;
    let mut workers = cluster.start(1)?;
    let topic = topic(&cluster)?;
    let impatient = config(&server, &topic, &json!({"http.timeout": "1"}));
    workers[0].rest().create(&cluster.name, &impatient, 1)?;
    write(&cluster, &topic, 0..150)?;
    wait_numbers(&server, &Vec::from_iter(0..150))?;
    server.stop();
    write(&cluster, &topic, 150..250)?;
    wait_word(&mut workers[0], "Connection refused")?;
    server.restart()?;
    wait_numbers(&server, &Vec::from_iter(0..250))?;
    server.answer(Answer::Hang);
    write(&cluster, &topic, 250..350)?;
    wait_word(&mut workers[0], "timed out")?;
    server.answer(Answer::Accept);
    wait_numbers(&server, &Vec::from_iter(0..350))?;
    workers[0]
        .rest()
        .wait_running(&cluster.name, 1, seconds(10))?;
    Ok(())
}

/// Waits until the worker has said this twice: it tries again and again.
fn wait_word(worker: &mut Worker, word: &str) -> Result<()> {
    wait_until(word, seconds(30), || {
        Ok(worker.process().output().matches(word).count() >= 2)
    })
}

fn killed(context: &Context) -> Result<()> {
    let server = HttpServer::start()?;
    let cluster = context.cluster("http-killed")?;
    let mut workers = cluster.start(2)?;
    let topic = topic(&cluster)?;
    write(&cluster, &topic, 0..5000)?;
    workers[0].rest().create(
        &cluster.name,
        &config(&server, &topic, &json!({"batch.max.size": "5"})),
        1,
    )?;
    wait_until("some to arrive", seconds(60), || {
        Ok(server.accepted().len() > 20)
    })?;
    let states = workers[0].rest().states(&cluster.name)?;
    let task = states.context("no status")?.tasks.swap_remove(0);
    let victim = workers
        .iter()
        .position(|worker| worker.worker_id() == task.worker_id)
        .context("nobody runs the task")?;
    workers.swap_remove(victim).kill()?;
    wait_for("all records to arrive", seconds(90), || {
        let mut all = numbers(&server)?;
        all.sort_unstable();
        all.dedup();
        ensure!(all.len() == 5000, "{} records", all.len());
        Ok(Some(()))
    })
}

fn structs(context: &Context) -> Result<()> {
    let server = HttpServer::start()?;
    let cluster = context.cluster("http-structs")?;
    let workers = cluster.start(1)?;
    let topic = topic(&cluster)?;
    let value = json!({
        "schema": {"type": "struct", "optional": false, "fields": [
            {"field": "id", "type": "int64", "optional": false},
            {"field": "name", "type": "string", "optional": true},
            {"field": "tags", "type": "array", "items": {"type": "string"}, "optional": false},
        ]},
        "payload": {"id": 7, "name": null, "tags": ["a\n\"", "é"]},
    });
    let text = value.to_string();
    produce(&cluster.bootstrap, &topic, [(None, Some(text.as_bytes()))])?;
    let more = json!({"value.converter": "org.apache.kafka.connect.json.JsonConverter"});
    workers[0]
        .rest()
        .create(&cluster.name, &config(&server, &topic, &more), 1)?;
    let body = wait_for("the record", seconds(30), || Ok(server.accepted().pop()))?;
    let sent: Value = serde_json::from_str(&body)?;
    assert_eq!(sent, json!([value["payload"]]));
    Ok(())
}

fn faults(context: &Context) -> Result<()> {
    let server = HttpServer::start()?;
    let cluster = context.cluster("http-faults")?;
    let mut workers = cluster.start(1)?;
    let topic = topic(&cluster)?;
    let closed = format!("http://127.0.0.1:{}/x?token=open-sesame", free_port()?);
    let with_user = server.url().replace("127", "me:open-sesame@127");
    for (key, value, words) in [
        ("http.url", "nonsense", vec!["http.url"]),
        ("http.url", "ftp://example.com/", vec!["http.url"]),
        ("http.url", &closed, vec!["http.url", "server runs"]),
        (
            "http.url",
            &with_user,
            vec!["http.url", "http.headers.authorization"],
        ),
        ("http.timeout", "0", vec!["http.timeout"]),
        ("batch.max.size", "x", vec!["batch.max.size"]),
        (
            "http.authorization.type",
            "oauth2",
            vec!["http.authorization.type", "static"],
        ),
        (
            "http.authorization.type",
            "none",
            vec!["http.headers.authorization", "static"],
        ),
        (
            "http.headers.authorization",
            "Bearer open-sesame\nX: y",
            vec!["http.headers"],
        ),
        (
            "http.headers.additional",
            "no header",
            vec!["http.headers.additional", "NAME:VALUE"],
        ),
        (
            "oauth2.client.secret",
            "open-sesame",
            vec!["oauth2.client.secret", "not supported"],
        ),
        (
            "kafka.retry.backoff.ms",
            "5",
            vec!["kafka.retry.backoff.ms", "not supported"],
        ),
        ("http.uri", "x", vec!["http.uri", "not supported"]),
    ] {
        let mut config = config(&server, &topic, &json!({}));
        config[key] = value.into();
        let path = format!("/connectors/{}/config", cluster.name);
        let reply = workers[0].rest().patient("PUT", &path, Some(&config))?;
        ensure!(reply.status == 400, "{key}={value}: {}", reply.text);
        for word in words {
            ensure!(
                reply.text.contains(word),
                "{key}: no {word}: {}",
                reply.text
            );
        }
        ensure!(!reply.text.contains("open-sesame"), "{key}: {}", reply.text);
    }
    ensure!(server.posts().is_empty(), "validation has sent something");
    let log = workers[0].process().output();
    ensure!(!log.contains("open-sesame"), "the secret is in the log");
    Ok(())
}

fn tls(context: &Context) -> Result<()> {
    let [authority, stranger] = [Authority::new("authority")?, Authority::new("stranger")?];
    let trusted = HttpServer::start_over_tls(&authority.issue("server")?)?;
    let strange = HttpServer::start_over_tls(&stranger.issue("server")?)?;
    let cluster = context.cluster("http-tls")?;
    let file = write_pem(&cluster.folder.join("trusted.pem"), authority.pem())?;
    let properties = cluster.properties()?.environment("SSL_CERT_FILE", &file);
    let mut worker = cluster.worker(tested_kind(), &properties)?;
    let topic = topic(&cluster)?;
    write(&cluster, &topic, 0..150)?;
    let few = json!({"max.retries": "2"});
    let name = &cluster.name;
    worker
        .rest()
        .create(name, &config(&trusted, &topic, &few), 1)?;
    wait_numbers(&trusted, &Vec::from_iter(0..150))?;

    let path = format!("/connectors/{name}/config");
    let elsewhere = config(&strange, &topic, &few);
    let reply = worker.rest().patient("PUT", &path, Some(&elsewhere))?;
    ensure!(reply.status == 400, "{} {}", reply.status, reply.text);
    for word in ["http.url", "UnknownIssuer", &strange.url()] {
        ensure!(
            reply.text.contains(word),
            "{word:?} is not in {}",
            reply.text
        );
    }
    ensure!(!reply.text.contains("open-sesame"), "{}", reply.text);
    ensure!(strange.posts().is_empty(), "a stranger was sent records");
    ensure!(!worker.process().output().contains("open-sesame"));
    Ok(())
}

fn page(context: &Context) -> Result<()> {
    let server = HttpServer::start()?;
    let cluster = context.cluster("http-page")?;
    let workers = cluster.start(1)?;
    let topic = topic(&cluster)?;
    let page = tests_folder().join("../agent/connectors/http/README.md");
    let page = std::fs::read_to_string(page)?;
    let example = page
        .split_once("```json\n")
        .and_then(|(_, rest)| rest.split_once("```"));
    let mut config: Value = serde_json::from_str(example.context("no example")?.0)?;
    config["topics"] = topic.as_str().into();
    config["http.url"] = server.url().into();
    config["http.headers.authorization"] = SECRET.into();
    config["errors.deadletterqueue.topic.name"] = format!("{topic}-dead").into();
    config["errors.deadletterqueue.topic.replication.factor"] = "1".into();
    write(&cluster, &topic, 0..10)?;
    workers[0].rest().create(&cluster.name, &config, 1)?;
    wait_numbers(&server, &Vec::from_iter(0..10))
}
