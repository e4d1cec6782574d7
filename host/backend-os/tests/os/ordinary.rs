//! The same without root: each test is run again in a process of its own, as a user who has nothing but herself.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use mimobox_backend_os::{Access, BackendConfig, Mechanism, Volume};
use mimobox_sandbox::{Command, EnforcementStatus, Error, ExitStatus, Limits, Mount, Sandbox, Spec};

use crate::harness::{Host, MIB, said, sh, text};
use crate::image_folders::debian_like;
use crate::unprivileged::{End, Setting, as_ordinary_user, with_groups};

/// Without a cgroup nothing holds a share of the processor, and the operator must say that this is as it may be.
fn tolerant(config: &mut BackendConfig) {
    config.tolerated.insert(Mechanism::CpuLimit);
}

fn status(sandbox: &Sandbox, mechanism: &str) -> EnforcementStatus {
    let line = sandbox.enforcement().iter().find(|line| line.mechanism == mechanism);
    line.unwrap_or_else(|| panic!("no {mechanism}")).status
}

#[test]
fn a_command_runs_with_input_output_and_no_rights() {
    as_ordinary_user(Setting::Alone, tolerant, async |host| {
        let sandbox = host.sandbox().await;
        let finished = sh(&sandbox, "echo out; echo err >&2; exit 7").await;
        assert_eq!((text(&finished.stdout), text(&finished.stderr)), ("out".to_owned(), "err".to_owned()));
        assert_eq!(finished.status, ExitStatus::Exited(7));
        let counted = sandbox.execute(Command::new("wc").arguments(["-c"]), vec![7; 300_000]).await.unwrap();
        assert_eq!(text(&counted.stdout), "300000");
        assert_eq!(said(&sandbox, "id -u; id -g; pwd").await, "1000\n1000\n/home/sandbox");
        let rights = said(&sandbox, "grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status | tr -d '\\t'").await;
        let none = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map(|set| format!("{set}:{:016}\n", 0));
        assert_eq!(rights, format!("{}NoNewPrivs:1\nSeccomp:2", none.concat()));
        sandbox.close().await.unwrap();
    });
}

#[test]
fn the_report_says_what_an_ordinary_user_s_sandbox_lacks() {
    as_ordinary_user(Setting::Alone, tolerant, async |host| {
        let sandbox = host.sandbox().await;
        for mechanism in ["user-namespace", "memory-limit", "processes-limit"] {
            assert_eq!(status(&sandbox, mechanism), EnforcementStatus::Partial, "{mechanism}");
        }
        for mechanism in ["cpu-limit", "freezer"] {
            assert_eq!(status(&sandbox, mechanism), EnforcementStatus::Absent, "{mechanism}");
        }
        for mechanism in ["pid-namespace", "network-namespace", "disk-limit", "landlock", "seccomp"] {
            assert_eq!(status(&sandbox, mechanism), EnforcementStatus::Enforced, "{mechanism}");
        }
    });
}

#[test]
fn a_share_of_the_processor_that_nothing_holds_is_refused_unless_tolerated() {
    as_ordinary_user(
        Setting::Alone,
        |_| {},
        async |host| {
            let refused = host.run.create(Spec::default()).await.unwrap_err();
            assert_eq!(refused, Error::Unsupported("cpu-limit".to_owned()));
        },
    );
}

#[test]
fn a_sandbox_without_cgroups_cannot_be_paused_or_measured_and_says_so() {
    as_ordinary_user(Setting::Alone, tolerant, async |host| {
        let sandbox = host.sandbox().await;
        assert_eq!(sandbox.pause().await.unwrap_err(), Error::Unsupported("pause".to_owned()));
        assert_eq!(sandbox.usage().await.unwrap_err(), Error::Unsupported("usage".to_owned()));
        assert_eq!(said(&sandbox, "echo on").await, "on");
    });
}

#[test]
fn programs_and_configuration_cannot_be_written_by_the_only_user() {
    as_ordinary_user(Setting::Alone, tolerant, async |host| {
        let sandbox = host.sandbox().await;
        for place in ["/usr/bin/x", "/etc/x", "/etc/passwd", "/x", "/dev/x", "/proc/x", "/var/x", "/home/x"] {
            let refused = sh(&sandbox, &format!("echo x >> {place}")).await;
            assert_ne!(refused.status, ExitStatus::Exited(0), "{place}");
        }
        assert_ne!(sh(&sandbox, "chmod 777 /etc && rm /etc/passwd").await.status, ExitStatus::Exited(0));
        said(&sandbox, "cd /tmp && echo '#!/bin/sh' > t && chmod 755 t && ./t && rm t").await;
    });
}

#[test]
fn the_agent_is_safe_from_commands_of_its_own_user() {
    as_ordinary_user(Setting::Alone, tolerant, async |host| {
        let sandbox = host.sandbox().await;
        for attempt in
            ["kill -0 1 && cat /proc/1/environ", "cat /proc/1/maps", "ls /proc/1/fd", "readlink /proc/1/exe"]
        {
            assert_ne!(sh(&sandbox, attempt).await.status, ExitStatus::Exited(0), "{attempt}");
        }
        sh(&sandbox, "kill -9 1; kill -STOP 1; kill -9 -1").await;
        assert_eq!(said(&sandbox, "echo alive").await, "alive");
        for user in ["root", "nobody"] {
            let mut command = Command::new("id");
            command.user = Some(user.to_owned());
            let refused = sandbox.execute(command, Vec::new()).await.unwrap_err();
            assert_eq!(refused, Error::PermissionDenied, "{user}");
        }
    });
}

#[test]
fn memory_and_processes_are_limited_as_far_as_the_kernel_can() {
    as_ordinary_user(Setting::Alone, tolerant, async |host| {
        let limits = Limits { memory: Some(64 * MIB), processes: Some(12), ..Limits::default() };
        let sandbox = host.run.create(Spec { limits, ..Spec::default() }).await.unwrap();
        let hog = Command::new("perl").arguments(["-e", "my @a; while (1) { push @a, 'x' x 1_000_000 }"]);
        let finished = sandbox.execute(hog, Vec::new()).await.unwrap();
        assert!(text(&finished.stderr).contains("Out of memory"), "{}", text(&finished.stderr));
        let count = "perl -e 'my $n = 0; while (1) { my $p = fork; last unless defined $p; \
                     if (!$p) { sleep 5; exit } $n++ } print $n'";
        let made = said(&sandbox, count).await.parse::<u32>().unwrap();
        assert!((1..12).contains(&made), "{made}");
    });
}

#[test]
fn what_is_written_to_a_volume_is_the_caller_s() {
    as_ordinary_user(
        Setting::Alone,
        |config| {
            tolerant(config);
            let scratch = tempfile::tempdir().unwrap().keep();
            fs::set_permissions(&scratch, fs::Permissions::from_mode(0o700)).unwrap();
            fs::write(scratch.join("private"), "mine\n").unwrap();
            fs::set_permissions(scratch.join("private"), fs::Permissions::from_mode(0o600)).unwrap();
            let open = |access| Volume { directory: fs::File::open(&scratch).unwrap().into(), access };
            config.volumes = BTreeMap::from([
                ("work".to_owned(), open(Access::ReadWrite)),
                ("input".to_owned(), open(Access::ReadOnly)),
            ]);
        },
        async |host| {
            let mount = |volume: &str, read_only| Mount {
                volume: volume.to_owned(),
                target: format!("/{volume}"),
                read_only,
            };
            let mounts = vec![mount("work", false), mount("input", true)];
            let sandbox = host.run.create(Spec { mounts, ..Spec::default() }).await.unwrap();
            assert_eq!(
                said(&sandbox, "cat /input/private; echo x > /work/new; stat -c %u /work/new").await,
                "mine\n1000"
            );
            assert_ne!(sh(&sandbox, "echo x > /input/other").await.status, ExitStatus::Exited(0));
            assert_ne!(sh(&sandbox, "chmod u+s /work/new").await.status, ExitStatus::Exited(0));
            assert_eq!(status(&sandbox, "volumes"), EnforcementStatus::Partial);
        },
    );
}

#[test]
fn an_image_of_the_caller_s_is_a_root() {
    image_is_a_root(Setting::Alone);
}

#[test]
fn an_image_of_the_caller_s_is_a_root_where_she_has_others_set_aside() {
    image_is_a_root(Setting::WithSubordinates);
}

fn image_is_a_root(setting: Setting) {
    let mut kept = None;
    as_ordinary_user(
        setting,
        |config| {
            tolerant(config);
            let image = debian_like();
            config.images = Some(crate::harness::one_image(image.path()));
            kept = Some(image);
        },
        async |host| {
            let spec = Spec { image: Some("test".to_owned()), ..Spec::default() };
            let (one, other) =
                (host.run.create(spec.clone()).await.unwrap(), host.run.create(spec).await.unwrap());
            let script =
                "cat /etc/os-release; echo mine > /srv/new; rm /srv/gone; ls /srv; cat /etc/hostname";
            assert_eq!(said(&one, script).await, "ID=debian-like\nfile\nnew\nsandbox");
            assert_eq!(said(&other, "ls /srv").await, "file\ngone");
            assert_eq!(status(&one, "root-filesystem"), EnforcementStatus::Partial);
        },
    );
    drop(kept);
}

#[test]
fn two_hosts_of_one_user_do_not_disturb_each_other() {
    as_ordinary_user(Setting::Alone, tolerant, async |host| {
        let mut config = crate::harness::config();
        tolerant(&mut config);
        let second = Host::new(config);
        let (one, other) = (host.sandbox().await, second.sandbox().await);
        let sleeper = one.spawn(Command::new("sleep").arguments(["4242"]), false).await.unwrap();
        assert_eq!(said(&other, "cat /proc/[0-9]*/comm | grep -c sleep || true").await, "0");
        other.close().await.unwrap();
        drop(second);
        assert!(!sleeper.has_ended());
        assert_eq!(said(&one, "echo alive").await, "alive");
        sleeper.kill();
        sleeper.wait().await.unwrap();
    });
}

#[test]
fn a_delegated_group_pauses_and_counts() {
    with_groups(End::Passed, tolerant, async |host| {
        let sandbox = host.sandbox().await;
        assert_eq!(status(&sandbox, "freezer"), EnforcementStatus::Enforced);
        said(&sandbox, "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done").await;
        assert!(sandbox.usage().await.unwrap().cpu_time > std::time::Duration::ZERO);
        sandbox.pause().await.unwrap();
        sandbox.resume().await.unwrap();
        assert_eq!(said(&sandbox, "echo on").await, "on");
        sandbox.pause().await.unwrap();
        sandbox.close().await.unwrap();
    });
}

/// A paused sandbox cannot see its host's end by itself: only the janitor helps.
#[test]
fn a_host_that_is_killed_leaves_no_group() {
    with_groups(End::Killed, tolerant, async |host| {
        let sandbox = host.sandbox().await;
        let _process = sandbox.spawn(Command::new("sleep").arguments(["1000"]), false).await.unwrap();
        sandbox.pause().await.unwrap();
        nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL).unwrap();
    });
}

#[test]
fn users_set_aside_in_etc_subuid_are_the_sandbox_s() {
    as_ordinary_user(Setting::WithSubordinates, tolerant, async |host| {
        let sandbox = host.sandbox().await;
        let line = sandbox.enforcement().iter().find(|line| line.mechanism == "user-namespace").unwrap();
        assert!(line.detail.contains("/etc/subuid"), "{line:?}");
        assert_eq!(said(&sandbox, "id -u; stat -c %u /etc /tmp /home/sandbox").await, "1000\n0\n0\n1000");
        for attempt in ["echo x >> /etc/passwd", "kill -0 1", "cat /proc/1/maps"] {
            assert_ne!(sh(&sandbox, attempt).await.status, ExitStatus::Exited(0), "{attempt}");
        }
    });
}

#[test]
fn a_volume_is_the_caller_s_where_she_has_others_set_aside() {
    as_ordinary_user(
        Setting::WithSubordinates,
        |config| {
            tolerant(config);
            let scratch = tempfile::tempdir().unwrap().keep();
            let directory = fs::File::open(&scratch).unwrap().into();
            config.volumes =
                BTreeMap::from([("work".to_owned(), Volume { directory, access: Access::ReadWrite })]);
        },
        async |host| {
            let mount = Mount { volume: "work".to_owned(), target: "/work".to_owned(), read_only: false };
            let sandbox = host.run.create(Spec { mounts: vec![mount], ..Spec::default() }).await.unwrap();
            said(&sandbox, "echo x > /work/new").await;
            assert_eq!(said(&sandbox, "stat -c %u /work /work/new /etc").await, "1000\n1000\n0");
        },
    );
}
