//! Git over smart HTTP: `git http-backend` behind as much of a web server as it needs.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::task::JoinSet;

use super::http::{Message, read_request};

/// A running server of one empty bare repository. It stops when it is dropped.
#[derive(Debug)]
pub struct GitHttp {
    port: u16,
    directory: TempDir,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Site {
    root: PathBuf,
    /// The `Authorization` header that it asks for, if it asks.
    authorization: Option<String>,
}

impl GitHttp {
    /// Starts one that lets everybody read and write.
    pub async fn start() -> Self {
        Self::start_with(None).await
    }

    /// Starts one that wants exactly this `Authorization` header.
    pub async fn start_private(authorization: &str) -> Self {
        Self::start_with(Some(authorization.to_owned())).await
    }

    async fn start_with(authorization: Option<String>) -> Self {
        let directory = bare_repository();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let site = Arc::new(Site { root: directory.path().to_owned(), authorization });
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let site = Arc::clone(&site);
                connections.spawn(async move {
                    // A client that hangs up is the client's business.
                    serve(stream, &site).await.ok();
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { port, directory, _tasks: tasks }
    }

    /// Returns the port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the path of the repository in its URL, and below [`GitHttp::root`].
    pub fn name() -> &'static str {
        "repository.git"
    }

    /// Returns the directory the repository is in.
    pub fn root(&self) -> &Path {
        self.directory.path()
    }
}

/// Makes a directory with an empty bare repository, `repository.git`, that may be pushed to.
pub fn bare_repository() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let repository = directory.path().join(GitHttp::name());
    let git = |arguments: &[&str]| {
        let status = std::process::Command::new("git")
            .args(arguments)
            .arg(&repository)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .status()
            .expect("git is installed");
        assert!(status.success(), "git {arguments:?}");
    };
    git(&["init", "--quiet", "--bare"]);
    let config = repository.join("config");
    let mut text = std::fs::read_to_string(&config).expect("a configuration");
    text.push_str("[http]\n\treceivepack = true\n[gc]\n\tauto = 0\n");
    std::fs::write(config, text).expect("write");
    directory
}

async fn serve(mut stream: TcpStream, site: &Site) -> io::Result<()> {
    let Some(request) = read_request(&mut stream).await? else { return Ok(()) };
    let answer = if site
        .authorization
        .as_deref()
        .is_none_or(|it| request.header("authorization") == Some(it))
    {
        backend(&request, site).await?
    } else {
        b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"git\"\r\nContent-Length: 0\r\n\
          Connection: close\r\n\r\n"
            .to_vec()
    };
    stream.write_all(&answer).await?;
    stream.shutdown().await
}

/// Runs the program as a web server would: variables and a body in, headers and a body out.
async fn backend(request: &Message, site: &Site) -> io::Result<Vec<u8>> {
    let (path, query) = request.word(1).split_once('?').unwrap_or((request.word(1), ""));
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", &site.root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("REQUEST_METHOD", request.word(0))
        .env("CONTENT_TYPE", request.header("content-type").unwrap_or_default())
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", request.header("content-encoding").unwrap_or_default())
        .env("GIT_PROTOCOL", request.header("git-protocol").unwrap_or_default())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let mut input = child.stdin.take().expect("its input is piped");
    let write = async {
        // It may end before it has read everything.
        input.write_all(&request.body).await.ok();
        drop(input);
    };
    let (output, ()) = tokio::join!(child.wait_with_output(), write);
    let output = output?.stdout;
    let end = output.windows(4).position(|window| window == b"\r\n\r\n");
    let (head, body) = output.split_at(end.map_or(output.len(), |end| end + 4));
    let head = String::from_utf8_lossy(head);
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{}\r\n\r\n",
        head.trim_end()
    );
    Ok([head.as_bytes(), body].concat())
}
