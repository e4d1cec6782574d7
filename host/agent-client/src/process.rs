//! A running process as the host sees it: three pipes and an end.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use mimobox_protocol::ExitStatus;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::ClientError;

/// A process that was started.
#[derive(Debug)]
pub struct Spawned {
    /// The number by which [`Client::signal`](crate::Client::signal) knows it. Not a pid.
    pub id: u32,
    /// Its standard input, where one was asked for. Dropping it, or shutting it down, closes it.
    pub stdin: Option<Input>,
    /// Its standard output.
    pub stdout: Output,
    /// Its standard error.
    pub stderr: Output,
    /// Its end.
    pub ended: Ended,
}

/// Settles when the process has ended and its group is gone.
#[derive(Debug)]
pub struct Ended;

impl Future for Ended {
    type Output = Result<ExitStatus, ClientError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        todo!()
    }
}

/// The write end of a standard input.
///
/// Writing fails with [`io::ErrorKind::BrokenPipe`] once no process of the command reads it.
#[derive(Debug)]
pub struct Input;

impl AsyncWrite for Input {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        todo!()
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        todo!()
    }
}

/// The read end of a standard output or error.
///
/// It ends when the last writer has closed it, or when the command has ended and what was written until then is
/// read: a process that left the group may hold the pipe open for ever, and is not waited for.
#[derive(Debug)]
pub struct Output;

impl AsyncRead for Output {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        todo!()
    }
}
