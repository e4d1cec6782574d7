//! Standard input, output and error of a command: passed on as they come, or gathered.

use std::io::{self, ErrorKind, IsTerminal, Read};
use std::thread;

use mimobox_sandbox::{Error, Output, Process};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, copy_buf};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How much is read at once: what a pipe holds (pipe(7)).
pub(crate) const CHUNK: usize = 64 * 1024;

/// Whether our standard input is the command's too. One that waits for a terminal which nobody types on would hang.
pub(crate) fn standard_input(interactive: bool) -> bool {
    interactive || !io::stdin().is_terminal()
}

/// What a command wrote.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Gathered {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// How passing on ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PassedOn {
    /// The command wrote to its end.
    Whole,
    /// Nobody reads our output any more.
    ReaderGone,
}

/// Passes the command's output on to ours until it ends.
///
/// # Errors
/// Our output failed for another reason than a reader that is gone.
pub(crate) async fn pass_on(process: &Process) -> io::Result<PassedOn> {
    let feeding = Feeding::start(process)?;
    let passed = tokio::try_join!(
        pass(process.take_stdout(), tokio::io::stdout()),
        pass(process.take_stderr(), tokio::io::stderr()),
    );
    feeding.stop().await;
    match passed {
        Ok(_) => Ok(PassedOn::Whole),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(PassedOn::ReaderGone),
        Err(error) => Err(error),
    }
}

/// Gathers the command's output, up to `limit` bytes of each stream.
///
/// # Errors
/// `LimitReached`: it wrote more. `Failed`.
pub(crate) async fn gather(process: &Process, limit: u64) -> Result<Gathered, Error> {
    let feeding = Feeding::start(process).map_err(|error| Error::failed(&error))?;
    let gathered =
        tokio::try_join!(read_all(process.take_stdout(), limit), read_all(process.take_stderr(), limit));
    feeding.stop().await;
    let (stdout, stderr) = gathered?;
    Ok(Gathered { stdout, stderr })
}

/// Feeds our standard input to the command for as long as this lives.
///
/// A task of its own, since a command may end without reading, and since our own input may stay open for ever.
struct Feeding(Option<JoinHandle<()>>);

impl Feeding {
    /// Starts, if the command was given an input.
    fn start(process: &Process) -> io::Result<Self> {
        let Some(mut input) = process.take_stdin() else { return Ok(Self(None)) };
        let mut chunks = read_standard_input()?;
        Ok(Self(Some(tokio::spawn(async move {
            while let Some(chunk) = chunks.recv().await {
                // A command that reads no further, or has ended, is no failure.
                if input.write_all(&chunk).await.is_err() {
                    return;
                }
            }
            let _ = input.shutdown().await;
        }))))
    }

    /// Stops, and has let go of the command's input: the audit log waits for that.
    async fn stop(mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
            let _ = task.await;
        }
    }
}

impl Drop for Feeding {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// Our standard input in chunks, read ahead by one. The thread that reads is none of the runtime's: it may wait for the
/// next byte for ever, and ends with the program.
pub(crate) fn read_standard_input() -> io::Result<mpsc::Receiver<Vec<u8>>> {
    let (sender, chunks) = mpsc::channel(1);
    thread::Builder::new().name("stdin".into()).spawn(move || {
        let mut stdin = io::stdin().lock();
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = match stdin.read(&mut chunk) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Ok(0) | Err(_) => return,
                Ok(read) => read,
            };
            let whole = chunk.get(..read).unwrap_or_default().to_vec();
            if sender.blocking_send(whole).is_err() {
                return;
            }
        }
    })?;
    Ok(chunks)
}

async fn pass(from: Option<Output>, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
    if let Some(from) = from {
        copy_buf(&mut BufReader::with_capacity(CHUNK, from), &mut to).await?;
    }
    to.flush().await
}

async fn read_all(output: Option<impl AsyncRead + Unpin>, limit: u64) -> Result<Vec<u8>, Error> {
    let mut all = Vec::new();
    if let Some(output) = output {
        // One byte more tells too much from just enough.
        let mut limited = output.take(limit.saturating_add(1));
        limited.read_to_end(&mut all).await.map_err(|error| Error::failed(&error))?;
    }
    if all.len() as u64 > limit { Err(Error::LimitReached("output".into())) } else { Ok(all) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn output_up_to_the_limit_is_gathered() {
        assert_eq!(read_all(Some(&b"1234"[..]), 4).await, Ok(b"1234".to_vec()));
    }

    #[tokio::test]
    async fn output_past_the_limit_is_an_error() {
        assert_eq!(read_all(Some(&b"12345"[..]), 4).await, Err(Error::LimitReached("output".into())));
    }
}
