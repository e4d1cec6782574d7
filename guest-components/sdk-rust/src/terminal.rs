//! Commands on a pseudo-terminal: shells, editors, whatever wants a person.

use crate::bindings::mimobox::host::{pty as host, types};
use crate::command::ExitStatus;
use crate::error::{Error, Result};
use crate::sandbox::Sandbox;
use crate::streams::{ByteReader, ByteWriter};

pub use host::Size;

/// A session on a pseudo-terminal, from [`Command::open_terminal`](crate::Command::open_terminal). Dropping it hangs up.
#[derive(Debug)]
pub struct Terminal {
    handle: host::Session,
    input: ByteWriter,
}

impl Terminal {
    pub(crate) async fn open(sandbox: &Sandbox, command: &types::Command, size: Size) -> Result<Self> {
        let (input, keys) = ByteWriter::pair();
        let handle = host::open(&sandbox.handle, command, size, keys).await?;
        Ok(Self { handle, input })
    }

    /// Types this.
    pub async fn write(&mut self, keys: impl Into<Vec<u8>>) -> Result<()> {
        self.input.write(keys).await
    }

    /// What appears on the screen, as the terminal's bytes. Once a session.
    pub fn output(&self) -> ByteReader {
        ByteReader::new(self.handle.output())
    }

    /// Gives the screen another size.
    pub async fn resize(&self, size: Size) -> Result<()> {
        self.handle.resize(size).await.map_err(Error::from)
    }

    /// Kills the session's processes.
    pub async fn kill(&self) -> Result<()> {
        self.handle.kill().await.map_err(Error::from)
    }

    /// Waits for its end.
    pub async fn wait(&self) -> Result<ExitStatus> {
        self.handle.wait().await.map_err(Error::from)
    }
}
