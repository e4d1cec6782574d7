//! Standard streams: pipes whose one end is the host's and whose other end travels to the agent.
//!
//! A process that left its group may hold a pipe open for as long as the sandbox lives. So beside its pipe each
//! end here knows of the command's end, and does not wait for what cannot come any more.
//!
//! Where the bytes are relayed ([`Streams::Relayed`]) the command's end may be known before its output has come. There the
//! relay sees to it that a pipe ends with its command, and an end here knows of nothing but its pipe.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use mimobox_protocol::Stdin;
use rustix::fs::{Mode, OFlags, fchmod, fcntl_setfl};
use rustix::io::{Errno, ioctl_fionread, read};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::unix::pipe::{Receiver, Sender};

use crate::{Ended, Streams};

/// Bytes that a pipe holds before its writer waits. Against the kernel's 64 KiB this takes input 1.7 times as fast
/// and, read in pieces as large, gives output a quarter faster (medians of six, 2 GiB, Linux 6.18 in a VM of two
/// processors); 1 MiB gains nothing more.
const CAPACITY: usize = 256 * 1024;

/// Both ends of a command's standard streams.
pub(crate) struct Pipes {
    pub(crate) host: HostEnds,
    /// In the order in which they travel.
    pub(crate) sandbox: Vec<OwnedFd>,
}

pub(crate) struct HostEnds {
    pub(crate) stdin: Option<Input>,
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
}

impl Pipes {
    pub(crate) fn new(stdin: Stdin, streams: Streams, ended: &Ended) -> io::Result<Self> {
        let mut sandbox = Vec::with_capacity(3);
        let stdin = match stdin {
            Stdin::Null => None,
            Stdin::Pipe => {
                let (stdin, read) = input(streams, ended)?;
                sandbox.push(read);
                Some(stdin)
            }
        };
        let mut output = || {
            let (output, write) = output(streams, ended)?;
            sandbox.push(write);
            Ok::<_, io::Error>(output)
        };
        let (stdout, stderr) = (output()?, output()?);
        Ok(Self { host: HostEnds { stdin, stdout, stderr }, sandbox })
    }
}

/// A way in: the host's end, and the one that travels. The sandbox's users may open that again, through `/proc/self/fd`.
pub(crate) fn input(streams: Streams, ended: &Ended) -> io::Result<(Input, OwnedFd)> {
    let (read, write) = pipe()?;
    let ended = match streams {
        Streams::Passed => {
            fchmod(&read, Mode::RUSR | Mode::WUSR | Mode::ROTH)?;
            Some(ended.clone())
        }
        Streams::Relayed => None,
    };
    Ok((Input::new(write, ended)?, read))
}

/// A way out: the host's end, and the one that travels. The sandbox's users may open that again, through `/proc/self/fd`.
pub(crate) fn output(streams: Streams, ended: &Ended) -> io::Result<(Output, OwnedFd)> {
    let (read, write) = pipe()?;
    let state = match streams {
        Streams::Passed => {
            fchmod(&write, Mode::RUSR | Mode::WUSR | Mode::WOTH)?;
            State::Open(ended.clone())
        }
        Streams::Relayed => State::Relayed,
    };
    Ok((Output::new(read, state)?, write))
}

/// A pipe's read end and write end.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    // Refused where an ordinary user has many pipes already; then it stays at the kernel's default.
    let _ = fcntl_setpipe_size(&write, CAPACITY);
    Ok((read, write))
}

/// The write end of a standard input.
///
/// Writing fails with [`io::ErrorKind::BrokenPipe`] once no process of the command reads it.
#[derive(Debug)]
pub struct Input {
    /// None once it is shut down or broken.
    pipe: Option<Sender>,
    /// None where the streams are relayed.
    ended: Option<Ended>,
}

impl Input {
    fn new(write: OwnedFd, ended: Option<Ended>) -> io::Result<Self> {
        fcntl_setfl(&write, OFlags::NONBLOCK)?;
        Ok(Self { pipe: Some(Sender::from_owned_fd_unchecked(write)?), ended })
    }

    /// Polls the pipe, but breaks it where it would wait for a command that has ended.
    fn poll_pipe<T>(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut Sender>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let Self { pipe, ended } = &mut *self;
        let Some(sender) = pipe else { return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())) };
        if let Poll::Ready(result) = poll(Pin::new(sender), context) {
            return Poll::Ready(result);
        }
        let Some(ended) = ended else { return Poll::Pending };
        let _ = ready!(Pin::new(ended).poll(context));
        *pipe = None;
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }
}

impl AsyncWrite for Input {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_pipe(context, |pipe, context| pipe.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_pipe(context, |pipe, context| pipe.poll_write_vectored(context, parts))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pipe = None;
        Poll::Ready(Ok(()))
    }
}

/// The read end of a standard output or error.
///
/// It ends when the last writer has closed it, or when the command has ended and what was in the pipe by then is
/// read: a process that left the group may go on writing, and is not waited for. Where the streams are relayed, the relay
/// closes it by the same rule.
#[derive(Debug)]
pub struct Output {
    pipe: Receiver,
    state: State,
}

#[derive(Debug)]
enum State {
    /// It ends when its pipe does.
    Relayed,
    Open(Ended),
    /// The command has ended, and left so many bytes.
    Draining(usize),
}

impl Output {
    fn new(read: OwnedFd, state: State) -> io::Result<Self> {
        fcntl_setfl(&read, OFlags::NONBLOCK)?;
        Ok(Self { pipe: Receiver::from_owned_fd_unchecked(read)?, state })
    }
}

impl AsyncRead for Output {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { pipe, state } = &mut *self;
        if matches!(state, State::Relayed) {
            return Pin::new(pipe).poll_read(context, into);
        }
        if let State::Open(ended) = state {
            // Before the pipe: a writer that has left the group could keep that ready for ever.
            if Pin::new(ended).poll(context).is_pending() {
                return Pin::new(pipe).poll_read(context, into);
            }
            *state = State::Draining(usize::try_from(ioctl_fionread(&*pipe)?).unwrap_or(usize::MAX));
        }
        if let State::Draining(left) = state {
            let read = drain(pipe, into, *left)?;
            *left = if read == 0 { 0 } else { left.saturating_sub(read) };
        }
        Poll::Ready(Ok(()))
    }
}

/// Reads what is there, `most` bytes at most. Not through the receiver, which may not know yet that it can be read.
fn drain(pipe: &Receiver, into: &mut ReadBuf<'_>, most: usize) -> io::Result<usize> {
    let room = into.remaining().min(most);
    let count = loop {
        match read(pipe, into.initialize_unfilled_to(room)) {
            Ok(count) => break count,
            // Nothing there: one of the escaped read it first.
            Err(Errno::AGAIN) => break 0,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    };
    into.advance(count);
    Ok(count)
}
