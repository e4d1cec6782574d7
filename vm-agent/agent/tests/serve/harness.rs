//! Starts an agent.

#[path = "short_ways.rs"]
mod short_ways;

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command as Process, Stdio};

use mimobox_agent_client::{Client, Options};

pub(crate) use short_ways::{command, exists, line, output, run, script};

/// How a client is to treat streams.
pub(crate) fn options() -> Options {
    Options::default()
}

/// A running agent. Killed, if it still runs, when dropped.
pub(crate) struct Agent {
    process: Child,
}

impl Agent {
    /// Starts one, and returns the host's end of its connection.
    pub(crate) fn start() -> (Self, UnixStream) {
        Self::start_after("")
    }

    /// Starts one after the shell has done something to itself that the agent inherits.
    #[expect(clippy::disallowed_methods, reason = "the agent under test is a program")]
    pub(crate) fn start_after(preparation: &str) -> (Self, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        // The shell puts the connection where the agent looks for it.
        let process = Process::new("sh")
            .arg("-c")
            .arg(format!("{preparation}\nexec \"$0\" serve 3<&0 </dev/null"))
            .arg(env!("CARGO_BIN_EXE_mimobox-agent"))
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        (Self { process }, ours)
    }

    /// Starts one and connects to it.
    pub(crate) async fn connect() -> (Self, Client) {
        let (agent, stream) = Self::start();
        (agent, Client::connect(stream, options()).await.unwrap())
    }

    /// How many descriptors it has open.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.process.id())).unwrap().count()
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
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
