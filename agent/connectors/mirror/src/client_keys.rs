//! Keys of TLS and SASL, which Kafka's definition has (`ConfigDef.withClientSslSupport`,
//! `withClientSaslSupport`).
//!
//! Clients of a cluster are set up with these keys behind `source.cluster.` or `target.cluster.`; which of
//! them have an effect is up to `sluice_kafka::client::config`.

use sluice_api::ConfigKey;
use sluice_api::config::ConfigType::{
    self, Boolean, Class, Double, Int, List, Long, Password, Short, String,
};
use sluice_api::config::Importance::{self, High, Low, Medium};
use sluice_api::config::validators;

/// Name, type, default and importance.
type Row = (&'static str, ConfigType, Option<&'static str>, Importance);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("ssl.protocol", String, Some("TLSv1.3"), Medium),
    ("ssl.provider", String, None, Medium),
    ("ssl.cipher.suites", List, Some(""), Low),
    ("ssl.enabled.protocols", List, Some("TLSv1.2,TLSv1.3"), Medium),
    ("ssl.keystore.type", String, Some("JKS"), Medium),
    ("ssl.keystore.location", String, None, High),
    ("ssl.keystore.password", Password, None, High),
    ("ssl.key.password", Password, None, High),
    ("ssl.keystore.key", Password, None, High),
    ("ssl.keystore.certificate.chain", Password, None, High),
    ("ssl.truststore.certificates", Password, None, High),
    ("ssl.truststore.type", String, Some("JKS"), Medium),
    ("ssl.truststore.location", String, None, High),
    ("ssl.truststore.password", Password, None, High),
    ("ssl.keymanager.algorithm", String, Some("SunX509"), Low),
    ("ssl.trustmanager.algorithm", String, Some("PKIX"), Low),
    ("ssl.endpoint.identification.algorithm", String, Some("https"), Low),
    ("ssl.secure.random.implementation", String, None, Low),
    ("ssl.engine.factory.class", Class, None, Low),
    ("sasl.kerberos.service.name", String, None, Medium),
    ("sasl.kerberos.kinit.cmd", String, Some("/usr/bin/kinit"), Low),
    ("sasl.kerberos.ticket.renew.window.factor", Double, Some("0.8"), Low),
    ("sasl.kerberos.ticket.renew.jitter", Double, Some("0.05"), Low),
    ("sasl.kerberos.min.time.before.relogin", Long, Some("60000"), Low),
    ("sasl.login.refresh.window.factor", Double, Some("0.8"), Low),
    ("sasl.login.refresh.window.jitter", Double, Some("0.05"), Low),
    ("sasl.login.refresh.min.period.seconds", Short, Some("60"), Low),
    ("sasl.login.refresh.buffer.seconds", Short, Some("300"), Low),
    ("sasl.mechanism", String, Some("GSSAPI"), Medium),
    ("sasl.jaas.config", Password, None, Medium),
    ("sasl.client.callback.handler.class", Class, None, Medium),
    ("sasl.login.callback.handler.class", Class, None, Medium),
    ("sasl.login.class", Class, None, Medium),
    ("sasl.login.connect.timeout.ms", Int, None, Low),
    ("sasl.login.read.timeout.ms", Int, None, Low),
    ("sasl.login.retry.backoff.max.ms", Long, Some("10000"), Low),
    ("sasl.login.retry.backoff.ms", Long, Some("100"), Low),
    ("sasl.oauthbearer.jwt.retriever.class", Class, Some("org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever"), Medium),
    ("sasl.oauthbearer.jwt.validator.class", Class, Some("org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator"), Medium),
    ("sasl.oauthbearer.scope", String, None, Medium),
    ("sasl.oauthbearer.client.credentials.client.id", String, None, Medium),
    ("sasl.oauthbearer.client.credentials.client.secret", Password, None, Medium),
    ("sasl.oauthbearer.assertion.algorithm", String, Some("RS256"), Medium),
    ("sasl.oauthbearer.assertion.claim.aud", String, None, Medium),
    ("sasl.oauthbearer.assertion.claim.exp.seconds", Int, Some("300"), Low),
    ("sasl.oauthbearer.assertion.claim.iss", String, None, Medium),
    ("sasl.oauthbearer.assertion.claim.jti.include", Boolean, Some("false"), Medium),
    ("sasl.oauthbearer.assertion.claim.nbf.seconds", Int, Some("60"), Low),
    ("sasl.oauthbearer.assertion.claim.sub", String, None, Medium),
    ("sasl.oauthbearer.assertion.file", String, None, Medium),
    ("sasl.oauthbearer.assertion.private.key.file", String, None, Medium),
    ("sasl.oauthbearer.assertion.private.key.passphrase", Password, None, Medium),
    ("sasl.oauthbearer.assertion.template.file", String, None, Medium),
    ("sasl.oauthbearer.scope.claim.name", String, Some("scope"), Low),
    ("sasl.oauthbearer.sub.claim.name", String, Some("sub"), Low),
    ("sasl.oauthbearer.token.endpoint.url", String, None, Medium),
    ("sasl.oauthbearer.jwks.endpoint.url", String, None, Medium),
    ("sasl.oauthbearer.jwks.endpoint.refresh.ms", Long, Some("3600000"), Low),
    ("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", Long, Some("10000"), Low),
    ("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", Long, Some("100"), Low),
    ("sasl.oauthbearer.clock.skew.seconds", Int, Some("30"), Low),
    ("sasl.oauthbearer.expected.audience", List, Some(""), Low),
    ("sasl.oauthbearer.expected.issuer", String, None, Low),
    ("sasl.oauthbearer.header.urlencode", Boolean, Some("false"), Low),
];

/// The keys beside TLS and SASL that a client of a cluster takes behind a prefix
/// (`MirrorClientConfig.CLIENT_CONFIG_DEF`).
const CONNECTION: [&str; 2] = ["bootstrap.servers", "security.protocol"];

/// Whether `source.cluster.KEY` and `target.cluster.KEY` are for clients.
pub(crate) fn is_client_key(key: &str) -> bool {
    CONNECTION.contains(&key) || ROWS.iter().any(|(name, ..)| *name == key)
}

/// The definitions.
pub(crate) fn definitions() -> impl Iterator<Item = ConfigKey> {
    ROWS.iter().map(|&(name, kind, default, importance)| {
        let key = ConfigKey::new(name, kind)
            .importance(importance)
            .doc("As in the settings of Kafka's clients.");
        let key = match default {
            Some(default) => key.default(default),
            None => key.optional(),
        };
        match name {
            "ssl.cipher.suites"
            | "ssl.enabled.protocols"
            | "sasl.oauthbearer.expected.audience" => key.distinct(true),
            "sasl.login.refresh.min.period.seconds" => key.validator(validators::between(0, 900)),
            "sasl.login.refresh.buffer.seconds"
            | "sasl.oauthbearer.assertion.claim.nbf.seconds" => {
                key.validator(validators::between(0, 3600))
            }
            "sasl.oauthbearer.assertion.claim.exp.seconds" => {
                key.validator(validators::between(0, 86_400))
            }
            "sasl.oauthbearer.assertion.algorithm" => {
                key.validator(validators::one_of_ignoring_case(&["es256", "rs256"]))
            }
            _ => key,
        }
    })
}
