//! The output of a command on its way from two pipes into one queue.

use std::future::pending;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::{ChildStderr, ChildStdout};
use tokio::select;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::lines::{Chunk, Lines, Stream};

/// How much is read at once.
const PIECE: usize = 64 * 1024;

/// How long a pipe must be silent after the command has ended, if another process holds it open.
const QUIET: Duration = Duration::from_millis(200);

/// How long we listen to such a pipe at most; the same as GitHub's runner.
const PATIENCE: Duration = Duration::from_secs(5);

/// Both pipes, as far as they are open.
#[derive(Debug)]
pub(super) struct Pipes {
    pub(super) stdout: Option<ChildStdout>,
    pub(super) stderr: Option<ChildStderr>,
}

/// Sends everything to the queue, in order of arrival, as slowly as the queue wants it.
///
/// Ends when both pipes are closed. After the command has `ended`, it also ends when the pipes are
/// silent: then a process that the command left behind holds them, and they are returned.
pub(super) async fn capture(
    mut pipes: Pipes,
    line_limit: usize,
    sink: mpsc::Sender<Chunk>,
    ended: oneshot::Receiver<()>,
) -> Option<Pipes> {
    let mut stdout = Lines::new(Stream::Stdout, line_limit);
    let mut stderr = Lines::new(Stream::Stderr, line_limit);
    let mut ended = Some(ended);
    let mut last_call: Option<Instant> = None;
    while pipes.stdout.is_some() || pipes.stderr.is_some() {
        let silence = last_call.map(|last| last.min(Instant::now() + QUIET));
        select! {
            read = read(&mut pipes.stdout, &mut stdout) => {
                forward(&mut stdout, &sink).await;
                if !read {
                    pipes.stdout = None;
                }
            }
            read = read(&mut pipes.stderr, &mut stderr) => {
                forward(&mut stderr, &sink).await;
                if !read {
                    pipes.stderr = None;
                }
            }
            () = heard(&mut ended) => {
                ended = None;
                last_call = Some(Instant::now() + PATIENCE);
            }
            () = until(silence) => break,
        }
        if last_call.is_some_and(|last| last <= Instant::now()) {
            break;
        }
    }
    for rest in [stdout.rest(), stderr.rest()].into_iter().flatten() {
        deliver(rest, &sink).await;
    }
    (pipes.stdout.is_some() || pipes.stderr.is_some()).then_some(pipes)
}

/// Reads what a process that was left behind goes on printing, so that it is not hurt by it.
pub(super) async fn swallow(pipes: Pipes) {
    let (mut nowhere, mut neither) = (tokio::io::sink(), tokio::io::sink());
    let stdout = async {
        if let Some(mut pipe) = pipes.stdout {
            let _copied = tokio::io::copy(&mut pipe, &mut nowhere).await;
        }
    };
    let stderr = async {
        if let Some(mut pipe) = pipes.stderr {
            let _copied = tokio::io::copy(&mut pipe, &mut neither).await;
        }
    };
    tokio::join!(stdout, stderr);
}

/// Returns false at the end of the pipe; a pipe that is closed has nothing more to say.
async fn read<P: tokio::io::AsyncRead + Unpin>(pipe: &mut Option<P>, lines: &mut Lines) -> bool {
    match pipe {
        Some(pipe) => matches!(pipe.read_buf(lines.space(PIECE)).await, Ok(count) if count > 0),
        None => pending().await,
    }
}

async fn forward(lines: &mut Lines, sink: &mpsc::Sender<Chunk>) {
    while let Some(chunk) = lines.take() {
        deliver(chunk, sink).await;
    }
}

async fn deliver(chunk: Chunk, sink: &mpsc::Sender<Chunk>) {
    // Nobody listens any more, and yet the command must be able to print.
    let _unheard = sink.send(chunk).await;
}

async fn heard(ended: &mut Option<oneshot::Receiver<()>>) {
    match ended {
        // A sender that is gone means the same.
        Some(ended) => drop(ended.await),
        None => pending().await,
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}
