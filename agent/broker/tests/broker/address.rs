//! What clients are told to connect to.

use sluice_broker::{Broker, BrokerConfig, BrokerError};

use crate::Served;
use crate::client::Client;

#[tokio::test]
async fn an_address_of_ipv6_is_told_in_brackets_and_can_be_connected_to() {
    for host in ["::1", "[::1]"] {
        let served = Served::with(|config| config.host = host.to_owned()).await;
        assert!(
            served.address().starts_with("[::1]:"),
            "{}",
            served.address()
        );
        Client::connect(&served.address()).await.unwrap();
    }
}

#[tokio::test]
async fn all_addresses_are_not_one_that_clients_can_be_told() {
    let folder = tempfile::tempdir().unwrap();
    for host in ["0.0.0.0", "::", "[::]"] {
        let mut config = BrokerConfig::new(folder.path());
        config.host = host.to_owned();
        let error = Broker::start(config.clone()).await.unwrap_err();
        assert!(matches!(error, BrokerError::Advertised(_)), "{error}");

        config.advertised_host = Some("127.0.0.1".to_owned());
        let broker = Broker::start(config).await.unwrap();
        assert!(broker.bootstrap().starts_with("127.0.0.1:"));
        broker.shutdown().await;
    }
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_may_read_the_data() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let broker = Broker::start(BrokerConfig::new(&data)).await.unwrap();
    let mode = std::fs::metadata(&data).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
    broker.shutdown().await;
}
