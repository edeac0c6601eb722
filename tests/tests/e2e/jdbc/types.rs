//! Every column type, from a table through a topic into a table.

use anyhow::{Result, ensure};
use serde_json::json;
use sluice_tests::database::{self, Database, DatabaseKind};
use sluice_tests::topics::create_topic;
use sluice_tests::wait::{seconds, wait_for};

use super::{payloads, sink, source, wait_sql};
use crate::context::{Context, Needs, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "jdbc::types::every_type_of_postgresql_goes_there_and_back",
        needs: Needs::POSTGRESQL,
        run: |context| there_and_back(context, DatabaseKind::PostgreSql),
    },
    Test {
        name: "jdbc::types::every_type_of_mariadb_goes_there_and_back",
        needs: Needs::MARIADB,
        run: |context| there_and_back(context, DatabaseKind::MariaDb),
    },
    Test {
        name: "jdbc::types::every_type_of_sqlite_goes_there_and_back",
        needs: Needs::SQLITE,
        run: |context| there_and_back(context, DatabaseKind::Sqlite),
    },
    Test {
        name: "jdbc::types::old_dates_are_written_as_the_database_shows_them_postgresql",
        needs: Needs::POSTGRESQL,
        run: |context| old_dates(context, DatabaseKind::PostgreSql),
    },
    Test {
        name: "jdbc::types::old_dates_are_written_as_the_database_shows_them_mariadb",
        needs: Needs::MARIADB,
        run: |context| old_dates(context, DatabaseKind::MariaDb),
    },
];

const POSTGRESQL: &str = "
CREATE TYPE mood AS ENUM ('sad', 'it''s fine');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TABLE every (
  id serial PRIMARY KEY, bo boolean, i2 smallint, i4 int, i8 bigint, f4 real, f8 double precision, n numeric,
  n102 numeric(10,2), n8 numeric(8), te text, vc varchar(10), ch char(5), na name, by bytea, da date, ti time,
  titz timetz, ts timestamp, tstz timestamptz, iv interval, uu uuid, js json, jb jsonb, ai int[], at text[], ip inet,
  net cidr, mac macaddr, b3 bit(3), vb varbit, mo money, pt point, ran int4range, vec tsvector, en mood, dom positive,
  oi oid);
INSERT INTO every VALUES
  (1, true, -32768, -2147483648, -9223372036854775808, 1.5, 0.1, 12345.678901234567890123, 12345678.90, 12345678,
   E'tab\\t\"quote\" back\\\\slash\\nline \u{1F600}', 'v''c', 'c', 'n', '\\x00ff5c', '1999-12-31', '23:59:59.999', '12:00:00+02',
   '2024-02-29 12:34:56.789', '2024-07-01 00:00:00.001+02', '1 year 2 days 03:04:05.5',
   'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{\"a\": [1, 2]}', '{\"b\": null}', '{1,NULL,3}', '{a,\"b,c\",NULL}', '10.0.0.1/8',
   '10.0.0.0/8', '08:00:2b:01:02:03', B'101', B'10', 12.34, '(1,2)', '[1,5)', 'a fat cat', 'it''s fine', 7, 4294967295),
  (2, false, 32767, 2147483647, 9223372036854775807, -3.4e38, 1e300, -0.5, -0.01, 0, '', '', '', '', '', '0001-01-01',
   '00:00:00', '00:00:00-12', '0044-03-15 00:00:00 BC', '9999-12-31 23:59:59.999+00', '-1 second',
   '00000000-0000-0000-0000-000000000000', '[]', '\"x\"', '{}', '{}', '::1', '::/0', 'ff:ff:ff:ff:ff:ff', B'000', B'',
   -0.01, '(-1e10,0)', 'empty', '', 'sad', 1, 0),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'infinity', NULL,
   NULL, 'infinity', '-infinity', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
   NULL, NULL, NULL, NULL);
INSERT INTO every (id) VALUES (4);
CREATE TABLE copy (LIKE every);
ALTER TABLE every OWNER TO sluice; ALTER TABLE copy OWNER TO sluice;";

const MARIADB: &str = "
CREATE TABLE every (
  id int AUTO_INCREMENT PRIMARY KEY, bo boolean, b1 bit(1), b9 bit(9), ti tinyint, tiu tinyint unsigned, si smallint,
  siu smallint unsigned, mi mediumint, i int, iu int unsigned, bi bigint, biu bigint unsigned, f float, d double,
  de decimal(10,2), de65 decimal(65,30), ye year, da date, tm time(3), dt datetime(3), ts timestamp(3) NULL, ch char(5),
  vc varchar(20), tt tinytext, tx text, mt mediumtext, lt longtext, bn binary(4), vb varbinary(10), bl blob, lb longblob,
  en enum('sad', 'it''s fine'), se set('a', 'b', 'c'), js json, uu uuid, ip inet6, ge geometry);
INSERT INTO every VALUES
  (1, true, 1, b'100000001', -128, 255, -32768, 65535, -8388608, -2147483648, 4294967295, -9223372036854775808,
   9223372036854775807, 1.5, 0.1, 12345678.90, 12345678901234567890123456789012345.678901234567890123456789012345, 2024,
   '1999-12-31', '23:59:59.999', '2024-02-29 12:34:56.789', '2024-07-01 00:00:00.001', 'c', 'v''c \\\\ \u{1F600}', 'tiny',
   'tab\\t\"quote\"\\nline', 'medium', 'long', x'00ff275c', x'0027', x'0001', '', 'it''s fine', 'a,c', '{\"a\": [1, 2]}',
   'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '::1', POINT(1, 2)),
  (2, false, 0, 0, 127, 0, 32767, 0, 8388607, 2147483647, 0, 9223372036854775807, 0, -3.4e38, 1e300, -0.01, -0.5, 1901,
   '1000-01-01', '00:00:00', '9999-12-31 23:59:59.999', '1970-01-01 00:00:01', '', '', '', '', '', '', '', '', '', '', 'sad',
   '', '[]', '00000000-0000-0000-0000-000000000000', '::ffff:10.0.0.1', POINT(0, 0));
INSERT INTO every (id) VALUES (3);
CREATE TABLE copy LIKE every;";

const SQLITE: &str = "
CREATE TABLE every (
  id INTEGER PRIMARY KEY, bo BOOLEAN, ti TINYINT, si SMALLINT, i INT, bi BIGINT, re REAL, du DOUBLE, de DECIMAL(10,2),
  te TEXT, vc VARCHAR(10), bl BLOB, da DATE, tm TIME, dt DATETIME);
INSERT INTO every VALUES
  (1, 1, -128, -32768, -2147483648, -9223372036854775808, 1.5, 0.1, 12345678.90, 'it''s \u{1F600}', 'v', x'00ff27', 86400000,
   3600000, 1709210096789),
  (2, 0, 127, 32767, 2147483647, 9223372036854775807, -0.5, 1e300, -0.01, '', '', x'', -86400000, 0, -1);
INSERT INTO every (id) VALUES (3);
CREATE TABLE copy AS SELECT * FROM every WHERE 0;";

/// The table as text, row by row.
fn dump(database: &dyn Database, table: &str) -> Result<String> {
    database.sql(&match database.kind() {
        // Numbers of any scale come with 38 digits after the point.
        DatabaseKind::PostgreSql => format!(
            "UPDATE {table} SET n = trim_scale(n); SET TIME ZONE 'UTC'; SELECT ROW(t.*)::text FROM {table} t \
             ORDER BY id"
        ),
        DatabaseKind::MariaDb => format!(
            "SET time_zone = '+00:00'; SELECT *, HEX(b9), HEX(bn), HEX(vb), HEX(bl), ST_AsText(ge) FROM \
             {table} ORDER BY id"
        ),
        DatabaseKind::Sqlite => format!(
            "SELECT id, bo, ti, si, i, bi, re, du, de, te, vc, hex(bl), da, tm, dt FROM {table} ORDER BY id"
        ),
    })
}

fn there_and_back(context: &Context, kind: DatabaseKind) -> Result<()> {
    let (schema, rows) = match kind {
        DatabaseKind::PostgreSql => (POSTGRESQL, 4),
        DatabaseKind::MariaDb => (MARIADB, 3),
        DatabaseKind::Sqlite => (SQLITE, 3),
    };
    let database = database::start(kind)?;
    database.sql(schema)?;
    let cluster = context.cluster("types")?;
    let mut workers = cluster.start(1)?;
    let rest = workers[0].rest();
    let prefix = format!("{}-", cluster.name);
    let topic = format!("{prefix}every");
    create_topic(&cluster.bootstrap, &topic, 1)?;
    let all = source(
        &*database,
        &prefix,
        &json!({"mode": "incrementing", "incrementing.column.name": "id", "table.whitelist": "every"}),
    );
    rest.create(&format!("{prefix}source"), &all, 1)?;
    let copy = sink(&*database, &topic, &json!({"table.name.format": "copy"}));
    rest.create(&format!("{prefix}copy"), &copy, 1)?;
    wait_sql(&*database, "SELECT count(*) FROM copy", &rows.to_string())?;
    let (sent, arrived) = (dump(&*database, "every")?, dump(&*database, "copy")?);
    ensure!(sent == arrived, "sent:\n{sent}\narrived:\n{arrived}");
    // Rows of one are inserted in another way than many at once.
    let upsert = sink(
        &*database,
        &topic,
        &json!({"table.name.format": "made", "auto.create": "true", "pk.mode": "record_value", "pk.fields": "id",
                "insert.mode": "upsert"}),
    );
    rest.create(&format!("{prefix}made"), &upsert, 1)?;
    wait_sql(&*database, "SELECT count(*) FROM made", &rows.to_string())?;
    if kind == DatabaseKind::PostgreSql {
        let many = "INSERT INTO every SELECT (jsonb_populate_record(e, jsonb_build_object('id', 100 + g))).* \
                    FROM every e, generate_series(1, 50) g WHERE e.id = 1";
        database.sql(many)?;
        let rows = rows + 50;
        wait_sql(&*database, "SELECT count(*) FROM copy", &rows.to_string())?;
        let (sent, arrived) = (dump(&*database, "every")?, dump(&*database, "copy")?);
        ensure!(sent == arrived, "sent:\n{sent}\narrived:\n{arrived}");
        database.sql("CREATE TABLE again (LIKE every); ALTER TABLE again OWNER TO sluice")?;
        let copy = sink(
            &*database,
            &topic,
            &json!({"table.name.format": "again", "batch.size": "1"}),
        );
        rest.create(&format!("{prefix}again"), &copy, 1)?;
        wait_sql(&*database, "SELECT count(*) FROM again", &rows.to_string())?;
        ensure!(
            sent == dump(&*database, "again")?,
            "row by row is not as by COPY"
        );
    }
    ensure!(payloads(&cluster.bootstrap, &topic)?[0]["id"] == 1);
    workers[0].process().check_running()
}

/// A transformation that writes dates as texts works in Java's calendar, which is Julian before October 1582.
fn old_dates(context: &Context, kind: DatabaseKind) -> Result<()> {
    let days = match kind {
        DatabaseKind::PostgreSql => [
            "0001-01-01",
            "0900-02-28",
            "1582-10-04",
            "1582-10-15",
            "1900-01-01",
        ],
        // Its dates begin in the year 1000.
        _ => [
            "1000-01-01",
            "1200-02-29",
            "1582-10-04",
            "1582-10-15",
            "1900-01-01",
        ],
    };
    let database = database::start(kind)?;
    let zoned = if kind == DatabaseKind::PostgreSql {
        "timestamp"
    } else {
        "datetime"
    };
    database.sql(&format!(
        "CREATE TABLE old (id int PRIMARY KEY, d date, t {zoned})"
    ))?;
    for (day, id) in days.iter().zip(1..) {
        database.sql(&format!(
            "INSERT INTO old VALUES ({id}, '{day}', '{day} 12:34:56')"
        ))?;
    }
    if kind == DatabaseKind::PostgreSql {
        database.sql("ALTER TABLE old OWNER TO sluice")?;
    }
    let cluster = context.cluster("old-dates")?;
    let workers = cluster.start(1)?;
    let rest = workers[0].rest();
    let prefix = format!("{}-", cluster.name);
    let topic = format!("{prefix}old");
    create_topic(&cluster.bootstrap, &topic, 1)?;
    let text = "org.apache.kafka.connect.transforms.TimestampConverter$Value";
    let texts = source(
        &*database,
        &prefix,
        &json!({"mode": "incrementing", "incrementing.column.name": "id", "table.whitelist": "old",
            "transforms": "d,t",
            "transforms.d.type": text, "transforms.d.field": "d", "transforms.d.target.type": "string",
            "transforms.d.format": "yyyy-MM-dd",
            "transforms.t.type": text, "transforms.t.field": "t", "transforms.t.target.type": "string",
            "transforms.t.format": "yyyy-MM-dd HH:mm:ss"}),
    );
    rest.create(&format!("{prefix}source"), &texts, 1)?;
    wait_for("all rows", seconds(60), || {
        let rows = payloads(&cluster.bootstrap, &topic)?;
        ensure!(rows.len() == days.len(), "{} rows", rows.len());
        for (row, day) in rows.iter().zip(days) {
            ensure!(
                row["d"] == day && row["t"] == format!("{day} 12:34:56"),
                "{day}: {row}"
            );
        }
        Ok(Some(()))
    })
}
