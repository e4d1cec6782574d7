//! Commands on terminals.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::time::Duration;

use mimobox_protocol::{
    Command, ExitStatus, Request, Response, Signal, SignalFailure, SpawnFailure, TerminalSize,
};

use crate::harness::{command, exists, script};
use crate::raw_host::{RawHost, pipe};

const SIZE: TerminalSize = TerminalSize { columns: 80, rows: 24 };

/// A command on a terminal, as whoever sits before it.
struct Terminal {
    id: u32,
    keyboard: Option<File>,
    screen: File,
    /// Read from the screen, and not yet looked for.
    shown: String,
}

impl Terminal {
    fn open(host: &mut RawHost, command: Command) -> Self {
        Self::try_open(host, command).unwrap()
    }

    fn try_open(host: &mut RawHost, command: Command) -> Result<Self, SpawnFailure> {
        let (input, keyboard) = pipe();
        let (screen, output) = pipe();
        let id = host.id();
        host.start_process(&Request::OpenTerminal { id, command, size: SIZE }, id, &[input, output])?;
        Ok(Self { id, keyboard: Some(keyboard.into()), screen: screen.into(), shown: String::new() })
    }

    /// An interactive shell that prompts with `$ `.
    fn shell(host: &mut RawHost) -> Self {
        let mut environment = command("", &[]).environment;
        environment
            .extend([("PS1", "$ "), ("TERM", "dumb")].map(|(name, value)| (name.into(), value.into())));
        let interactive = ["--norc", "--noprofile", "--noediting", "-i"];
        let mut terminal = Self::open(host, Command { environment, ..command("bash", &interactive) });
        terminal.expect("$ ");
        terminal
    }

    fn type_in(&mut self, text: &str) {
        self.keyboard.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Waits until this is shown; what came before it.
    fn expect(&mut self, text: &str) -> String {
        let mut chunk = [0; 4096];
        loop {
            if let Some(place) = self.shown.find(text) {
                let before = self.shown[..place].to_owned();
                self.shown.drain(..place + text.len());
                return before;
            }
            match self.screen.read(&mut chunk).unwrap() {
                0 => panic!("{text:?} was never shown, but {:?}", self.shown),
                count => self.shown.push_str(std::str::from_utf8(&chunk[..count]).unwrap()),
            }
        }
    }

    /// What is shown up to the end.
    fn rest(&mut self) -> String {
        let mut rest = std::mem::take(&mut self.shown);
        self.screen.read_to_string(&mut rest).unwrap();
        rest
    }
}

fn resize(host: &mut RawHost, process: u32, size: TerminalSize) -> Result<(), SignalFailure> {
    let id = host.id();
    host.send(&Request::Resize { id, process, size });
    host.find(|response| match response {
        Response::Resized { id: answered, resized } if *answered == id => Some(*resized),
        _ => None,
    })
}

/// Runs a script on a terminal to its end: what it showed, and how it ended.
fn run(host: &mut RawHost, text: &str) -> (String, ExitStatus) {
    let mut terminal = Terminal::open(host, script(text));
    let status = host.end(terminal.id);
    (terminal.rest().replace("\r\n", "\n"), status)
}

#[test]
fn all_three_streams_are_the_controlling_terminal() {
    let (_agent, mut host) = RawHost::greeted();
    let (shown, status) = run(
        &mut host,
        "test -t 0 && test -t 1 && test -t 2 && test \"$(tty)\" = \"$(readlink /proc/self/fd/2)\" && echo same
         echo through >/dev/tty && echo \"by name\" >\"$(tty)\"
         stty size; exit 7",
    );
    assert_eq!(shown, "same\nthrough\nby name\n24 80\n");
    assert_eq!(status, ExitStatus::Exited(7));
}

#[test]
fn the_terminal_is_its_users_own() {
    let (_agent, mut host) = RawHost::greeted();
    let (shown, status) = run(
        &mut host,
        "test -O \"$(tty)\" && mesg y && chmod g+w \"$(tty)\" && stat -c %A \"$(tty)\" | cut -c 6",
    );
    assert_eq!((shown.as_str(), status), ("w\n", ExitStatus::Exited(0)));
}

#[test]
fn the_command_leads_its_session_and_the_foreground() {
    let (_agent, mut host) = RawHost::greeted();
    let mut terminal = Terminal::open(&mut host, command("cut", &["-d ", "-f1,5,6,8", "/proc/self/stat"]));
    let shown = terminal.rest();
    let numbers: HashSet<_> = shown.split_whitespace().collect();
    assert_eq!(numbers.len(), 1, "{shown}");
}

#[test]
fn a_command_that_cannot_run_is_refused() {
    let (_agent, mut host) = RawHost::greeted();
    let refused = Terminal::try_open(&mut host, command("/no/such", &[])).err();
    assert_eq!(refused, Some(SpawnFailure::NotFound));
}

#[test]
fn a_new_size_is_signalled_and_seen() {
    let (_agent, mut host) = RawHost::greeted();
    let waiting = "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.01; done";
    let mut terminal = Terminal::open(&mut host, script(waiting));
    terminal.expect("ready");
    assert_eq!(resize(&mut host, terminal.id, TerminalSize { columns: 132, rows: 50 }), Ok(()));
    terminal.expect("50 132");
    assert_eq!(host.end(terminal.id), ExitStatus::Exited(0));
    assert_eq!(resize(&mut host, terminal.id, SIZE), Err(SignalFailure::NotFound));
}

#[test]
fn only_a_terminal_has_a_size() {
    let (_agent, mut host) = RawHost::greeted();
    let id = host.id();
    let pipes = [pipe(), pipe(), pipe()];
    let [input, output, error] = pipes;
    let spawn = Request::Spawn { id, command: command("cat", &[]), stdin: mimobox_protocol::Stdin::Pipe };
    host.start_process(&spawn, id, &[input.0, output.1, error.1]).unwrap();
    assert_eq!(resize(&mut host, id, SIZE), Err(SignalFailure::NotFound));
    drop(input.1);
}

#[test]
fn control_c_interrupts_a_job_and_the_shell_lives() {
    let (_agent, mut host) = RawHost::greeted();
    let mut terminal = Terminal::shell(&mut host);
    terminal.type_in("sh -c 'echo go''ing; exec sleep 1000'\n");
    terminal.expect("going");
    // At once: the kernel throws away what is shown while it interrupts, and that may be the prompt.
    terminal.type_in("\x03echo code $?\n");
    terminal.expect("code 130");
    terminal.type_in("exit 5\n");
    assert_eq!(host.end(terminal.id), ExitStatus::Exited(5));
}

#[test]
fn control_z_stops_a_job_and_fg_takes_it_up_again() {
    let (_agent, mut host) = RawHost::greeted();
    let mut terminal = Terminal::shell(&mut host);
    terminal.type_in("sh -c 'echo go''ing; read line; echo got $line'\n");
    terminal.expect("going");
    terminal.type_in("\x1a");
    terminal.expect("Stopped");
    terminal.type_in("fg\n");
    terminal.type_in("something\n");
    terminal.expect("got something");
    terminal.type_in("\x04");
    assert_eq!(host.end(terminal.id), ExitStatus::Exited(0));
}

#[test]
fn control_d_is_an_end_and_the_end_of_the_input_is_not() {
    let (_agent, mut host) = RawHost::greeted();
    let mut terminal = Terminal::open(&mut host, command("cat", &[]));
    terminal.type_in("line\n");
    terminal.expect("line\r\nline\r\n");
    terminal.type_in("\x04");
    assert_eq!(host.end(terminal.id), ExitStatus::Exited(0));

    let mut terminal = Terminal::open(&mut host, script("read line; read line; echo got $line"));
    terminal.type_in("first\n");
    terminal.keyboard = None;
    terminal.expect("first");
    assert_eq!(host.signal(terminal.id, Signal::User1), Ok(()), "it still runs");
    assert_eq!(host.end(terminal.id), ExitStatus::Signaled(10));
}

#[test]
fn background_jobs_are_gone_at_the_end() {
    let (_agent, mut host) = RawHost::greeted();
    let mut terminal = Terminal::shell(&mut host);
    let mut jobs = Vec::new();
    for _ in 0..3 {
        terminal.type_in("(trap '' HUP TERM; exec sleep 1000) & echo job=$!=\n");
        terminal.expect("\njob=");
        jobs.push(terminal.expect("="));
    }
    terminal.type_in("disown -a; exit 0\n");
    assert_eq!(host.end(terminal.id), ExitStatus::Exited(0));
    for job in jobs {
        assert!(!exists(&job), "{job} is still there");
    }
}

#[test]
fn hanging_up_ends_what_does_not_ignore_it() {
    let (_agent, mut host) = RawHost::greeted();
    let mut terminal = Terminal::shell(&mut host);
    terminal.type_in("sleep 1000\n");
    assert_eq!(host.signal(terminal.id, Signal::HangUp), Ok(()));
    assert_eq!(host.end(terminal.id), ExitStatus::Signaled(1));
    terminal.rest();
}

#[test]
fn whoever_ignores_hanging_up_loses_the_terminal_and_can_be_killed() {
    let (_agent, mut host) = RawHost::greeted();
    let stubborn = "trap '' HUP; echo ready; while echo; do sleep 0.01; done; sleep 1000";
    let mut terminal = Terminal::open(&mut host, script(stubborn));
    terminal.expect("ready");
    for _ in 0..2 {
        assert_eq!(host.signal(terminal.id, Signal::HangUp), Ok(()));
    }
    assert_eq!(resize(&mut host, terminal.id, SIZE), Err(SignalFailure::NotFound));
    assert_eq!(host.signal(terminal.id, Signal::Kill), Ok(()));
    assert_eq!(host.end(terminal.id), ExitStatus::Signaled(9));
}

#[test]
fn killing_reaches_the_whole_session() {
    let (_agent, mut host) = RawHost::greeted();
    let mut terminal = Terminal::shell(&mut host);
    terminal.type_in("trap '' HUP TERM INT\n");
    let mut pids = Vec::new();
    for _ in 0..4 {
        // Each is a group of its own, as the shell does job control.
        terminal.type_in("sh -c 'sleep 1000 & exec sleep 1000' & echo job=$!=\n");
        terminal.expect("\njob=");
        pids.push(terminal.expect("="));
    }
    assert!(pids.iter().all(|pid| exists(pid)));
    assert_eq!(host.signal(terminal.id, Signal::Kill), Ok(()));
    assert_eq!(host.end(terminal.id), ExitStatus::Signaled(9));
    assert!(!pids.iter().any(|pid| exists(pid)));
}

#[test]
fn an_interrupt_from_the_host_reaches_the_foreground() {
    let (_agent, mut host) = RawHost::greeted();
    let mut terminal = Terminal::shell(&mut host);
    terminal.type_in("sh -c 'echo go''ing; exec sleep 1000'\n");
    terminal.expect("going");
    assert_eq!(host.signal(terminal.id, Signal::Interrupt), Ok(()));
    terminal.type_in("echo code $?\n");
    terminal.expect("code 130");
    terminal.type_in("exit 3\n");
    assert_eq!(host.end(terminal.id), ExitStatus::Exited(3));
}

#[test]
fn a_flood_arrives_whole_before_a_slow_reader() {
    let (_agent, mut host) = RawHost::greeted();
    let mut terminal = Terminal::open(&mut host, script("stty -opost; seq 400000; exit 3"));
    let mut shown = Vec::new();
    // Small pieces, and after the end of all others: whoever writes has to wait most of the time.
    let mut piece = [0; 700];
    loop {
        match terminal.screen.read(&mut piece).unwrap() {
            0 => break,
            count => shown.extend_from_slice(&piece[..count]),
        }
        if shown.len() % 7 == 0 {
            std::thread::yield_now();
        }
    }
    let expected: String = (1..=400_000).map(|number| format!("{number}\n")).collect();
    assert!(shown == expected.as_bytes(), "{} of {} bytes", shown.len(), expected.len());
    assert_eq!(host.end(terminal.id), ExitStatus::Exited(3));
}

#[test]
fn what_is_shown_last_waits_for_a_late_reader() {
    let (_agent, mut host) = RawHost::greeted();
    let mut terminal = Terminal::open(&mut host, script("stty -opost; seq 100000"));
    let expected: String = (1..=100_000).map(|number| format!("{number}\n")).collect();
    let mut shown = Vec::new();
    // Later each time than the agent holds an end back for it. Somewhere here the writer is done.
    for part in [expected.len() - 300_000, 100_000, 100_000] {
        let mut piece = vec![0; part];
        terminal.screen.read_exact(&mut piece).unwrap();
        shown.extend(piece);
        std::thread::sleep(Duration::from_millis(1500));
    }
    terminal.screen.read_to_end(&mut shown).unwrap();
    assert!(shown == expected.as_bytes(), "{} of {} bytes", shown.len(), expected.len());
    assert_eq!(host.end(terminal.id), ExitStatus::Exited(0));
}

#[test]
fn the_last_words_arrive_though_nobody_reads_until_the_end_is_told() {
    let (_agent, mut host) = RawHost::greeted();
    // The pipe is one page; the rest stays with the terminal, which has room for it.
    let (input, _keyboard) = pipe();
    let (screen, output) = pipe();
    rustix::pipe::fcntl_setpipe_size(&output, 4096).unwrap();
    let length = 10 * 1024;
    let command = script(&format!("head -c {length} /dev/zero | tr '\\0' x"));
    let id = host.id();
    host.start_process(&Request::OpenTerminal { id, command, size: SIZE }, id, &[input, output]).unwrap();
    let mut terminal = Terminal { id, keyboard: None, screen: screen.into(), shown: String::new() };
    assert_eq!(host.end(terminal.id), ExitStatus::Exited(0));
    assert_eq!(terminal.rest(), "x".repeat(length));
}

#[test]
fn a_host_that_takes_no_more_output_keeps_nobody_waiting() {
    let (_agent, mut host) = RawHost::greeted();
    let terminal = Terminal::open(&mut host, script("seq 200000; exit 9"));
    let Terminal { id, screen, .. } = terminal;
    drop(screen);
    assert_eq!(host.end(id), ExitStatus::Exited(9));
}

#[test]
fn a_terminal_nobody_reads_does_not_keep_another_from_ending() {
    let (_agent, mut host) = RawHost::greeted();
    let flooding = Terminal::open(&mut host, script("yes"));
    let (shown, _) = run(&mut host, "echo here");
    assert_eq!(shown, "here\n");
    assert_eq!(host.signal(flooding.id, Signal::Kill), Ok(()));
    assert_eq!(host.end(flooding.id), ExitStatus::Signaled(9));
}

#[test]
fn pasting_1_mib_arrives_whole_in_raw_mode() {
    const LENGTH: usize = 1024 * 1024;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pasted");
    let (_agent, mut host) = RawHost::greeted();
    let text = format!("stty raw -echo; echo ready; head -c {LENGTH} >{}; echo done", file.display());
    let mut terminal = Terminal::open(&mut host, script(&text));
    terminal.expect("ready");
    let pasted: Vec<u8> = (0..LENGTH).map(|place| b' ' + u8::try_from(place * 7 % 91).unwrap()).collect();
    let mut keyboard = terminal.keyboard.take().unwrap();
    let typing = {
        let pasted = pasted.clone();
        std::thread::spawn(move || keyboard.write_all(&pasted))
    };
    terminal.expect("done");
    typing.join().unwrap().unwrap();
    assert_eq!(host.end(terminal.id), ExitStatus::Exited(0));
    assert!(fs::read(file).unwrap() == pasted);
}

#[test]
fn a_stream_closed_and_opened_again_is_the_same_terminal() {
    let (_agent, mut host) = RawHost::greeted();
    let reopening =
        "t=$(tty); exec <&- >&- 2>&-; sleep 0.1; exec <$t >$t 2>&1; echo again; read l; echo got $l";
    let mut terminal = Terminal::open(&mut host, script(reopening));
    terminal.expect("again");
    terminal.type_in("line\n");
    terminal.expect("got line");
    assert_eq!(host.end(terminal.id), ExitStatus::Exited(0));
}

#[test]
fn sixty_four_terminals_work_at_once_and_leave_no_descriptor() {
    let (agent, mut host) = RawHost::greeted();
    run(&mut host, "true");
    let before = agent.descriptors();
    let mut terminals: Vec<_> = (0..64).map(|_| Terminal::open(&mut host, command("cat", &[]))).collect();
    for (number, terminal) in terminals.iter_mut().enumerate() {
        terminal.type_in(&format!("number {number}\n"));
    }
    for (number, terminal) in terminals.iter_mut().enumerate() {
        terminal.expect(&format!("number {number}\r\nnumber {number}\r\n"));
        terminal.type_in("\x04");
    }
    for terminal in &mut terminals {
        assert_eq!(host.end(terminal.id), ExitStatus::Exited(0));
        assert_eq!(terminal.rest(), "");
    }
    assert_eq!(agent.descriptors(), before);
}

#[test]
fn a_number_in_use_is_not_given_to_a_terminal() {
    let (mut agent, mut host) = RawHost::greeted();
    let terminal = Terminal::open(&mut host, command("cat", &[]));
    let pipes: [OwnedFd; 2] = [pipe().0, pipe().1];
    host.send_with(
        &Request::OpenTerminal { id: terminal.id, command: command("cat", &[]), size: SIZE },
        &pipes,
    );
    assert_eq!(agent.wait(), Some(1));
}
