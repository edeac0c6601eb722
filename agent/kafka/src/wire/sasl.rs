//! SASL as the client's side of an exchange of messages: PLAIN, SCRAM (RFC 5802, 7677) and OAUTHBEARER
//! (RFC 7628) with unsigned tokens. A connection carries the messages.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};

use super::security::{Sasl, ScramAlgorithm};

/// Fewest iterations that Kafka's clients take (`ScramMechanism.minIterations`): with fewer a password can be
/// guessed from an exchange that was overheard.
const FEWEST_ITERATIONS: u32 = 4_096;
/// Most iterations: brokers have 16,384 at most, and a server that asks for more takes time from everything
/// else here.
const MOST_ITERATIONS: u32 = 100_000;

/// The client's side of an exchange, without the connection that carries it.
pub(super) enum Exchange<'a> {
    /// The first message says all.
    Said,
    /// SCRAM, before the proof was sent.
    Challenged(Scram<'a>),
    /// SCRAM: the server has to prove that it knows the password too.
    Proving(Scram<'a>),
}

impl<'a> Exchange<'a> {
    /// A new exchange with its first message.
    pub(super) fn begin(sasl: &'a Sasl) -> (Self, Vec<u8>) {
        match sasl {
            Sasl::Plain { username, password } => {
                let token = format!("\0{username}\0{}", password.expose());
                (Self::Said, token.into_bytes())
            }
            Sasl::Scram {
                algorithm,
                username,
                password,
            } => {
                let nonce = uuid::Uuid::new_v4().simple().to_string();
                let scram = Scram::new(*algorithm, username, password.expose(), nonce);
                let first = scram.first().into_bytes();
                (Self::Challenged(scram), first)
            }
            Sasl::UnsecuredToken { principal, scope } => {
                let token = unsecured_token(principal, scope.as_deref());
                let message = format!("n,,\x01auth=Bearer {token}\x01\x01");
                (Self::Said, message.into_bytes())
            }
        }
    }

    /// What follows on a message of the server, with the next message if there is one.
    ///
    /// # Errors
    /// Why the server is not to be trusted.
    pub(super) fn answer(self, server: &[u8]) -> Result<Option<(Self, Vec<u8>)>, String> {
        match self {
            Self::Said => Ok(None),
            Self::Challenged(mut scram) => {
                let last = scram.last(server)?.into_bytes();
                Ok(Some((Self::Proving(scram), last)))
            }
            Self::Proving(scram) => scram.check(server).map(|()| None),
        }
    }
}

/// Name of the mechanism, as brokers list it.
pub(super) fn mechanism(sasl: &Sasl) -> &'static str {
    match sasl {
        Sasl::Plain { .. } => "PLAIN",
        Sasl::Scram {
            algorithm: ScramAlgorithm::Sha256,
            ..
        } => "SCRAM-SHA-256",
        Sasl::Scram {
            algorithm: ScramAlgorithm::Sha512,
            ..
        } => "SCRAM-SHA-512",
        Sasl::UnsecuredToken { .. } => "OAUTHBEARER",
    }
}

/// The client's side of one SCRAM exchange.
pub(super) struct Scram<'a> {
    algorithm: ScramAlgorithm,
    password: &'a str,
    nonce: String,
    first_bare: String,
    server_signature: Vec<u8>,
}

impl<'a> Scram<'a> {
    fn new(algorithm: ScramAlgorithm, username: &str, password: &'a str, nonce: String) -> Self {
        let username = username.replace('=', "=3D").replace(',', "=2C");
        Self {
            algorithm,
            password,
            first_bare: format!("n={username},r={nonce}"),
            nonce,
            server_signature: Vec::new(),
        }
    }

    fn first(&self) -> String {
        format!("n,,{}", self.first_bare)
    }

    fn last(&mut self, server_first: &[u8]) -> Result<String, String> {
        let server_first =
            std::str::from_utf8(server_first).map_err(|_| "its first message is not text")?;
        let field = |name: &str| {
            server_first
                .split(',')
                .find_map(|part| part.strip_prefix(name))
                .ok_or_else(|| format!("its first message lacks {name}"))
        };
        let nonce = field("r=")?;
        if !nonce.starts_with(self.nonce.as_str()) {
            return Err("its nonce does not go on from ours".to_owned());
        }
        let salt = STANDARD
            .decode(field("s=")?)
            .map_err(|_| "its salt is not valid base64")?;
        let iterations = field("i=")?;
        let iterations = iterations
            .parse::<u32>()
            .ok()
            .filter(|count| (FEWEST_ITERATIONS..=MOST_ITERATIONS).contains(count))
            .ok_or_else(|| {
                format!(
                    "its iteration count {iterations} is not within {FEWEST_ITERATIONS} and {MOST_ITERATIONS}"
                )
            })?;
        let without_proof = format!("c=biws,r={nonce}");
        let message = format!("{},{server_first},{without_proof}", self.first_bare);
        let salted = self.salted_password(&salt, iterations);
        let client_key = self.hmac(&salted, b"Client Key");
        let signature = self.hmac(&self.hash(&client_key), message.as_bytes());
        let proof: Vec<u8> = client_key
            .iter()
            .zip(&signature)
            .map(|(key, sign)| key ^ sign)
            .collect();
        self.server_signature = self.hmac(&self.hmac(&salted, b"Server Key"), message.as_bytes());
        Ok(format!("{without_proof},p={}", STANDARD.encode(proof)))
    }

    fn check(&self, server_last: &[u8]) -> Result<(), String> {
        let text = std::str::from_utf8(server_last).map_err(|_| "its last message is not text")?;
        if let Some(error) = text.strip_prefix("e=") {
            return Err(error.to_owned());
        }
        let signature = text
            .split(',')
            .find_map(|part| part.strip_prefix("v="))
            .and_then(|value| STANDARD.decode(value).ok());
        if signature.is_some_and(|signature| signature == self.server_signature) {
            Ok(())
        } else {
            Err("it does not know the password".to_owned())
        }
    }

    /// PBKDF2 with one block.
    fn salted_password(&self, salt: &[u8], iterations: u32) -> Vec<u8> {
        let password = self.password.as_bytes();
        let mut block = self.hmac(password, &[salt, &1u32.to_be_bytes()].concat());
        let mut result = block.clone();
        for _ in 1..iterations {
            block = self.hmac(password, &block);
            for (sum, byte) in result.iter_mut().zip(&block) {
                *sum ^= byte;
            }
        }
        result
    }

    fn hmac(&self, key: &[u8], message: &[u8]) -> Vec<u8> {
        match self.algorithm {
            ScramAlgorithm::Sha256 => hmac_of::<Hmac<Sha256>>(key, message),
            ScramAlgorithm::Sha512 => hmac_of::<Hmac<Sha512>>(key, message),
        }
    }

    fn hash(&self, message: &[u8]) -> Vec<u8> {
        match self.algorithm {
            ScramAlgorithm::Sha256 => Sha256::digest(message).to_vec(),
            ScramAlgorithm::Sha512 => Sha512::digest(message).to_vec(),
        }
    }
}

fn hmac_of<M: Mac + KeyInit>(key: &[u8], message: &[u8]) -> Vec<u8> {
    // HMAC takes keys of any length; an error can't happen and would only fail the authentication.
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else {
        return Vec::new();
    };
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// A token with algorithm "none", valid for an hour, as Java's unsecured login callback makes it.
fn unsecured_token(principal: &str, scope: Option<&str>) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let mut claims = serde_json::json!({"sub": principal, "iat": now, "exp": now + 3600});
    if let (Some(scope), Some(claims)) = (scope, claims.as_object_mut()) {
        claims.insert("scope".to_owned(), scope.into());
    }
    format!(
        "{}.{}.",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exchange that RFC 7677 gives as an example in its third chapter.
    #[test]
    fn scram_sha_256_matches_the_rfc() {
        let mut scram = Scram::new(
            ScramAlgorithm::Sha256,
            "user",
            "pencil",
            "rOprNGfwEbeRWgbNEkqO".to_owned(),
        );
        assert_eq!(scram.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let last = scram
            .last(b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
            .unwrap();
        assert_eq!(
            last,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert_eq!(
            scram.check(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="),
            Ok(())
        );
        assert!(scram.check(b"v=AAAA").is_err());
        assert_eq!(
            scram.check(b"e=invalid-proof"),
            Err("invalid-proof".to_owned())
        );
    }

    #[test]
    fn a_server_that_changes_the_nonce_is_refused() {
        let mut scram = Scram::new(ScramAlgorithm::Sha512, "u", "p", "abc".to_owned());
        assert!(scram.last(b"r=xyz,s=AAAA,i=4096").is_err());
        assert!(scram.last(b"r=abcd,s=AAAA,i=999999999").is_err());
        assert!(scram.last(b"r=abcd,s=AAAA,i=1").is_err());
        assert!(scram.last(b"\xff").is_err());
    }
}
