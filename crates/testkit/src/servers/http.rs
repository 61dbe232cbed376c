//! As much HTTP/1.1 as a proxy between test programs needs: whole messages, one per connection.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// More than any test sends.
const MOST: usize = 64 << 20;

/// The head of a message and its body.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Message {
    /// Returns a header's value.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// Returns a word of the first line: method, path; or version, status.
    pub(super) fn word(&self, number: usize) -> &str {
        self.head.split([' ', '\r']).nth(number).unwrap_or_default()
    }

    fn chunked(&self) -> bool {
        self.header("transfer-encoding").is_some_and(|it| it.eq_ignore_ascii_case("chunked"))
    }
}

/// Reads a request, or returns `None` at the end of the connection.
pub(super) async fn read_request(stream: &mut TcpStream) -> io::Result<Option<Message>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let body = bytes.split_off(end + 4);
            let head = String::from_utf8_lossy(&bytes).into_owned();
            let mut message = Message { head, body };
            if message.chunked() {
                while !message.body.ends_with(b"0\r\n\r\n") {
                    more(stream, &mut message.body).await?;
                }
            } else {
                let length = message.header("content-length").and_then(|it| it.parse().ok());
                while message.body.len() < length.unwrap_or(0) {
                    more(stream, &mut message.body).await?;
                }
            }
            return Ok(Some(message));
        }
        if let Err(error) = more(stream, &mut bytes).await {
            return if bytes.is_empty() { Ok(None) } else { Err(error) };
        }
    }
}

/// Sends a request on a connection of its own and returns the whole answer.
pub(super) async fn forward(request: &Message, port: u16) -> io::Result<Vec<u8>> {
    let mut upstream = TcpStream::connect(("127.0.0.1", port)).await?;
    let mut lines: Vec<_> = request.head.trim_end().split("\r\n").collect();
    lines.retain(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    lines.insert(1, "Connection: close");
    upstream.write_all(format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes()).await?;
    upstream.write_all(&request.body).await?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).await?;
    Ok(answer)
}

/// Sends an empty PUT and returns the status.
pub(super) async fn put(port: u16, path: &str) -> u16 {
    let head =
        format!("PUT {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\n\r\n");
    let answer = forward(&Message { head, body: Vec::new() }, port).await.expect("an answer");
    status(&answer)
}

/// Returns the status of an answer.
pub(super) fn status(answer: &[u8]) -> u16 {
    let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let text = String::from_utf8_lossy(line);
    text.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

async fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<()> {
    let read = stream.read_buf(bytes).await?;
    if read == 0 || bytes.len() > MOST {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}
