//! What a test may have left behind: processes, namespaces, mounts, cgroups, descriptors.
//!
//! Counted before and after; what is compared is the machine, not this program's word.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A count of all that sandboxes are made of, on this machine or in this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftovers {
    /// Processes that descend from this one.
    pub processes: BTreeSet<u32>,
    /// Network and mount namespaces that any process of the machine in another user namespace is in: not those of its
    /// services, which come and go.
    pub namespaces: BTreeSet<PathBuf>,
    /// Mounts that this process sees, but for those that the machine's services make and users' sessions.
    pub mounts: Vec<PathBuf>,
    /// Directories of sandboxes in any cgroup hierarchy.
    pub cgroups: BTreeSet<PathBuf>,
    /// What the open descriptors of this process lead to.
    pub descriptors: Vec<PathBuf>,
}

impl Leftovers {
    /// Now.
    pub fn count() -> Self {
        Self {
            processes: descendants(std::process::id()),
            namespaces: namespaces(),
            mounts: mounts(),
            cgroups: cgroups(),
            descriptors: descriptors(),
        }
    }

    /// Waits until nothing is there that was not there `before`: what ends in the background may take a moment, and much more
    /// on a busy machine.
    ///
    /// # Panics
    /// Something is left.
    pub fn assert_nothing_since(before: &Self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let now = Self::count();
            if now.adds_nothing_to(before) {
                return;
            }
            assert!(Instant::now() < deadline, "left behind: {}", now.difference(before));
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn adds_nothing_to(&self, before: &Self) -> bool {
        self.processes.is_subset(&before.processes)
            && self.namespaces.is_subset(&before.namespaces)
            && self.cgroups.is_subset(&before.cgroups)
            && self.mounts.len() <= before.mounts.len()
            && self.descriptors.len() <= before.descriptors.len()
    }

    fn difference(&self, before: &Self) -> String {
        format!(
            "processes {:?}, namespaces {:?}, cgroups {:?}, mounts {:?} → {:?}, descriptors {:?} → {:?}",
            self.processes.difference(&before.processes),
            self.namespaces.difference(&before.namespaces),
            self.cgroups.difference(&before.cgroups),
            before.mounts,
            self.mounts,
            before.descriptors,
            self.descriptors
        )
    }
}

/// All processes now, as (pid, parent).
fn processes() -> Vec<(u32, u32)> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name is in parentheses and may hold anything: what follows the last one counts (proc_pid_stat(5)).
        let parent = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()?;
        Some((pid, parent))
    })
    .collect()
}

fn descriptors() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    // One of them is that of the folder itself, which has gone by now.
    entries.filter_map(|entry| std::fs::read_link(entry.path()).ok()).collect()
}

fn descendants(of: u32) -> BTreeSet<u32> {
    let all = processes();
    let mut found = BTreeSet::from([of]);
    loop {
        let more: Vec<u32> = all
            .iter()
            .filter(|(pid, parent)| found.contains(parent) && !found.contains(pid))
            .map(|(pid, _)| *pid)
            .collect();
        if more.is_empty() {
            found.remove(&of);
            return found;
        }
        found.extend(more);
    }
}

fn namespaces() -> BTreeSet<PathBuf> {
    let namespace = |pid: &str, kind| std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok();
    let own = namespace("self", "user");
    let all = processes().into_iter().map(|(pid, _)| pid.to_string());
    all.filter(|pid| namespace(pid, "user") != own)
        .flat_map(|pid| ["net", "mnt"].map(|kind| namespace(&pid, kind)))
        .flatten()
        .collect()
}

fn mounts() -> Vec<PathBuf> {
    let lines = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    // The fifth field, proc_pid_mountinfo(5).
    let places = lines.lines().filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from);
    places.filter(|place| !place.starts_with("/run") && !place.starts_with("/snap")).collect()
}

/// Directories below a `mimobox` in any hierarchy of cgroup v1 or v2.
fn cgroups() -> BTreeSet<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let mut tops = vec![root.join("mimobox")];
    tops.extend(
        std::fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path().join("mimobox")),
    );
    let mut found = BTreeSet::new();
    while let Some(folder) = tops.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                found.insert(entry.path());
                tops.push(entry.path());
            }
        }
    }
    found
}
