//! A proxy that loses answers, invents them, or passes them on, as a test decides.

use std::io;
use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::http::{forward, read_request};

/// What the proxy does with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Pass it on, and the answer back.
    True,
    /// Pass it on, and hang up instead of answering.
    Lost,
    /// Pass it on, and answer with this status whatever the server said.
    Replaced(u16),
    /// Answer with this status; the server does not hear of it.
    Invented(u16),
    /// Hang up; the server does not hear of it.
    Dropped,
}

/// A request, as far as a test needs it to decide.
#[derive(Clone, Debug)]
pub struct Request {
    /// For example `PUT`.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The condition: `If-Match` or `If-None-Match`.
    pub condition: Option<String>,
}

/// A running proxy. It stops when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    _tasks: JoinSet<()>,
}

type Decide = Arc<dyn Fn(&Request) -> Answer + Send + Sync>;

impl Proxy {
    /// Starts one before a server's port.
    pub async fn start(
        upstream: u16,
        decide: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let decide: Decide = Arc::new(decide);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let decide = Arc::clone(&decide);
                connections.spawn(async move {
                    // A client that hangs up is the client's business.
                    serve(stream, upstream, &decide).await.ok();
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { port, _tasks: tasks }
    }

    /// Returns the port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }
}

async fn serve(mut stream: TcpStream, upstream: u16, decide: &Decide) -> io::Result<()> {
    let Some(message) = read_request(&mut stream).await? else { return Ok(()) };
    let condition = message.header("if-match").or_else(|| message.header("if-none-match"));
    let request = Request {
        method: message.word(0).to_owned(),
        path: message.word(1).to_owned(),
        condition: condition.map(ToOwned::to_owned),
    };
    let answer = decide(&request);
    if matches!(answer, Answer::True | Answer::Lost | Answer::Replaced(_)) {
        let bytes = forward(&message, upstream).await?;
        if answer == Answer::True {
            stream.write_all(&bytes).await?;
            return stream.shutdown().await;
        }
    }
    if let Answer::Replaced(status) | Answer::Invented(status) = answer {
        let head =
            format!("HTTP/1.1 {status} Odd\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        stream.shutdown().await?;
    }
    Ok(())
}
