//! Who sends: nobody, a user with a password, or a client with a token of its own (OAuth 2, client
//! credentials).

use reqwest::{Client, RequestBuilder, Url, header};
use sluice_api::causes::with_causes;
use sluice_api::{KeyFault, ParsedConfig, Password};
use tokio::sync::Mutex;

use crate::config;

#[derive(Debug)]
pub(crate) enum Authorization {
    None,
    Basic(String, Password),
    Token(Box<TokenSource>),
}

/// Fetches a token when there is none, and again when it was refused.
#[derive(Debug)]
pub(crate) struct TokenSource {
    url: Url,
    client: String,
    secret: Password,
    property: String,
    /// Whether id and secret go into the form, or else into a header.
    in_form: bool,
    scope: String,
    token: Mutex<Option<Password>>,
}

impl Authorization {
    pub(crate) fn of(settings: &ParsedConfig) -> Result<Self, KeyFault> {
        let needed = |key: &str| match settings.string(key) {
            "" => Err(KeyFault::new(key, "is needed by auth.type")),
            text => Ok(text.to_owned()),
        };
        Ok(
            match settings.string(config::AUTH).to_ascii_uppercase().as_str() {
                "BASIC" => {
                    let password = settings.password(config::PASSWORD).clone();
                    Self::Basic(needed(config::USER)?, password)
                }
                "OAUTH2" => Self::Token(Box::new(TokenSource {
                    url: Url::parse(&needed(config::TOKEN_URL)?)
                        .map_err(|why| KeyFault::new(config::TOKEN_URL, why))?,
                    client: needed(config::CLIENT_ID)?,
                    secret: settings.password(config::CLIENT_SECRET).clone(),
                    property: settings.string(config::TOKEN_PROPERTY).to_owned(),
                    in_form: settings
                        .string(config::CLIENT_MODE)
                        .eq_ignore_ascii_case("url"),
                    scope: settings.string(config::SCOPE).to_owned(),
                    token: Mutex::default(),
                })),
                _ => Self::None,
            },
        )
    }

    /// Puts it into a request.
    ///
    /// # Errors
    /// There is no token, and why.
    pub(crate) async fn sign(
        &self,
        client: &Client,
        request: RequestBuilder,
    ) -> Result<RequestBuilder, String> {
        Ok(match self {
            Self::None => request,
            Self::Basic(user, password) => request.basic_auth(user, Some(password.reveal())),
            Self::Token(source) => {
                let token = source.token(client).await?;
                request.bearer_auth(token.reveal())
            }
        })
    }

    /// Whether another attempt may have a better token.
    pub(crate) async fn was_refused(&self) -> bool {
        match self {
            Self::Token(source) => source.token.lock().await.take().is_some(),
            _ => false,
        }
    }
}

impl TokenSource {
    async fn token(&self, client: &Client) -> Result<Password, String> {
        let mut token = self.token.lock().await;
        if let Some(token) = &*token {
            return Ok(token.clone());
        }
        let fetched = self.fetch(client).await?;
        *token = Some(fetched.clone());
        Ok(fetched)
    }

    fn form(&self) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        form.append_pair("scope", &self.scope);
        if self.in_form {
            form.append_pair("client_id", &self.client);
            form.append_pair("client_secret", self.secret.reveal());
        }
        form.finish()
    }

    async fn fetch(&self, client: &Client) -> Result<Password, String> {
        let mut request = client
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(self.form());
        if !self.in_form {
            request = request.basic_auth(&self.client, Some(self.secret.reveal()));
        }
        let failed = |why: String| format!("no token from {}: {why}", config::TOKEN_URL);
        let reply = request
            .send()
            .await
            .map_err(|error| failed(with_causes(&error.without_url())))?;
        let status = reply.status();
        if !status.is_success() {
            return Err(failed(format!("the answer is {status}")));
        }
        let answer: serde_json::Value = reply
            .json()
            .await
            .map_err(|_| failed("the answer is not JSON".to_owned()))?;
        match answer
            .get(&self.property)
            .and_then(serde_json::Value::as_str)
        {
            Some(token) => Ok(Password::new(token)),
            None => Err(failed(format!("the answer has no {:?}", self.property))),
        }
    }
}
