//! Commands that are not started, and why.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use mimobox_agent_client::{Client, Command, ExitStatus, SpawnError, SpawnFailure, Stdin};

use crate::harness::{Agent, command, options, run, script};

async fn refusal(client: &Client, command: Command) -> SpawnFailure {
    match client.spawn(command, Stdin::Null).await {
        Err(SpawnError::Refused(failure)) => failure,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_missing_program_is_not_found() {
    let (_agent, client) = Agent::connect().await;
    for program in ["no-such-program", "/no/such/program", "no/such", "/etc/passwd/x", "", "..x"] {
        assert_eq!(refusal(&client, command(program, &[])).await, SpawnFailure::NotFound, "{program}");
    }
}

#[tokio::test]
async fn a_directory_is_no_program() {
    let (_agent, client) = Agent::connect().await;
    assert_eq!(refusal(&client, command("/usr/bin", &[])).await, SpawnFailure::IsADirectory);
}

#[tokio::test]
async fn what_may_not_be_executed_is_denied() {
    let (_agent, client) = Agent::connect().await;
    assert_eq!(refusal(&client, command("/etc/passwd", &[])).await, SpawnFailure::PermissionDenied);
}

#[tokio::test]
async fn what_the_kernel_cannot_execute_is_told_apart() {
    let (_agent, client) = Agent::connect().await;
    let folder = tempfile::tempdir().unwrap();
    let program = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        command(path.to_str().unwrap(), &[])
    };
    let garbage = program("garbage", b"\x01\x02\x03");
    let empty = program("empty", b"");
    let orphan = program("orphan", b"#!/no/such/interpreter\n");
    let folder_as_interpreter = program("folder", b"#!/usr\n");
    assert_eq!(refusal(&client, garbage).await, SpawnFailure::NotExecutable);
    assert_eq!(refusal(&client, empty).await, SpawnFailure::NotExecutable);
    assert_eq!(refusal(&client, orphan).await, SpawnFailure::NotFound);
    assert_eq!(refusal(&client, folder_as_interpreter).await, SpawnFailure::PermissionDenied);
}

#[tokio::test]
async fn the_path_is_the_commands_own_and_never_the_working_directory() {
    let (_agent, client) = Agent::connect().await;
    let folder = tempfile::tempdir().unwrap();
    let tool = folder.path().join("tool");
    fs::write(&tool, "#!/bin/sh\necho found\n").unwrap();
    fs::set_permissions(&tool, Permissions::from_mode(0o755)).unwrap();
    let directory = folder.path().to_str().unwrap();
    let in_path = |path: String| Command {
        environment: vec![("PATH".into(), path)],
        directory: directory.into(),
        ..command("tool", &[])
    };
    let (output, _) = run(&client, in_path(format!("/nowhere:{directory}:/usr/bin"))).await;
    assert_eq!(output, "found\n");
    for path in ["", ":", "/usr/bin::/bin"] {
        assert_eq!(refusal(&client, in_path(path.into())).await, SpawnFailure::NotFound, "{path:?}");
    }
}

#[tokio::test]
async fn a_denied_program_of_the_path_does_not_hide_a_later_one() {
    let (_agent, client) = Agent::connect().await;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("true"), "").unwrap();
    fs::write(folder.path().join("mine"), "").unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let with_path =
        |program| Command { environment: vec![("PATH".into(), path.clone())], ..command(program, &[]) };
    assert_eq!(run(&client, with_path("true")).await.1, ExitStatus::Exited(0));
    assert_eq!(refusal(&client, with_path("mine")).await, SpawnFailure::PermissionDenied);
}

#[tokio::test]
async fn too_much_to_pass_is_too_long() {
    let (_agent, client) = Agent::connect().await;
    let beyond_an_argument = "x".repeat(200 * 1024);
    let beyond_a_frame = "x".repeat(300 * 1024);
    for argument in [beyond_an_argument, beyond_a_frame] {
        assert_eq!(refusal(&client, command("true", &[&argument])).await, SpawnFailure::ArgumentsTooLong);
    }
}

#[tokio::test]
async fn a_working_directory_must_be_there_and_be_open_to_the_user() {
    let (_agent, client) = Agent::connect().await;
    for directory in ["/no/such", "/etc/passwd", ""] {
        let elsewhere = Command { directory: directory.into(), ..command("true", &[]) };
        assert_eq!(refusal(&client, elsewhere).await, SpawnFailure::DirectoryNotFound, "{directory}");
    }
}

#[tokio::test]
async fn another_user_is_refused_to_an_agent_that_runs_as_its_own() {
    let (_agent, client) = Agent::connect().await;
    let as_user = |user: &str| Command { user: Some(user.into()), ..command("true", &[]) };
    assert_eq!(refusal(&client, as_user("no-such-user")).await, SpawnFailure::UserNotFound);
    assert_eq!(refusal(&client, as_user("games")).await, SpawnFailure::PermissionDenied);
}

#[tokio::test]
async fn strings_that_cannot_be_passed_are_refused() {
    let (_agent, client) = Agent::connect().await;
    let with_variable = |name: &str, value: &str| Command {
        environment: vec![(name.into(), value.into())],
        ..command("/bin/true", &[])
    };
    for bad in [
        command("tr\0ue", &[]),
        command("/bin/tr\0ue", &[]),
        command("true", &["a\0b"]),
        with_variable("A", "b\0"),
        with_variable("A=B", "c"),
        with_variable("", "c"),
        Command { directory: "/\0".into(), ..command("true", &[]) },
    ] {
        assert_eq!(refusal(&client, bad.clone()).await, SpawnFailure::InvalidString, "{bad:?}");
    }
}

#[tokio::test]
async fn a_thousand_refusals_leave_the_agent_as_it_was() {
    let (_agent, stream) = Agent::start_after("ulimit -n 16");
    let client = Client::connect(stream, options()).await.unwrap();
    for _ in 0..500 {
        refusal(&client, command("/usr/bin", &[])).await;
        refusal(&client, Command { directory: "/no/such".into(), ..command("true", &[]) }).await;
    }
    assert_eq!(run(&client, script("echo here")).await.0, "here\n");
}
