//! How processes end, and what is left of them.

use mimobox_agent_client::{ExitStatus, Stdin};

use crate::harness::{Agent, command, exists, line, run, script};

#[tokio::test]
async fn exit_codes_come_through() {
    let (_agent, client) = Agent::connect().await;
    for code in [0, 1, 2, 127, 255] {
        let (_, status) = run(&client, script(&format!("exit {code}"))).await;
        assert_eq!(status, ExitStatus::Exited(code));
    }
}

#[tokio::test]
async fn signals_that_end_a_command_come_through() {
    let (_agent, client) = Agent::connect().await;
    // The last is a real-time signal.
    for signal in [1, 9, 11, 15, 40] {
        let (_, status) = run(&client, script(&format!("kill -{signal} $$"))).await;
        assert_eq!(status, ExitStatus::Signaled(signal));
    }
}

#[tokio::test]
async fn what_a_command_leaves_in_its_group_is_killed_before_its_end_is_told() {
    let (_agent, client) = Agent::connect().await;
    let leaving = script("for i in 1 2 3; do (trap '' TERM HUP; sleep 1000) & echo $!; done; exit 7");
    let (pids, status) = run(&client, leaving).await;
    assert_eq!(status, ExitStatus::Exited(7));
    assert_eq!(pids.lines().count(), 3);
    for pid in pids.lines() {
        assert!(!exists(pid), "{pid} is still there");
    }
}

#[tokio::test]
async fn an_escapee_lives_on_and_is_reaped() {
    let (_agent, client) = Agent::connect().await;
    let escape = script("setsid sh -c 'echo $$; exec sleep 1000' & wait");
    let mut process = client.spawn(escape, Stdin::Null).await.unwrap();
    let escaped = line(&mut process).await;
    client.kill(process.id).await.unwrap();
    assert_eq!(process.ended.await.unwrap(), ExitStatus::Signaled(9));
    assert!(exists(&escaped));
    run(&client, command("kill", &["-9", &escaped])).await;
    // Gone once the agent has reaped it.
    while exists(&escaped) {
        run(&client, command("true", &[])).await;
    }
}

#[tokio::test]
async fn a_group_that_cannot_be_gone_is_not_waited_for_long() {
    let (_agent, client) = Agent::connect().await;
    // The escaped shell has a child in the command's group, and does not reap it while it waits for its input.
    // perl, as no shell moves a child to another group by number.
    let escape = r"
        exec 5<&0
        perl -e '
            my $group = getppid();
            if (fork() == 0) {
                setpgrp(0, 0);
                if (fork() == 0) { setpgrp(0, $group); print qq(in\n); close STDOUT; sleep 1000; exit }
                sysread(STDIN, my $byte, 1);
                exit;
            }
            sleep 1000;
        ' <&5 &
        wait";
    let mut process = client.spawn(script(escape), Stdin::Pipe).await.unwrap();
    assert_eq!(line(&mut process).await, "in");
    client.kill(process.id).await.unwrap();
    assert_eq!(process.ended.await.unwrap(), ExitStatus::Signaled(9));
    drop(process.stdin);
}

#[tokio::test]
async fn a_storm_of_orphans_does_not_keep_the_host_waiting() {
    let (_agent, client) = Agent::connect().await;
    let storm = script("i=0; while [ $i -lt 2000 ]; do (setsid true &); i=$((i+1)); done");
    let storm = client.spawn(storm, Stdin::Null).await.unwrap();
    for _ in 0..20 {
        let (output, _) = run(&client, command("echo", &["here"])).await;
        assert_eq!(output, "here\n");
    }
    assert_eq!(storm.ended.await.unwrap(), ExitStatus::Exited(0));
}
