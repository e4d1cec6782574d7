//! Short ways to run commands in an agent.

use mimobox_agent_client::{Client, Command, ExitStatus, Spawned, Stdin};
use tokio::io::AsyncReadExt as _;

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
