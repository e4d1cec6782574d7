//! The relay: between the host, to which only bytes can pass, and the agent, which wants descriptors.
//!
//! ```text
//!   host ── control connection: frames ──────► relay ── socketpair: frames, with descriptors ──► agent
//!     └──── a stream for each descriptor ──────┘  └──── of a spawn: pipes, pumped from and to the streams
//!                                                 └──── of all else: the streams themselves
//! ```
//!
//! A frame of the host waits until its streams have come, and those after it wait with it: they are one order. A command gets
//! pipes, since programs expect some; the agent's own work on terminals and files reads and writes streams as well. The agent's
//! `Ended` passes on at once, and then the process's streams are closed once what is in its pipes is delivered. So whoever
//! escaped from it and holds a pipe keeps nobody waiting, and a slow reader of one process holds up no other.
//!
//! The transport is whatever was accepted from two listening sockets: vsock(7) in a machine, unix(7) in tests.

mod arrivals;
mod flow;
mod link;
mod plumbing;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use mimobox_protocol::{DecodeError, EncodeError, Hello, Request, Response, SpawnFailure, encode};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use arrivals::{Arrivals, Stream};
use flow::{Flow, Progress};
pub(super) use link::{Link, Received};

/// Most events taken from the kernel at once.
const EVENTS: usize = 64;

const HOST: Token = Token(0);
const AGENT: Token = Token(1);
const LISTENER: Token = Token(2);

/// By which `epoll` tells descriptors apart. None is given twice, so that a late event is never another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Token(u64);

struct Tokens(u64);

impl Tokens {
    fn next(&mut self) -> Token {
        let token = Token(self.0);
        self.0 += 1;
        token
    }
}

/// Relaying ended otherwise than by the host closing the connection. The machine goes off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RelayError {
    #[error("failed to set up the relay's event loop")]
    EventLoop(#[source] Errno),
    #[error("failed to wait for events")]
    Wait(#[source] Errno),
    #[error("failed on the connection to the host")]
    Host(#[source] Errno),
    #[error("failed to understand the host")]
    Request(#[source] DecodeError),
    #[error("failed on the connection to the agent")]
    Agent(#[source] Errno),
    #[error("failed to understand the agent")]
    Response(#[source] DecodeError),
    #[error("failed to pass a frame on")]
    Encode(#[from] EncodeError),
    #[error("failed to keep the agent: it has ended")]
    AgentEnded,
    #[error("failed to accept a stream of the host")]
    Accept(#[source] Errno),
    #[error("failed to find out what a stream of the host belongs to")]
    StreamNumber,
    #[error("failed to wait for a frame's streams: they never came")]
    StreamsMissing,
}

/// A frame of the host whose streams have not all come.
struct Held {
    request: Request,
    until: Instant,
}

pub(super) struct Relay {
    epoll: Epoll,
    tokens: Tokens,
    host: Link,
    agent: Link,
    /// Whether the host's hello has passed, and the agent's.
    greeted: [bool; 2],
    held: Option<Held>,
    arrivals: Arrivals,
    flows: BTreeMap<Token, Flow>,
    /// How long the streams of a frame may take. The host opens them before it sends the frame.
    stream_patience: Duration,
}

impl Relay {
    /// `host` is the control connection, `listener` where its streams come in.
    pub(super) fn new(
        host: Link,
        listener: OwnedFd,
        agent: OwnedFd,
        stream_patience: Duration,
    ) -> Result<Self, RelayError> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(RelayError::EventLoop)?;
        let agent = Link::new(agent);
        let arrivals = Arrivals::new(listener, LISTENER, &epoll).map_err(RelayError::EventLoop)?;
        for (link, token) in [(&host, HOST), (&agent, AGENT)] {
            epoll.add(link, EpollEvent::new(usual(), token.0)).map_err(RelayError::EventLoop)?;
        }
        let tokens = Tokens(LISTENER.0 + 1);
        Ok(Self {
            epoll,
            tokens,
            host,
            agent,
            greeted: [false; 2],
            held: None,
            arrivals,
            flows: BTreeMap::new(),
            stream_patience,
        })
    }

    /// Relays until the host closes its connection.
    pub(super) fn run(mut self) -> Result<(), RelayError> {
        loop {
            let were_blocked = (self.host.is_blocked(), self.agent.is_blocked());
            if self.pass_requests()? == Received::Closed {
                return Ok(());
            }
            self.pass_responses()?;
            self.update_interest(were_blocked)?;
            self.wait()?;
        }
    }

    fn wait(&mut self) -> Result<(), RelayError> {
        let mut events = [EpollEvent::empty(); EVENTS];
        let count = match self.epoll.wait(&mut events, self.patience()?) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(errno) => return Err(RelayError::Wait(errno)),
        };
        for event in events.iter().take(count) {
            match Token(event.data()) {
                HOST => self.host.may_be_ready(event.events()),
                AGENT => self.agent.may_be_ready(event.events()),
                LISTENER => self.arrivals.may_accept(),
                token if self.arrivals.knows(token) => self.arrivals.name(token, &self.epoll)?,
                token => self.pump(token)?,
            }
        }
        Ok(())
    }

    fn pump(&mut self, token: Token) -> Result<(), RelayError> {
        // An event may come after the end of what it is about.
        let Some(flow) = self.flows.get_mut(&token) else { return Ok(()) };
        if flow.advance(&self.epoll).map_err(RelayError::EventLoop)? == Progress::Ended {
            self.flows.remove(&token);
        }
        Ok(())
    }

    /// Passes on what the host has sent, as far as its streams have come and the agent takes it.
    fn pass_requests(&mut self) -> Result<Received, RelayError> {
        self.agent.flush().map_err(RelayError::Agent)?;
        // While the host takes no answers it gets none to refused requests either.
        while !self.agent.is_blocked() && !self.host.is_blocked() {
            if let Some(held) = &self.held {
                let count = held.request.descriptors();
                let Some(streams) = self.arrivals.take(count, &self.epoll, &mut self.tokens)? else { break };
                if let Some(held) = self.held.take() {
                    self.deliver(&held.request, streams)?;
                }
                continue;
            }
            if self.next_request()? {
                continue;
            }
            match self.host.receive().map_err(RelayError::Host)? {
                Received::Something => {}
                nothing => return Ok(nothing),
            }
        }
        Ok(Received::Nothing)
    }

    /// Takes one message of the host that was received whole; whether there was one.
    fn next_request(&mut self) -> Result<bool, RelayError> {
        if !self.greeted[0] {
            // Whether it is the right one is for the agent to say.
            let Some(hello) = self.host.next::<Hello>().map_err(RelayError::Request)? else {
                return Ok(false);
            };
            self.greeted[0] = true;
            self.agent.send(encode(&hello)?, Vec::new()).map_err(RelayError::Agent)?;
            return Ok(true);
        }
        let Some(request) = self.host.next::<Request>().map_err(RelayError::Request)? else {
            return Ok(false);
        };
        if request.descriptors() == 0 {
            self.agent.send(encode(&request)?, Vec::new()).map_err(RelayError::Agent)?;
        } else {
            self.held = Some(Held { request, until: Instant::now() + self.stream_patience });
        }
        Ok(true)
    }

    /// Passes a request on whose streams have come.
    fn deliver(&mut self, request: &Request, streams: Vec<Stream>) -> Result<(), RelayError> {
        let frame = encode(request)?;
        let descriptors = match request {
            Request::Spawn { id, stdin, .. } => match plumbing::connect(*id, *stdin, streams, &self.epoll) {
                Ok((flows, descriptors)) => {
                    self.flows.extend(flows.into_iter().map(|flow| (flow.token(), flow)));
                    descriptors
                }
                Err(_) => return self.refuse(*id),
            },
            _ => match plumbing::hand_over(streams) {
                Ok(descriptors) => descriptors,
                Err(errno) => return Err(RelayError::Accept(errno)),
            },
        };
        self.agent.send(frame, descriptors).map_err(RelayError::Agent)
    }

    /// Answers in the agent's place: there are no pipes to be had.
    fn refuse(&mut self, id: u32) -> Result<(), RelayError> {
        let refused = Response::Refused { id, failure: SpawnFailure::LimitReached };
        self.host.queue(encode(&refused)?).map_err(RelayError::Host)
    }

    /// Passes on what the agent has answered, as far as the host takes it.
    fn pass_responses(&mut self) -> Result<(), RelayError> {
        self.host.flush().map_err(RelayError::Host)?;
        while !self.host.is_blocked() {
            if !self.next_response()? {
                match self.agent.receive().map_err(RelayError::Agent)? {
                    Received::Something => {}
                    Received::Nothing => break,
                    Received::Closed => return Err(RelayError::AgentEnded),
                }
            }
        }
        Ok(())
    }

    /// Takes one message of the agent that was received whole; whether there was one.
    fn next_response(&mut self) -> Result<bool, RelayError> {
        if !self.greeted[1] {
            let Some(hello) = self.agent.next::<Hello>().map_err(RelayError::Response)? else {
                return Ok(false);
            };
            self.greeted[1] = true;
            self.host.queue(encode(&hello)?).map_err(RelayError::Host)?;
            return Ok(true);
        }
        let Some(response) = self.agent.next::<Response>().map_err(RelayError::Response)? else {
            return Ok(false);
        };
        self.host.queue(encode(&response)?).map_err(RelayError::Host)?;
        if let Response::Ended { id, .. } | Response::Refused { id, .. } = response {
            self.flows
                .retain(|_, flow| flow.process != id || !flow.is_running() || flow.end() == Progress::Going);
        }
        Ok(true)
    }

    fn update_interest(&self, were_blocked: (bool, bool)) -> Result<(), RelayError> {
        for (link, token, was_blocked) in
            [(&self.host, HOST, were_blocked.0), (&self.agent, AGENT, were_blocked.1)]
        {
            if link.is_blocked() != was_blocked {
                let mut wanted = usual();
                wanted.set(EpollFlags::EPOLLOUT, link.is_blocked());
                let mut event = EpollEvent::new(wanted, token.0);
                self.epoll.modify(link, &mut event).map_err(RelayError::EventLoop)?;
            }
        }
        Ok(())
    }

    /// How long to wait for an event at most.
    fn patience(&self) -> Result<EpollTimeout, RelayError> {
        let Some(held) = &self.held else { return Ok(EpollTimeout::NONE) };
        let left = held.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(RelayError::StreamsMissing);
        }
        // Rounded up: a whole millisecond early would be a busy loop for its rest.
        Ok(EpollTimeout::try_from(left.as_millis().saturating_add(1)).unwrap_or(EpollTimeout::MAX))
    }
}

/// What of a link is waited for as long as it is not blocked.
fn usual() -> EpollFlags {
    EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET
}
