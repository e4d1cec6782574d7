//! One connection: what its clients share, and the task that serves it.

use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;

use mimobox_protocol::{Decoder, Request, Response, Signal};
use rustix::net::{RecvAncillaryBuffer, RecvFlags, ReturnFlags, Shutdown, recvmsg, shutdown};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, watch};

use crate::Disconnect;
use crate::outbox::{Frame, Outbox};
use crate::requests::{Orphan, Requests, Waiting};

/// Most requests that the agent has not answered; more wait their turn. With the length of a frame this bounds
/// what waits to be sent. The agent works on one at a time, so a wider door would not let more through.
const UNANSWERED: usize = 64;

/// Most bytes taken from the socket at once. Answers are a few bytes each.
const CHUNK: usize = 4 * 1024;

/// What the clients of one connection share with the task that serves it.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: UnixStream,
    pub(crate) requests: Requests,
    outbox: Outbox,
    pub(crate) permits: Arc<Semaphore>,
    disconnect: watch::Sender<Option<Disconnect>>,
}

impl Connection {
    pub(crate) fn new(socket: StdUnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket: UnixStream::from_std(socket)?,
            requests: Requests::default(),
            outbox: Outbox::default(),
            permits: Arc::new(Semaphore::new(UNANSWERED)),
            disconnect: watch::Sender::new(None),
        })
    }

    /// Sends a message, now or as soon as there is room.
    pub(crate) fn send<T: Serialize>(&self, message: &T, descriptors: Vec<OwnedFd>) -> Result<(), SendError> {
        let bytes = mimobox_protocol::encode(message).map_err(|_| SendError::TooLong)?;
        let sent = self.outbox.send(&self.socket, Frame::new(bytes, descriptors));
        sent.map_err(|error| {
            self.close(socket_failure(&error));
            SendError::Gone
        })
    }

    /// Kills a process that nobody waits for.
    pub(crate) fn kill(&self, Orphan(process): Orphan) {
        // Where this fails the connection is closed, and with it the process has ended.
        if let Ok(id) = self.requests.add(Waiting::Asking { reply: None, _permit: None }) {
            let _ = self.send(&Request::Signal { id, process, signal: Signal::Kill }, Vec::new());
        }
    }

    /// Closes the connection, unless it is closed already.
    pub(crate) fn close(&self, why: Disconnect) {
        let first = self.disconnect.send_if_modified(|closed| {
            let first = closed.is_none();
            if first {
                *closed = Some(why);
            }
            first
        });
        if first {
            // The agent sees the end of file, and ends; so does the task below. It may be gone already.
            let _ = shutdown(&self.socket, Shutdown::Both);
            self.requests.close();
        }
    }

    /// Waits until the connection is closed.
    pub(crate) async fn closed(&self) -> Disconnect {
        let mut disconnect = self.disconnect.subscribe();
        let closed = disconnect.wait_for(Option::is_some).await;
        // The sender is in `self`, so there is always a reason.
        closed.ok().and_then(|why| why.clone()).unwrap_or(Disconnect::Host)
    }

    /// Takes the next message off the socket. May be dropped at any point: nothing is lost.
    pub(crate) async fn receive<T: DeserializeOwned>(&self, inbox: &mut Inbox) -> Result<T, Disconnect> {
        loop {
            if let Some(message) = inbox.next()? {
                return Ok(message);
            }
            let received = self.socket.async_io(Interest::READABLE, || inbox.fill(&self.socket)).await;
            match received {
                Ok(Received::Bytes) => {}
                Ok(Received::End) => return Err(Disconnect::Agent),
                Ok(Received::Descriptors) => return Err(Disconnect::Descriptors),
                Err(error) => return Err(socket_failure(&error)),
            }
        }
    }
}

/// A message is not on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendError {
    /// It fits no frame.
    TooLong,
    /// The connection is closed.
    Gone,
}

/// Closes a connection when dropped: by the last of its clients, or by its task together with the runtime.
#[derive(Debug)]
pub(crate) struct Closing(pub(crate) Arc<Connection>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close(Disconnect::Host);
    }
}

/// Serves a connection until it is closed.
pub(crate) async fn serve(connection: Closing, mut inbox: Inbox) {
    let connection = &*connection.0;
    let why = tokio::select! {
        why = pass_on_answers(connection, &mut inbox) => why,
        error = connection.outbox.flush(&connection.socket) => socket_failure(&error),
        why = connection.closed() => why,
    };
    connection.close(why);
}

async fn pass_on_answers(connection: &Connection, inbox: &mut Inbox) -> Disconnect {
    loop {
        let answered = match connection.receive::<Response>(inbox).await {
            Ok(response) => connection.requests.answer(response),
            Err(why) => return why,
        };
        match answered {
            Ok(None) => {}
            Ok(Some(orphan)) => connection.kill(orphan),
            Err(why) => return why,
        }
    }
}

/// Bytes of the agent on their way to messages.
#[derive(Debug)]
pub(crate) struct Inbox {
    decoder: Decoder,
    chunk: Box<[u8]>,
    /// The part of `chunk` that is received and not decoded.
    unread: Range<usize>,
}

enum Received {
    Bytes,
    End,
    Descriptors,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self { decoder: Decoder::new(), chunk: vec![0; CHUNK].into(), unread: 0..0 }
    }

    fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Disconnect> {
        let mut input = self.chunk.get(self.unread.clone()).unwrap_or_default();
        let message = self.decoder.next(&mut input).map_err(Disconnect::Frame)?;
        self.unread.start = self.unread.end.saturating_sub(input.len());
        Ok(message)
    }

    fn fill(&mut self, socket: &UnixStream) -> io::Result<Received> {
        // No room for descriptors: the kernel closes what comes and says so, and none ever enters this process.
        let mut none = RecvAncillaryBuffer::default();
        let message =
            recvmsg(socket, &mut [IoSliceMut::new(&mut self.chunk)], &mut none, RecvFlags::CMSG_CLOEXEC)?;
        if message.flags.contains(ReturnFlags::CTRUNC) {
            return Ok(Received::Descriptors);
        }
        self.unread = 0..message.bytes;
        Ok(if message.bytes == 0 { Received::End } else { Received::Bytes })
    }
}

fn socket_failure(error: &io::Error) -> Disconnect {
    match error.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Disconnect::Agent,
        kind => Disconnect::Socket(kind),
    }
}
