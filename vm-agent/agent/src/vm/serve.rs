//! A machine's one host: taken in, told what came of its set-up, and relayed to the agent until it goes.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process;
use std::time::Duration;

use mimobox_protocol::{EncodeError, SetUp, SetUpAnswer, SetUpFailure, encode};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{SockFlag, accept4};
use nix::unistd::{ForkResult, fork};

use super::relay::{Link, Received, Relay, RelayError};
use crate::attributes;
use crate::identity::Identity;
use crate::server;
use crate::surroundings::Surroundings;

/// The machine did not come as far as its host closing the connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MachineError {
    #[error("failed to start the agent")]
    Agent(#[source] Errno),
    #[error("failed to speak with the agent")]
    AgentSocket(#[source] io::Error),
    #[error("failed to accept the host")]
    Accept(#[source] Errno),
    #[error("failed on the connection to the host")]
    Host(#[source] Errno),
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error(transparent)]
    Relay(#[from] RelayError),
}

/// Where the host comes in.
pub(super) struct Doors {
    /// For the control connection.
    pub(super) control: OwnedFd,
    /// For a stream in the place of each descriptor.
    pub(super) streams: OwnedFd,
    /// How long the streams of a frame may take.
    pub(super) patience: Duration,
}

/// Starts the agent as another process of this program, which does `begin` first and then serves. This end of its connection,
/// once it has come as far as it comes by itself: a template shall have that done.
pub(super) fn start_agent(
    begin: impl FnOnce(&UnixStream) -> Option<Surroundings>,
) -> Result<UnixStream, MachineError> {
    let (mut ours, theirs) = UnixStream::pair().map_err(MachineError::AgentSocket)?;
    // SAFETY: this process has one thread.
    match unsafe { fork() }.map_err(MachineError::Agent)? {
        ForkResult::Parent { .. } => {
            drop(theirs);
            ours.read_exact(&mut [0]).map_err(MachineError::AgentSocket)?;
            Ok(ours)
        }
        ForkResult::Child => {
            drop(ours);
            // Whatever comes of it, this process must not go on as the machine's init.
            let served = be_agent(theirs, begin).is_some();
            process::exit(i32::from(!served))
        }
    }
}

fn be_agent(mut init: UnixStream, begin: impl FnOnce(&UnixStream) -> Option<Surroundings>) -> Option<()> {
    attributes::set().ok()?;
    init.write_all(&[0]).ok()?;
    let surroundings = begin(&init)?;
    server::serve(init, surroundings).ok()
}

/// Takes the host in, has `carry_out` do what it says the machine is to be, and relays between it and the agent until it goes.
pub(super) fn serve_host(
    doors: Doors,
    agent: UnixStream,
    carry_out: impl FnOnce(&SetUp, &UnixStream) -> Result<(), SetUpFailure>,
) -> Result<(), MachineError> {
    let Doors { control, streams, patience } = doors;
    let mut host = Link::new(accept(&control)?);
    // There is one host.
    drop(control);
    let answer = match receive(&mut host)? {
        Some(Ok(set_up)) => match carry_out(&set_up, &agent) {
            Ok(()) => SetUpAnswer::Done,
            Err(failure) => SetUpAnswer::Failed(failure),
        },
        Some(Err(failure)) => SetUpAnswer::Failed(failure),
        None => return Ok(()),
    };
    host.send(encode(&answer)?, Vec::new()).map_err(MachineError::Host)?;
    if answer != SetUpAnswer::Done {
        // A machine that went off now could take the answer with it.
        return until_closed(&mut host);
    }
    Ok(Relay::new(host, streams, agent.into(), patience)?.run()?)
}

fn accept(listener: &OwnedFd) -> Result<OwnedFd, MachineError> {
    loop {
        match accept4(listener.as_raw_fd(), SockFlag::SOCK_CLOEXEC) {
            // SAFETY: the kernel just made it for this call; nobody else knows of it.
            Ok(number) => return Ok(unsafe { OwnedFd::from_raw_fd(number) }),
            Err(Errno::EINTR | Errno::ECONNABORTED) => {}
            Err(errno) => return Err(MachineError::Accept(errno)),
        }
    }
}

/// What the machine is to be. None if the host goes without saying.
fn receive(host: &mut Link) -> Result<Option<Result<SetUp, SetUpFailure>>, MachineError> {
    loop {
        match host.next() {
            Ok(Some(set_up)) => return Ok(Some(Ok(set_up))),
            Ok(None) => {}
            Err(_) => return Ok(Some(Err(SetUpFailure::NotUnderstood))),
        }
        if host.wait().map_err(MachineError::Host)? == Received::Closed {
            return Ok(None);
        }
    }
}

fn until_closed(host: &mut Link) -> Result<(), MachineError> {
    while host.discard().map_err(MachineError::Host)? != Received::Closed {}
    Ok(())
}

/// A machine's relay without the machine: for tests. The agent serves as the user that it is, and the set-up is answered and
/// not carried out.
pub(crate) fn relay_only(control: OwnedFd, streams: OwnedFd) -> Result<(), MachineError> {
    let doors = Doors { control, streams, patience: Duration::from_secs(1) };
    fcntl(&doors.streams, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(MachineError::Accept)?;
    let agent =
        start_agent(|_| Some(Surroundings { identity: Identity::Own, upper: None, kernel_threads: None }))?;
    serve_host(doors, agent, |_, _| Ok(()))
}
