//! What a command is, and what it may not do.

use mimobox_sandbox::{Command, ExitStatus};

use crate::harness::{said, sh, text, with_backend};

#[test]
fn a_command_has_no_rights_and_cannot_gain_any() {
    with_backend(async |host| {
        let sandbox = host.sandbox().await;
        let status = said(&sandbox, "cat /proc/self/status").await;
        let value = |name: &str| {
            let line =
                status.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}"));
            line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(value("Uid:"), "1000 1000 1000 1000");
        assert_eq!(value("Gid:"), "1000 1000 1000 1000");
        assert_eq!(value("Groups:"), "");
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
            assert_eq!(value(set), "0000000000000000", "{set}");
        }
        assert_eq!(value("NoNewPrivs:"), "1");
        assert_eq!(value("Seccomp:"), "2");
        assert_eq!(value("Seccomp_filters:"), "2");
    });
}

#[test]
fn a_command_has_only_its_own_descriptors() {
    with_backend(async |host| {
        let sandbox = host.sandbox().await;
        // The fourth is the listing's own.
        assert_eq!(said(&sandbox, "ls /proc/self/fd").await, "0\n1\n2\n3");
    });
}

#[test]
fn new_namespaces_are_refused() {
    with_backend(async |host| {
        let sandbox = host.sandbox().await;
        for kind in ["user", "mount", "pid", "net", "ipc", "uts", "cgroup"] {
            let refused = sh(&sandbox, &format!("unshare --{kind} true")).await;
            assert_eq!(refused.status, ExitStatus::Exited(1), "{kind}");
            assert!(
                text(&refused.stderr).contains("Operation not permitted"),
                "{kind}: {}",
                text(&refused.stderr)
            );
        }
    });
}

#[test]
fn mounting_is_refused() {
    with_backend(async |host| {
        let sandbox = host.sandbox().await;
        let refused = sh(&sandbox, "mount -t tmpfs none /tmp").await;
        assert_ne!(refused.status, ExitStatus::Exited(0));
        let refused = sh(&sandbox, "umount /proc/sys").await;
        assert_ne!(refused.status, ExitStatus::Exited(0));
    });
}

#[test]
fn dangerous_calls_are_refused_and_unknown_ones_are_not_there() {
    with_backend(async |host| {
        let sandbox = host.sandbox().await;
        // Numbers of x86-64; glibc would refuse some by itself.
        let script = r#"
use Errno;
sub call { my ($name, $number, @arguments) = @_; $! = 0; my $answer = syscall($number, @arguments); printf "%s %d %d\n", $name, $answer, $!; }
call("ptrace", 101, 16, 1, 0, 0);
call("bpf", 321, 0, 0, 0);
call("perf_event_open", 298, 0, 0, 0, 0, 0);
call("keyctl", 250, 0, 0, 0, 0, 0);
call("userfaultfd", 323, 0);
call("io_uring_setup", 425, 1, 0);
call("process_vm_readv", 310, 1, 0, 0, 0, 0, 0);
call("clone_newuser", 56, 0x10000000 | 17, 0, 0, 0, 0);
call("socket_vsock", 41, 40, 1, 0);
call("socket_alg", 41, 38, 5, 0);
call("tiocsti", 16, 0, 0x5412, 0);
call("tiocsti_high", 16, 0, 0x100005412, 0);
call("clone3", 435, 0, 0);
call("no_such_call", 9999);
call("x32_getpid", 0x40000000 + 39);
"#;
        let command = Command::new("perl").arguments(["-e", script]);
        let finished = sandbox.execute(command, Vec::new()).await.unwrap();
        let (refused, unknown) = (format!("-1 {}", nix::libc::EPERM), format!("-1 {}", nix::libc::ENOSYS));
        let stdout = text(&finished.stdout);
        let answers: Vec<_> = stdout.lines().filter_map(|line| line.split_once(' ')).collect();
        assert_eq!(answers.len(), 15, "{stdout}\n{}", text(&finished.stderr));
        for (name, answer) in answers {
            let expected =
                if ["clone3", "no_such_call", "x32_getpid"].contains(&name) { &unknown } else { &refused };
            assert_eq!(answer, expected, "{name}");
        }
    });
}

#[test]
fn a_set_user_id_program_gives_no_rights() {
    with_backend(async |host| {
        let sandbox = host.sandbox().await;
        let script = "cp /usr/bin/id /tmp/id && chmod 4755 /tmp/id && /tmp/id -u; \
                      for program in su sudo mount passwd; do \
                        path=$(command -v $program) && [ -u $path ] && echo > /tmp/found; done; id -u";
        assert_eq!(said(&sandbox, script).await, "1000\n1000");
        // A command for root is refused outright.
        let mut command = Command::new("id");
        command.user = Some("root".to_owned());
        assert!(sandbox.execute(command, Vec::new()).await.is_err());
    });
}
