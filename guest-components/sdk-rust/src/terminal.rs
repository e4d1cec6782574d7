//! Commands on a pseudo-terminal: shells, editors, whatever wants a person.
//!
//! ```no_run
//! use mimobox_guest::{Sandbox, print, terminal::Size};
//!
//! # async fn example(sandbox: Sandbox) -> mimobox_guest::Result<()> {
//! let mut terminal = sandbox.command("sh").open_terminal(Size::default()).await?;
//! terminal.write("ls --color; exit\n").await?;
//! let mut output = terminal.output();
//! while let Some(bytes) = output.next().await? {
//!     print!("{}", String::from_utf8_lossy(&bytes));
//! }
//! terminal.wait().await?;
//! # Ok(())
//! # }
//! ```

use crate::bindings::mimobox::host::{pty as host, types};
use crate::command::ExitStatus;
use crate::error::{Error, Result};
use crate::sandbox::Sandbox;
use crate::streams::{ByteReader, ByteWriter};

pub use host::Size;

impl Default for Size {
    /// 80 columns and 24 rows, as terminals had them when they were made of glass.
    fn default() -> Self {
        Self { columns: 80, rows: 24 }
    }
}

/// A session on a pseudo-terminal, from [`Command::open_terminal`](crate::Command::open_terminal): a command, what it starts,
/// and the terminal that they share. Dropping it hangs up: they get SIGHUP, and what stays is killed a second later.
#[derive(Debug)]
pub struct Terminal {
    handle: host::Session,
    /// None: it was taken.
    input: Option<ByteWriter>,
}

impl Terminal {
    pub(crate) async fn open(sandbox: &Sandbox, command: &types::Command, size: Size) -> Result<Self> {
        let (input, keys) = ByteWriter::pair();
        let handle = host::open(&sandbox.handle, command, size, keys).await?;
        Ok(Self { handle, input: Some(input) })
    }

    /// Types this: `\n` is the return key, `\x03` is Ctrl-C, `\x04` at the start of a line ends the input. Waits while nobody
    /// reads it.
    ///
    /// # Errors
    /// [`Error::Gone`]: the session has ended, or its [input](Self::input) was taken.
    pub async fn write(&mut self, keys: impl Into<Vec<u8>>) -> Result<()> {
        self.input.as_mut().ok_or(Error::Gone)?.write(keys).await
    }

    /// What [`write`](Self::write) types on, for whoever types while somebody else holds the terminal. Once a session. Dropping it
    /// types nothing more and ends nothing.
    pub fn input(&mut self) -> Option<ByteWriter> {
        self.input.take()
    }

    /// What appears on the screen, as the terminal's bytes: with `\r\n` at the end of a line, with escapes for colours and
    /// the cursor, and with what is typed, which a terminal echoes. Ends with the session. Once a session.
    ///
    /// Its [`lines`](ByteReader::lines) suit programs that print line by line, not those that draw.
    pub fn output(&self) -> ByteReader {
        ByteReader::new(self.handle.output())
    }

    /// Gives the screen another size; the programs in the foreground get SIGWINCH.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`]: no columns or no rows. [`Error::Gone`]: the session has ended.
    pub async fn resize(&self, size: Size) -> Result<()> {
        self.handle.resize(size).await.map_err(Error::from)
    }

    /// Kills all of the session, without waiting for its end.
    ///
    /// # Errors
    /// [`Error::Gone`]: it has ended.
    pub async fn kill(&self) -> Result<()> {
        self.handle.kill().await.map_err(Error::from)
    }

    /// Waits for the end of its command, and of all that it has left in the session. Its output must be read, or have been
    /// given up, for it to come to one.
    ///
    /// # Errors
    /// [`Error::Gone`]: its sandbox ended first.
    pub async fn wait(&self) -> Result<ExitStatus> {
        self.handle.wait().await.map_err(Error::from)
    }
}
