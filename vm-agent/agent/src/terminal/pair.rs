//! Both ends of a new terminal: pts(4), ioctl_tty(2).

#![allow(unsafe_code, reason = "ioctl(2) for what no wrapper offers")]

use std::os::fd::{AsFd, AsRawFd as _, FromRawFd as _, OwnedFd};

use mimobox_protocol::TerminalSize;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::prctl;
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{Uid, setfsuid};

pub(crate) struct Pair {
    /// Never blocks.
    pub(crate) master: OwnedFd,
    /// What the command gets as its three streams.
    pub(crate) slave: OwnedFd,
}

impl Pair {
    /// Makes a terminal that belongs to `owner`, or to the agent's own user where there is none.
    pub(crate) fn open(owner: Option<Uid>, size: TerminalSize) -> Result<Self, Errno> {
        let master = match owner {
            Some(owner) => open_as(owner)?,
            None => open_master()?,
        };
        let unlocked: libc::c_int = 0;
        // SAFETY: reads one integer.
        Errno::result(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlocked) })?;
        let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
        // By the master, not by a name below /dev/pts: what the name means is the mount's business.
        // SAFETY: takes numbers only.
        let slave = Errno::result(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags) })?;
        // SAFETY: the kernel just made it for this call; nobody else knows of it.
        let slave = unsafe { OwnedFd::from_raw_fd(slave) };
        let meant = owner.unwrap_or_else(Uid::current);
        if fstat(&slave)?.st_uid != meant.as_raw() {
            return Err(Errno::EPERM);
        }
        resize(&master, size)?;
        Ok(Self { master, slave })
    }
}

/// Opens a master in the name of `owner`: a slave belongs to whoever opened its master, and only that user may then open
/// it by name, change its mode (mesg(1)) or find out what it is called. So nothing has to be handed over afterwards, for
/// which the agent has no capability.
fn open_as(owner: Uid) -> Result<OwnedFd, Errno> {
    let own = setfsuid(owner);
    let master = open_master();
    setfsuid(own);
    // A change of users sets this by fs.suid_dumpable.
    prctl::set_dumpable(false)?;
    master
}

fn open_master() -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    open("/dev/ptmx", flags, Mode::empty())
}

/// Sets the window's size. If it changes, the foreground processes get `SIGWINCH`.
pub(crate) fn resize(master: impl AsFd, size: TerminalSize) -> Result<(), Errno> {
    let size = libc::winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
    let master = master.as_fd().as_raw_fd();
    // SAFETY: reads one structure.
    Errno::result(unsafe { libc::ioctl(master, libc::TIOCSWINSZ, &raw const size) }).map(drop)
}

/// Makes the terminal at standard input the controlling one of this session, whose leader this process is. Makes one system
/// call, for a child between clone and exec.
pub(crate) fn take_control() -> Result<(), Errno> {
    // SAFETY: takes numbers only.
    Errno::result(unsafe { libc::ioctl(libc::STDIN_FILENO, libc::TIOCSCTTY, 0) }).map(drop)
}
