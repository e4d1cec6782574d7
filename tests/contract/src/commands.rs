//! Commands that run to their end.

use mimobox_sandbox::{Command, Error, ExitStatus, Spec};

use crate::{Harness, sandbox, sleeper};

/// What a command says and how it ends is what the caller gets.
pub async fn a_command_s_output_and_exit_code_arrive(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let finished = sandbox.execute(Command::new("echo").arguments(["hello", "world"]), vec![]).await.unwrap();
    assert_eq!(finished.stdout, b"hello world\n");
    assert_eq!(finished.stderr, b"");
    assert_eq!(finished.status, ExitStatus::Exited(0));
}

/// A failure of the program is no failure of the call.
pub async fn a_failing_command_s_code_arrives(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let finished = sandbox.execute(Command::new("false"), vec![]).await.unwrap();
    assert_eq!(finished.status, ExitStatus::Exited(1));
}

/// By name or by path.
pub async fn a_program_that_is_not_there_is_not_found(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    for program in ["no-such-program", "/no/such/program"] {
        assert_eq!(sandbox.execute(Command::new(program), vec![]).await, Err(Error::NotFound), "{program}");
    }
    // And nothing is wrong with the sandbox.
    assert!(sandbox.execute(Command::new("true"), vec![]).await.is_ok());
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn printenv(environment: Vec<(String, String)>) -> Command {
    Command { environment, ..Command::new("printenv").arguments(["COLOUR"]) }
}

/// Of the sandbox's variables and the command's.
pub async fn a_later_variable_wins(harness: &impl Harness) {
    let run = harness.run();
    let sandbox =
        run.create(Spec { environment: vec![pair("COLOUR", "red")], ..Spec::default() }).await.unwrap();
    let command = printenv(vec![pair("COLOUR", "green"), pair("COLOUR", "blue")]);
    assert_eq!(sandbox.execute(command, vec![]).await.unwrap().stdout, b"blue\n");
}

/// Without the command saying so.
pub async fn the_sandbox_s_variables_reach_every_command(harness: &impl Harness) {
    let run = harness.run();
    let sandbox =
        run.create(Spec { environment: vec![pair("COLOUR", "red")], ..Spec::default() }).await.unwrap();
    for _ in 0..2 {
        assert_eq!(sandbox.execute(printenv(vec![]), vec![]).await.unwrap().stdout, b"red\n");
    }
}

/// A command that reads gets the end at once, and does not hang.
pub async fn no_standard_input_means_closed(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let finished = sandbox.execute(Command::new("cat"), vec![]).await.unwrap();
    assert_eq!((finished.stdout, finished.status), (vec![], ExitStatus::Exited(0)));
}

/// More than a pipe holds.
pub async fn standard_input_of_execute_arrives_whole(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let bytes: Vec<u8> = (0..900_000_u32).map(|n| (n % 251) as u8).collect();
    let finished = sandbox.execute(Command::new("cat"), bytes.clone()).await.unwrap();
    assert!(finished.stdout == bytes, "{} bytes of {} came back", finished.stdout.len(), bytes.len());
}

fn brief(harness: &impl Harness, command: Command) -> Command {
    Command { timeout: Some(harness.moment()), ..command }
}

/// And the sandbox goes on.
pub async fn a_deadline_ends_a_command(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let finished = sandbox.execute(brief(harness, sleeper()), vec![]).await.unwrap();
    assert_eq!(finished.status, ExitStatus::TimedOut);
    assert_eq!(sandbox.execute(Command::new("true"), vec![]).await.unwrap().status, ExitStatus::Exited(0));
}

/// The one way in which users of other sandboxes hang most.
pub async fn a_deadline_ends_a_command_that_waits_for_input(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let process = sandbox.spawn(brief(harness, Command::new("cat")), true).await.unwrap();
    let _held_open = process.take_stdin().unwrap();
    assert_eq!(process.wait().await, Ok(ExitStatus::TimedOut));
}

/// It waits in the middle of a write.
pub async fn a_deadline_ends_a_command_whose_output_nobody_reads(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let process = sandbox.spawn(brief(harness, Command::new("yes")), false).await.unwrap();
    assert_eq!(process.wait().await, Ok(ExitStatus::TimedOut));
}

/// With the limit's name, and the sandbox goes on.
pub async fn output_past_the_limit_ends_the_command(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    assert_eq!(sandbox.execute(Command::new("yes"), vec![]).await, Err(Error::LimitReached("output".into())));
    assert!(sandbox.execute(Command::new("true"), vec![]).await.is_ok());
}

/// One that waits does not hold up another.
pub async fn commands_of_one_sandbox_run_at_once(harness: &impl Harness) {
    let (_run, sandbox) = sandbox(harness).await;
    let waiting = sandbox.spawn(sleeper(), false).await.unwrap();
    assert!(sandbox.execute(Command::new("true"), vec![]).await.is_ok());
    assert!(!waiting.has_ended());
}
