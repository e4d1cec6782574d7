//! A VMM as its host sees it: started, configured, spoken with, killed.

use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mimobox_confine::launch::{Child, Program};
use mimobox_vmm_protocol::{Config, End, Event, MAX_PACKET, Request, Usage, decode, encode};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use rustix::pipe::{PipeFlags, pipe_with};

/// Longer than anything takes, even a boot where kernels are emulated and the processors have other work.
const PATIENCE: Duration = Duration::from_secs(300);

/// A running VMM.
pub(crate) struct Vmm {
    child: Child,
    socket: OwnedFd,
    log: File,
    reads: bool,
    said: String,
    /// The host's end of the agent's stream.
    #[allow(dead_code, reason = "held open")]
    pub(crate) agent: OwnedFd,
    /// The file of the guest's memory.
    pub(crate) memory: OwnedFd,
}

/// What a machine is made of besides its configuration.
pub(crate) struct Parts {
    /// Kernel, or saved state.
    pub(crate) start: OwnedFd,
    /// An empty file of the right length, or the memory of a saved machine.
    pub(crate) memory: OwnedFd,
    /// One for each disk.
    pub(crate) disks: Vec<OwnedFd>,
}

/// Guest memory that nobody has written to.
pub(crate) fn new_memory(bytes: u64) -> OwnedFd {
    let file = File::from(memfd_create("guest", MemfdFlags::CLOEXEC).unwrap());
    file.set_len(bytes).unwrap();
    file.into()
}

/// A file with these bytes.
pub(crate) fn file_of(bytes: &[u8]) -> OwnedFd {
    let mut file = File::from(memfd_create("file", MemfdFlags::CLOEXEC).unwrap());
    std::io::Write::write_all(&mut file, bytes).unwrap();
    file.into()
}

/// The program, as it was built with this test.
pub(crate) fn program() -> Program {
    Program::load(&std::fs::read(binary()).unwrap()).unwrap()
}

fn binary() -> PathBuf {
    match option_env!("CARGO_BIN_EXE_mimobox-vmm") {
        Some(path) => path.into(),
        // An example is told nothing: the binary is beside its folder.
        None => std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("mimobox-vmm"),
    }
}

impl Vmm {
    /// Starts it and sends the configuration. What comes of that is the next event.
    pub(crate) fn start(config: &Config, parts: Parts) -> Self {
        Self::start_program(&program(), config, parts)
    }

    /// As above, with the program at hand.
    pub(crate) fn start_program(program: &Program, config: &Config, parts: Parts) -> Self {
        let kvm = File::options().read(true).write(true).open("/dev/kvm").unwrap();
        Self::unconfigured_program(program).configure(config, parts, kvm.into())
    }

    /// As above, with something in the place of `/dev/kvm`.
    pub(crate) fn start_with_kvm(config: &Config, parts: Parts, kvm: OwnedFd) -> Self {
        Self::unconfigured().configure(config, parts, kvm)
    }

    fn configure(self, config: &Config, parts: Parts, kvm: OwnedFd) -> Self {
        let (agent, its_agent) = pair(SocketType::STREAM);
        let (log, its_log) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let vmm = Self { log: log.into(), agent, memory: parts.memory, ..self };
        let mut descriptors =
            vec![kvm.as_fd(), vmm.memory.as_fd(), parts.start.as_fd(), its_agent.as_fd(), its_log.as_fd()];
        descriptors.extend(parts.disks.iter().map(AsFd::as_fd));
        vmm.send_with(&Request::Configure(config.clone()), &descriptors);
        vmm
    }

    /// Starts it and says nothing.
    pub(crate) fn unconfigured() -> Self {
        Self::unconfigured_program(&program())
    }

    fn unconfigured_program(program: &Program) -> Self {
        let (ours, theirs) = pair(SocketType::SEQPACKET);
        let child = program.start_free(&["mimobox-vmm"], theirs.as_fd()).unwrap();
        let nothing = || memfd_create("nothing", MemfdFlags::CLOEXEC).unwrap();
        let (log, agent, memory) = (nothing().into(), nothing(), nothing());
        Self { child, socket: ours, log, reads: true, said: String::new(), agent, memory }
    }

    /// Starts it and waits until it is configured.
    pub(crate) fn configured(config: &Config, parts: Parts) -> Self {
        let mut vmm = Self::start(config, parts);
        assert!(matches!(vmm.event(), Event::Jailed(_)));
        assert_eq!(vmm.event(), Event::Configured);
        vmm
    }

    /// Lets it run.
    pub(crate) fn run(&mut self) {
        self.send(&Request::Run);
        assert_eq!(self.event(), Event::Running);
    }

    /// Stops it where it is.
    pub(crate) fn pause(&mut self) {
        self.send(&Request::Pause);
        assert_eq!(self.event(), Event::Paused);
    }

    /// Takes its state.
    pub(crate) fn save(&mut self) -> OwnedFd {
        self.send(&Request::Save);
        let (event, descriptor) = self.event_with_descriptor();
        assert!(matches!(event, Event::Saved { .. }), "{event:?}");
        descriptor.unwrap()
    }

    /// What it uses.
    pub(crate) fn usage(&mut self) -> Usage {
        self.send(&Request::Usage);
        let Event::Usage(usage) = self.event() else { panic!("no usage") };
        usage
    }

    /// Ends it, and waits until it is gone.
    pub(crate) fn stop(&mut self) {
        self.send(&Request::Stop);
        assert_eq!(self.event(), Event::Ended(End::Killed));
        self.ends();
    }

    /// Its number.
    pub(crate) fn pid(&self) -> i32 {
        self.child.pid()
    }

    pub(crate) fn send(&self, request: &Request) {
        self.send_with(request, &[]);
    }

    pub(crate) fn send_bytes(&self, packet: &[u8]) {
        rustix::io::write(&self.socket, packet).unwrap();
    }

    /// Leaves the log to itself.
    pub(crate) fn do_not_read_the_log(&mut self) {
        self.reads = false;
    }

    /// Kills the process.
    pub(crate) fn kill(&self) {
        self.child.kill().unwrap();
    }

    pub(crate) fn send_with(&self, request: &Request, descriptors: &[BorrowedFd<'_>]) {
        let bytes = encode(request).unwrap();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(16))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(descriptors)));
        sendmsg(&self.socket, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::NOSIGNAL).unwrap();
    }

    /// The next event.
    pub(crate) fn event(&mut self) -> Event {
        self.event_with_descriptor().0
    }

    /// The next event, and the descriptor that came along.
    pub(crate) fn event_with_descriptor(&mut self) -> (Event, Option<OwnedFd>) {
        let begin = Instant::now();
        loop {
            let mut waiting =
                [PollFd::new(&self.socket, PollFlags::IN), PollFd::new(&self.log, PollFlags::IN)];
            poll(&mut waiting, Some(&Timespec { tv_sec: 1, tv_nsec: 0 })).unwrap();
            let [event, log] = waiting.map(|waiting| !waiting.revents().is_empty());
            if event {
                return self.receive();
            }
            if log && self.reads && !self.read_log() {
                self.reads = false;
            }
            assert!(begin.elapsed() < PATIENCE, "no event; the log says:\n{}", self.said);
        }
    }

    fn receive(&self) -> (Event, Option<OwnedFd>) {
        let mut bytes = vec![0; MAX_PACKET];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut slices = [IoSliceMut::new(&mut bytes)];
        let received = recvmsg(&self.socket, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC).unwrap();
        assert!(received.bytes > 0, "the VMM is gone; the log says:\n{}", self.said);
        let mut descriptor = None;
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(mut received) = message {
                descriptor = received.next();
            }
        }
        (decode(&bytes[..received.bytes]).unwrap(), descriptor)
    }

    /// Waits until the log says this, and gives all of it.
    pub(crate) fn log_until(&mut self, text: &str) -> &str {
        let begin = Instant::now();
        while !self.said.contains(text) {
            let mut waiting = [PollFd::new(&self.log, PollFlags::IN)];
            poll(&mut waiting, Some(&Timespec { tv_sec: 1, tv_nsec: 0 })).unwrap();
            if !waiting[0].revents().is_empty() && !self.read_log() {
                panic!("the log ends without {text:?}:\n{}", self.said);
            }
            assert!(begin.elapsed() < PATIENCE, "no {text:?} in\n{}", self.said);
        }
        &self.said
    }

    /// What the log has said so far.
    pub(crate) fn said(&mut self) -> &str {
        loop {
            let mut waiting = [PollFd::new(&self.log, PollFlags::IN)];
            poll(&mut waiting, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap();
            if waiting[0].revents().is_empty() || !self.read_log() {
                return &self.said;
            }
        }
    }

    fn read_log(&mut self) -> bool {
        let mut part = [0; 4096];
        let length = self.log.read(&mut part).unwrap();
        self.said.push_str(&String::from_utf8_lossy(&part[..length]));
        length > 0
    }

    /// Waits until the process has ended by itself.
    pub(crate) fn ends(&mut self) {
        let mut waiting = [PollFd::from_borrowed_fd(self.child.handle(), PollFlags::IN)];
        poll(&mut waiting, Some(&Timespec { tv_sec: 60, tv_nsec: 0 })).unwrap();
        assert!(!waiting[0].revents().is_empty(), "the VMM goes on");
    }

    /// Closes the control socket.
    pub(crate) fn hang_up(&mut self) {
        self.socket = memfd_create("closed", MemfdFlags::CLOEXEC).unwrap();
    }
}

fn pair(kind: SocketType) -> (OwnedFd, OwnedFd) {
    socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).unwrap()
}
