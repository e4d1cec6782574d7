//! The jail, seen from outside: `/proc/<pid>` of a VMM whose guest runs (proc(5)). Only root may look.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use mimobox_vmm_protocol::{Config, Event, Mechanism};

use crate::need;
use crate::tiny::{self, running};
use crate::vmm::Vmm;

/// A running machine that may be looked at.
fn looked_at() -> Option<Vmm> {
    let probe = need::kvm()?;
    need::root()?;
    Some(running(&probe, tiny::SPIN))
}

fn read(vmm: &Vmm, name: &str) -> String {
    fs::read_to_string(format!("/proc/{}/{name}", vmm.pid())).unwrap()
}

/// The lines of a status file, by name.
fn status(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter_map(|line| line.split_once(':')).map(|(name, value)| (name, value.trim())).collect()
}

#[test]
fn the_report_names_every_wall_as_standing() {
    let Some(probe) = need::kvm() else { return };
    let mut vmm = Vmm::start(&tiny::config(&probe), tiny::parts(tiny::SPIN));
    let Event::Jailed(lines) = vmm.event() else { panic!("no report") };
    let mut walls: Vec<_> = lines.iter().filter(|line| line.in_force).map(|line| line.mechanism).collect();
    walls.sort_unstable();
    assert_eq!(walls, Mechanism::ALL);
}

#[test]
fn it_is_nobody_and_has_no_capability_in_any_set() {
    let Some(vmm) = looked_at() else { return };
    let text = read(&vmm, "status");
    let status = status(&text);
    for name in ["Uid", "Gid"] {
        assert_eq!(status[name], "65534\t65534\t65534\t65534", "{name}");
    }
    assert_eq!(status["Groups"], "");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status[set], "0000000000000000", "{set}");
    }
    assert_eq!(status["NoNewPrivs"], "1");
}

#[test]
fn it_is_whom_the_host_names() {
    let Some(probe) = need::kvm() else { return };
    if need::root().is_none() {
        return;
    }
    let account = Some(mimobox_vmm_protocol::Account { user: 23456, group: 34567 });
    let vmm = Vmm::configured(&Config { account, ..tiny::config(&probe) }, tiny::parts(tiny::SPIN));
    let text = read(&vmm, "status");
    assert_eq!(status(&text)["Uid"], "23456\t23456\t23456\t23456");
    assert_eq!(status(&text)["Gid"], "34567\t34567\t34567\t34567");
}

#[test]
fn every_thread_is_under_a_filter() {
    let Some(vmm) = looked_at() else { return };
    let mut names = Vec::new();
    for thread in fs::read_dir(format!("/proc/{}/task", vmm.pid())).unwrap() {
        let thread = thread.unwrap().path();
        let text = fs::read_to_string(thread.join("status")).unwrap();
        assert_eq!(status(&text)["Seccomp"], "2", "{text}");
        names.push(status(&text)["Name"].to_owned());
    }
    for name in ["vcpu0", "devices"] {
        assert!(names.contains(&name.to_owned()), "{names:?}");
    }
}

#[test]
fn its_namespaces_are_its_own() {
    let Some(vmm) = looked_at() else { return };
    for name in ["user", "mnt", "net", "ipc", "uts"] {
        let of = |who: &str| fs::read_link(format!("/proc/{who}/ns/{name}")).unwrap();
        assert_ne!(of(&vmm.pid().to_string()), of("self"), "{name}");
    }
}

#[test]
fn its_root_is_one_empty_read_only_mount() {
    let Some(vmm) = looked_at() else { return };
    let root = format!("/proc/{}/root/", vmm.pid());
    assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
    assert_eq!(fs::read_dir(format!("/proc/{}/cwd/", vmm.pid())).unwrap().count(), 0);
    let mounts = read(&vmm, "mountinfo");
    let [mount] = mounts.lines().collect::<Vec<_>>()[..] else { panic!("{mounts}") };
    let fields: Vec<_> = mount.split(' ').collect();
    assert_eq!((fields[4], fields[7]), ("/", "tmpfs"), "{mount}");
    for option in ["ro", "nosuid", "nodev", "noexec"] {
        assert!(fields[5].split(',').any(|given| given == option), "{mount}");
    }
}

#[test]
fn no_interface_of_its_network_is_up() {
    let Some(vmm) = looked_at() else { return };
    // A heading at most.
    assert!(read(&vmm, "net/route").lines().count() <= 1);
    assert_eq!(read(&vmm, "net/if_inet6"), "");
}

#[test]
fn it_holds_the_descriptors_it_was_given_and_what_it_made_of_them() {
    let Some(vmm) = looked_at() else { return };
    for descriptor in fs::read_dir(format!("/proc/{}/fd", vmm.pid())).unwrap() {
        let descriptor = descriptor.unwrap().path();
        let leads = fs::read_link(&descriptor).unwrap();
        let leads = leads.to_str().unwrap();
        let made = ["socket:", "pipe:", "anon_inode:", "/memfd:"];
        let status = format!("/proc/{}/status", vmm.pid());
        let named = ["/dev/null", "/dev/kvm", status.as_str()];
        assert!(
            made.iter().any(|kind| leads.starts_with(kind)) || named.contains(&leads),
            "{} leads to {leads}",
            descriptor.display()
        );
    }
}

#[test]
fn its_limits_are_those_of_one_machine() {
    let Some(vmm) = looked_at() else { return };
    let limits = read(&vmm, "limits");
    let hard = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().nth(1).unwrap().to_owned()
    };
    assert_eq!(hard("Max core file size"), "0");
    assert_eq!(hard("Max file size"), mimobox_vmm::MAX_STATE.to_string());
    // The main thread, a processor's, the devices', and one of KVM's own.
    assert_eq!(hard("Max processes"), "4");
    assert_eq!(hard("Max open files"), "1024");
    assert_eq!(hard("Max locked memory"), "0");
    assert!(hard("Max address space").parse::<u64>().unwrap() < 2 << 30);
}

#[test]
fn nobody_but_root_may_trace_it() {
    let Some(vmm) = looked_at() else { return };
    // The files of a process that is not dumpable are root's, whoever it is.
    assert_eq!(fs::metadata(format!("/proc/{}/mem", vmm.pid())).unwrap().uid(), 0);
}
