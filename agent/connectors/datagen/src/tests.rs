use std::sync::Arc;
use std::time::{Duration, Instant};

use sluice_api::{
    OffsetStorageReader, Props, SourceOffset, SourcePartition, SourceRecord, SourceTask, Value,
};
use sluice_toolkit::testing::TestContext;
use tokio_util::sync::CancellationToken;

async fn task(settings: &[(&str, &str)], stored: Option<SourceOffset>) -> Box<dyn SourceTask> {
    let mut props: Props = settings
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    props.insert("topic".to_owned(), "t".to_owned());
    let context = Arc::new(TestContext {
        stored,
        ..TestContext::new(props)
    });
    (crate::source().start_task)(context).await.unwrap()
}

async fn take(task: &mut Box<dyn SourceTask>, count: usize) -> Vec<SourceRecord> {
    let mut records = Vec::new();
    while records.len() < count {
        records.extend(task.poll().await.unwrap().unwrap_or_default());
    }
    records
}

/// All of a record but its time.
fn content(record: &SourceRecord) -> String {
    let value = record.record.value.as_struct().unwrap();
    let fields: Vec<String> = value
        .schema()
        .fields()
        .iter()
        .filter(|field| !field.name().ends_with("_at"))
        .map(|field| value.get_field(field).to_string())
        .collect();
    format!("{}: {}", record.record.key, fields.join(","))
}

#[tokio::test]
async fn every_generator_makes_values_that_fit_its_schema() {
    for generator in ["orders", "clicks", "sensors"] {
        let mut task = task(
            &[("generator", generator), ("records.per.second", "0")],
            None,
        )
        .await;
        for record in take(&mut task, 500).await {
            let schema = record.record.value_schema.unwrap();
            schema.validate(&record.record.value).unwrap();
        }
    }
}

#[tokio::test]
async fn the_same_seed_makes_the_same_records_and_resumes_at_the_offset() {
    let settings = [
        ("records.per.second", "0"),
        ("seed", "7"),
        ("batch.size", "10"),
    ];
    let first = take(&mut task(&settings, None).await, 20).await;
    let again = take(&mut task(&settings, None).await, 20).await;
    let texts = |records: &[SourceRecord]| records.iter().map(content).collect::<Vec<_>>();
    assert_eq!(texts(&first), texts(&again));
    let resumed = take(
        &mut task(&settings, first[9].source_offset.clone()).await,
        10,
    )
    .await;
    assert_eq!(texts(&first[10..]), texts(&resumed));
    let other = [
        ("records.per.second", "0"),
        ("seed", "8"),
        ("batch.size", "10"),
    ];
    assert_ne!(
        texts(&first[..10]),
        texts(&take(&mut task(&other, None).await, 10).await)
    );
}

#[tokio::test]
async fn the_rate_is_kept_and_the_count_limited() {
    let mut limited = task(
        &[("records.per.second", "1000"), ("max.count", "100")],
        None,
    )
    .await;
    let started = Instant::now();
    let records = take(&mut limited, 100).await;
    assert_eq!(records.len(), 100);
    assert!(started.elapsed() >= Duration::from_millis(90));
    assert!(limited.poll().await.unwrap().is_none());
}

#[tokio::test]
async fn it_fails_when_asked_to() {
    let mut failing = task(&[("records.per.second", "0"), ("fail.after", "5")], None).await;
    assert_eq!(take(&mut failing, 5).await.len(), 5);
    let error = failing.poll().await.unwrap_err();
    assert_eq!(
        error.message(),
        "failing after 5 records, as fail.after asks"
    );
}

#[tokio::test]
async fn tasks_make_different_records() {
    let mut connector = (crate::source().new_connector)();
    struct NoContext;
    impl sluice_api::ConnectorContext for NoContext {
        fn request_task_reconfiguration(&self) {}
        fn raise_error(&self, _error: sluice_api::ConnectError) {}
        fn offset_storage_reader(&self) -> Option<Arc<dyn OffsetStorageReader>> {
            None
        }
        fn stopping(&self) -> CancellationToken {
            CancellationToken::new()
        }
    }
    let props: Props = [("topic".to_owned(), "t".to_owned())].into_iter().collect();
    connector.start(Arc::new(NoContext), &props).await.unwrap();
    let configs = connector.task_configs(2).await.unwrap();
    assert_eq!(configs.len(), 2);
    assert_ne!(configs[0], configs[1]);
    let bad: Props = [("topic", "t"), ("generator", "x")]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into_iter()
        .collect();
    assert!(connector.start(Arc::new(NoContext), &bad).await.is_err());
    let offsets = [(
        SourcePartition::of("x", 1),
        Some(SourceOffset::of("count", Value::Int64(1))),
    )];
    assert!(
        connector
            .alter_source_offsets(&props, &offsets)
            .await
            .is_err()
    );
}
