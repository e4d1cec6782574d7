//! One fake sandbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::io::duplex;
use tokio::sync::{mpsc, watch};

use super::programs::{Call, Program, Streams};
use super::task::{End, Mode};
use super::terminal::FakeTerminal;
use super::tree::Tree;
use super::{PIPE, Shared};
use crate::backend::{
    Control, ExitStatus, Input, Instance, Opened, Output, Signal, Spawned, TerminalSize, Usage,
};
use crate::error::{Error, Result};
use crate::files::{FileTask, Files, Work};
use crate::grant::{Authorized, CommandGrant, Save};

/// Signals that may wait for a process.
const SIGNALS: usize = 16;

pub(super) struct FakeInstance {
    next: AtomicU32,
    mode: watch::Sender<Mode>,
    running: Arc<AtomicU32>,
    files: Shared,
}

impl FakeInstance {
    /// With a disk of so many bytes.
    pub(super) fn new(disk: u64) -> Self {
        let files = Arc::new(Mutex::new(Tree::new(disk)));
        let mode = watch::Sender::new(Mode::Running);
        Self { next: AtomicU32::new(1), mode, running: Arc::default(), files }
    }

    /// With what was saved of another.
    pub(super) fn restored(disk: u64, saved: &[u8]) -> Result<Self> {
        let instance = Self::new(disk);
        *instance.files.lock() = Tree::restored(disk, saved)?;
        Ok(instance)
    }

    pub(super) fn mode(&self) -> watch::Receiver<Mode> {
        self.mode.subscribe()
    }

    /// Its files, while it is there.
    pub(super) fn files(&self) -> Result<Shared> {
        if *self.mode.borrow() == Mode::Gone { Err(Error::Gone) } else { Ok(self.files.clone()) }
    }

    /// Starts a program. `signals` reach it from here and from its terminal.
    fn start(
        &self,
        call: Call,
        mut streams: Streams,
        mut signals: mpsc::Receiver<Signal>,
    ) -> Result<End<ExitStatus>> {
        let program = Program::named(&call.program).ok_or(Error::NotFound)?;
        let work = async move { ExitStatus::Exited(program.run(&call, &mut streams).await) };
        let told = async move {
            loop {
                match signals.recv().await {
                    Some(signal) if program.ignores(signal) => {}
                    Some(signal) => return ExitStatus::Signaled(signal.number()),
                    None => std::future::pending().await,
                }
            }
        };
        Ok(End::of(self.mode(), work, told, Running::new(&self.running)))
    }

    fn next_id(&self) -> u32 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

#[async_trait]
impl Instance for FakeInstance {
    fn files(&self) -> &dyn Files {
        self
    }

    async fn spawn(&self, grant: Authorized<CommandGrant>) -> Result<Spawned> {
        let (stdout, program_stdout) = duplex(PIPE);
        let (stderr, program_stderr) = duplex(PIPE);
        let (stdin, program_stdin) = grant.stdin.then(|| duplex(PIPE)).unzip();
        let streams = Streams { stdin: program_stdin, stdout: program_stdout, stderr: program_stderr };
        let call = Call::new(grant.into_inner(), self.files()?, None);
        let (signals, receiver) = mpsc::channel(SIGNALS);
        let end = self.start(call, streams, receiver)?;
        Ok(Spawned {
            id: self.next_id(),
            stdin: stdin.map(|stdin| Box::pin(stdin) as Input),
            stdout: Box::pin(stdout),
            stderr: Box::pin(stderr),
            control: Arc::new(FakeControl { signals, end }),
        })
    }

    async fn open_terminal(&self, grant: Authorized<CommandGrant>, size: TerminalSize) -> Result<Opened> {
        let (signals, receiver) = mpsc::channel(SIGNALS);
        let (terminal, ends) = FakeTerminal::new(size, signals.clone());
        let call = Call::new(grant.into_inner(), self.files()?, Some(terminal.size()));
        let end = self.start(call, ends.program, receiver)?;
        Ok(Opened {
            id: self.next_id(),
            input: Box::pin(ends.input),
            output: Box::pin(ends.output),
            control: Arc::new(FakeControl { signals, end }),
            terminal: Arc::new(terminal),
        })
    }

    async fn save(&self, _grant: Authorized<Save>) -> Result<FileTask<Output>> {
        let saved = self.files()?.lock().saved();
        Ok(FileTask { stream: Box::pin(std::io::Cursor::new(saved)), work: Arc::new(Done) })
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

struct FakeControl {
    signals: mpsc::Sender<Signal>,
    end: End<ExitStatus>,
}

#[async_trait]
impl Control for FakeControl {
    async fn signal(&self, signal: Signal) -> Result<()> {
        self.signals.send(signal).await.map_err(|_| Error::Gone)
    }

    async fn ended(&self) -> Result<ExitStatus> {
        self.end.ended().await
    }
}

/// Counts a process while it runs.
struct Running(Arc<AtomicU32>);

impl Running {
    fn new(count: &Arc<AtomicU32>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An operation that was over when it began.
struct Done;

#[async_trait]
impl Work for Done {
    async fn ended(&self) -> Result<()> {
        Ok(())
    }

    async fn stop(&self) -> Result<()> {
        Ok(())
    }
}
