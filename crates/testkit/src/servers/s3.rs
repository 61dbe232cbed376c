//! An S3 server that keeps conditions under concurrency: moto behind one lock.

use std::ffi::OsStr;

use super::{Server, Variables, http, installed, variables, workspace};

/// A running S3 server with an empty bucket.
#[derive(Debug)]
pub struct S3(Server);

impl S3 {
    /// The bucket that exists.
    pub const BUCKET: &str = "records";

    /// Starts one, or returns `None` if it is not installed.
    pub async fn start() -> Option<Self> {
        let python = workspace().join("target/test-servers/venv/bin/python");
        let python = installed(python, "the S3 test server (moto)")?;
        let script = workspace().join("tests/servers/s3_locked.py");
        let server = Server::start(&python, &[script.as_os_str(), OsStr::new("")], "listening");
        let status = http::put(server.port, &format!("/{}", Self::BUCKET)).await;
        assert_eq!(status, 200, "the bucket is made");
        Some(Self(server))
    }

    /// Returns the port it listens on.
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// Returns the environment of a client that speaks to it, or to a proxy on another port.
    pub fn variables(port: u16) -> Variables {
        variables([
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", &format!("http://127.0.0.1:{port}")),
        ])
    }
}
