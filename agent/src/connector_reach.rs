//! Keeps configurations of connectors within what `sluice.file.roots` and `sluice.http.hosts` of
//! the worker's file let them reach.
//!
//! Every way from a configuration to a file or a host is compared here, before a plugin sees the
//! configuration: by the definitions of the connector and of the converters, transformations and
//! predicates that it names, and for Kafka's client keys by their names, behind whatever prefix
//! (`producer.override.`, `source.cluster.`, `value.converter.schema.registry.`).

use sluice_api::config::Props;
use sluice_api::reach::{FILE_ROOTS, HOSTS};
use sluice_api::{KeyFault, Reach};
use sluice_kafka::client::keys::places;

use crate::named_classes::named_classes;
use crate::plugins::Plugins;
use crate::properties::with_prefix;

/// A fault for each key of a configuration that names what is out of reach.
pub(crate) fn faults(plugins: &Plugins, reach: &Reach, props: &Props) -> Vec<KeyFault> {
    if reach.is_unlimited() {
        return Vec::new();
    }
    let mut faults: Vec<KeyFault> = props
        .iter()
        .filter_map(|(key, value)| reach.fault(key, &places(key, value)))
        .collect();
    for named in named_classes(|key| props.get(key).map(String::as_str)) {
        let Some(definition) = named.definition(plugins) else {
            continue;
        };
        let prefix = &named.prefix;
        let Some(definition) = definition.if_at_hand() else {
            let class = &named.class;
            faults.push(KeyFault::new(
                &named.key,
                format!(
                    "{class} does not say which files and hosts it reaches, which {FILE_ROOTS} and \
                     {HOSTS} of this worker limit"
                ),
            ));
            continue;
        };
        let own = definition.out_of_reach(&with_prefix(props, prefix), reach);
        faults.extend(own.into_iter().map(|fault| KeyFault {
            key: format!("{prefix}{}", fault.key),
            message: format!("{prefix}{}", fault.message),
        }));
    }
    let mut seen = std::collections::HashSet::new();
    faults.retain(|fault| seen.insert(fault.key.clone()));
    faults
}

#[cfg(test)]
mod tests {
    use sluice_api::ConfigDef;

    use super::*;

    /// Keys whose names sound like places and which are none of the agent's machine or network.
    const NO_PLACES: &[&str] = &[
        // Folders in HDFS.
        "topics.dir",
        "logs.dir",
        "directory.delim",
        "file.delim",
        "filename.offset.zero.pad.width",
        "path.format",
        "partition.field.format.path",
        "offset-syncs.topic.location",
        // `Url` or `Inline`; the URL has a key of its own.
        "json.schema.location",
        // With `proxy.host`.
        "proxy.port",
        // Refused by our clients, which get no tokens from elsewhere.
        "sasl.oauthbearer.token.endpoint.url",
        "sasl.oauthbearer.jwks.endpoint.url",
    ];

    fn sounds_like_a_place(key: &str) -> bool {
        let words = [
            "url",
            "uri",
            "file",
            "filename",
            "path",
            "dir",
            "directory",
            "location",
            "servers",
            "host",
            "hosts",
            "address",
            "proxy",
            "keytab",
            "home",
        ];
        key.split(['.', '-', '_']).any(|part| words.contains(&part))
    }

    #[test]
    fn every_key_that_sounds_like_a_file_or_host_says_what_it_names() {
        let plugins = Plugins::built_in();
        let root = std::env::temp_dir().display().to_string();
        let reach = Reach::new(&[root], &["only".to_owned()]).unwrap();
        let is_bounded = |def: &ConfigDef, key: &str| {
            [
                "/etc/x",
                "host:1",
                "http://host:1",
                "hdfs://host:1",
                "jdbc:mysql://host/d",
            ]
            .iter()
            .any(|value| {
                let props = Props::from([(key.to_owned(), (*value).to_owned())]);
                let by_name = reach.fault(key, &places(key, value));
                by_name.is_some() || !def.out_of_reach(&props, &reach).is_empty()
            })
        };
        let mut silent = Vec::new();
        for info in plugins.infos() {
            let found = plugins.any(&info.class);
            let Some(def) = found.and_then(|(_, definition)| definition.if_at_hand()) else {
                panic!("{}", info.class)
            };
            let silent_keys = def.keys().filter(|key| {
                sounds_like_a_place(&key.name)
                    && !NO_PLACES.contains(&key.name.as_str())
                    && !is_bounded(&def, &key.name)
            });
            silent.extend(silent_keys.map(|key| format!("{}: {}", info.class, key.name)));
        }
        assert!(silent.is_empty(), "{silent:#?}");
    }

    fn faulty(config: &[(&str, &str)]) -> Vec<String> {
        let root = std::env::temp_dir();
        let reach = Reach::new(
            &[root.display().to_string()],
            &["good".to_owned(), "10.0.0.0/8".to_owned()],
        );
        let props = config
            .iter()
            .map(|(key, value)| {
                (
                    (*key).to_owned(),
                    value.replace("ROOT", &root.display().to_string()),
                )
            })
            .collect();
        faults(&Plugins::built_in(), &reach.unwrap(), &props)
            .into_iter()
            .map(|fault| {
                assert!(
                    fault.message.starts_with(&format!("{}: ", fault.key)),
                    "{fault:?}"
                );
                assert!(fault.message.contains("sluice."), "{fault:?}");
                fault.key
            })
            .collect()
    }

    #[test]
    fn every_way_to_a_file_is_bounded() {
        const FILE: &str = "org.apache.kafka.connect.file.FileStreamSinkConnector";
        for (class, key, value) in [
            (FILE, "file", "/etc/passwd"),
            (FILE, "file", "ROOT/../etc/passwd"),
            (FILE, "file", "relative"),
            ("FileStreamSource", "file", "/etc/passwd"),
            (
                FILE,
                "producer.override.ssl.keystore.location",
                "/etc/key.pem",
            ),
            (
                FILE,
                "consumer.override.ssl.truststore.location",
                "/etc/ca.jks",
            ),
            (
                FILE,
                "admin.override.ssl.truststore.location",
                "/etc/ca.jks",
            ),
            (
                FILE,
                "consumer.override.sasl.oauthbearer.assertion.file",
                "/etc/token",
            ),
            (
                FILE,
                "value.converter.schema.registry.ssl.truststore.location",
                "/etc/ca",
            ),
            #[cfg(feature = "mirror")]
            (
                "MirrorSource",
                "source.cluster.ssl.keystore.location",
                "/etc/key.pem",
            ),
            #[cfg(feature = "jdbc")]
            ("JdbcSource", "connection.url", "jdbc:sqlite:/etc/x.db"),
            #[cfg(feature = "jdbc")]
            (
                "JdbcSink",
                "connection.url",
                "jdbc:sqlite:file:file:/etc/x.db",
            ),
            #[cfg(feature = "jdbc")]
            (
                "JdbcSink",
                "connection.url",
                "jdbc:postgresql://good/d?sslrootcert=/etc/ca.pem",
            ),
            #[cfg(feature = "jdbc")]
            (
                "JdbcSink",
                "connection.url",
                "jdbc:postgresql://good/d?SSLKEY=/etc/ca.pem",
            ),
            #[cfg(feature = "jdbc")]
            (
                "JdbcSink",
                "connection.url",
                "jdbc:mariadb://good/d?serverSslCert=/etc/ca.pem",
            ),
            #[cfg(feature = "hdfs")]
            ("HdfsSink", "hadoop.conf.dir", "/etc/hadoop"),
            #[cfg(feature = "hdfs")]
            ("HdfsSink", "hadoop.home", "/opt/hadoop"),
            #[cfg(feature = "hdfs")]
            ("HdfsSink", "connect.hdfs.keytab", "/etc/keytab"),
        ] {
            let config = [("connector.class", class), (key, value)];
            assert_eq!(faulty(&config), [key], "{class} {value}");
        }
        assert_eq!(
            faulty(&[("connector.class", FILE), ("file", "ROOT/new")]),
            [""; 0]
        );
        assert_eq!(faulty(&[("connector.class", FILE), ("file", "")]), [""; 0]);
    }

    #[test]
    fn every_way_to_a_host_is_bounded() {
        const AVRO: &str = "io.confluent.connect.avro.AvroConverter";
        for (class, key, value) in [
            (
                "FileStreamSink",
                "consumer.override.bootstrap.servers",
                "good:1,evil:9092",
            ),
            (
                "FileStreamSource",
                "producer.override.bootstrap.servers",
                "SSL://evil:9092",
            ),
            (
                "FileStreamSource",
                "admin.override.bootstrap.servers",
                "[::1]:9092",
            ),
            (
                "FileStreamSink",
                "value.converter.schema.registry.url",
                "http://good,https://u:p@evil:1",
            ),
            ("FileStreamSink", "value.converter.proxy.host", "evil"),
            #[cfg(feature = "http")]
            ("HttpSink", "http.url", "http://127.0.0.1:22/x"),
            #[cfg(feature = "http")]
            ("HttpSink", "http.url", "http://good@evil"),
            #[cfg(feature = "http")]
            ("HttpSink", "http.url", "http://0x7f.1:22"),
            #[cfg(feature = "mirror")]
            ("MirrorSource", "source.cluster.bootstrap.servers", "evil:1"),
            #[cfg(feature = "mirror")]
            (
                "MirrorCheckpoint",
                "target.admin.bootstrap.servers",
                "evil:1",
            ),
            #[cfg(feature = "jdbc")]
            (
                "JdbcSource",
                "connection.url",
                "jdbc:postgresql://good,evil:1/d",
            ),
            #[cfg(feature = "jdbc")]
            ("JdbcSource", "connection.url", "jdbc:postgresql:d"),
            #[cfg(feature = "jdbc")]
            ("JdbcSink", "connection.url", "jdbc:mysql://evil/d"),
            #[cfg(feature = "hdfs")]
            ("HdfsSink", "hdfs.url", "hdfs://evil:8020"),
            #[cfg(feature = "hdfs")]
            ("HdfsSink", "store.url", "hdfs://evil"),
            #[cfg(feature = "hdfs")]
            ("HdfsSink", "fs.defaultFS", "hdfs://evil"),
            #[cfg(feature = "hdfs")]
            ("HdfsSink", "dfs.namenode.rpc-address.a.b", "evil:8020"),
            #[cfg(feature = "hdfs")]
            (
                "HdfsSink",
                "fs.viewfs.mounttable.a.link./x",
                "hdfs://evil/x",
            ),
        ] {
            let config = [
                ("connector.class", class),
                ("value.converter", AVRO),
                (key, value),
            ];
            assert_eq!(faulty(&config), [key], "{class} {value}");
            let allowed = value.replace("evil", "good").replace("[::1]", "10.1.1.1");
            if allowed.contains("good") {
                let config = [
                    ("connector.class", class),
                    ("value.converter", AVRO),
                    (key, &allowed),
                ];
                assert_eq!(faulty(&config), [""; 0], "{class} {allowed}");
            }
        }
    }

    #[cfg(feature = "hdfs")]
    #[test]
    fn name_nodes_that_hadoops_files_name_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let property = |name: &str, value: &str| {
            format!("<property><name>{name}</name><value>{value}</value></property>")
        };
        let write = |name: &str, properties: &str| {
            let text = format!("<configuration>{properties}</configuration>");
            std::fs::write(folder.path().join(name), text).unwrap();
        };
        let conf = folder.path().display().to_string();
        let config = [
            ("connector.class", "HdfsSink"),
            ("hadoop.conf.dir", conf.as_str()),
        ];
        write("core-site.xml", &property("fs.defaultFS", "hdfs://service"));
        assert_eq!(
            faulty(&config),
            ["hadoop.conf.dir"],
            "a name that is not a service is a host"
        );
        let ha = property("dfs.ha.namenodes.service", "a");
        write(
            "hdfs-site.xml",
            &(ha.clone() + &property("dfs.namenode.rpc-address.service.a", "evil:1")),
        );
        assert_eq!(faulty(&config), ["hadoop.conf.dir"]);
        write(
            "hdfs-site.xml",
            &(ha + &property("dfs.namenode.rpc-address.service.a", "good:1")),
        );
        assert_eq!(faulty(&config), [""; 0]);
        write("hdfs-site.xml", "<property>");
        assert_eq!(
            faulty(&config),
            ["hadoop.conf.dir"],
            "what cannot be read allows nothing"
        );
    }
}
