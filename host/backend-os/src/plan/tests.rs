use std::time::Duration;

use mimobox_confine::PathRights;
use mimobox_sandbox::{GrantedLimits, Isolation};

use super::*;

const MIB: u64 = 1024 * 1024;

fn grant(mounts: Vec<Mount>) -> SandboxGrant {
    SandboxGrant {
        isolation: Isolation::Os,
        image: "host".into(),
        limits: GrantedLimits { memory: 64 * MIB, cpu: 1000, processes: 16, disk: 32 * MIB },
        environment: Vec::new(),
        mounts,
        lifetime: Duration::from_secs(60),
    }
}

fn host_root() -> HostRoot {
    HostRoot {
        links: vec![("/bin".into(), "usr/bin".into()), ("/lib64".into(), "usr/lib64".into())],
        programs: vec!["/usr".into()],
        configuration: vec!["/etc/ld.so.cache".into(), "/etc/ssl/certs".into()],
        devices: vec!["/dev/null".into(), "/dev/urandom".into()],
    }
}

fn site(root: &HostRoot) -> Site<'_> {
    let (sources, uncontrolled) = (Vec::new(), Uncontrolled::default());
    Site { root, filters: Vec::new(), sources, alone: false, uncontrolled }
}

fn volume(target: &str, read_only: bool) -> Mount {
    Mount { volume: "data".into(), target: target.into(), read_only }
}

fn steps(mounts: Vec<Mount>) -> Vec<Step> {
    write(&grant(mounts), site(&host_root())).unwrap().steps
}

fn place(steps: &[Step], name: &str) -> usize {
    steps.iter().position(|step| step.name() == name).unwrap_or_else(|| panic!("no step {name}"))
}

#[test]
fn rights_are_given_up_after_the_root_is_entered_and_seccomp_comes_last() {
    let steps = steps(vec![]);
    let order = [
        "become-root",
        "root",
        "show",
        "enter-root",
        "capabilities",
        "no-new-privileges",
        "landlock",
        "seccomp",
    ];
    let places: Vec<_> = order.iter().map(|name| place(&steps, name)).collect();
    assert!(places.is_sorted(), "{places:?}");
    assert_eq!(places.last(), Some(&(steps.len() - 1)));
    assert_eq!(places.first(), Some(&0));
}

#[test]
fn nothing_of_the_host_is_shown_beyond_the_list() {
    let mut sources: Vec<_> = steps(vec![volume("/data", false)])
        .into_iter()
        .filter_map(|step| match step {
            Step::Show { source, .. } | Step::Device { source, .. } => Some(source),
            _ => None,
        })
        .collect();
    sources.sort();
    assert_eq!(sources, ["/dev/null", "/dev/urandom", "/etc/ld.so.cache", "/etc/ssl/certs", "/usr"]);
}

#[test]
fn the_root_takes_the_disk_limit_and_little_more() {
    let steps = steps(vec![]);
    let Step::Root { bytes, inodes } = steps[place(&steps, "root")] else { panic!("no root") };
    assert!((32 * MIB..33 * MIB).contains(&bytes));
    assert!((8192..9000).contains(&inodes));
}

#[test]
fn a_disk_larger_than_the_memory_leaves_memory_for_programs() {
    let mut grant = grant(vec![]);
    grant.limits.disk = u64::MAX;
    let plan = write(&grant, site(&host_root())).unwrap();
    let Step::Root { bytes, .. } = plan.steps[place(&plan.steps, "root")] else { panic!("no root") };
    assert!((48 * MIB..49 * MIB).contains(&bytes));
}

#[test]
fn huge_limits_neither_overflow_nor_become_unlimited() {
    let mut grant = grant(vec![]);
    (grant.limits.disk, grant.limits.memory) = (u64::MAX, u64::MAX);
    let plan = write(&grant, site(&host_root())).unwrap();
    let Step::Root { bytes, inodes } = plan.steps[place(&plan.steps, "root")] else { panic!("no root") };
    assert!(bytes > u64::MAX / 2);
    assert!(inodes < 2 * MOST_INODES);
}

#[test]
fn every_directory_is_made_before_what_is_in_it() {
    let mut made = vec!["".to_owned(), "/proc".to_owned()];
    for step in steps(vec![]) {
        let path = match step {
            Step::Directory { path, .. }
            | Step::File { path, .. }
            | Step::Link { path, .. }
            | Step::Show { path, .. }
            | Step::Device { path, .. } => path,
            _ => continue,
        };
        let (parent, _) = path.rsplit_once('/').unwrap();
        assert!(made.iter().any(|made| made == parent), "{path}");
        made.push(path);
    }
}

#[test]
fn only_the_sandbox_s_own_places_may_be_written() {
    let steps = steps(vec![volume("/data", true)]);
    let Step::Landlock(rules) = &steps[place(&steps, "landlock")] else { panic!("no rules") };
    let writable: Vec<_> =
        rules.iter().filter(|rule| rule.rights == PathRights::All).map(|rule| rule.path.as_str()).collect();
    assert_eq!(writable, ["/dev/shm", "/tmp", "/home/sandbox"]);
}

#[test]
fn a_volume_may_be_written_only_where_it_was_granted_so() {
    let steps = steps(vec![volume("/data", false), volume("/input", true)]);
    let Step::Landlock(rules) = &steps[place(&steps, "landlock")] else { panic!("no rules") };
    let rights = |path: &str| rules.iter().find(|rule| rule.path == path).unwrap().rights;
    assert_eq!((rights("/data"), rights("/input")), (PathRights::All, PathRights::Execute));
}

#[test]
fn a_volume_cannot_hide_what_the_sandbox_is_made_of() {
    for target in [
        "/",
        "/usr",
        "/usr/bin",
        "/bin",
        "/etc/ssl",
        "/proc/1",
        "/dev",
        "/home",
        "/var",
        "data",
        "/a/../usr",
        "/a//b",
        "/a/",
    ] {
        let refused = write(&grant(vec![volume(target, true)]), site(&host_root()));
        assert!(matches!(refused, Err(CreateError::Target(_))), "{target}");
    }
    for target in ["/data", "/data/deep/down", "/home/sandbox/input", "/tmp/x"] {
        write(&grant(vec![volume(target, true)]), site(&host_root())).unwrap();
    }
}

fn of_image(mounts: Vec<Mount>) -> Vec<Step> {
    let grant = SandboxGrant { image: "debian".into(), ..grant(mounts) };
    write(&grant, site(&host_root())).unwrap().steps
}

#[test]
fn of_the_host_an_image_s_sandbox_sees_devices_alone() {
    let sources: Vec<_> = of_image(vec![])
        .into_iter()
        .filter_map(|step| match step {
            Step::Show { source, .. } | Step::Device { source, .. } => Some(source),
            _ => None,
        })
        .collect();
    assert_eq!(sources, ["/dev/null", "/dev/urandom"]);
}

#[test]
fn an_image_comes_after_the_volumes_and_is_there_before_they_are_attached() {
    let steps = of_image(vec![volume("/data", false), volume("/input", true)]);
    let Step::Image { descriptor } = steps[place(&steps, "image")] else { panic!("no image") };
    assert_eq!(descriptor, 2);
    let order = ["device", "processes", "image", "ensure", "volume", "enter-root", "seccomp"];
    assert!(order.map(|name| place(&steps, name)).is_sorted());
}

#[test]
fn what_is_made_in_an_image_minds_that_its_packer_is_a_stranger() {
    let steps = of_image(vec![volume("/data", false)]);
    for step in &steps[place(&steps, "image") + 1..] {
        assert!(!matches!(step, Step::Directory { .. } | Step::File { .. } | Step::Link { .. }), "{step:?}");
    }
}

#[test]
fn without_root_the_host_s_directories_are_cloned_before_anything_else() {
    let root = host_root();
    let source = Source { path: "/srv/data".into(), writable: true };
    let site = Site { sources: vec![(0, source)], ..site(&root) };
    let steps = write(&grant(vec![volume("/data", false)]), site).unwrap().steps;
    assert_eq!(place(&steps, "clone-mount"), 0);
    assert_eq!(place(&steps, "become-root"), 1);
}

#[test]
fn where_there_is_one_user_nothing_belongs_to_another() {
    let root = host_root();
    for image in ["host", "debian"] {
        let grant = SandboxGrant { image: image.into(), ..grant(vec![]) };
        let steps = write(&grant, Site { alone: true, ..site(&root) }).unwrap().steps;
        for step in steps {
            match step {
                Step::Directory { owner, .. } | Step::Ensure { owner, .. } => assert_eq!(owner, SANDBOX),
                Step::Terminals { group } => assert_eq!(group, SANDBOX.group),
                Step::BecomeRoot => panic!("there is no root"),
                _ => {}
            }
        }
    }
}

#[test]
fn what_no_cgroup_limits_is_limited_for_each_process() {
    let root = host_root();
    let limits = |uncontrolled| {
        let plan = write(&grant(vec![]), Site { uncontrolled, ..site(&root) }).unwrap();
        let Step::ResourceLimits(limits) = &plan.steps[place(&plan.steps, "resource-limits")] else {
            panic!("no limits")
        };
        limits.clone()
    };
    let mut expected = limits(Uncontrolled::default());
    expected.extend([ResourceLimit::Data(64 * MIB), ResourceLimit::Processes(16)]);
    assert_eq!(limits(Uncontrolled { memory: true, processes: true }), expected);
}

#[test]
fn the_default_user_is_in_the_passwd_file() {
    let passwd = steps(vec![]).into_iter().find_map(|step| match step {
        Step::File { path, contents } if path == "/etc/passwd" => String::from_utf8(contents).ok(),
        _ => None,
    });
    assert!(passwd.unwrap().contains("\nsandbox:x:1000:1000:sandbox:/home/sandbox:/bin/sh\n"));
}
