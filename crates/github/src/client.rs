//! The client: paths, pages, patience, and what an answer means.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, ErrorKind};
use crate::known::Known;
use crate::quota::{Quota, retry_after};
use crate::repository::Repository;
use crate::transport::{Answer, Method, Request, Transport};

/// How many items a page has; GitHub gives at most a hundred.
const PAGE: usize = 100;

/// How many pages of one list are read.
const MAX_PAGES: usize = 100;

/// What a segment of a path may be without escaping.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// How patient a client is.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How often a GET is repeated after a passing failure.
    pub retries: u32,
    /// How long to wait before the first repetition; it doubles.
    pub pause: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { retries: 3, pause: Duration::from_millis(500) }
    }
}

/// Talks to one repository through one transport.
#[derive(Clone, Debug)]
pub struct Client {
    transport: Arc<dyn Transport>,
    base: String,
    repository: Repository,
    settings: Settings,
    // Never held across an `.await`.
    quota: Arc<Mutex<Option<Quota>>>,
    // The forge's clock as the last answer told it, and when that was. Never held across an `.await`.
    clock: Arc<Mutex<Option<(u64, Instant)>>>,
    // Answers that need not be sent again if they have not changed. Never held across an `.await`.
    known: Arc<Mutex<Known>>,
}

impl Client {
    /// Makes a client for `repository` behind the API at `base`, for example `https://api.github.com`.
    pub fn new(
        transport: Arc<dyn Transport>,
        base: &str,
        repository: Repository,
        settings: Settings,
    ) -> Self {
        let base = base.trim_end_matches('/').to_owned();
        let (quota, clock, known) = (Arc::default(), Arc::default(), Arc::default());
        Self { transport, base, repository, settings, quota, clock, known }
    }

    /// Returns the repository.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Returns the budget as the last answer told it.
    pub fn quota(&self) -> Option<Quota> {
        *self.quota.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the time on the forge's own clock, in milliseconds since 1970, from the last answer that
    /// told it; good to about a second.
    pub fn time(&self) -> Option<u64> {
        let (seconds, at) = (*self.clock.lock().unwrap_or_else(PoisonError::into_inner))?;
        let since = u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
        Some(seconds.saturating_mul(1000).saturating_add(since))
    }

    /// Reads one thing.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let answer = self.get_answer(path).await?;
        decode(Method::Get, path, &answer)
    }

    /// Reads every page of a list whose answers are arrays, or objects with an array in `field`.
    pub(crate) async fn pages<T: DeserializeOwned>(
        &self,
        path: &str,
        field: Option<&str>,
    ) -> Result<Vec<T>, Error> {
        let mut items = Vec::new();
        for page in 1..=MAX_PAGES {
            let joint = if path.contains('?') { '&' } else { '?' };
            let path = format!("{path}{joint}per_page={PAGE}&page={page}");
            let answer = self.get_answer(&path).await?;
            let value: Value = decode(Method::Get, &path, &answer)?;
            let list = match field {
                None => value,
                Some(field) => value.get(field).cloned().unwrap_or(Value::Null),
            };
            let Value::Array(list) = list else {
                return Err(error(
                    ErrorKind::Nonsense,
                    Method::Get,
                    &path,
                    None,
                    "the answer is not a list",
                ));
            };
            let count = list.len();
            // One item we cannot read must not hide the others.
            items.extend(list.into_iter().filter_map(|item| serde_json::from_value(item).ok()));
            if count < PAGE {
                return Ok(items);
            }
        }
        Ok(items)
    }

    /// Creates something; never repeated.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Error> {
        let answer = self.once(Method::Post, path, Some(encode(body))).await?;
        decode(Method::Post, path, &answer)
    }

    /// Asks for something to happen, where the answer says nothing.
    pub(crate) async fn post_empty(&self, path: &str) -> Result<(), Error> {
        self.once(Method::Post, path, None).await.map(drop)
    }

    /// Changes something; never repeated, because a late repetition could undo what came between.
    pub(crate) async fn patch<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Error> {
        let answer = self.once(Method::Patch, path, Some(encode(body))).await?;
        decode(Method::Patch, path, &answer)
    }

    /// Removes something. That it was gone already is as good.
    pub(crate) async fn delete(&self, path: &str) -> Result<(), Error> {
        match self.once(Method::Delete, path, None).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Returns the path of something in the repository; segments are escaped.
    pub(crate) fn path(&self, segments: &[&str]) -> String {
        let mut path = format!("/repos/{}/{}", self.repository.owner(), self.repository.name());
        for segment in segments {
            path.push('/');
            path.push_str(&segment_text(segment));
        }
        path
    }

    async fn get_answer(&self, path: &str) -> Result<Answer, Error> {
        let mut pause = self.settings.pause;
        for _ in 0..self.settings.retries {
            match self.once(Method::Get, path, None).await {
                Err(error) if error.kind == ErrorKind::Unavailable => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                result => return result,
            }
        }
        self.once(Method::Get, path, None).await
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn once(&self, method: Method, path: &str, body: Option<Bytes>) -> Result<Answer, Error> {
        let if_none_match = match method {
            Method::Get => self.known().tag(path),
            _ => None,
        };
        let url = format!("{}{path}", self.base);
        let request = Request { method, url, body, if_none_match };
        let answer = self.transport.send(request).await.map_err(|failure| {
            let harmless = failure.never_sent || method == Method::Get;
            let kind = if harmless { ErrorKind::Unavailable } else { ErrorKind::Lost };
            error(kind, method, path, None, &failure.message)
        })?;
        if let Some(quota) = Quota::of(&answer) {
            *self.quota.lock().unwrap_or_else(PoisonError::into_inner) = Some(quota);
        }
        if let Some(seconds) = answer.date {
            let told = Some((seconds, Instant::now()));
            *self.clock.lock().unwrap_or_else(PoisonError::into_inner) = told;
        }
        if method == Method::Get && answer.status == 304 {
            // It costs nothing of the budget, and says that nothing has changed.
            return self.known().get(path).ok_or_else(|| {
                let why = "it says that nothing has changed, and was not asked that";
                error(ErrorKind::Nonsense, method, path, Some(304), why)
            });
        }
        if (200..300).contains(&answer.status) {
            if method == Method::Get {
                self.known().keep(path, &answer);
            }
            return Ok(answer);
        }
        Err(error(classify(method, &answer), method, path, Some(answer.status), &message(&answer)))
    }
}

/// Escapes one segment of a path.
pub(crate) fn segment_text(segment: &str) -> String {
    utf8_percent_encode(segment, SEGMENT).to_string()
}

fn classify(method: Method, answer: &Answer) -> ErrorKind {
    let limited = || ErrorKind::RateLimited { retry_after: retry_after(answer) };
    match answer.status {
        429 => limited(),
        // A secondary limit shows itself by a header, an exhausted budget, or the code `abuse`.
        403 | 422 if retry_after(answer).is_some() || exhausted(answer) || is_abuse(answer) => {
            limited()
        }
        401 | 403 => ErrorKind::Denied,
        404 | 410 => ErrorKind::NotFound,
        409 => ErrorKind::Conflict,
        400..=499 => ErrorKind::Refused,
        // A gateway that gave up does not know what became of the request.
        500..=599 if method == Method::Get => ErrorKind::Unavailable,
        500..=599 => ErrorKind::Lost,
        _ => ErrorKind::Nonsense,
    }
}

fn exhausted(answer: &Answer) -> bool {
    answer.status == 403 && Quota::of(answer).is_some_and(|quota| quota.remaining == 0)
}

/// Looks for the machine-readable code of an abuse limit, and for the documentation link that marks one.
fn is_abuse(answer: &Answer) -> bool {
    let Ok(body) = serde_json::from_slice::<Value>(&answer.body) else { return false };
    let codes = body.get("errors").and_then(Value::as_array).into_iter().flatten();
    let code = codes.filter_map(|error| error.get("code")?.as_str()).any(|code| code == "abuse");
    let link = body.get("documentation_url").and_then(Value::as_str).unwrap_or_default();
    code || link.contains("secondary-rate-limits") || link.contains("abuse-rate-limits")
}

fn message(answer: &Answer) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = body.get("message").and_then(Value::as_str).unwrap_or("no message");
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

fn decode<T: DeserializeOwned>(method: Method, path: &str, answer: &Answer) -> Result<T, Error> {
    let body: &[u8] = if answer.body.is_empty() { b"null" } else { &answer.body };
    serde_json::from_slice(body).map_err(|why| {
        error(ErrorKind::Nonsense, method, path, Some(answer.status), &why.to_string())
    })
}

fn encode(body: &impl Serialize) -> Bytes {
    serde_json::to_vec(body).expect("request bodies are plain data").into()
}

fn error(kind: ErrorKind, method: Method, path: &str, status: Option<u16>, message: &str) -> Error {
    let path = path.split('?').next().unwrap_or(path).to_owned();
    Error { kind, method: method.as_str(), path, status, message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Answer { status, headers, date: Some(1000), body: Bytes::copy_from_slice(body.as_bytes()) }
    }

    #[track_caller]
    fn check(answer: Answer, expected: ErrorKind) {
        assert_eq!(classify(Method::Post, &answer), expected);
    }

    #[test]
    fn limits_are_told_from_refusals() {
        let limited = |seconds: Option<u64>| ErrorKind::RateLimited {
            retry_after: seconds.map(Duration::from_secs),
        };
        check(answer(403, &[], "{}"), ErrorKind::Denied);
        check(answer(403, &[("retry-after", "7")], "{}"), limited(Some(7)));
        check(answer(429, &[], "{}"), limited(None));
        let spent = [
            ("x-ratelimit-limit", "5000"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1060"),
        ];
        check(answer(403, &spent, "{}"), limited(Some(60)));
        check(answer(422, &[], r#"{"errors":[{"code":"abuse"}]}"#), limited(None));
        check(answer(422, &[], r#"{"message":"Body is too long"}"#), ErrorKind::Refused);
        check(answer(404, &[], ""), ErrorKind::NotFound);
    }

    #[test]
    fn lost_answer_is_only_harmless_for_reading() {
        assert_eq!(classify(Method::Get, &answer(502, &[], "")), ErrorKind::Unavailable);
        assert_eq!(classify(Method::Patch, &answer(502, &[], "")), ErrorKind::Lost);
    }
}
