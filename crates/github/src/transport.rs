//! The seam to the network: one request, one answer.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

/// Longest answer read.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// The methods we use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Creates.
    Post,
    /// Changes.
    Patch,
    /// Removes.
    Delete,
}

impl Method {
    /// Returns the word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// A request, with its headers but for the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The whole URL.
    pub url: String,
    /// A JSON body.
    pub body: Option<Bytes>,
    /// The `ETag` of an answer we still have.
    pub if_none_match: Option<String>,
}

/// An answer, whatever its status.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The `Date` header in seconds since the epoch.
    pub date: Option<u64>,
    /// The body.
    pub body: Bytes,
}

/// There was no answer.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Whether the server cannot have seen the request.
    pub never_sent: bool,
    /// What happened.
    pub message: String,
}

/// Sends requests.
#[async_trait]
pub trait Transport: Send + Sync + fmt::Debug {
    /// Sends one request and waits for its answer.
    async fn send(&self, request: Request) -> Result<Answer, Failure>;
}

/// The real network.
#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
    token: Option<String>,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("has_token", &self.token.is_some()).finish_non_exhaustive()
    }
}

impl Http {
    /// Makes a transport that sends `token` to whatever host it is asked to talk to.
    pub fn new(token: Option<String>, timeout: Duration) -> Result<Self, Failure> {
        let failed = |error: reqwest::Error| Failure {
            never_sent: true,
            message: error.without_url().to_string(),
        };
        let client = reqwest::Client::builder()
            .user_agent(concat!("interlock/", env!("CARGO_PKG_VERSION")))
            .timeout(timeout)
            .connect_timeout(Duration::from_secs(10))
            // A redirect could carry the token to another host.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(failed)?;
        Ok(Self { client, token })
    }
}

#[async_trait]
impl Transport for Http {
    async fn send(&self, request: Request) -> Result<Answer, Failure> {
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Patch => reqwest::Method::PATCH,
            Method::Delete => reqwest::Method::DELETE,
        };
        let mut builder = self
            .client
            .request(method, &request.url)
            .header("accept", "application/vnd.github+json")
            .header("x-github-api-version", "2022-11-28");
        if let Some(token) = &self.token {
            builder = builder.bearer_auth(token);
        }
        if let Some(tag) = request.if_none_match {
            builder = builder.header("if-none-match", tag);
        }
        if let Some(body) = request.body {
            builder = builder.header("content-type", "application/json").body(body);
        }
        let failed = |error: reqwest::Error| Failure {
            never_sent: error.is_connect() || error.is_builder(),
            message: causes(&error.without_url()),
        };
        let mut response = builder.send().await.map_err(failed)?;
        let headers = headers(&response);
        let date =
            headers.iter().find(|(name, _)| name == "date").and_then(|(_, text)| seconds(text));
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                let message = format!("the answer is longer than {MAX_ANSWER} bytes");
                return Err(Failure { never_sent: false, message });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, headers, date, body: body.into() })
    }
}

impl Answer {
    /// Returns a header; `name` is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn headers(response: &reqwest::Response) -> Vec<(String, String)> {
    let text = response.headers().iter().filter_map(|(name, value)| {
        Some((name.as_str().to_ascii_lowercase(), value.to_str().ok()?.to_owned()))
    });
    text.collect()
}

fn seconds(date: &str) -> Option<u64> {
    let time = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    u64::try_from(time.as_second()).ok()
}

/// Joins an error and its causes: reqwest alone says no more than "error sending request".
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
