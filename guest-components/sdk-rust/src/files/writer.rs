//! Files that are written bit by bit.

use wit_bindgen::FutureReader;

use super::WriteOptions;
use crate::bindings::mimobox::host::{files as host, types};
use crate::error::{Error, Result};
use crate::sandbox::Sandbox;
use crate::streams::ByteWriter;

/// A file that is being written, from [`Files::create`](super::Files::create). It is there when [`finish`](Self::finish) says
/// so. Dropped before that, it is given up: unless it appends, the old file stays as it was.
#[derive(Debug)]
#[must_use = "a file is given up unless it is finished"]
pub struct FileWriter {
    /// Dropped before `data`, whose end would otherwise be the end of the file. None: the operation has ended, and said how.
    written: Option<FutureReader<Result<(), types::Error>>>,
    data: ByteWriter,
}

impl FileWriter {
    pub(super) fn new(sandbox: &Sandbox, path: &str, options: WriteOptions) -> Self {
        let (data, stream) = ByteWriter::pair();
        let written = host::write(&sandbox.handle, path, options.into(), stream);
        Self { written: Some(written), data }
    }

    /// Writes all of these bytes; waits while the sandbox is slow.
    ///
    /// # Errors
    /// Why the operation ended early. After that, [`Error::Gone`].
    pub async fn write(&mut self, bytes: impl Into<Vec<u8>>) -> Result<()> {
        if self.data.write(bytes).await.is_ok() {
            return Ok(());
        }
        // The host knows best why it stopped reading.
        match self.written.take() {
            Some(written) => written.await.map_err(Error::from).and(Err(Error::Gone)),
            None => Err(Error::Gone),
        }
    }

    /// Says that these were all; done when the file is there.
    ///
    /// # Errors
    /// Those of the operation. [`Error::InvalidArgument`]: they were not as many as announced.
    pub async fn finish(self) -> Result<()> {
        let Self { written, data } = self;
        drop(data);
        match written {
            Some(written) => written.await.map_err(Error::from),
            None => Err(Error::Gone),
        }
    }
}
