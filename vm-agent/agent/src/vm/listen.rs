//! The machine's two doors: ports of vsock(7) that only its host can reach, as no other transport is there.

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, VsockAddr, bind, listen, socket};

use super::serve::Doors;

const CONTROL_PORT: u32 = 1024;
const STREAMS_PORT: u32 = 1025;

/// More streams than a host opens before their frames are answered: three for each of 64.
const STREAMS_AT_ONCE: i32 = 256;

/// The host opens a frame's streams before it sends the frame, so this only tells a broken one from a slow machine.
const STREAM_PATIENCE: Duration = Duration::from_secs(30);

/// Opens both.
pub(super) fn open() -> Result<Doors, Errno> {
    Ok(Doors {
        control: door(CONTROL_PORT, SockFlag::empty(), 1)?,
        streams: door(STREAMS_PORT, SockFlag::SOCK_NONBLOCK, STREAMS_AT_ONCE)?,
        patience: STREAM_PATIENCE,
    })
}

fn door(port: u32, flags: SockFlag, backlog: i32) -> Result<OwnedFd, Errno> {
    let door = socket(AddressFamily::Vsock, SockType::Stream, flags | SockFlag::SOCK_CLOEXEC, None)?;
    bind(door.as_raw_fd(), &VsockAddr::new(libc::VMADDR_CID_ANY, port))?;
    listen(&door, Backlog::new(backlog)?)?;
    Ok(door)
}
