//! Calls of the services' APIs, and their problems in words.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use contracts::Problem;
use contracts::problem::Actor;
use reqwest::{Client, Method, RequestBuilder};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::config::Config;

/// One service, with a token.
pub struct Api {
    base: String,
    http: Client,
    token: String,
}

/// What a service has refused.
#[derive(Debug)]
pub struct Refused(pub Problem);

impl std::error::Error for Refused {}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { code, title, detail, issues, .. } = &self.0;
        write!(f, "{code}: {title}")?;
        if let Some(detail) = detail {
            write!(f, "\n  {detail}")?;
        }
        for issue in issues {
            write!(f, "\n  {}: {}", issue.expression, issue.text)?;
        }
        match self.0.known_code().map(contracts::ProblemCode::actor) {
            Some(Actor::Operator) => write!(f, "\n  an operator has to act"),
            Some(Actor::Nobody) => write!(f, "\n  it passes by itself: try again later"),
            Some(Actor::Sender) | None => Ok(()),
        }
    }
}

impl Api {
    /// Makes a client of the outbound API.
    pub fn outbound(config: &Config) -> Result<Self> {
        let base = config.server.as_deref();
        Self::new(
            base.context("no server: give --server, IIDI_SERVER or `server` in the configuration")?,
            config,
        )
    }

    /// Makes a client of the inbound service's own API.
    pub fn inbound(config: &Config) -> Result<Self> {
        let base = config.inbound_server.as_deref();
        Self::new(
            base.context(
                "no inbound server: give --inbound-server, or `inbound_server` in the configuration",
            )?,
            config,
        )
    }

    /// Makes a client of the aggregator's own API.
    pub fn aggregator(config: &Config) -> Result<Self> {
        let base = config.aggregator_server.as_deref();
        Self::new(
            base.context(
                "no aggregator: give --aggregator-server, IIDI_AGGREGATOR_SERVER or `aggregator_server` in the configuration",
            )?,
            config,
        )
    }

    /// Makes a client of the federator's API.
    pub fn federator(config: &Config) -> Result<Self> {
        let base = config.federator_server.as_deref();
        Self::new(
            base.context(
                "no federator: give --federator-server, IIDI_FEDERATOR_SERVER or `federator_server` in the configuration",
            )?,
            config,
        )
    }

    fn new(base: &str, config: &Config) -> Result<Self> {
        let file = config.token_file.as_deref();
        let file = file
            .context("no token: give --token-file, IIDI_TOKEN_FILE or `token_file` in the configuration")?;
        Ok(Self { base: base.trim_end_matches('/').to_owned(), http: client()?, token: read_secret(file)? })
    }

    /// Begins a call.
    pub fn call(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    /// Reads a document.
    pub async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, String)]) -> Result<T> {
        answer(self.call(Method::GET, path).query(query)).await
    }

    /// Posts a document and reads the answer.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T> {
        answer(self.call(Method::POST, path).json(body)).await
    }
}

/// Makes a plain HTTP client.
pub fn client() -> Result<Client> {
    Ok(Client::builder().timeout(Duration::from_secs(30)).no_proxy().build()?)
}

/// Reads a file with one secret in it.
pub fn read_secret(file: &Path) -> Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(text.trim().to_owned())
}

/// Sends a call and reads its answer, or its problem.
pub async fn answer<T: DeserializeOwned>(call: RequestBuilder) -> Result<T> {
    let answer =
        call.send().await.map_err(reqwest::Error::without_url).context("the service does not answer")?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(reqwest::Error::without_url).context("the answer broke off")?;
    if status.is_success() {
        return serde_json::from_slice(&body).context("the answer is none of this version's");
    }
    match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => Err(Refused(problem).into()),
        Err(_) => anyhow::bail!("the service answered {status} without saying why"),
    }
}
