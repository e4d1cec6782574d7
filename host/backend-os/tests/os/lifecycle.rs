//! From creation to destruction.

use mimobox_sandbox::{Command, Error, ExitStatus};

use crate::harness::{said, sh, text, with_backend};

#[test]
fn a_command_runs_and_its_output_and_code_come_back() {
    with_backend(async |host| {
        let sandbox = host.sandbox().await;
        let finished = sh(&sandbox, "echo out; echo err >&2; exit 7").await;
        assert_eq!(text(&finished.stdout), "out");
        assert_eq!(text(&finished.stderr), "err");
        assert_eq!(finished.status, ExitStatus::Exited(7));
        sandbox.close().await.unwrap();
    });
}

#[test]
fn standard_input_reaches_the_command() {
    with_backend(async |host| {
        let sandbox = host.sandbox().await;
        let finished = sandbox.execute(Command::new("wc").arguments(["-c"]), vec![7; 300_000]).await.unwrap();
        assert_eq!(text(&finished.stdout), "300000");
    });
}

#[test]
fn a_program_that_is_not_there_is_not_found() {
    with_backend(async |host| {
        let sandbox = host.sandbox().await;
        let refused = sandbox.execute(Command::new("no-such-program"), Vec::new()).await;
        assert_eq!(refused.unwrap_err(), Error::NotFound);
        assert_eq!(said(&sandbox, "echo still here").await, "still here");
    });
}

#[test]
fn a_sandbox_that_is_closed_runs_nothing_and_can_be_closed_again() {
    with_backend(async |host| {
        let sandbox = host.sandbox().await;
        sandbox.close().await.unwrap();
        let refused = sandbox.execute(Command::new("true"), Vec::new()).await;
        assert_eq!(refused.unwrap_err(), Error::Gone);
        sandbox.close().await.unwrap();
    });
}

#[test]
fn closing_ends_what_still_runs() {
    with_backend(async |host| {
        let sandbox = host.sandbox().await;
        let process = sandbox.spawn(Command::new("sleep").arguments(["1000"]), false).await.unwrap();
        sandbox.close().await.unwrap();
        assert!(matches!(process.wait().await, Err(Error::Gone) | Ok(ExitStatus::Signaled(9))));
    });
}

#[test]
fn a_paused_sandbox_makes_no_progress_until_it_is_resumed() {
    with_backend(async |host| {
        let sandbox = host.sandbox().await;
        let ticker = "i=0; while :; do i=$((i+1)); echo $i > /tmp/count; sleep 0.01; done";
        let process = sandbox.spawn(Command::new("sh").arguments(["-c", ticker]), false).await.unwrap();
        while said(&sandbox, "cat /tmp/count || true").await.is_empty() {}
        sandbox.pause().await.unwrap();
        let before = sandbox.usage().await.unwrap().cpu_time;
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        let after = sandbox.usage().await.unwrap().cpu_time;
        assert_eq!(before, after);
        sandbox.resume().await.unwrap();
        let count = said(&sandbox, "cat /tmp/count").await;
        while said(&sandbox, "cat /tmp/count").await == count {}
        process.kill();
        process.wait().await.unwrap();
    });
}

#[test]
fn a_paused_sandbox_can_be_closed() {
    with_backend(async |host| {
        let sandbox = host.sandbox().await;
        let _process = sandbox.spawn(Command::new("sleep").arguments(["1000"]), false).await.unwrap();
        sandbox.pause().await.unwrap();
        sandbox.close().await.unwrap();
    });
}

#[test]
fn what_a_sandbox_uses_is_counted() {
    with_backend(async |host| {
        let sandbox = host.sandbox().await;
        said(&sandbox, "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done").await;
        let usage = sandbox.usage().await.unwrap();
        assert!(usage.cpu_time > std::time::Duration::ZERO);
        assert!(usage.memory > 0 && usage.memory_peak >= usage.memory, "{usage:?}");
        // The agent.
        assert_eq!(usage.processes, 1);
    });
}

#[test]
fn many_sandboxes_are_made_at_once() {
    with_backend(async |host| {
        let made = (0..16).map(|number| {
            let host = &host;
            async move {
                let sandbox = host.sandbox().await;
                let answer = said(&sandbox, &format!("echo {number}")).await;
                sandbox.close().await.unwrap();
                answer
            }
        });
        let mut answers = Vec::new();
        for answer in futures_util::future::join_all(made).await {
            answers.push(answer);
        }
        assert_eq!(answers, (0..16).map(|number| number.to_string()).collect::<Vec<_>>());
    });
}
