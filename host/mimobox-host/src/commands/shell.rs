//! `mimobox-host shell`: a terminal in a sandbox of its own.
//!
//! The user's terminal is raw meanwhile, so that every key reaches the sandbox's: its line discipline, not this one's, makes
//! an interrupt of Ctrl-C. It is as it was before when the session is over, however it ends.

use std::env;
use std::time::{Duration, Instant};

use anyhow::Context;
use mimobox_sandbox::{Command, Error, ExitStatus, Input, Sandbox, Session};
use serde::Serialize;
use tokio::io::{AsyncWriteExt, BufReader, copy_buf};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{GlobalArguments, ShellArguments};
use crate::commands::own_sandbox;
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::streams::{self, CHUNK};
use crate::terminal::{self, Raw};

/// What is tried where no program is named, in this order.
const SHELLS: [&str; 2] = ["bash", "sh"];
/// What of our own environment says what the terminal can show.
const VARIABLES: [&str; 2] = ["TERM", "COLORTERM"];
/// The key that ends an input: termios(3), VEOF.
const END_OF_INPUT: u8 = 4;
/// What a write to a terminal that was hung up gets (signal(7)).
const SIGHUP: u8 = 1;

/// Opens a terminal in a sandbox and gives it to the user until its program ends.
pub(super) async fn shell(global: &GlobalArguments, config: Config, arguments: ShellArguments) -> Outcome {
    let json = global.json;
    own_sandbox::with(config, &arguments.sandbox, async |_, _, sandbox| {
        let since = Instant::now();
        let session = open(sandbox, &arguments).await?;
        let status = attend(&HangUpOnDrop(session)).await?;
        if json {
            output::show_json(&Report::new(status, since.elapsed(), sandbox))?;
        } else if matches!(status, ExitStatus::TimedOut | ExitStatus::OutOfMemory) {
            output::remark_to_person(format_args!("the session: {status}"));
        }
        Ok(Exit::Program(status))
    })
    .await
}

async fn open(sandbox: &Sandbox, arguments: &ShellArguments) -> Outcome<Session> {
    let named: Vec<&[String]> = if arguments.command.is_empty() { vec![] } else { vec![&arguments.command] };
    let shells = SHELLS.map(|shell| [shell.to_owned()]);
    let candidates = if named.is_empty() { shells.iter().map(|shell| &shell[..]).collect() } else { named };
    let mut refused = Error::NotFound;
    for words in candidates {
        match sandbox.open_terminal(command(words, arguments), terminal::size()).await {
            Ok(session) => return Ok(session),
            Err(error @ Error::NotFound) => refused = error,
            Err(error) => {
                refused = error;
                break;
            }
        }
    }
    let program = arguments.command.first().map_or(SHELLS[0], String::as_str);
    Err(Failure::of_command(refused, format_args!("failed to open a terminal for `{program}`")))
}

/// The command, told what our terminal can show unless the user says so.
fn command(words: &[String], arguments: &ShellArguments) -> Command {
    let mut command = own_sandbox::command(words, &arguments.process);
    for name in VARIABLES {
        let is_set = command.environment.iter().any(|(set, _)| set == name);
        if let (false, Ok(value)) = (is_set, env::var(name)) {
            command.environment.push((name.to_owned(), value));
        }
    }
    command
}

/// Passes keys in and what is shown out until the session ends.
async fn attend(session: &HangUpOnDrop) -> Outcome<ExitStatus> {
    let session = &session.0;
    let raw = Raw::enter().context("failed to make the terminal raw")?;
    let feeding = session.take_input().map(feed).transpose()?;
    let shown = async {
        let Some(from) = session.take_output() else { return Ok(()) };
        let mut to = tokio::io::stdout();
        copy_buf(&mut BufReader::with_capacity(CHUNK, from), &mut to).await?;
        to.flush().await
    };
    let shown = tokio::select! {
        shown = shown => shown,
        follows = follow(session, &raw) => return Err(follows.into()),
    };
    // Before anything is said on it, and whatever comes of the rest.
    drop(raw);
    if let Some(feeding) = feeding {
        feeding.abort();
    }
    if shown.is_err() {
        session.abandon();
        return Ok(ExitStatus::Signaled(SIGHUP));
    }
    session.wait().await.map_err(|error| Failure::of_command(error, "failed to attend the session"))
}

/// Passes keys in. A terminal has no end of input, a file or pipe has: it is said as a person says it.
fn feed(mut input: Input) -> Outcome<tokio::task::JoinHandle<()>> {
    let mut chunks = streams::read_standard_input().context("failed to read standard input")?;
    let is_terminal = terminal::is_terminal();
    Ok(tokio::spawn(async move {
        while let Some(chunk) = chunks.recv().await {
            if input.write_all(&chunk).await.is_err() {
                return;
            }
        }
        if !is_terminal {
            let _ = input.write_all(&[END_OF_INPUT]).await;
        }
        // Kept open: its end would mean nothing, and the session hears of a hang-up otherwise.
        std::future::pending::<()>().await;
    }))
}

/// Follows our terminal: its size, and that somebody else had it meanwhile. Ends only with a failure.
async fn follow(session: &Session, raw: &Raw) -> anyhow::Error {
    let (mut resized, mut continued) = match (signal(SignalKind::window_change()), signal(SIGCONT)) {
        (Ok(resized), Ok(continued)) => (resized, continued),
        (Err(error), _) | (_, Err(error)) => {
            return anyhow::Error::new(error).context("failed to listen for signals");
        }
    };
    loop {
        tokio::select! {
            _ = resized.recv() => {}
            _ = continued.recv() => {
                if let Err(error) = raw.again() {
                    return anyhow::Error::new(error).context("failed to make the terminal raw again");
                }
            }
        }
        // A session that has ended needs no size.
        let _ = session.resize(terminal::size()).await;
    }
}

/// What a shell sends to what it lets go on.
const SIGCONT: SignalKind = SignalKind::from_raw(nix::libc::SIGCONT);

struct HangUpOnDrop(Session);

impl Drop for HangUpOnDrop {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// What `--json` prints, after all that the session showed.
#[derive(Serialize)]
struct Report<'a> {
    status: ExitStatus,
    exit_code: u8,
    /// Seconds that the session took.
    elapsed: f64,
    sandbox: &'a str,
}

impl<'a> Report<'a> {
    fn new(status: ExitStatus, elapsed: Duration, sandbox: &'a Sandbox) -> Self {
        Self {
            status,
            exit_code: Exit::Program(status).code(),
            elapsed: elapsed.as_secs_f64(),
            sandbox: sandbox.id().as_str(),
        }
    }
}
