//! One of ours, spoken with as the backend does: configured, run, and read until its word.

use std::fs::File;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use mimobox_confine::launch::Program;
use mimobox_vmm_protocol::{Config, Disk, Event, MAX_PACKET, Request, Start, decode, encode};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
    recv, sendmsg, socketpair,
};
use rustix::pipe::{PipeFlags, pipe_with};

use super::{MEMORY, Supplies, command_line, until_said};

/// More than any image of these measurements: an image knows its own size.
const CAPACITY: u64 = 1 << 40;

pub(super) fn boot(supplies: &Supplies) -> Result<Duration> {
    let program = Program::load(&std::fs::read(&supplies.vmm).context("failed to read the VMM")?)?;
    let config = Config {
        memory: MEMORY,
        vcpus: 1,
        template: supplies.template,
        command_line: command_line(),
        disks: vec![Disk { capacity: CAPACITY }],
        start: Start::Boot,
        account: None,
        tolerated: Vec::new(),
    };

    let since = Instant::now();
    let memory = File::from(memfd_create("guest", MemfdFlags::CLOEXEC)?);
    memory.set_len(MEMORY)?;
    let kvm = File::options().read(true).write(true).open("/dev/kvm").context("failed to open /dev/kvm")?;
    let kernel = File::open(&supplies.kernel).context("failed to open the kernel")?;
    let disk = File::open(&supplies.base_image).context("failed to open the base image")?;
    let (_agent, its_agent) = pair(SocketType::STREAM)?;
    let (console, its_console) = pipe_with(PipeFlags::CLOEXEC)?;
    let (socket, its_socket) = pair(SocketType::SEQPACKET)?;
    let child = program.start_free(&["mimobox-vmm"], its_socket.as_fd())?;
    drop(its_socket);

    let descriptors =
        [kvm.as_fd(), memory.as_fd(), kernel.as_fd(), its_agent.as_fd(), its_console.as_fd(), disk.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(6))];
    let mut passed = SendAncillaryBuffer::new(&mut space);
    passed.push(SendAncillaryMessage::ScmRights(&descriptors));
    let configure = encode(&Request::Configure(config))?;
    sendmsg(&socket, &[IoSlice::new(&configure)], &mut passed, SendFlags::NOSIGNAL)?;
    drop(its_console);
    loop {
        match event(&socket)? {
            Event::Jailed(_) => {}
            Event::Configured => break,
            other => bail!("the VMM did not take its configuration: {other:?}"),
        }
    }
    rustix::net::send(&socket, &encode(&Request::Run)?, SendFlags::NOSIGNAL)?;
    let up = until_said(&mut File::from(console), since);
    drop(child);
    up
}

fn event(socket: &OwnedFd) -> Result<Event> {
    let mut bytes = vec![0; MAX_PACKET];
    let (length, _) =
        recv(socket, &mut bytes[..], RecvFlags::empty()).context("failed to hear from the VMM")?;
    if length == 0 {
        bail!("the VMM ended");
    }
    decode(bytes.get(..length).unwrap_or_default()).context("failed to understand the VMM")
}

fn pair(kind: SocketType) -> Result<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).context("failed to make a socket pair")
}
