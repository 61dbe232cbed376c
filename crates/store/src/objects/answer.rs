//! What an object store's answer means, judged by its status code.

use std::cell::Cell;

use async_trait::async_trait;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};

use crate::ErrorKind;

tokio::task_local! {
    /// What became of the PUT that this task is sending.
    static PUT: Cell<Sent>;
}

/// How far a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// It never left: no credentials, no connection.
    No,
    /// It was answered with this status.
    Answered(u16),
    /// It left, and what became of it is unknown.
    Lost,
}

/// What a write that was not answered with success means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The condition may not hold. It is a question: whose record is there now?
    Condition,
    /// It may have been written.
    Lost,
    /// It was not written, and may be later.
    Busy,
    /// It was not written, and it will not be.
    Fatal(ErrorKind),
}

/// Runs a write and tells how far its request came.
pub(super) async fn noticing<T>(write: impl Future<Output = T>) -> (T, Sent) {
    PUT.scope(Cell::new(Sent::No), async {
        let end = write.await;
        (end, PUT.with(Cell::get))
    })
    .await
}

/// Judges a write by its error, and by how far its request came.
pub(super) fn refusal(error: &object_store::Error, sent: Sent) -> Refusal {
    use object_store::Error as E;
    match (error, sent) {
        (E::AlreadyExists { .. } | E::Precondition { .. } | E::NotModified { .. }, _)
        | (_, Sent::Answered(409 | 412)) => Refusal::Condition,
        (_, Sent::Answered(429)) => Refusal::Busy,
        (_, Sent::Answered(501 | 405)) => Refusal::Fatal(ErrorKind::Unsupported),
        (_, Sent::Answered(status)) if !(400..500).contains(&status) => Refusal::Lost,
        (_, Sent::Lost) => Refusal::Lost,
        _ => Refusal::Fatal(kind(error)),
    }
}

/// Judges a question by its error: it changes nothing, so it cannot be lost.
pub(super) fn kind(error: &object_store::Error) -> ErrorKind {
    use object_store::Error as E;
    match error {
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => ErrorKind::Denied,
        E::NotImplemented { .. } | E::NotSupported { .. } | E::InvalidPath { .. } => {
            ErrorKind::Unsupported
        }
        _ => ErrorKind::Unavailable,
    }
}

/// Returns whether an object is missing, and not the bucket it would be in.
pub(super) fn is_absent(error: &object_store::Error) -> bool {
    let object_store::Error::NotFound { source, .. } = error else { return false };
    let text = source.to_string();
    !["NoSuchBucket", "ContainerNotFound", "bucket does not exist"]
        .iter()
        .any(|code| text.contains(code))
}

/// Makes HTTP clients that leave a note about each PUT.
#[derive(Debug)]
pub(super) struct NoticingConnector;

#[derive(Debug)]
struct Noticing(HttpClient);

impl HttpConnector for NoticingConnector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Noticing(ReqwestConnector::default().connect(options)?)))
    }
}

#[async_trait]
impl HttpService for Noticing {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let is_put = request.method().as_str() == "PUT";
        let note = |sent| {
            // Without a scope nobody asks.
            let _ = PUT.try_with(|put| put.set(sent));
        };
        if is_put {
            // Also what a dropped future leaves behind.
            note(Sent::Lost);
        }
        let end = self.0.execute(request).await;
        if is_put {
            note(match &end {
                Ok(response) => Sent::Answered(response.status().as_u16()),
                Err(error) if error.kind() == HttpErrorKind::Connect => Sent::No,
                Err(_) => Sent::Lost,
            });
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use object_store::Error as E;

    use super::*;

    fn generic() -> E {
        E::Generic { store: "S3", source: "".into() }
    }

    #[track_caller]
    fn check(error: E, sent: Sent, expected: Refusal) {
        assert_eq!(refusal(&error, sent), expected);
    }

    #[test]
    fn status_codes_decide() {
        let path = String::new;
        for status in [500, 502, 503, 504, 200] {
            check(generic(), Sent::Answered(status), Refusal::Lost);
        }
        check(generic(), Sent::Lost, Refusal::Lost);
        check(generic(), Sent::No, Refusal::Fatal(ErrorKind::Unavailable));
        check(generic(), Sent::Answered(400), Refusal::Fatal(ErrorKind::Unavailable));
        check(generic(), Sent::Answered(429), Refusal::Busy);
        check(generic(), Sent::Answered(501), Refusal::Fatal(ErrorKind::Unsupported));
        let exists = E::AlreadyExists { path: path(), source: "".into() };
        check(exists, Sent::Answered(409), Refusal::Condition);
        let failed = E::Precondition { path: path(), source: "".into() };
        check(failed, Sent::Answered(404), Refusal::Condition);
        let denied = E::PermissionDenied { path: path(), source: "".into() };
        check(denied, Sent::Answered(403), Refusal::Fatal(ErrorKind::Denied));
    }

    #[test]
    fn missing_bucket_is_not_an_absent_record() {
        let missing = |text: &str| E::NotFound { path: String::new(), source: text.into() };
        assert!(is_absent(&missing("<Code>NoSuchKey</Code>")));
        assert!(!is_absent(&missing("<Code>NoSuchBucket</Code>")));
        assert!(!is_absent(&missing("<Code>ContainerNotFound</Code>")));
    }
}
