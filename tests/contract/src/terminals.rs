//! Commands on a terminal, as a person would use them.

use std::time::Duration;

use mimobox_sandbox::{Command, Error, ExitStatus, Input, Output, Sandbox, Session, TerminalSize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::files::{read, write};
use crate::streams::MEBIBYTE;
use crate::{Harness, sandbox};

const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const SIZE: TerminalSize = TerminalSize { columns: 80, rows: 24 };

/// A session, and somebody at its keyboard and screen.
struct Desk {
    session: Session,
    keyboard: Input,
    screen: Output,
    /// All that was shown.
    shown: String,
}

impl Desk {
    async fn open(sandbox: &Sandbox, command: Command) -> Self {
        let session = sandbox.open_terminal(command, SIZE).await.unwrap();
        let (keyboard, screen) = (session.take_input().unwrap(), session.take_output().unwrap());
        Self { session, keyboard, screen, shown: String::new() }
    }

    async fn type_in(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).await.unwrap();
        self.keyboard.flush().await.unwrap();
    }

    /// Reads until this was shown, and takes all up to there off the screen.
    async fn see(&mut self, text: &str) -> String {
        let mut chunk = [0; 4096];
        loop {
            if let Some(place) = self.shown.find(text) {
                let rest = self.shown.split_off(place + text.len());
                return std::mem::replace(&mut self.shown, rest);
            }
            let count = self.screen.read(&mut chunk).await.unwrap();
            assert_ne!(count, 0, "{text:?} never came: {:?}", self.shown);
            self.shown.push_str(std::str::from_utf8(&chunk[..count]).unwrap());
        }
    }

    /// Reads to the end.
    async fn see_all(&mut self) -> String {
        let mut rest = String::new();
        self.screen.read_to_string(&mut rest).await.unwrap();
        std::mem::take(&mut self.shown) + &rest
    }
}

fn cat() -> Command {
    Command::new("cat")
}

/// And a line ends as a screen wants it.
pub async fn what_is_typed_is_shown_and_read(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let mut desk = Desk::open(&sandbox, cat()).await;
    desk.type_in("hello\n").await;
    desk.see("hello\r\nhello\r\n").await;
}

/// Of the columns and rows that were asked for.
pub async fn a_terminal_has_a_size(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let mut desk = Desk::open(&sandbox, Command::new("stty").arguments(["size"])).await;
    assert_eq!(desk.see_all().await, "24 80\r\n");
    assert_eq!(desk.session.wait().await, Ok(ExitStatus::Exited(0)));
}

/// While a program runs on it.
pub async fn a_terminal_changes_its_size(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let mut desk = Desk::open(&sandbox, Command::new("sh")).await;
    desk.type_in("stty size\n").await;
    desk.see("24 80\r\n").await;
    desk.session.resize(TerminalSize { columns: 132, rows: 50 }).await.unwrap();
    desk.type_in("stty size\n").await;
    desk.see("50 132\r\n").await;
}

/// Nothing can be drawn on it, and an ended session has no window.
pub async fn a_senseless_resize_is_refused(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let desk = Desk::open(&sandbox, cat()).await;
    for (columns, rows) in [(0, 24), (80, 0)] {
        let size = TerminalSize { columns, rows };
        assert!(matches!(desk.session.resize(size).await, Err(Error::InvalidArgument(_))));
    }
    desk.session.kill();
    desk.session.wait().await.unwrap();
    assert_eq!(desk.session.resize(SIZE).await, Err(Error::Gone));
}

/// As a signal, not as a byte.
pub async fn ctrl_c_interrupts(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let mut desk = Desk::open(&sandbox, cat()).await;
    desk.type_in("half a line").await;
    desk.see("half a line").await;
    desk.type_in(CTRL_C).await;
    assert_eq!(desk.session.wait().await, Ok(ExitStatus::Signaled(2)));
    assert_eq!(desk.see_all().await, "^C");
}

/// And the program ends by itself.
pub async fn ctrl_d_ends_the_input(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let mut desk = Desk::open(&sandbox, cat()).await;
    desk.type_in("last\n").await;
    desk.see("last\r\nlast\r\n").await;
    desk.type_in(CTRL_D).await;
    assert_eq!(desk.session.wait().await, Ok(ExitStatus::Exited(0)));
}

/// The shell's own.
pub async fn a_session_s_exit_code_arrives(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let mut desk = Desk::open(&sandbox, Command::new("sh")).await;
    desk.type_in("exit 7\n").await;
    assert_eq!(desk.session.wait().await, Ok(ExitStatus::Exited(7)));
    assert!(desk.session.has_ended());
}

/// As without a terminal.
pub async fn a_program_that_is_not_there_opens_no_terminal(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let opened = sandbox.open_terminal(Command::new("no-such-program"), SIZE).await;
    assert_eq!(opened.err(), Some(Error::NotFound));
    assert_eq!(sandbox.processes().unwrap().len(), 0);
}

/// At once.
pub async fn a_killed_session_is_gone(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let mut desk = Desk::open(&sandbox, cat()).await;
    desk.session.kill();
    assert_eq!(desk.session.wait().await, Ok(ExitStatus::Signaled(9)));
    assert_eq!(desk.see_all().await, "");
}

/// What dropping a guest's handle means.
pub async fn an_abandoned_session_is_hung_up(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let desk = Desk::open(&sandbox, cat()).await;
    desk.session.abandon();
    assert_eq!(desk.session.wait().await, Ok(ExitStatus::Signaled(1)));
}

/// A second later, and not by its own will.
pub async fn an_abandoned_session_that_stays_is_killed(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let desk = Desk::open(&sandbox, Command::new("nohup").arguments(["sleep", "3600"])).await;
    // Not before it ignores the signal: it says so on Linux, and does from its first step on the fake.
    tokio::time::sleep(harness.moment()).await;
    desk.session.abandon();
    assert_eq!(desk.session.wait().await, Ok(ExitStatus::Signaled(9)));
}

/// A program that waits for more goes on waiting.
pub async fn the_end_of_what_is_typed_hangs_nothing_up(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let Desk { session, mut keyboard, mut screen, .. } = Desk::open(&sandbox, cat()).await;
    keyboard.write_all(b"word\n").await.unwrap();
    keyboard.shutdown().await.unwrap();
    drop(keyboard);
    let mut shown = [0; 12];
    screen.read_exact(&mut shown).await.unwrap();
    assert_eq!(&shown, b"word\r\nword\r\n");
    let ended = tokio::time::timeout(Duration::from_millis(300), session.wait()).await;
    assert!(ended.is_err(), "{ended:?}");
}

/// Also past what any buffer holds.
pub async fn all_that_a_session_writes_is_shown(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let lines = |end: &str| -> String { (0..200_000).map(|number| format!("{number}{end}")).collect() };
    write(&sandbox, "/tmp/lines", lines("\n").as_bytes()).await.unwrap();
    let mut desk = Desk::open(&sandbox, cat().arguments(["/tmp/lines"])).await;
    let shown = desk.see_all().await;
    assert!(shown.len() > MEBIBYTE && shown == lines("\r\n"), "{} bytes came", shown.len());
    assert_eq!(desk.session.wait().await, Ok(ExitStatus::Exited(0)));
}

/// However slowly it is read: a line at a time, of many times more than a terminal holds.
pub async fn all_that_is_typed_is_read(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let typed: String = (0..10_000).map(|number| format!("{number}\n")).collect();
    let tee = Command::new("tee").arguments(["/tmp/typed"]);
    let Desk { session, mut keyboard, mut screen, .. } = Desk::open(&sandbox, tee).await;
    let watcher = tokio::spawn(async move { tokio::io::copy(&mut screen, &mut tokio::io::sink()).await });
    keyboard.write_all(typed.as_bytes()).await.unwrap();
    keyboard.write_all(CTRL_D.as_bytes()).await.unwrap();
    assert_eq!(session.wait().await, Ok(ExitStatus::Exited(0)));
    watcher.await.unwrap().unwrap();
    let read = read(&sandbox, "/tmp/typed").await.unwrap();
    assert!(read == typed.as_bytes(), "{} of {} bytes", read.len(), typed.len());
}

/// As any command's.
pub async fn a_deadline_ends_a_session(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let desk = Desk::open(&sandbox, Command { timeout: Some(harness.moment()), ..cat() }).await;
    assert_eq!(desk.session.wait().await, Ok(ExitStatus::TimedOut));
}

/// With what runs on it.
pub async fn a_session_is_gone_with_its_sandbox(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let mut desk = Desk::open(&sandbox, cat()).await;
    sandbox.close().await.unwrap();
    assert_eq!(desk.session.wait().await, Err(Error::Gone));
    assert_eq!(desk.see_all().await, "");
    assert_eq!(desk.session.resize(SIZE).await, Err(Error::Gone));
}

/// Each has its own screen.
pub async fn sessions_of_one_sandbox_stay_apart(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let (mut one, mut other) = (Desk::open(&sandbox, cat()).await, Desk::open(&sandbox, cat()).await);
    one.type_in("one\n").await;
    other.type_in("other\n").await;
    assert_eq!(one.see("one\r\none\r\n").await, "one\r\none\r\n");
    assert_eq!(other.see("other\r\nother\r\n").await, "other\r\nother\r\n");
}
