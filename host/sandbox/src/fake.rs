//! A backend in memory, for every test that needs no privileges.
//!
//! Its programs are a handful of the coreutils, rewritten over in-memory pipes: enough for the contract suite to ask of it
//! what it asks of a real backend. It isolates nothing, and its enforcement report says so.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::watch;

use crate::audit::{AuditFailure, AuditSink, Entry};
use crate::backend::{
    Backend, Control, Created, ExitStatus, Input, Instance, Opened, Output, SandboxId, Signal, Spawned,
    TerminalSize, Usage,
};
use crate::ceiling::{Access, Ceiling};
use crate::enforcement::{Enforcement, EnforcementStatus};
use crate::error::{Error, Result};
use crate::files::{
    Changes, FileEntry, FileTask, Files, MakeDirectory, ReadFile, Remove, Rename, Watch, WriteFile,
};
use crate::grant::{Authorized, CommandGrant, SandboxGrant};
use crate::limits::GrantedLimits;
use crate::spec::Isolation;

/// What a pipe of Linux holds (pipe(7)).
const PIPE: usize = 64 * 1024;

/// A ceiling for tests: small, with a volume of each kind.
pub fn ceiling() -> Ceiling {
    let mebibytes = 1024 * 1024;
    Ceiling {
        isolation: vec![Isolation::Os],
        sandboxes: 64,
        sandboxes_per_run: 48,
        commands: 32,
        limits: GrantedLimits { memory: 1024 * mebibytes, cpu: 2000, processes: 256, disk: 512 * mebibytes },
        defaults: GrantedLimits { memory: 256 * mebibytes, cpu: 1000, processes: 64, disk: 64 * mebibytes },
        timeout: Duration::from_secs(60),
        lifetime: Duration::from_secs(600),
        output: mebibytes,
        volumes: BTreeMap::from([
            ("fixtures".into(), Access::ReadOnly),
            ("scratch".into(), Access::ReadWrite),
        ]),
    }
}

/// An audit log in memory, each entry as its debug form.
#[derive(Clone, Debug, Default)]
pub struct AuditLog {
    entries: Arc<Mutex<Vec<String>>>,
    full: Arc<AtomicBool>,
}

impl AuditLog {
    /// What was written so far.
    pub fn entries(&self) -> Vec<String> {
        self.entries.lock().clone()
    }

    /// From now on it takes no entry.
    pub fn fill_up(&self) {
        self.full.store(true, Ordering::Relaxed);
    }
}

impl AuditSink for AuditLog {
    fn record(&self, entry: &Entry<'_>) -> Result<(), AuditFailure> {
        if self.full.load(Ordering::Relaxed) {
            return Err(AuditFailure("no space left".into()));
        }
        self.entries.lock().push(format!("{entry:?}"));
        Ok(())
    }
}

/// Makes sandboxes that are none.
#[derive(Debug, Default)]
pub struct FakeBackend;

#[async_trait]
impl Backend for FakeBackend {
    fn isolation(&self) -> Isolation {
        Isolation::Os
    }

    fn default_image(&self) -> &str {
        "host"
    }

    async fn create(&self, _id: &SandboxId, grant: Authorized<SandboxGrant>) -> Result<Created> {
        if grant.image != self.default_image() {
            return Err(Error::NotFound);
        }
        let enforcement = vec![Enforcement {
            mechanism: "fake".into(),
            status: EnforcementStatus::Absent,
            detail: "a backend for tests enforces nothing".into(),
        }];
        Ok(Created { instance: Arc::new(FakeInstance::default()), enforcement })
    }
}

struct FakeInstance {
    next: AtomicU32,
    mode: watch::Sender<Mode>,
    running: Arc<AtomicU32>,
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Running,
    Paused,
    Gone,
}

impl Default for FakeInstance {
    fn default() -> Self {
        Self { next: AtomicU32::new(1), mode: watch::Sender::new(Mode::Running), running: Arc::default() }
    }
}

#[async_trait]
impl Files for FakeInstance {
    async fn read_file(&self, _grant: Authorized<ReadFile>) -> Result<FileTask<Output>> {
        Err(Error::Unsupported("read-file".into()))
    }

    async fn write_file(&self, _grant: Authorized<WriteFile>) -> Result<FileTask<Input>> {
        Err(Error::Unsupported("write-file".into()))
    }

    async fn file_entry(&self, _path: Authorized<String>) -> Result<FileEntry> {
        Err(Error::Unsupported("file-entry".into()))
    }

    async fn read_directory(&self, _path: Authorized<String>) -> Result<Vec<FileEntry>> {
        Err(Error::Unsupported("read-directory".into()))
    }

    async fn make_directory(&self, _grant: Authorized<MakeDirectory>) -> Result<()> {
        Err(Error::Unsupported("make-directory".into()))
    }

    async fn rename(&self, _grant: Authorized<Rename>) -> Result<()> {
        Err(Error::Unsupported("rename".into()))
    }

    async fn remove(&self, _grant: Authorized<Remove>) -> Result<()> {
        Err(Error::Unsupported("remove".into()))
    }

    async fn watch(&self, _grant: Authorized<Watch>) -> Result<FileTask<Changes>> {
        Err(Error::Unsupported("watch".into()))
    }
}

#[async_trait]
impl Instance for FakeInstance {
    async fn spawn(&self, grant: Authorized<CommandGrant>) -> Result<Spawned> {
        if *self.mode.borrow() == Mode::Gone {
            return Err(Error::Gone);
        }
        let grant = grant.into_inner();
        let name = grant.program.rsplit('/').next().unwrap_or_default();
        let program = Program::named(name).ok_or(Error::NotFound)?;
        let (stdin, child_stdin) = if grant.stdin {
            let (host, child) = duplex(PIPE);
            (Some(Box::pin(host) as _), Some(child))
        } else {
            (None, None)
        };
        let (stdout, child_stdout) = duplex(PIPE);
        let (stderr, child_stderr) = duplex(PIPE);
        let pipes = Pipes { stdin: child_stdin, stdout: child_stdout, stderr: child_stderr };
        let signal = watch::Sender::new(None);
        let (end, ended) = watch::channel(None);
        let (mut mode, mut signals) = (self.mode.subscribe(), signal.subscribe());
        let running = self.running.clone();
        running.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(async move {
            let status = tokio::select! {
                code = while_running(program.run(grant, pipes), mode.clone()) => Ok(ExitStatus::Exited(code)),
                signal = while_running(async move { first(&mut signals).await }, mode.clone()) =>
                    Ok(ExitStatus::Signaled(signal.map_or(9, Signal::number))),
                () = becomes(&mut mode, |mode| mode == Mode::Gone) => Err(Error::Gone),
            };
            running.fetch_sub(1, Ordering::Relaxed);
            end.send_replace(Some(status));
        });
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let control = Arc::new(FakeControl { signal, ended: Mutex::new(Some(ended)) });
        Ok(Spawned { id, stdin, stdout: Box::pin(stdout), stderr: Box::pin(stderr), control })
    }

    async fn open_terminal(&self, _grant: Authorized<CommandGrant>, _size: TerminalSize) -> Result<Opened> {
        Err(Error::Unsupported("open-terminal".into()))
    }

    async fn usage(&self) -> Result<Usage> {
        Ok(Usage { processes: self.running.load(Ordering::Relaxed), ..Usage::default() })
    }

    async fn pause(&self) -> Result<()> {
        self.mode.send_replace(Mode::Paused);
        Ok(())
    }

    async fn resume(&self) -> Result<()> {
        self.mode.send_replace(Mode::Running);
        Ok(())
    }

    async fn ended(&self) {
        std::future::pending().await
    }

    async fn destroy(&self) -> Result<()> {
        self.mode.send_replace(Mode::Gone);
        Ok(())
    }
}

/// The first value that is there; none where there never will be one.
async fn first<T: Clone>(values: &mut watch::Receiver<Option<T>>) -> Option<T> {
    values.wait_for(Option::is_some).await.ok().and_then(|value| value.clone())
}

/// Settles once the mode is such; never where it never will be.
async fn becomes(mode: &mut watch::Receiver<Mode>, such: impl Fn(Mode) -> bool) {
    if mode.wait_for(|mode| such(*mode)).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Polls `work` only while the sandbox is not paused.
async fn while_running<F: Future>(work: F, mut mode: watch::Receiver<Mode>) -> F::Output {
    let mut work = Box::pin(work);
    loop {
        becomes(&mut mode, |mode| mode != Mode::Paused).await;
        tokio::select! {
            // Looked at first each time: what is paused does not take one more step.
            biased;
            () = becomes(&mut mode, |mode| mode == Mode::Paused) => {}
            output = &mut work => return output,
        }
    }
}

struct FakeControl {
    signal: watch::Sender<Option<Signal>>,
    ended: Mutex<Option<watch::Receiver<Option<Result<ExitStatus>>>>>,
}

#[async_trait]
impl Control for FakeControl {
    async fn signal(&self, signal: Signal) -> Result<()> {
        self.signal.send_replace(Some(signal));
        Ok(())
    }

    async fn ended(&self) -> Result<ExitStatus> {
        let ended = self.ended.lock().take();
        let mut ended = ended.ok_or(Error::Gone)?;
        first(&mut ended).await.unwrap_or(Err(Error::Gone))
    }
}

struct Pipes {
    stdin: Option<DuplexStream>,
    stdout: DuplexStream,
    stderr: DuplexStream,
}

#[derive(Clone, Copy)]
enum Program {
    True,
    False,
    Echo,
    Cat,
    Sleep,
    Yes,
    Printenv,
    Ls,
}

impl Program {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "true" => Self::True,
            "false" => Self::False,
            "echo" => Self::Echo,
            "cat" => Self::Cat,
            "sleep" => Self::Sleep,
            "yes" => Self::Yes,
            "printenv" => Self::Printenv,
            "ls" => Self::Ls,
            _ => return None,
        })
    }

    fn run(self, grant: CommandGrant, pipes: Pipes) -> Pin<Box<dyn Future<Output = u8> + Send>> {
        let Pipes { stdin, mut stdout, mut stderr } = pipes;
        Box::pin(async move {
            match self {
                Self::True => 0,
                Self::False => 1,
                Self::Echo => say(&mut stdout, &format!("{}\n", grant.arguments.join(" "))).await,
                Self::Cat => match stdin {
                    Some(stdin) => copy(stdin, stdout).await,
                    None => 0,
                },
                Self::Sleep => {
                    let seconds = grant.arguments.first().and_then(|text| text.parse().ok()).unwrap_or(0.0);
                    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
                    0
                }
                Self::Yes => loop {
                    if say(&mut stdout, "y\n").await != 0 {
                        return 1;
                    }
                },
                Self::Printenv => {
                    let wanted = grant.arguments.first().cloned().unwrap_or_default();
                    match grant.environment.iter().find(|(name, _)| *name == wanted) {
                        Some((_, value)) => say(&mut stdout, &format!("{value}\n")).await,
                        None => 1,
                    }
                }
                Self::Ls => {
                    say(&mut stderr, "ls: this file system is empty\n").await;
                    2
                }
            }
        })
    }
}

/// The exit code of a program that says one thing.
async fn say(stdout: &mut DuplexStream, text: &str) -> u8 {
    u8::from(stdout.write_all(text.as_bytes()).await.is_err())
}

async fn copy(mut from: DuplexStream, mut to: DuplexStream) -> u8 {
    let mut buffer = vec![0; PIPE];
    loop {
        match from.read(&mut buffer).await {
            Ok(0) => return 0,
            Ok(count) => {
                if to.write_all(buffer.get(..count).unwrap_or_default()).await.is_err() {
                    return 1;
                }
            }
            Err(_) => return 1,
        }
    }
}
