//! TLS: certificates are checked as the URL asks for, and what is refused says which parameter to look at.

use anyhow::Result;
use serde_json::json;
use sluice_tests::certificates::{Authority, write_pem};
use sluice_tests::database::{self, DatabaseKind};

use super::errors::refused;
use super::{sink, source, wait_sql};
use crate::context::{Context, Needs, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "jdbc::secured::rows_go_by_tls_and_strangers_are_refused_with_postgresql",
        needs: Needs::POSTGRESQL,
        run: |context| tls(context, DatabaseKind::PostgreSql),
    },
    Test {
        name: "jdbc::secured::rows_go_by_tls_and_strangers_are_refused_with_mariadb",
        needs: Needs::MARIADB,
        run: |context| tls(context, DatabaseKind::MariaDb),
    },
];

/// The address that the certificate does not name.
const OTHER_HOST: &str = "127.0.0.2";

fn tls(context: &Context, kind: DatabaseKind) -> Result<()> {
    let postgresql = kind == DatabaseKind::PostgreSql;
    let [authority, stranger] = [Authority::new("databases")?, Authority::new("strangers")?];
    let database = database::start_secured(kind, &authority.issue("database")?)?;
    let owner = if postgresql {
        "; ALTER TABLE orders OWNER TO sluice"
    } else {
        ""
    };
    database.sql(&format!(
        "CREATE TABLE orders (id int NOT NULL PRIMARY KEY){owner}; INSERT INTO orders VALUES (1), (2), (3)"
    ))?;
    let cluster = context.cluster("secured")?;
    let workers = cluster.start(1)?;
    let rest = workers[0].rest();
    let trusted = write_pem(&cluster.folder.join("trusted.pem"), authority.pem())?;
    let strange = write_pem(&cluster.folder.join("strange.pem"), stranger.pem())?;
    let [mode, certificate] = if postgresql {
        ["sslmode", "sslrootcert"]
    } else {
        ["sslMode", "serverSslCert"]
    };
    let url = |host: &str, check: &str, file: &str| {
        let url = database.url().replace("127.0.0.1", host);
        format!("{url}?{mode}={check}&{certificate}={file}")
    };
    let prefix = format!("{}-", cluster.name);
    let topic = format!("{prefix}orders");
    let source_at = |url: &str| {
        let keys = json!({"connection.url": url, "mode": "incrementing", "incrementing.column.name": "id",
                          "table.whitelist": "orders"});
        source(&*database, &prefix, &keys)
    };
    let sink_at = |url: &str| {
        let keys = json!({"connection.url": url, "table.name.format": "orders_copy", "auto.create": "true"});
        sink(&*database, &topic, &keys)
    };
    let full = url("127.0.0.1", "verify-full", &trusted);
    rest.create(&format!("{prefix}source"), &source_at(&full), 1)?;
    rest.create(&format!("{prefix}sink"), &sink_at(&full), 1)?;
    wait_sql(
        &*database,
        "SELECT count(*), sum(id) FROM orders_copy",
        "3|6",
    )?;

    let name = format!("{prefix}refused");
    let here = database.place();
    let there = here.replace("127.0.0.1", OTHER_HOST);
    let missing = format!("{trusted}.gone");
    for at in [
        &source_at as &dyn Fn(&str) -> serde_json::Value,
        &sink_at as &dyn Fn(&str) -> serde_json::Value,
    ] {
        for check in ["verify-ca", "verify-full"] {
            let config = at(&url("127.0.0.1", check, &strange));
            refused(
                rest,
                &name,
                &config,
                "connection.url",
                &[&here, certificate, "UnknownIssuer", "connection.url"],
            )?;
        }
        let config = at(&url(OTHER_HOST, "verify-full", &trusted));
        refused(
            rest,
            &name,
            &config,
            "connection.url",
            &[&there, certificate, "not valid for name", "localhost"],
        )?;
        let config = at(&url("127.0.0.1", "verify-full", &missing));
        refused(
            rest,
            &name,
            &config,
            "connection.url",
            &[&here, certificate, &missing],
        )?;
        // The server takes nobody without TLS, and says it as of a user that it does not know.
        let config = at(&url("127.0.0.1", "disable", &trusted));
        refused(rest, &name, &config, "connection.user", &[&here])?;
    }
    if postgresql {
        let authority_only = source_at(&url(OTHER_HOST, "verify-ca", &trusted));
        rest.create(&format!("{prefix}by-authority"), &authority_only, 1)?;
    }
    Ok(())
}
