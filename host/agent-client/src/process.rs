//! A running process as the host sees it: its pipes and an end.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use futures_util::future::Shared;
use mimobox_protocol::ExitStatus;
use tokio::sync::oneshot;

use crate::{ClientError, Input, Output};

/// A process that was started. Dropping this leaves it running.
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

/// A session that was started. Dropping this leaves it running.
#[derive(Debug)]
pub struct Opened {
    /// The number by which [`Client::signal`](crate::Client::signal) and [`Client::resize`](crate::Client::resize) know it.
    pub id: u32,
    /// What is typed. Closing it hangs nothing up.
    pub input: Input,
    /// What the terminal shows.
    pub output: Output,
    /// Its end.
    pub ended: Ended,
}

/// Settles when the process has ended and its group is gone. Clones settle alike.
#[derive(Clone, Debug)]
pub struct Ended(Shared<oneshot::Receiver<ExitStatus>>);

impl Ended {
    pub(crate) fn new(end: oneshot::Receiver<ExitStatus>) -> Self {
        Self(end.shared())
    }
}

impl Future for Ended {
    type Output = Result<ExitStatus, ClientError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_unpin(context).map(|end| end.map_err(|_| ClientError::Gone))
    }
}
