//! What a command finds when it starts.

use mimobox_agent_client::{Client, Command, ExitStatus, Limit, Resource, SpawnError, SpawnFailure, Stdin};

use crate::harness::{Agent, command, options, run, script};

#[tokio::test]
async fn its_descriptors_are_the_three_streams() {
    let (_agent, client) = Agent::connect().await;
    // The fourth is ls's own, of the folder that it lists.
    assert_eq!(run(&client, command("ls", &["/proc/self/fd"])).await.0, "0\n1\n2\n3\n");
}

#[tokio::test]
async fn it_leads_a_session_without_a_terminal() {
    let (_agent, client) = Agent::connect().await;
    let (output, _) = run(&client, command("cut", &["-d ", "-f1,5,6,7", "/proc/self/stat"])).await;
    let fields: Vec<_> = output.split_whitespace().collect();
    let [pid, group, session, terminal] = fields[..] else { panic!("{output}") };
    assert_eq!((group, session, terminal), (pid, pid, "0"));
}

#[tokio::test]
async fn no_signal_is_blocked_or_ignored_whatever_the_host_does() {
    let (_agent, stream) = Agent::start_after("trap '' TERM HUP USR1 PIPE");
    let client = Client::connect(stream, options()).await.unwrap();
    let (output, _) = run(&client, command("grep", &["-E", "Sig(Blk|Ign)", "/proc/self/status"])).await;
    assert_eq!(output, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

#[tokio::test]
async fn its_environment_is_what_was_asked_and_no_more() {
    let (_agent, client) = Agent::connect().await;
    let environment = [("B", "2"), ("A", "first"), ("A", "last"), ("EMPTY", "")];
    let command = Command {
        environment: environment.iter().map(|&(name, value)| (name.into(), value.into())).collect(),
        ..command("/usr/bin/env", &[])
    };
    assert_eq!(run(&client, command).await.0, "A=last\nB=2\nEMPTY=\n");
}

#[tokio::test]
async fn its_arguments_are_what_was_asked() {
    let (_agent, client) = Agent::connect().await;
    let (output, _) = run(&client, command("printf", &["[%s]", "a b", "", "ä", "-x"])).await;
    assert_eq!(output, "[a b][][ä][-x]");
    let many = vec!["x"; 10_000];
    let counting: Vec<_> = ["-c", "echo $#", "sh"].into_iter().chain(many).collect();
    assert_eq!(run(&client, command("sh", &counting)).await.0, "10000\n");
}

#[tokio::test]
async fn its_directory_and_mask_are_set() {
    let (_agent, stream) = Agent::start_after("umask 077");
    let client = Client::connect(stream, options()).await.unwrap();
    let command = Command { directory: "/usr/bin".into(), ..script("pwd; umask") };
    assert_eq!(run(&client, command).await.0, "/usr/bin\n0022\n");
}

#[tokio::test]
async fn its_limits_are_set_and_never_raise_the_agents() {
    let (_agent, stream) = Agent::start_after("ulimit -n 64; ulimit -c 0");
    let client = Client::connect(stream, options()).await.unwrap();
    let limited = |resource, value, show| Command { limits: vec![Limit { resource, value }], ..script(show) };
    let lower = limited(Resource::OpenFiles, 32, "ulimit -Sn; ulimit -Hn");
    assert_eq!(run(&client, lower).await.0, "32\n32\n");
    let file = limited(Resource::FileSize, 512 * 7, "ulimit -f");
    assert_eq!(run(&client, file).await.0, "7\n");
    let seconds = limited(Resource::CpuSeconds, 77, "ulimit -t");
    assert_eq!(run(&client, seconds).await.0, "77\n");
}

#[tokio::test]
async fn a_hundred_commands_one_after_another_leave_no_descriptor_behind() {
    // Enough for the agent and one command.
    let (_agent, stream) = Agent::start_after("ulimit -n 16");
    let client = Client::connect(stream, options()).await.unwrap();
    for number in 0..100 {
        let (output, status) = run(&client, command("echo", &[&number.to_string()])).await;
        assert_eq!((output, status), (format!("{number}\n"), ExitStatus::Exited(0)));
    }
}

#[tokio::test]
async fn many_run_at_once_but_not_more_than_the_table_holds() {
    let (_agent, client) = Agent::connect().await;
    let mut running = Vec::new();
    for _ in 0..1024 {
        let process = client.spawn(command("sleep", &["1000"]), Stdin::Null).await.unwrap();
        running.push((process.id, process.ended));
    }
    let refused = client.spawn(command("true", &[]), Stdin::Null).await;
    assert!(matches!(refused, Err(SpawnError::Refused(SpawnFailure::LimitReached))), "{refused:?}");
    for (id, _) in &running {
        client.kill(*id).await.unwrap();
    }
    for (_, ended) in running {
        assert_eq!(ended.await.unwrap(), ExitStatus::Signaled(9));
    }
    assert_eq!(run(&client, command("echo", &["again"])).await.0, "again\n");
}
