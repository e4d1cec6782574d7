//! What can go wrong with an agent, one enum an operation.

use std::io;

use mimobox_protocol::{
    DecodeError, FileFailure, HelloError, SetUpFailure, SignalFailure, SpawnFailure, UsageFailure,
};

/// The agent cannot be talked to. Whatever was asked may have happened or not: the sandbox's state is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The connection is closed, and with it the sandbox.
    #[error("failed to reach the agent: the sandbox is gone")]
    Gone,
    /// No answer within [`Options::answer_timeout`](crate::Options::answer_timeout).
    #[error("failed to get an answer from the agent in time")]
    Unresponsive,
}

/// A connection was not established.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The socket could not be set up.
    #[error("failed to set up the agent's socket")]
    Socket(#[source] io::Error),
    /// The agent closed the connection, or broke the protocol, before it said who it is.
    #[error("failed to get the agent's hello")]
    Disconnected(#[source] Disconnect),
    /// The agent said nothing in time.
    #[error("failed to get the agent's hello in time")]
    TimedOut,
    /// It is another agent than this host was built with.
    #[error(transparent)]
    Hello(#[from] HelloError),
    /// The machine could not be set up.
    #[error(transparent)]
    SetUp(#[from] SetUpFailure),
}

/// A command was not started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The agent says why; nothing of the command runs.
    #[error(transparent)]
    Refused(#[from] SpawnFailure),
    /// The host could not make the pipes: it is out of descriptors or memory.
    #[error("failed to make a pipe")]
    Pipe(#[source] io::Error),
    /// The agent cannot be talked to.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// A signal was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    /// The agent says why.
    #[error(transparent)]
    Refused(#[from] SignalFailure),
    /// The agent cannot be talked to.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// What a machine uses is not known.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// The agent says why.
    #[error(transparent)]
    Refused(#[from] UsageFailure),
    /// The agent cannot be talked to.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// An operation on files was not done.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It failed, inside the sandbox.
    #[error(transparent)]
    Failed(#[from] FileFailure),
    /// It was not begun.
    #[error(transparent)]
    NotBegun(#[from] SpawnError),
    /// What came over its pipe could not be read.
    #[error("failed to read an answer from a pipe")]
    Read(#[source] io::Error),
    /// What came over its pipe is no answer.
    #[error("failed to understand an answer from a pipe")]
    Malformed(#[source] DecodeError),
    /// The answer ends in the middle of a message, or is none at all.
    #[error("failed to understand an answer from a pipe: it is cut short")]
    CutShort,
    /// There is more than this host takes.
    #[error("failed to list a directory: it has more than {0} bytes of entries")]
    TooLong(usize),
    /// The agent cannot be talked to.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// Why a connection is closed, for the operator's log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Disconnect {
    /// This host closed it, or dropped its last [`Client`](crate::Client).
    #[error("closed by the host")]
    Host,
    /// The agent closed it: it ended, or was killed.
    #[error("closed by the agent")]
    Agent,
    /// Reading or writing failed.
    #[error("failed on the agent's socket: {0}")]
    Socket(io::ErrorKind),
    /// The agent sent what is no frame.
    #[error("failed to understand the agent")]
    Frame(#[source] DecodeError),
    /// The agent sent an answer that nothing asked for.
    #[error("failed to match an answer of the agent to a request ({id})")]
    UnexpectedAnswer {
        /// The number in the answer.
        id: u32,
    },
    /// The agent sent file descriptors, which none of its answers carries.
    #[error("failed to accept file descriptors from the agent")]
    Descriptors,
}
