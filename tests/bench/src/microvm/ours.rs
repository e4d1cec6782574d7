//! One of ours, spoken with as the backend does: configured, run, and read until its word.

use std::fs::File;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use mimobox_confine::launch::{Child, Program};
use mimobox_vmm_protocol::{Config, Disk, Event, MAX_PACKET, Request, Start, Template, decode, encode};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
    recv, sendmsg, socketpair,
};
use rustix::pipe::{PipeFlags, pipe_with};

use super::{MEMORY, Supplies, command_line, until_said};

/// More than any image of these measurements: an image knows its own size.
const CAPACITY: u64 = 1 << 40;

/// A VMM that was started. Killed when this is dropped.
struct Vmm {
    socket: OwnedFd,
    _child: Child,
}

pub(super) fn boot(supplies: &Supplies) -> Result<Duration> {
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
    let kvm = kvm()?;
    let kernel = File::open(&supplies.kernel).context("failed to open the kernel")?;
    let disk = File::open(&supplies.base_image).context("failed to open the base image")?;
    let (_agent, its_agent) = pair(SocketType::STREAM)?;
    let (console, its_console) = pipe_with(PipeFlags::CLOEXEC)?;
    let vmm = Vmm::start(&supplies.vmm)?;
    let descriptors =
        [kvm.as_fd(), memory.as_fd(), kernel.as_fd(), its_agent.as_fd(), its_console.as_fd(), disk.as_fd()];
    vmm.ask(&Request::Configure(config), &descriptors)?;
    drop(its_console);
    loop {
        match vmm.event()? {
            Event::Jailed(_) => {}
            Event::Configured => break,
            other => bail!("the VMM did not take its configuration: {other:?}"),
        }
    }
    vmm.ask(&Request::Run, &[])?;
    until_said(&mut File::from(console), since)
}

/// Has a VMM find out how guests run here.
pub(super) fn probe(program: &Program) -> Result<Template> {
    let vmm = Vmm::start(program)?;
    vmm.ask(&Request::Probe, &[kvm()?.as_fd()])?;
    match vmm.event()? {
        Event::Probed(found) => Ok(found?.template),
        other => bail!("the VMM did not probe: {other:?}"),
    }
}

impl Vmm {
    fn start(program: &Program) -> Result<Self> {
        let (socket, theirs) = pair(SocketType::SEQPACKET)?;
        let child = program.start_free(&["mimobox-vmm"], theirs.as_fd())?;
        Ok(Self { socket, _child: child })
    }

    fn ask(&self, request: &Request, descriptors: &[BorrowedFd<'_>]) -> Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(6))];
        let mut passed = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            passed.push(SendAncillaryMessage::ScmRights(descriptors));
        }
        let bytes = encode(request)?;
        sendmsg(&self.socket, &[IoSlice::new(&bytes)], &mut passed, SendFlags::NOSIGNAL)
            .context("failed to speak with the VMM")?;
        Ok(())
    }

    fn event(&self) -> Result<Event> {
        let mut bytes = vec![0; MAX_PACKET];
        let (length, _) =
            recv(&self.socket, &mut bytes[..], RecvFlags::empty()).context("failed to hear from the VMM")?;
        if length == 0 {
            bail!("the VMM ended");
        }
        decode(bytes.get(..length).unwrap_or_default()).context("failed to understand the VMM")
    }
}

fn kvm() -> Result<File> {
    File::options().read(true).write(true).open("/dev/kvm").context("failed to open /dev/kvm")
}

fn pair(kind: SocketType) -> Result<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).context("failed to make a socket pair")
}
