//! TLS and SASL against a real broker, for our own connections and librdkafka's with the same Java settings.
//!
//! Needs `SLUICE_TEST_SECURE=FILE`: properties files of Java client settings, separated by commas, each for a listener
//! that should let us in. A file whose name contains `wrong` is for one that should not.

use sluice_api::config::Props;

use super::admin::GroupAdmin;
use crate::kafka_client::{ClientKind, TracingContext, librdkafka_config};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
async fn every_security_setting_lets_both_clients_in_or_keeps_both_out() {
    let Ok(files) = std::env::var("SLUICE_TEST_SECURE") else {
        eprintln!("SLUICE_TEST_SECURE is not set: skipped");
        return;
    };
    for file in files.split(',') {
        let text = std::fs::File::open(file).unwrap();
        let mut props: Props = java_properties::read(text).unwrap().into_iter().collect();
        props.insert("default.api.timeout.ms".to_owned(), "5000".to_owned());
        let welcome = !file.contains("wrong");

        let ours = GroupAdmin::new(&props).unwrap().cluster_id().await;
        assert_eq!(ours.is_ok(), welcome, "{file}: {ours:?}");

        let consumer: BaseConsumer<TracingContext> =
            librdkafka_config(ClientKind::Consumer, &props, &Props::new())
                .unwrap()
                .create_with_context(TracingContext::new("secure"))
                .unwrap();
        let theirs = tokio::task::block_in_place(|| {
            consumer
                .fetch_metadata(None, Duration::from_secs(5))
                .map(|_| ())
        });
        assert_eq!(theirs.is_ok(), welcome, "{file}: {theirs:?}");
    }
}
