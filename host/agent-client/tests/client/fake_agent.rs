//! The other end of a client's connection. Blocks, so that tests need threads beside it: `multi_thread`.

use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice, IoSliceMut, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use futures_util::FutureExt as _;
use mimobox_agent_client::{Client, Command, ConnectError, Options, SpawnError, Spawned, Stdin, Streams};
use mimobox_protocol::{Decoder, Hello, MAX_DESCRIPTORS, Request, Response, encode};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use tokio::task::JoinHandle;

/// Longer than any test takes, so that nothing but a test's own doing comes from it.
pub(crate) const PATIENT: Options =
    Options { answer_timeout: Duration::from_secs(600), streams: Streams::Passed };

pub(crate) struct FakeAgent {
    stream: UnixStream,
    decoder: Decoder,
    unread: Vec<u8>,
    descriptors: VecDeque<OwnedFd>,
}

impl FakeAgent {
    /// An agent, and the stream to connect a client to.
    pub(crate) fn new() -> (Self, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (
            Self { stream: ours, decoder: Decoder::new(), unread: Vec::new(), descriptors: VecDeque::new() },
            theirs,
        )
    }

    /// An agent and a client that have greeted each other.
    pub(crate) async fn connect(options: Options) -> (Self, Client) {
        let (mut agent, stream) = Self::new();
        agent.send(&Hello::OURS);
        let client = Client::connect(stream, options).await.unwrap();
        assert_eq!(agent.receive::<Hello>(), Some(Hello::OURS));
        (agent, client)
    }

    /// What connecting to an agent that says just these bytes comes to.
    pub(crate) async fn greet_with(greeting: &[u8]) -> Result<Client, ConnectError> {
        let (mut agent, stream) = Self::new();
        agent.send_bytes(greeting);
        drop(agent);
        Client::connect(stream, PATIENT).await
    }

    pub(crate) fn send<T: serde::Serialize>(&mut self, message: &T) {
        self.send_bytes(&encode(message).unwrap());
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub(crate) fn send_with_descriptor(&mut self, message: &Response, descriptor: OwnedFd) {
        let bytes = encode(message).unwrap();
        let descriptors = [descriptor.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
        let sent = sendmsg(&self.stream, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL);
        assert_eq!(sent, Ok(bytes.len()));
    }

    /// The next message of the client, or none if it closed the connection.
    pub(crate) fn receive<T: serde::de::DeserializeOwned>(&mut self) -> Option<T> {
        loop {
            let mut input = &self.unread[..];
            let message = self.decoder.next(&mut input).unwrap();
            self.unread = input.to_vec();
            if message.is_some() {
                return message;
            }
            let mut chunk = [0; 4096];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let received = recvmsg(
                &self.stream,
                &mut [IoSliceMut::new(&mut chunk)],
                &mut control,
                RecvFlags::CMSG_CLOEXEC,
            );
            let count = received.unwrap().bytes;
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                    self.descriptors.extend(descriptors);
                }
            }
            if count == 0 {
                return None;
            }
            self.unread.extend_from_slice(&chunk[..count]);
        }
    }

    /// The next spawn of the client: its number, and the descriptors that came along.
    pub(crate) fn receive_spawn(&mut self) -> (u32, Vec<OwnedFd>) {
        match self.receive() {
            Some(request @ Request::Spawn { id, .. }) => (id, self.take_descriptors(request.descriptors())),
            other => panic!("not a spawn: {other:?}"),
        }
    }

    /// The oldest of the descriptors that came.
    pub(crate) fn take_descriptors(&mut self, count: usize) -> Vec<OwnedFd> {
        self.descriptors.drain(..count).collect()
    }

    /// How many descriptors came that no request has taken.
    pub(crate) fn spare_descriptors(&self) -> usize {
        self.descriptors.len()
    }

    /// Whether the client sends nothing for a while.
    pub(crate) fn hears_nothing(&mut self) -> bool {
        self.stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let heard = std::io::Read::read(&mut &self.stream, &mut [0]);
        self.stream.set_read_timeout(None).unwrap();
        heard.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}

/// Any command.
pub(crate) fn command() -> Command {
    Command { program: "program".into(), directory: "/".into(), ..Command::default() }
}

/// A spawn that goes on while the test is the agent.
pub(crate) fn spawning(client: &Client, stdin: Stdin) -> JoinHandle<Result<Spawned, SpawnError>> {
    let client = client.clone();
    tokio::spawn(async move { client.spawn(command(), stdin).await })
}

/// A process that was started, and the descriptors that the agent has of it.
pub(crate) async fn started(agent: &mut FakeAgent, client: &Client, stdin: Stdin) -> (Spawned, Vec<OwnedFd>) {
    let spawning = spawning(client, stdin);
    let (id, descriptors) = agent.receive_spawn();
    agent.send(&Response::Started { id });
    (spawning.await.unwrap().unwrap(), descriptors)
}

/// Polls a future once, and says whether it waits.
pub(crate) fn is_pending(future: &mut (impl Future + Unpin)) -> bool {
    future.now_or_never().is_none()
}
