//! Starts an agent, and short ways to run commands in it.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command as Process, Stdio};

use mimobox_agent_client::{Client, Command, ExitStatus, Options, Spawned, Stdin};
use tokio::io::AsyncReadExt as _;

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
        (agent, Client::connect(stream, Options::default()).await.unwrap())
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

/// A command in `/` with a usual path.
pub(crate) fn command(program: &str, arguments: &[&str]) -> Command {
    Command {
        program: program.into(),
        arguments: arguments.iter().map(|&argument| argument.into()).collect(),
        environment: vec![("PATH".into(), "/usr/bin:/bin".into())],
        directory: "/".into(),
        ..Command::default()
    }
}

/// A shell script.
pub(crate) fn script(text: &str) -> Command {
    command("sh", &["-c", text])
}

/// What a command wrote to its standard output, and how it ended.
pub(crate) async fn run(client: &Client, command: Command) -> (String, ExitStatus) {
    let process = client.spawn(command, Stdin::Null).await.unwrap();
    let output = output(process.stdout).await;
    (output, process.ended.await.unwrap())
}

/// Everything up to the end of a stream.
pub(crate) async fn output(mut stream: mimobox_agent_client::Output) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

/// The next line of a process's standard output, without its end.
pub(crate) async fn line(process: &mut Spawned) -> String {
    let mut line = Vec::new();
    loop {
        match process.stdout.read_u8().await.unwrap() {
            b'\n' => return String::from_utf8(line).unwrap(),
            byte => line.push(byte),
        }
    }
}

/// Whether a process of this pid is there, be it as a zombie.
pub(crate) fn exists(pid: &str) -> bool {
    std::path::Path::new("/proc").join(pid).exists()
}
