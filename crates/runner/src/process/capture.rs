//! The output of a command on its way from two pipes into one queue.

use std::future::{pending, ready};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::{ChildStderr, ChildStdout};
use tokio::select;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::lines::{Chunk, Lines, Stream};

/// How much is read at once.
const PIECE: usize = 64 * 1024;

/// What two pipes hold at most, if nobody enlarged them.
const HELD: usize = 2 * 64 * 1024;

/// How long a pipe must be silent after the command has ended, if another process holds it open.
pub(super) const QUIET: Duration = Duration::from_millis(200);

/// How long we listen to such a pipe at most; the same as GitHub's runner.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Both pipes, as far as they are open.
#[derive(Debug)]
pub(super) struct Pipes {
    pub(super) stdout: Option<ChildStdout>,
    pub(super) stderr: Option<ChildStderr>,
}

/// Sends everything to the queue, in order of arrival, as slowly as the queue wants it.
///
/// Ends when both pipes are closed. After the command has `ended`, it also ends when the pipes are
/// silent, or when the patience that came with the news is over: then a process that the command left
/// behind holds them, and they are returned.
pub(super) async fn capture(
    pipes: Pipes,
    line_limit: usize,
    sink: mpsc::Sender<Chunk>,
    mut ended: oneshot::Receiver<Duration>,
) -> Option<Pipes> {
    let stdout = Lines::new(Stream::Stdout, line_limit);
    let stderr = Lines::new(Stream::Stderr, line_limit);
    let mut capture = Capture { pipes, stdout, stderr, sink };
    while capture.is_open() {
        select! {
            bytes = read(&mut capture.pipes.stdout, &mut capture.stdout) => capture.out(bytes).await,
            bytes = read(&mut capture.pipes.stderr, &mut capture.stderr) => capture.err(bytes).await,
            patience = &mut ended => {
                // A sender that is gone means the same.
                capture.last_words(patience.unwrap_or(PATIENCE)).await;
                break;
            }
        }
    }
    for rest in [capture.stdout.rest(), capture.stderr.rest()].into_iter().flatten() {
        deliver(rest, &capture.sink).await;
    }
    capture.is_open().then_some(capture.pipes)
}

/// Two pipes on their way into one queue.
struct Capture {
    pipes: Pipes,
    stdout: Lines,
    stderr: Lines,
    sink: mpsc::Sender<Chunk>,
}

impl Capture {
    fn is_open(&self) -> bool {
        self.pipes.stdout.is_some() || self.pipes.stderr.is_some()
    }

    /// Passes on what was read; nothing means that the pipe is closed.
    async fn out(&mut self, bytes: usize) {
        forward(&mut self.stdout, &self.sink).await;
        if bytes == 0 {
            self.pipes.stdout = None;
        }
    }

    async fn err(&mut self, bytes: usize) {
        forward(&mut self.stderr, &self.sink).await;
        if bytes == 0 {
            self.pipes.stderr = None;
        }
    }

    /// Reads what the command had written before it ended, and what follows soon.
    ///
    /// When patience is over, what can be read without waiting is still read, since a slow queue may
    /// have kept us from it; but no more than pipes hold, since somebody else may go on writing.
    async fn last_words(&mut self, patience: Duration) {
        let last = Instant::now() + patience;
        let mut overtime = HELD;
        while self.is_open() && overtime > 0 {
            let now = Instant::now();
            let over = now >= last;
            let silence = sleep_until(last.min(now + QUIET));
            let bytes = select! {
                biased;
                bytes = read(&mut self.pipes.stdout, &mut self.stdout) => {
                    self.out(bytes).await;
                    bytes
                }
                bytes = read(&mut self.pipes.stderr, &mut self.stderr) => {
                    self.err(bytes).await;
                    bytes
                }
                () = ready(()), if over => return,
                () = silence => return,
            };
            if over {
                overtime = overtime.saturating_sub(bytes);
            }
        }
    }
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

/// Returns how much was read; nothing at the end of the pipe, and after an error, which is the same.
async fn read<P: tokio::io::AsyncRead + Unpin>(pipe: &mut Option<P>, lines: &mut Lines) -> usize {
    match pipe {
        Some(pipe) => pipe.read_buf(lines.space(PIECE)).await.unwrap_or_default(),
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
