//! The blocking interface, from plain threads and from where it is refused.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends the test")]

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use mimobox::blocking::Sandbox;
use mimobox::{Command, Config, ExitStatus, Host, State, StreamEvent};
use mimobox_harness::can_sandbox;

const MIB: usize = 1024 * 1024;

/// Waits for what happens in the background.
fn eventually(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "it never came true");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn threads_use_sandboxes_of_their_own_and_share_one() {
    if !can_sandbox() {
        return;
    }
    let shared = Sandbox::new().unwrap();
    std::thread::scope(|threads| {
        for number in 0..4 {
            let shared = &shared;
            threads.spawn(move || {
                let own = Sandbox::new().unwrap();
                let line = format!("echo {number}");
                assert_eq!(own.execute(&line).unwrap().stdout_text().trim(), number.to_string());
                assert_eq!(shared.execute(&line).unwrap().stdout_text().trim(), number.to_string());
                own.destroy().unwrap();
            });
        }
    });
}

#[test]
fn sixty_four_mebibytes_pass_while_two_threads_wait() {
    if !can_sandbox() {
        return;
    }
    let sandbox = Sandbox::new().unwrap();
    let mut process = sandbox.spawn(Command::new("cat").stdin_piped()).unwrap();
    let (mut stdin, mut stdout) = (process.take_stdin().unwrap(), process.take_stdout().unwrap());
    let sent: Vec<u8> = (0..8 * MIB as u64).flat_map(u64::to_le_bytes).collect();
    std::thread::scope(|threads| {
        threads.spawn(|| {
            stdin.write_all(&sent).unwrap();
            drop(stdin);
        });
        let mut received = Vec::with_capacity(sent.len());
        stdout.read_to_end(&mut received).unwrap();
        assert!(received == sent, "{} bytes came back, or others", received.len());
    });
    assert_eq!(process.wait().unwrap(), ExitStatus::Exited(0));
}

#[test]
fn events_are_an_iterator_that_ends() {
    if !can_sandbox() {
        return;
    }
    let sandbox = Sandbox::new().unwrap();
    let events: Vec<_> = sandbox.stream_execute("echo out; exit 7").unwrap().collect();
    assert!(
        matches!(&events[..], [StreamEvent::Stdout(bytes), StreamEvent::Exit(Some(7))] if bytes == "out\n")
    );
}

#[test]
fn a_deadline_holds_while_nobody_waits() {
    if !can_sandbox() {
        return;
    }
    let sandbox = Sandbox::new().unwrap();
    let command = Command::new("sleep").arg("3600").timeout(Duration::from_secs(3));
    let process = sandbox.spawn(command).unwrap();
    eventually(|| process.has_ended());
    assert_eq!(process.wait().unwrap(), ExitStatus::TimedOut);
}

#[test]
fn a_process_is_detached_from_a_plain_thread() {
    if !can_sandbox() {
        return;
    }
    let sandbox = Sandbox::new().unwrap();
    let id = sandbox.spawn(Command::shell("echo kept")).unwrap().detach();
    let mut output = String::new();
    sandbox.attach(id).unwrap().take_stdout().unwrap().read_to_string(&mut output).unwrap();
    assert_eq!(output, "kept\n");
}

#[test]
fn a_sandbox_that_is_dropped_on_a_plain_thread_is_destroyed() {
    if !can_sandbox() {
        return;
    }
    let host = Host::builder().start().unwrap();
    let sandbox = Sandbox::on_host(&host, &Config::default()).unwrap();
    assert_eq!(sandbox.state(), State::Ready);
    assert_eq!(host.sandboxes(), 1);
    drop(sandbox);
    eventually(|| host.sandboxes() == 0);
}

#[tokio::test]
async fn a_call_within_a_runtime_is_refused_and_does_nothing() {
    assert_eq!(Sandbox::new().unwrap_err().code(), "within-runtime");
}

#[test]
fn what_was_made_outside_is_refused_within_a_runtime_too() {
    if !can_sandbox() {
        return;
    }
    let sandbox = Sandbox::new().unwrap();
    let mut process = sandbox.spawn(Command::new("cat").stdin_piped()).unwrap();
    let mut stdin = process.take_stdin().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        assert_eq!(sandbox.execute("true").unwrap_err().code(), "within-runtime");
        assert!(stdin.write_all(b"x").unwrap_err().to_string().contains("async runtime"));
    });
    assert!(sandbox.execute("true").unwrap().success(), "and goes on outside");
}
