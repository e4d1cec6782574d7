//! Standard input, output and error of a command: passed on as they come, or gathered.

use std::io::{self, ErrorKind, IsTerminal};

use mimobox_sandbox::{Error, Output, Process};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, copy_buf};
use tokio::task::JoinHandle;

/// How much is read at once: what a pipe holds (pipe(7)).
const CHUNK: usize = 64 * 1024;

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
    let _feeding = feed(process);
    let passed = tokio::try_join!(
        pass(process.take_stdout(), tokio::io::stdout()),
        pass(process.take_stderr(), tokio::io::stderr()),
    );
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
    let _feeding = feed(process);
    let (stdout, stderr) =
        tokio::try_join!(read_all(process.take_stdout(), limit), read_all(process.take_stderr(), limit))?;
    Ok(Gathered { stdout, stderr })
}

/// Feeds our standard input to the command for as long as this lives.
///
/// A task of its own, since a command may end without reading, and since our own input may stay open for ever.
struct Feeding(JoinHandle<()>);

impl Drop for Feeding {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn feed(process: &Process) -> Option<Feeding> {
    let mut input = process.take_stdin()?;
    Some(Feeding(tokio::spawn(async move {
        // A command that reads no further, or has ended, is no failure.
        let _ = copy_buf(&mut BufReader::with_capacity(CHUNK, tokio::io::stdin()), &mut input).await;
        let _ = input.shutdown().await;
    })))
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
