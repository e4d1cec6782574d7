//! Sandboxes among each other, and against their agent and the host.

use mimobox_sandbox::{Command, ExitStatus};

use crate::harness::{said, sh, with_backend};

#[test]
fn a_command_can_neither_signal_nor_trace_nor_read_the_agent() {
    with_backend(async |host| {
        let sandbox = host.sandbox().await;
        for attempt in [
            "kill -9 1",
            "kill -TERM 1",
            "cat /proc/1/environ",
            "cat /proc/1/maps",
            "ls /proc/1/fd",
            "readlink /proc/1/exe",
        ] {
            assert_ne!(sh(&sandbox, attempt).await.status, ExitStatus::Exited(0), "{attempt}");
        }
        assert_eq!(said(&sandbox, "echo alive").await, "alive");
    });
}

#[test]
fn killing_all_that_can_be_killed_leaves_the_agent() {
    with_backend(async |host| {
        let sandbox = host.sandbox().await;
        sh(&sandbox, "kill -9 -1").await;
        assert_eq!(said(&sandbox, "echo alive").await, "alive");
    });
}

#[test]
fn a_sandbox_sees_its_own_processes_only() {
    with_backend(async |host| {
        let (one, other) = (host.sandbox().await, host.sandbox().await);
        let sleeper = one.spawn(Command::new("sleep").arguments(["4242"]), false).await.unwrap();
        let search = "grep -l 4242 /proc/[0-9]*/cmdline 2>/dev/null | wc -l";
        // The searching shell's own line holds the number too.
        assert!(said(&one, search).await.parse::<u32>().unwrap() >= 2);
        let pids = said(&other, "ls /proc | grep -c '^[0-9]'").await;
        assert!(pids.parse::<u32>().unwrap() < 10, "{pids}");
        assert_eq!(said(&other, "cat /proc/[0-9]*/comm | grep -c sleep || true").await, "0");
        sleeper.kill();
        sleeper.wait().await.unwrap();
    });
}

#[test]
fn a_sandbox_cannot_end_another_s_processes() {
    with_backend(async |host| {
        let (one, other) = (host.sandbox().await, host.sandbox().await);
        let sleeper = one.spawn(Command::new("sleep").arguments(["1000"]), false).await.unwrap();
        said(
            &other,
            "i=2; while [ $i -lt 2000 ]; do [ $i = $$ ] || kill -9 $i 2>/dev/null; i=$((i+1)); done; true",
        )
        .await;
        assert!(!sleeper.has_ended());
        sleeper.kill();
        sleeper.wait().await.unwrap();
    });
}

#[test]
fn sandboxes_share_no_files_no_ipc_and_no_sockets() {
    with_backend(async |host| {
        let (one, other) = (host.sandbox().await, host.sandbox().await);
        said(&one, "echo secret > /tmp/secret; echo secret > /dev/shm/secret; ipcmk -M 4096 >/dev/null")
            .await;
        assert_eq!(said(&other, "ls /tmp /dev/shm /home/sandbox | grep -c secret || true").await, "0");
        assert_eq!(said(&other, "tail -n +2 /proc/sysvipc/shm").await, "");
        assert_ne!(said(&one, "tail -n +2 /proc/sysvipc/shm").await, "");
    });
}

#[test]
fn an_abstract_socket_of_the_host_cannot_be_reached() {
    with_backend(async |host| {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("mimobox-test-{}", std::process::id());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind_addr(&address).unwrap();
        let sandbox = host.sandbox().await;
        let script = format!(
            "use Socket; socket(S, AF_UNIX, SOCK_STREAM, 0) or die; \
             connect(S, pack_sockaddr_un(\"\\0{name}\")) ? print 'in' : print 'out'"
        );
        let finished =
            sandbox.execute(Command::new("perl").arguments(["-e", &script]), Vec::new()).await.unwrap();
        assert_eq!(finished.stdout, b"out");
    });
}
