//! A pseudo-terminal in memory: its line discipline, no more of it than tests need (termios(3)).
//!
//! ```text
//!   input ──► lines, Ctrl-C, Ctrl-D ──► program ──► stdout, stderr ─┐
//!                └───────────── echo ───────────────────────────────┴─► \n to \r\n ──► output
//! ```

use async_trait::async_trait;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::{mpsc, watch};

use super::PIPE;
use super::programs::Streams;
use crate::backend::{Signal, Terminal, TerminalSize};
use crate::error::{Error, Result};

/// Pieces that wait to be shown.
const PIECES: usize = 16;
const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;
/// What the backspace key sends.
const DELETE: u8 = 0x7f;

pub(super) struct FakeTerminal(watch::Sender<TerminalSize>);

/// What is connected to a terminal.
pub(super) struct Ends {
    pub(super) input: DuplexStream,
    pub(super) output: DuplexStream,
    pub(super) program: Streams,
}

impl FakeTerminal {
    /// One whose Ctrl-C goes to `signals`.
    pub(super) fn new(size: TerminalSize, signals: mpsc::Sender<Signal>) -> (Self, Ends) {
        let (input, typed) = duplex(PIPE);
        let (lines, stdin) = duplex(PIPE);
        let (stdout, written) = duplex(PIPE);
        let (stderr, complaints) = duplex(PIPE);
        let (screen, output) = duplex(PIPE);
        let (show, shown) = mpsc::channel(PIECES);
        tokio::spawn(until_ended(signals.clone(), discipline(typed, lines, show.clone(), signals)));
        tokio::spawn(pass_on(written, show.clone()));
        tokio::spawn(pass_on(complaints, show));
        tokio::spawn(draw(shown, screen));
        let program = Streams { stdin: Some(stdin), stdout, stderr };
        (Self(watch::Sender::new(size)), Ends { input, output, program })
    }

    /// Its size, now and later.
    pub(super) fn size(&self) -> watch::Receiver<TerminalSize> {
        self.0.subscribe()
    }
}

#[async_trait]
impl Terminal for FakeTerminal {
    async fn resize(&self, size: TerminalSize) -> Result<()> {
        self.0.send(size).map_err(|_| Error::Gone)
    }
}

/// Gathers what is typed into lines, and shows it.
async fn discipline(
    mut typed: DuplexStream,
    lines: DuplexStream,
    show: mpsc::Sender<Vec<u8>>,
    signals: mpsc::Sender<Signal>,
) {
    // As on a real one, an echo for which there is no room is lost.
    let echo = |bytes: &[u8]| drop(show.try_send(bytes.to_vec()));
    let mut lines = Some(lines);
    let mut line = Vec::new();
    while let Ok(byte) = typed.read_u8().await {
        let is_line = match byte {
            CTRL_C => {
                echo(b"^C");
                line.clear();
                let _ = signals.send(Signal::Interrupt).await;
                false
            }
            // The end of input, at the beginning of a line; elsewhere it passes on what there is of it.
            CTRL_D if line.is_empty() => {
                lines = None;
                false
            }
            CTRL_D => true,
            DELETE => {
                if line.pop().is_some() {
                    echo(b"\x08 \x08");
                }
                false
            }
            b'\r' | b'\n' => {
                echo(b"\n");
                line.push(b'\n');
                true
            }
            byte => {
                echo(&[byte]);
                line.push(byte);
                false
            }
        };
        if is_line && let Some(lines) = &mut lines {
            let _ = lines.write_all(&line).await;
            line.clear();
        }
    }
    // Nobody types any more, which is no end of input: the program goes on waiting.
    std::future::pending::<()>().await;
}

/// Does `work` while there is a program that hears `signals`.
async fn until_ended(signals: mpsc::Sender<Signal>, work: impl Future<Output = ()>) {
    tokio::select! {
        () = signals.closed() => {}
        () = work => {}
    }
}

async fn pass_on(mut written: DuplexStream, show: mpsc::Sender<Vec<u8>>) {
    let mut chunk = vec![0; PIPE];
    while let Ok(count @ 1..) = written.read(&mut chunk).await {
        if show.send(chunk.get(..count).unwrap_or_default().to_vec()).await.is_err() {
            return;
        }
    }
}

async fn draw(mut shown: mpsc::Receiver<Vec<u8>>, mut screen: DuplexStream) {
    while let Some(piece) = shown.recv().await {
        let mut drawn = Vec::with_capacity(piece.len());
        for byte in piece {
            if byte == b'\n' {
                drawn.push(b'\r');
            }
            drawn.push(byte);
        }
        if screen.write_all(&drawn).await.is_err() {
            return;
        }
    }
}
