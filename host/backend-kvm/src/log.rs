//! What a guest's kernel says: passed on to the host's own log, and its end kept for errors.
//!
//! Two lines mean something. One is the agent's, when its machine is ready. The other is the kernel's, when it kills for want of
//! memory: a guest whose root writes such a line is told a wrong reason for the end of its own command, and no more.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::watch;

/// Most bytes that are kept.
const KEPT: usize = 4096;
/// Longer lines are cut.
const LINE: usize = 512;
/// What Linux says, at a level that `quiet` lets through: `mm/oom_kill.c`.
const MEMORY_KILL: &str = "Out of memory: Killed process";
/// How long the word of a kill may take after the end of the killed.
const LAG: Duration = Duration::from_millis(100);

/// A guest's console. A task of the runtime reads it until the VMM goes.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    tail: Arc<Mutex<Vec<u8>>>,
    said: watch::Receiver<Said>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Said {
    awaited: bool,
    memory_kills: u64,
}

impl Log {
    /// Over the read end of a pipe, waiting for a line that is `awaited`.
    pub(crate) fn new(pipe: OwnedFd, awaited: &'static str) -> std::io::Result<Self> {
        rustix::io::ioctl_fionbio(&pipe, true)?;
        let pipe = Receiver::from_owned_fd(pipe)?;
        let tail = Arc::new(Mutex::new(Vec::new()));
        let (saying, said) = watch::channel(Said::default());
        tokio::spawn(read(pipe, Arc::clone(&tail), awaited, saying));
        Ok(Self { tail, said })
    }

    /// Waits for the line. False: the guest went without saying it.
    pub(crate) async fn awaited(&self) -> bool {
        self.said.clone().wait_for(|said| said.awaited).await.is_ok()
    }

    /// How often the guest's kernel has killed for want of memory, as far as was read.
    pub(crate) fn memory_kills(&self) -> u64 {
        self.said.borrow().memory_kills
    }

    /// Whether it is more often than `before`; a moment later, if it is not yet.
    pub(crate) async fn memory_kills_exceed(&self, before: u64) -> bool {
        let mut said = self.said.clone();
        let more = said.wait_for(|said| said.memory_kills > before);
        matches!(tokio::time::timeout(LAG, more).await, Ok(Ok(_)))
    }

    /// The last that was said, printable.
    pub(crate) fn tail(&self) -> String {
        printable(&self.tail.lock())
    }
}

async fn read(mut pipe: Receiver, tail: Arc<Mutex<Vec<u8>>>, awaited: &str, saying: watch::Sender<Said>) {
    let mut part = vec![0; 4096];
    let mut line = Vec::new();
    while let Ok(count @ 1..) = pipe.read(&mut part).await {
        for byte in part.iter().take(count) {
            if *byte == b'\n' || line.len() == LINE {
                let text = printable(&line);
                tracing::debug!(target: "mimobox::guest", "{text}");
                if text.trim_end() == awaited {
                    saying.send_modify(|said| said.awaited = true);
                }
                if text.contains(MEMORY_KILL) {
                    saying.send_modify(|said| said.memory_kills = said.memory_kills.saturating_add(1));
                }
                keep(&mut tail.lock(), &line);
                line.clear();
            }
            if *byte != b'\n' {
                line.push(*byte);
            }
        }
    }
    keep(&mut tail.lock(), &line);
}

fn keep(tail: &mut Vec<u8>, line: &[u8]) {
    tail.extend_from_slice(line);
    tail.push(b'\n');
    let excess = tail.len().saturating_sub(KEPT);
    tail.drain(..excess);
}

/// What a guest says may hold anything, and a terminal would obey it.
fn printable(bytes: &[u8]) -> String {
    let plain = |character: char| match character {
        '\n' => '\n',
        other if other.is_control() => ' ',
        other => other,
    };
    String::from_utf8_lossy(bytes).chars().map(plain).collect()
}
