//! What a sandbox's root holds.

use mimobox_sandbox::{EnforcementStatus, ExitStatus};

use crate::harness::{said, sh, text, with_backend};

#[test]
fn the_root_holds_what_the_plan_lists_and_nothing_else() {
    with_backend(async |host| {
        let sandbox = host.sandbox().await;
        let listed = said(&sandbox, "ls -A /").await;
        let optional = ["lib32", "lib64", "libx32"];
        let listed: Vec<_> = listed.lines().filter(|name| !optional.contains(name)).collect();
        assert_eq!(listed, ["bin", "dev", "etc", "home", "lib", "proc", "sbin", "tmp", "usr", "var"]);
    });
}

#[test]
fn no_user_of_the_host_is_named() {
    with_backend(async |host| {
        let sandbox = host.sandbox().await;
        let users = said(&sandbox, "cut -d: -f1 /etc/passwd").await;
        assert_eq!(users, "root\nsandbox\nnobody");
        assert_ne!(sh(&sandbox, "cat /etc/shadow").await.status, ExitStatus::Exited(0));
        assert_eq!(said(&sandbox, "ls /home").await, "sandbox");
    });
}

#[test]
fn no_mount_of_the_host_is_left() {
    with_backend(async |host| {
        let sandbox = host.sandbox().await;
        let places = said(&sandbox, "cut -d' ' -f2 /proc/self/mounts").await;
        let allowed = ["/usr", "/etc/", "/dev/", "/proc"];
        for place in places.lines() {
            assert!(place == "/" || allowed.iter().any(|prefix| place.starts_with(prefix)), "{place}");
        }
    });
}

#[test]
fn programs_and_configuration_cannot_be_written() {
    with_backend(async |host| {
        let sandbox = host.sandbox().await;
        for place in ["/usr/bin/x", "/usr/lib/x", "/etc/x", "/x", "/dev/x", "/proc/x", "/var/x", "/home/x"] {
            let refused = sh(&sandbox, &format!("echo x > {place}")).await;
            assert_ne!(refused.status, ExitStatus::Exited(0), "{place}");
        }
        assert_ne!(sh(&sandbox, "rm /usr/bin/env").await.status, ExitStatus::Exited(0));
        assert_ne!(sh(&sandbox, "echo evil >> /etc/passwd").await.status, ExitStatus::Exited(0));
    });
}

#[test]
fn home_and_temporary_places_can_be_written_and_executed_from() {
    with_backend(async |host| {
        let sandbox = host.sandbox().await;
        assert_eq!(said(&sandbox, "pwd; echo $HOME").await, "/home/sandbox\n/home/sandbox");
        for place in ["/home/sandbox", "/tmp", "/var/tmp", "/dev/shm"] {
            let script = format!("cd {place} && cp /usr/bin/true t && ./t && mkdir d && mv t d/ && rm -r d");
            said(&sandbox, &script).await;
        }
    });
}

#[test]
fn the_usual_devices_work() {
    with_backend(async |host| {
        let sandbox = host.sandbox().await;
        let script = "echo gone > /dev/null; head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c; \
                      echo through | cat /dev/stdin; head -c 1 /dev/zero > /dev/full";
        let finished = sh(&sandbox, script).await;
        assert_eq!(text(&finished.stdout), "4\n4\nthrough");
        assert!(text(&finished.stderr).contains("No space left"), "{}", text(&finished.stderr));
    });
}

#[test]
fn proc_tells_nothing_of_the_machine_s_inside() {
    with_backend(async |host| {
        let sandbox = host.sandbox().await;
        for file in ["kcore", "keys", "timer_list", "sysrq-trigger"] {
            let size = said(&sandbox, &format!("head -c 64 /proc/{file} 2>/dev/null | wc -c")).await;
            assert_eq!(size, "0", "{file}");
        }
        for directory in ["irq", "bus", "fs"] {
            assert_eq!(
                said(&sandbox, &format!("ls /proc/{directory} 2>/dev/null || true")).await,
                "",
                "{directory}"
            );
        }
        assert_ne!(sh(&sandbox, "echo 1 > /proc/sys/vm/drop_caches").await.status, ExitStatus::Exited(0));
        assert_ne!(sh(&sandbox, "echo box > /proc/sys/kernel/hostname").await.status, ExitStatus::Exited(0));
        said(&sandbox, "grep -q processor /proc/cpuinfo && test -r /proc/self/status").await;
    });
}

#[test]
fn the_host_s_name_is_not_known() {
    with_backend(async |host| {
        let sandbox = host.sandbox().await;
        assert_eq!(said(&sandbox, "uname -n").await, "sandbox");
    });
}

#[test]
fn loopback_is_the_only_network() {
    with_backend(async |host| {
        let sandbox = host.sandbox().await;
        assert_eq!(said(&sandbox, "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '").await, "lo");
        assert_eq!(said(&sandbox, "tail -n +2 /proc/net/route").await, "");
    });
}

#[test]
fn every_mechanism_is_reported_in_force() {
    with_backend(async |host| {
        let sandbox = host.sandbox().await;
        let mut lines: Vec<_> = sandbox.enforcement().to_vec();
        lines.retain(|line| line.status != EnforcementStatus::NotRequested);
        let names: Vec<_> = lines.iter().map(|line| line.mechanism.as_ref()).collect();
        assert_eq!(
            names,
            [
                "user-namespace",
                "pid-namespace",
                "mount-namespace",
                "network-namespace",
                "ipc-namespace",
                "uts-namespace",
                "cgroup-namespace",
                "root-filesystem",
                "disk-limit",
                "memory-limit",
                "processes-limit",
                "cpu-limit",
                "freezer",
                "rlimits",
                "capabilities",
                "no-new-privileges",
                "landlock",
                "seccomp",
            ]
        );
        for line in lines {
            assert_ne!(line.status, EnforcementStatus::Absent, "{line:?}");
        }
    });
}
