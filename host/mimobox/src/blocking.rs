//! The same without `async`: each call waits for its answer.
//!
//! ```
//! # fn main() -> Result<(), mimobox::Error> {
//! # if !mimobox_harness::can_sandbox() { return Ok(()); }
//! use mimobox::blocking::Sandbox;
//!
//! let sandbox = Sandbox::new()?;
//! let result = sandbox.execute("echo hello")?;
//! assert_eq!(result.stdout_text(), "hello\n");
//! sandbox.destroy()?;
//! # Ok(())
//! # }
//! ```
//!
//! What must go on while nobody waits, such as deadlines, runs on two threads of this module's own, started at the first call.
//! A call from a thread that is within a tokio runtime would hold that up: it does nothing and fails with
//! [`Error::WithinRuntime`].

mod files;
mod pool;
mod process;
mod pty;
mod sandbox;
mod snapshot;

use std::io::{self, Read, Write};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::error::{Error, Result};

pub use files::{FileWatch, Files};
pub use pool::RestorePool;
pub use process::{Process, StreamReceiver};
pub use pty::{PtyOutput, PtySession};
pub use sandbox::Sandbox;
pub use snapshot::SandboxSnapshot;

/// Threads for what goes on while nobody waits. One alone could be held up by a task that is slow for once.
const THREADS: usize = 2;

/// Waits for `future`, on a thread that is in no runtime.
///
/// # Errors
/// `WithinRuntime`, `Threads`.
fn wait<T>(future: impl Future<Output = T>) -> Result<T> {
    if Handle::try_current().is_ok() {
        return Err(Error::WithinRuntime);
    }
    Ok(runtime()?.block_on(future))
}

/// The threads of this module; started if they were not yet. What failed is tried again at the next call.
fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: Mutex<Option<&'static Runtime>> = Mutex::new(None);
    let mut runtime = RUNTIME.lock();
    match *runtime {
        Some(runtime) => Ok(runtime),
        None => {
            let mut threads = Builder::new_multi_thread();
            let started = threads
                .worker_threads(THREADS)
                .thread_name("mimobox")
                .enable_all()
                .build()
                .map_err(Error::Threads)?;
            // There until the program ends, as the shared host is.
            Ok(*runtime.insert(Box::leak(Box::new(started))))
        }
    }
}

/// An async stream of bytes, waited for: [`Read`] or [`Write`], as it was [`AsyncRead`] or [`AsyncWrite`].
///
/// Its [`io::Error`]s are those of the stream; from within a runtime each has an [`Error::WithinRuntime`] in it.
#[derive(Debug)]
pub struct Blocking<S>(S);

impl<S: AsyncRead + Unpin> Read for Blocking<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        wait(self.0.read(buffer)).map_err(io::Error::other)?
    }
}

impl<S: AsyncWrite + Unpin> Write for Blocking<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        wait(self.0.write(bytes)).map_err(io::Error::other)?
    }

    fn flush(&mut self) -> io::Result<()> {
        wait(self.0.flush()).map_err(io::Error::other)?
    }
}
