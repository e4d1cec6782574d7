//! A host without descriptors or processes: what cannot be done is refused, and no sandbox is the worse for it.
//!
//! What is taken away is a whole process's, so each test starts itself anew and takes it from that.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]
#![allow(clippy::disallowed_methods, reason = "starts itself anew, to take all descriptors of a process")]

use std::env;
use std::fs::File;
use std::process::Command as Program;

use mimobox_faults::{alone, block_on};
use mimobox_harness::{Leftovers, OsHost, Requirement, met};
use mimobox_sandbox::{
    Command, Error, ExitStatus, Limits, ReadFile, Result, Run, Sandbox, Spec, State, TerminalSize, Watch,
    WriteFile,
};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};
use syscalls::Sysno;

/// Says that a process is one that a test started.
const ANEW: &str = "MIMOBOX_TEST_ANEW";
/// Descriptors that the host may have at once.
const DESCRIPTORS: u64 = 192;
/// More descriptors than any operation takes.
const ENOUGH: usize = 48;

const SIZE: TerminalSize = TerminalSize { columns: 80, rows: 24 };

/// Runs `work` in a process of its own, which is this test program with this one test.
fn anew(test: &str, work: impl FnOnce()) {
    if env::var_os(ANEW).is_some() {
        return work();
    }
    if !met(Requirement::Root) {
        return;
    }
    let _alone = alone();
    let output = Program::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(ANEW, "1")
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    // A panic of a task that nobody waits for ends no test.
    assert!(output.status.success() && !said.contains("panicked"), "{said}");
}

fn sleep() -> Command {
    Command::new("sleep").arguments(["3600"])
}

async fn works(sandbox: &Sandbox) -> Result<()> {
    let end = sandbox.execute(Command::new("true"), vec![]).await?;
    assert_eq!(end.status, ExitStatus::Exited(0));
    Ok(())
}

async fn spawn(sandbox: &Sandbox) -> Result<()> {
    let process = sandbox.spawn(sleep(), true).await?;
    process.kill();
    process.wait().await.map(drop)
}

async fn open_terminal(sandbox: &Sandbox) -> Result<()> {
    let session = sandbox.open_terminal(sleep(), SIZE).await?;
    session.kill();
    session.wait().await.map(drop)
}

async fn write(sandbox: &Sandbox) -> Result<()> {
    let mut writing = sandbox.write_file(WriteFile::new("/tmp/file")).await?;
    writing.write(b"bytes").await?;
    writing.finish().await
}

async fn read(sandbox: &Sandbox) -> Result<()> {
    let read = sandbox.read_file(ReadFile::whole("/tmp/file")).await?.to_vec(16).await?;
    assert_eq!(read, b"bytes");
    Ok(())
}

/// Everything that a host does on a live sandbox, each with its answer.
async fn everything(run: &Run, sandbox: &Sandbox) -> Vec<(&'static str, Result<()>)> {
    vec![
        ("execute", works(sandbox).await),
        ("spawn", spawn(sandbox).await),
        ("open_terminal", open_terminal(sandbox).await),
        ("write_file", write(sandbox).await),
        ("read_file", read(sandbox).await),
        ("file_entry", sandbox.file_entry("/tmp/file".into()).await.map(drop)),
        ("read_directory", sandbox.read_directory("/tmp".into()).await.map(drop)),
        ("watch", sandbox.watch(Watch { path: "/tmp".into(), recursive: true }).await.map(drop)),
        ("usage", sandbox.usage().await.map(drop)),
        ("take_snapshot", run.take_snapshot(sandbox).await.map(drop)),
    ]
}

/// Takes every descriptor but `spare`.
fn hoard(spare: usize) -> Vec<File> {
    let mut hoard: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    hoard.truncate(hoard.len().saturating_sub(spare));
    hoard
}

/// Runs `test` with a host in a process of its own that may have [`DESCRIPTORS`]. Nothing may be left afterwards.
fn with_few_descriptors(name: &str, test: impl AsyncFnOnce(&Run)) {
    anew(name, || {
        let _alone = alone();
        let before = Leftovers::count();
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, DESCRIPTORS, most).unwrap();
        block_on(async {
            let host = OsHost::start().unwrap();
            let run = host.run();
            test(&run).await;
            run.end().await.unwrap();
        });
        Leftovers::assert_nothing_since(&before);
    });
}

#[test]
fn without_descriptors_operations_are_refused_and_sandboxes_live_on() {
    with_few_descriptors("without_descriptors_operations_are_refused_and_sandboxes_live_on", async |run| {
        let sandbox = run.create(Spec::default()).await.unwrap();
        write(&sandbox).await.unwrap();
        // Each number of descriptors ends the operations at another of their steps.
        let mut refused = 0;
        for spare in 0..ENOUGH {
            let hoard = hoard(spare);
            let answers = everything(run, &sandbox).await;
            drop(hoard);
            for (operation, answer) in answers {
                match answer {
                    Ok(()) => {}
                    Err(Error::LimitReached(_)) => refused += 1,
                    Err(error) => panic!("{operation} with {spare} descriptors: {error:?}"),
                }
            }
            assert_eq!(sandbox.state(), State::Ready);
        }
        assert!(refused > 10, "{refused} were refused");
        for (operation, answer) in everything(run, &sandbox).await {
            answer.unwrap_or_else(|error| panic!("{operation}: {error:?}"));
        }
    });
}

#[test]
fn without_descriptors_no_sandbox_is_made_and_none_is_left() {
    with_few_descriptors("without_descriptors_no_sandbox_is_made_and_none_is_left", async |run| {
        run.create(Spec::default()).await.unwrap().close().await.unwrap();
        let idle = Leftovers::count();
        let mut made = 0;
        for spare in 0..ENOUGH {
            let hoard = hoard(spare);
            let created = run.create(Spec::default()).await;
            // One that was made can be closed, as long as nothing comes between.
            drop(hoard);
            match created {
                Ok(sandbox) => {
                    works(&sandbox).await.unwrap();
                    sandbox.close().await.unwrap();
                    made += 1;
                }
                // Where it is the agent's first descriptor that is missing, the agent just ends.
                Err(Error::LimitReached(_) | Error::Failed(_)) => {}
                Err(error) => panic!("with {spare} descriptors: {error:?}"),
            }
            Leftovers::assert_nothing_since(&idle);
        }
        assert!((1..ENOUGH).contains(&made), "{made} were made");
    });
}

#[test]
fn without_descriptors_a_sandbox_is_destroyed_all_the_same() {
    with_few_descriptors("without_descriptors_a_sandbox_is_destroyed_all_the_same", async |run| {
        let sandbox = run.create(Spec::default()).await.unwrap();
        let _process = sandbox.spawn(sleep(), false).await.unwrap();
        let hoard = hoard(0);
        let closed = sandbox.close().await;
        drop(hoard);
        closed.unwrap();
    });
}

#[test]
fn without_processes_no_sandbox_is_made_and_those_there_are_live_on() {
    anew("without_processes_no_sandbox_is_made_and_those_there_are_live_on", || {
        let _alone = alone();
        let before = Leftovers::count();
        block_on(async {
            let host = OsHost::start().unwrap();
            let run = host.run();
            let sandbox = run.create(Spec::default()).await.unwrap();
            // As the kernel answers where no process or thread is to be had: clone(2).
            refuse(Sysno::clone3, nix::libc::EAGAIN);
            let refused = run.create(Spec::default()).await.unwrap_err();
            assert!(matches!(refused, Error::LimitReached(_)), "{refused:?}");
            for (operation, answer) in everything(&run, &sandbox).await {
                answer.unwrap_or_else(|error| panic!("{operation}: {error:?}"));
            }
            run.end().await.unwrap();
        });
        Leftovers::assert_nothing_since(&before);
    });
}

/// Answers a system call so, in all threads of this process.
fn refuse(call: Sysno, errno: i32) {
    let rules = [(i64::from(call.id()), vec![])].into();
    let answer = SeccompAction::Errno(errno.cast_unsigned());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, answer, TargetArch::x86_64).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    seccompiler::apply_filter_all_threads(&program).unwrap();
}

#[test]
fn a_sandbox_with_as_many_processes_as_it_may_have_goes_on() {
    let _alone = alone();
    let before = Leftovers::count();
    block_on(async {
        let Some(host) = OsHost::start() else { return };
        let run = host.run();
        let few = Limits { processes: Some(8), ..Limits::default() };
        let sandbox = run.create(Spec { limits: few, ..Spec::default() }).await.unwrap();
        write(&sandbox).await.unwrap();
        for _ in 0..3 {
            let mut processes = Vec::new();
            let refused = loop {
                match sandbox.spawn(sleep(), false).await {
                    Ok(process) => processes.push(process),
                    Err(error) => break error,
                }
            };
            assert!(matches!(refused, Error::LimitReached(_)), "{refused:?}");
            assert!((1..8).contains(&processes.len()), "{} processes", processes.len());
            let refused = sandbox.open_terminal(sleep(), SIZE).await.unwrap_err();
            assert!(matches!(refused, Error::LimitReached(_)), "{refused:?}");
            match read(&sandbox).await {
                Ok(()) | Err(Error::LimitReached(_)) => {}
                Err(error) => panic!("{error:?}"),
            }
            for process in processes {
                process.kill();
                process.wait().await.unwrap();
            }
            works(&sandbox).await.unwrap();
            read(&sandbox).await.unwrap();
        }
        run.end().await.unwrap();
    });
    Leftovers::assert_nothing_since(&before);
}
