//! What the agent gets in the place of a frame's streams.

use std::os::fd::{AsFd as _, OwnedFd};

use mimobox_protocol::Stdin;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::epoll::Epoll;
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::pipe2;

use super::arrivals::Stream;
use super::flow::{Flow, Way};

/// Pipes for a command, in the place of its streams: what pumps between them, and the command's ends in their order.
pub(super) fn connect(
    process: u32,
    stdin: Stdin,
    streams: Vec<Stream>,
    epoll: &Epoll,
) -> Result<(Vec<Flow>, Vec<OwnedFd>), Errno> {
    let mut ways = match stdin {
        Stdin::Pipe => vec![Way::In, Way::Out, Way::Out],
        Stdin::Null => vec![Way::Out, Way::Out],
    }
    .into_iter();
    let mut flows = Vec::with_capacity(streams.len());
    let mut ends = Vec::with_capacity(streams.len());
    for stream in streams {
        let way = ways.next().unwrap_or(Way::Out);
        let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
        let (ours, theirs, others) = match way {
            Way::In => (write, read, Mode::S_IROTH),
            Way::Out => (read, write, Mode::S_IWOTH),
        };
        // The command's user may open that again, through `/proc/self/fd`.
        fchmod(theirs.as_fd(), Mode::S_IRUSR | Mode::S_IWUSR | others)?;
        flows.push(Flow::new(process, way, ours, stream, epoll)?);
        ends.push(theirs);
    }
    Ok((flows, ends))
}

/// The streams themselves, for the agent's own work, which waits for them.
pub(super) fn hand_over(streams: Vec<Stream>) -> Result<Vec<OwnedFd>, Errno> {
    streams
        .into_iter()
        .map(|Stream { socket, .. }| {
            fcntl(&socket, FcntlArg::F_SETFL(OFlag::empty()))?;
            Ok(socket)
        })
        .collect()
}
