//! An agent that is killed from outside: its sandbox is gone and says so to everybody who waits, and nothing else notices.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

use futures_util::StreamExt as _;
use mimobox_faults::{alone, block_on};
use mimobox_harness::{Leftovers, OsHost};
use mimobox_sandbox::{
    Command, Error, ExitStatus, ReadFile, Sandbox, Signal, Spec, State, TerminalSize, Watch, WriteFile,
};
use nix::sys::signal::kill;
use nix::unistd::Pid;
use tokio::io::AsyncReadExt as _;

const SIZE: TerminalSize = TerminalSize { columns: 80, rows: 24 };

fn sleep() -> Command {
    Command::new("sleep").arguments(["3600"])
}

async fn works(sandbox: &Sandbox) -> bool {
    sandbox.execute(Command::new("true"), vec![]).await.is_ok_and(|end| end.status == ExitStatus::Exited(0))
}

/// The children of this process that run the agent.
fn agents() -> Vec<Pid> {
    let ours = Leftovers::count().processes.into_iter();
    let is_agent = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.starts_with(b"mimobox-agent\0os\0")
    };
    ours.filter(is_agent).map(|pid| Pid::from_raw(i32::try_from(pid).unwrap())).collect()
}

#[test]
fn all_that_waits_for_a_killed_agent_learns_that_its_sandbox_is_gone() {
    let _alone = alone();
    let before = Leftovers::count();
    block_on(async {
        let Some(host) = OsHost::start() else { return };
        let run = host.run();
        let victim = run.create(Spec::default()).await.unwrap();
        let agents = agents();
        let bystander = run.create(Spec::default()).await.unwrap();
        let undisturbed = bystander.spawn(sleep(), false).await.unwrap();

        let command = victim.execute(sleep(), vec![]);
        let process = victim.spawn(sleep(), false).await.unwrap();
        let session = victim.open_terminal(Command::new("cat"), SIZE).await.unwrap();
        let mut screen = session.take_output().unwrap();
        let mut watching = victim.watch(Watch { path: "/tmp".into(), recursive: true }).await.unwrap();
        let mut writing = victim.write_file(WriteFile::new("/tmp/file")).await.unwrap();
        writing.write(b"begun").await.unwrap();

        let [agent] = agents.as_slice() else { panic!("{agents:?}") };
        let killing = async {
            // The command has started once the agent answers what was asked after it.
            assert_eq!(victim.file_entry("/nowhere".into()).await.unwrap_err(), Error::NotFound);
            kill(*agent, nix::sys::signal::Signal::SIGKILL).unwrap();
        };
        let (command, ()) = tokio::join!(command, killing);

        assert_eq!(command.unwrap_err(), Error::Gone);
        assert_eq!(process.wait().await.unwrap_err(), Error::Gone);
        assert_eq!(session.wait().await.unwrap_err(), Error::Gone);
        screen.read_to_end(&mut Vec::new()).await.unwrap();
        assert_eq!(watching.next().await.unwrap().unwrap_err(), Error::Gone);
        assert_eq!(writing.finish().await.unwrap_err(), Error::Gone);

        assert_eq!(victim.execute(Command::new("true"), vec![]).await.unwrap_err(), Error::Gone);
        assert_eq!(victim.spawn(sleep(), false).await.unwrap_err(), Error::Gone);
        assert_eq!(victim.open_terminal(sleep(), SIZE).await.unwrap_err(), Error::Gone);
        assert_eq!(victim.read_file(ReadFile::whole("/tmp/file")).await.unwrap_err(), Error::Gone);
        victim.close().await.unwrap();
        assert_eq!(victim.state(), State::Closed);
        assert_eq!(victim.usage().await.unwrap_err(), Error::Gone);

        assert!(works(&bystander).await);
        assert!(!undisturbed.has_ended());
        bystander.signal(&undisturbed, Signal::Kill).await.unwrap();
        assert!(works(&run.create(Spec::default()).await.unwrap()).await);
        run.end().await.unwrap();
    });
    Leftovers::assert_nothing_since(&before);
}

#[test]
fn a_paused_sandbox_whose_agent_is_killed_is_cleared_up() {
    let _alone = alone();
    let before = Leftovers::count();
    block_on(async {
        let Some(host) = OsHost::start() else { return };
        let run = host.run();
        let sandbox = run.create(Spec::default()).await.unwrap();
        let _process = sandbox.spawn(sleep(), false).await.unwrap();
        sandbox.pause().await.unwrap();
        for agent in agents() {
            kill(agent, nix::sys::signal::Signal::SIGKILL).unwrap();
        }
        sandbox.close().await.unwrap();
        run.end().await.unwrap();
    });
    Leftovers::assert_nothing_since(&before);
}
