//! Which bucket a URL names, and the client that reaches it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use super::answer::NoticingConnector;
use crate::{Error, ErrorKind};

/// A bucket and a prefix in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Location {
    kind: Kind,
    bucket: String,
    pub(super) prefix: Path,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Amazon,
    Azure,
    Google,
}

impl Location {
    /// Reads `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`.
    pub(super) fn parse(url: &str) -> Result<Self, Error> {
        let refuse = |why: &str| Error::new(ErrorKind::Unsupported, "store", "open", url, why);
        let (scheme, rest) = url.split_once("://").unwrap_or((url, ""));
        let kind = match scheme {
            "s3" => Kind::Amazon,
            "az" => Kind::Azure,
            "gs" => Kind::Google,
            _ => return Err(refuse("a bucket is named as s3://, gs:// or az://BUCKET/PREFIX")),
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if bucket.is_empty() || !bucket.chars().all(plain) {
            return Err(refuse(
                "the bucket's name comes after ://, and credentials, region and endpoint \
                 from the environment",
            ));
        }
        if prefix.contains(['?', '#', '%', '=']) {
            return Err(refuse("a prefix has no `?`, `#`, `%` or `=`"));
        }
        let prefix = Path::parse(prefix.trim_end_matches('/'))
            .map_err(|error| Error::new(ErrorKind::Unsupported, "store", "open", url, error))?;
        Ok(Self { kind, bucket: bucket.to_owned(), prefix })
    }

    pub(super) fn name(&self) -> &'static str {
        match self.kind {
            Kind::Amazon => "s3",
            Kind::Azure => "az",
            Kind::Google => "gs",
        }
    }

    /// Makes a client whose requests are repeated, for reads, and one whose are not, for writes.
    pub(super) fn clients(
        &self,
        variables: &BTreeMap<String, String>,
    ) -> Result<[Arc<dyn ObjectStore>; 2], Error> {
        let backoff = BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(2),
            base: 2.0,
        };
        let retry = |max_retries| RetryConfig {
            backoff: backoff.clone(),
            max_retries,
            retry_timeout: Duration::from_secs(20),
        };
        let client = |max_retries| match self.kind {
            Kind::Amazon => self.amazon(variables, retry(max_retries)),
            Kind::Azure => self.azure(variables, retry(max_retries)),
            Kind::Google => self.google(variables, retry(max_retries)),
        };
        let end = |error: object_store::Error| {
            Error::new(ErrorKind::Unsupported, self.name(), "open", self.to_string(), error)
        };
        Ok([client(4).map_err(end)?, client(0).map_err(end)?])
    }

    fn amazon(
        &self,
        variables: &BTreeMap<String, String>,
        retry: RetryConfig,
    ) -> object_store::Result<Arc<dyn ObjectStore>> {
        let settings = settings(variables, "aws_");
        // A store without conditions would lock nothing.
        let settings = settings.filter(|(name, _)| name != "aws_conditional_put");
        let mut builder = AmazonS3Builder::new();
        for (name, value) in settings {
            // The variable that the AWS tools know for one service comes before the general one.
            let name = if name == "aws_endpoint_url_s3" { "aws_endpoint_url" } else { &name };
            if let Ok(key) = name.parse() {
                builder = builder.with_config(key, value);
            }
        }
        let endpoints = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];
        let builder = builder
            .with_bucket_name(&self.bucket)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_retry(retry)
            .with_http_connector(NoticingConnector)
            .with_client_options(options(variables, "AWS", &endpoints));
        Ok(Arc::new(builder.build()?))
    }

    fn azure(
        &self,
        variables: &BTreeMap<String, String>,
        retry: RetryConfig,
    ) -> object_store::Result<Arc<dyn ObjectStore>> {
        let mut builder = MicrosoftAzureBuilder::new();
        for (name, value) in settings(variables, "azure_") {
            // As the `az` program calls them.
            let name = match &*name {
                "azure_storage_account" => "azure_storage_account_name",
                "azure_storage_key" => "azure_storage_account_key",
                name => name,
            };
            if let Ok(key) = name.parse() {
                builder = builder.with_config(key, value);
            }
        }
        let builder = builder
            .with_container_name(&self.bucket)
            .with_retry(retry)
            .with_http_connector(NoticingConnector)
            .with_client_options(options(
                variables,
                "AZURE",
                &["AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"],
            ));
        Ok(Arc::new(builder.build()?))
    }

    fn google(
        &self,
        variables: &BTreeMap<String, String>,
        retry: RetryConfig,
    ) -> object_store::Result<Arc<dyn ObjectStore>> {
        let mut builder = GoogleCloudStorageBuilder::new();
        for (name, value) in settings(variables, "google_") {
            if let Ok(key) = name.parse() {
                builder = builder.with_config(key, value);
            }
        }
        let builder = builder
            .with_bucket_name(&self.bucket)
            .with_retry(retry)
            .with_http_connector(NoticingConnector)
            .with_client_options(options(variables, "GOOGLE", &["GOOGLE_BASE_URL"]));
        Ok(Arc::new(builder.build()?))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/{}", self.name(), self.bucket, self.prefix)
    }
}

/// Returns the variables of one provider, in lower case, in order.
fn settings(
    variables: &BTreeMap<String, String>,
    start: &'static str,
) -> impl Iterator<Item = (String, String)> {
    let lower = variables.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
    lower.filter(move |(name, value)| name.starts_with(start) && !value.is_empty())
}

/// Bounds every request, and allows plain HTTP only on this machine, or if somebody insists.
fn options(
    variables: &BTreeMap<String, String>,
    provider: &str,
    endpoints: &[&str],
) -> ClientOptions {
    let insists = variables.get(&format!("{provider}_ALLOW_HTTP")).is_some_and(|it| it == "true");
    let local = endpoints.iter().filter_map(|name| variables.get(*name)).any(|it| is_loopback(it));
    ClientOptions::new()
        .with_timeout(Duration::from_secs(15))
        .with_connect_timeout(Duration::from_secs(5))
        .with_allow_http(insists || local)
}

fn is_loopback(endpoint: &str) -> bool {
    let Some(rest) = endpoint.strip_prefix("http://") else { return false };
    let host = rest.split('/').next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    matches!(host, "localhost" | "127.0.0.1" | "[::1]") && !rest.contains('@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_a_bucket_and_a_prefix() {
        let location = Location::parse("s3://bucket/a/b/").expect("a location");
        assert_eq!(location.to_string(), "s3://bucket/a/b");
        assert_eq!(Location::parse("az://container").expect("a location").prefix, Path::default());
        for url in [
            "s3://",
            "s3:bucket",
            "ftp://a",
            "s3://key:secret@bucket",
            "s3://b/a?x=y",
            "gs://b/../c",
        ] {
            let error = Location::parse(url).expect_err(url);
            assert_eq!(error.kind, ErrorKind::Unsupported);
        }
    }

    #[test]
    fn plain_http_is_for_this_machine() {
        assert!(is_loopback("http://127.0.0.1:5000"));
        assert!(is_loopback("http://localhost/path"));
        assert!(is_loopback("http://[::1]:9000/"));
        assert!(!is_loopback("https://127.0.0.1"));
        assert!(!is_loopback("http://127.0.0.1.example.com"));
        assert!(!is_loopback("http://localhost:80@example.com"));
    }
}
