//! Azure Blob Storage on this machine: Azurite, in memory.

use std::ffi::OsStr;
use std::process::Command;

use super::{Server, Variables, installed, variables, workspace};

/// The account that every Azurite has, and its key, which Microsoft publishes.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A running blob service with an empty container.
#[derive(Debug)]
pub struct Azure(Server);

impl Azure {
    /// The container that exists.
    pub const CONTAINER: &str = "records";

    /// Starts one, or returns `None` if it is not installed.
    pub fn start() -> Option<Self> {
        let program = workspace().join("tests/servers/node_modules/.bin/azurite-blob");
        let program = installed(program, "the Azure test server (azurite)")?;
        let arguments = [
            "--inMemoryPersistence",
            "--skipApiVersionCheck",
            "--disableTelemetry",
            "--blobPort",
            "0",
        ];
        let server = Server::start(&program, &arguments.map(OsStr::new), "listens on");
        let script = workspace().join("tests/servers/azure_container.mjs");
        let made = Command::new("node")
            .arg(script)
            .args([&server.port.to_string(), ACCOUNT, KEY, Self::CONTAINER])
            .status()
            .expect("azurite needs node, so node is there");
        assert!(made.success(), "the container is made");
        Some(Self(server))
    }

    /// Returns the port it listens on.
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// Returns the environment of a client that speaks to it, or to a proxy on another port.
    pub fn variables(port: u16) -> Variables {
        variables([
            ("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT),
            ("AZURE_STORAGE_ACCOUNT_KEY", KEY),
            ("AZURE_STORAGE_ENDPOINT", &format!("http://127.0.0.1:{port}/{ACCOUNT}")),
        ])
    }
}
