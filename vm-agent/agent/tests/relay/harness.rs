//! Starts an agent behind its relay, with a stand-in for the VMM before it.

#[path = "../serve/short_ways.rs"]
mod short_ways;

use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command as Process, Stdio};

use mimobox_agent_client::{Client, MachineRoot, Options, SetUp, Streams};
use tempfile::TempDir;

use crate::vmm;

pub(crate) use short_ways::{command, exists, line, output, run, script};

/// How a client is to treat streams.
pub(crate) fn options() -> Options {
    Options { streams: Streams::Relayed, ..Options::default() }
}

/// What the machine is told; nothing of it is carried out here.
pub(crate) fn set_up() -> SetUp {
    SetUp {
        clock_seconds: 0,
        clock_nanoseconds: 0,
        entropy: [0; 32],
        host_name: "machine".into(),
        root: MachineRoot::Base,
        writable: 0,
        volumes: Vec::new(),
        processes: 0,
    }
}

/// A running relay, with its agent. Killed, if it still runs, when dropped.
pub(crate) struct Agent {
    process: Child,
    /// Where its sockets are.
    folder: TempDir,
}

impl Agent {
    /// Starts one without a host.
    #[expect(clippy::disallowed_methods, reason = "the agent under test is a program")]
    pub(crate) fn alone_after(preparation: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listen = |name: &str| OwnedFd::from(UnixListener::bind(folder.path().join(name)).unwrap());
        // The shell puts the sockets where the agent looks for them.
        let process = Process::new("sh")
            .arg("-c")
            .arg(format!("{preparation}\nexec \"$0\" relay 3<&0 4<&1 </dev/null >/dev/null"))
            .arg(env!("CARGO_BIN_EXE_mimobox-agent"))
            .stdin(Stdio::from(listen("control")))
            .stdout(Stdio::from(listen("streams")))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, folder }
    }

    /// Starts one before which nothing stands: the guest's end of the control connection.
    pub(crate) fn bare() -> (Self, UnixStream) {
        let agent = Self::alone_after("");
        let control = agent.control();
        (agent, control)
    }

    fn control(&self) -> UnixStream {
        UnixStream::connect(self.folder.path().join("control")).unwrap()
    }

    /// Opens a stream to it, as the VMM would, that says nothing yet.
    pub(crate) fn stream(&self) -> UnixStream {
        UnixStream::connect(self.folder.path().join("streams")).unwrap()
    }

    /// Puts the stand-in before it: the host's end, over which a set-up is to come first.
    fn behind_vmm(preparation: &str) -> (Self, UnixStream) {
        let agent = Self::alone_after(preparation);
        let (ours, theirs) = UnixStream::pair().unwrap();
        vmm::carry(theirs, agent.control(), agent.folder.path().join("streams"));
        (agent, ours)
    }

    /// Starts one after the shell has done something to itself that the agent inherits. It is set up, so that what comes next
    /// is what comes first without a relay.
    pub(crate) fn start_after(preparation: &str) -> (Self, UnixStream) {
        use std::io::{Read as _, Write as _};
        let (agent, mut host) = Self::behind_vmm(preparation);
        host.write_all(&mimobox_protocol::encode(&set_up()).unwrap()).unwrap();
        let done = mimobox_protocol::encode(&mimobox_protocol::SetUpAnswer::Done).unwrap();
        let mut answer = vec![0; done.len()];
        host.read_exact(&mut answer).unwrap();
        assert_eq!(answer, done);
        (agent, host)
    }

    /// Starts one and connects to it.
    pub(crate) async fn connect() -> (Self, Client) {
        let (agent, stream) = Self::behind_vmm("");
        (agent, Client::connect_machine(stream, &set_up(), options()).await.unwrap())
    }

    /// How many descriptors the relay has open.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.process.id())).unwrap().count()
    }

    /// Waits until it has ended by itself: with 0 if the host closed the connection, with 1 if it gave up.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.process.wait().unwrap().code()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
