//! A broker on a folder and a port, until standard input ends: `cargo run -p sluice-broker --example broker
//! DIR PORT`.

use sluice_broker::{Broker, BrokerConfig};
use tokio::io::AsyncReadExt as _;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example tells its address")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let mut arguments = std::env::args().skip(1);
    let mut config = BrokerConfig::new(arguments.next().ok_or("needs a folder")?);
    config.port = arguments.next().unwrap_or_default().parse().unwrap_or(0);
    let broker = Broker::start(config).await?;
    println!("{}", broker.bootstrap());
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    broker.shutdown().await;
    Ok(())
}
