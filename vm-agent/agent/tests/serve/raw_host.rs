//! A host of the protocol alone: it can say what the real client never would, and waits for one thing at a time.

use std::io::{self, IoSlice, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;

use mimobox_protocol::{
    Decoder, ExitStatus, Hello, Request, Response, Signal, SignalFailure, SpawnFailure, encode,
};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use crate::harness::Agent;

/// A host that says what it likes.
pub(crate) struct RawHost {
    pub(crate) stream: UnixStream,
    decoder: Decoder,
    unread: Vec<u8>,
    /// Received while waiting for something else.
    stashed: Vec<Response>,
    next_id: u32,
}

impl RawHost {
    pub(crate) fn start() -> (Agent, Self) {
        Self::start_after("")
    }

    fn start_after(preparation: &str) -> (Agent, Self) {
        let (agent, stream) = Agent::start_after(preparation);
        (agent, Self { stream, decoder: Decoder::new(), unread: Vec::new(), stashed: Vec::new(), next_id: 1 })
    }

    pub(crate) fn greeted() -> (Agent, Self) {
        Self::greeted_after("")
    }

    pub(crate) fn greeted_after(preparation: &str) -> (Agent, Self) {
        let (agent, mut host) = Self::start_after(preparation);
        host.send(&Hello::OURS);
        assert_eq!(host.receive::<Hello>(), Some(Hello::OURS));
        (agent, host)
    }

    pub(crate) fn send<T: serde::Serialize>(&mut self, message: &T) {
        self.stream.write_all(&encode(message).unwrap()).unwrap();
    }

    pub(crate) fn send_with<T: serde::Serialize>(&mut self, message: &T, descriptors: &[OwnedFd]) {
        let bytes = encode(message).unwrap();
        let descriptors: Vec<_> = descriptors.iter().map(|descriptor| descriptor.as_fd()).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(16))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
        let sent = sendmsg(&self.stream, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL);
        assert_eq!(sent, Ok(bytes.len()));
    }

    /// A number that was not given yet.
    pub(crate) fn id(&mut self) -> u32 {
        self.next_id += 1;
        self.next_id
    }

    /// Sends a request to start something, and waits for the answer.
    pub(crate) fn start_process(
        &mut self,
        request: &Request,
        id: u32,
        descriptors: &[OwnedFd],
    ) -> Result<(), SpawnFailure> {
        if descriptors.is_empty() {
            self.send(request);
        } else {
            self.send_with(request, descriptors);
        }
        self.find(|response| match response {
            Response::Started { id: started } if *started == id => Some(Ok(())),
            Response::Refused { id: refused, failure } if *refused == id => Some(Err(*failure)),
            _ => None,
        })
    }

    pub(crate) fn signal(&mut self, process: u32, signal: Signal) -> Result<(), SignalFailure> {
        let id = self.id();
        self.send(&Request::Signal { id, process, signal });
        self.find(|response| match response {
            Response::Signalled { id: answered, delivered } if *answered == id => Some(*delivered),
            _ => None,
        })
    }

    /// Waits until a process has ended.
    pub(crate) fn end(&mut self, process: u32) -> ExitStatus {
        self.find(|response| match response {
            Response::Ended { id, status } if *id == process => Some(*status),
            _ => None,
        })
    }

    /// Waits for a certain response, and keeps those that come before it.
    pub(crate) fn find<T>(&mut self, wanted: impl Fn(&Response) -> Option<T>) -> T {
        if let Some(place) = self.stashed.iter().position(|response| wanted(response).is_some()) {
            return wanted(&self.stashed.remove(place)).unwrap();
        }
        loop {
            let response = self.receive().unwrap();
            if let Some(found) = wanted(&response) {
                return found;
            }
            self.stashed.push(response);
        }
    }

    /// The next message, or none if the agent closed the connection.
    pub(crate) fn receive<T: serde::de::DeserializeOwned>(&mut self) -> Option<T> {
        loop {
            let mut input = &self.unread[..];
            let message = self.decoder.next(&mut input).unwrap();
            self.unread = input.to_vec();
            if message.is_some() {
                return message;
            }
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(count) => self.unread.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// A pipe that no agent of another test inherits: it would keep it open.
pub(crate) fn pipe() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap()
}
