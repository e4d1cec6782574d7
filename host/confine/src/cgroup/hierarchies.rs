//! Which hierarchies this machine has mounted, and which controllers each has.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::DiscoverError;

/// Which of the two kinds of hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// One hierarchy for each controller or set of them.
    One,
    /// One for all.
    Two,
}

/// A controller, or what version 1 has one for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Controller {
    /// Memory.
    Memory,
    /// Number of processes and threads.
    Processes,
    /// Share of processor time.
    Cpu,
    /// Processor time used. Version 2 counts it in every group.
    Accounting,
    /// Stopping all processes. Version 2 can, in every group.
    Freezer,
}

impl Controller {
    const ALL: [Self; 5] = [Self::Memory, Self::Processes, Self::Cpu, Self::Accounting, Self::Freezer];

    /// The kernel's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Processes => "pids",
            Self::Cpu => "cpu",
            Self::Accounting => "cpuacct",
            Self::Freezer => "freezer",
        }
    }

    fn among(names: &str, separator: char) -> Vec<Self> {
        let named = |controller: &Self| names.split(separator).any(|name| name.trim() == controller.name());
        Self::ALL.into_iter().filter(named).collect()
    }
}

/// One mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// Where.
    pub root: PathBuf,
    /// Which kind.
    pub version: Version,
    /// What it controls. Of version 2, what could be switched on.
    pub controllers: Vec<Controller>,
}

impl Hierarchy {
    /// The group that a line of `/proc/pid/cgroup` names, if it is about this hierarchy.
    pub(super) fn home_in<'a>(&self, line: &'a str) -> Option<&'a str> {
        let (number, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let ours = match self.version {
            Version::One => {
                Controller::among(controllers, ',') == self.controllers && !self.controllers.is_empty()
            }
            Version::Two => number == "0" && controllers.is_empty(),
        };
        ours.then_some(path)
    }
}

/// All that is mounted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hierarchies(pub Vec<Hierarchy>);

impl Hierarchies {
    /// Looks at this machine.
    ///
    /// # Errors
    /// Each variant of [`DiscoverError`] is a step.
    pub fn discover() -> Result<Self, DiscoverError> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(DiscoverError::Mounts)?;
        Self::from_mounts(&mounts, |root| fs::read_to_string(root.join("cgroup.controllers")))
    }

    /// From the text of `/proc/self/mountinfo`, and what version 2 says of its controllers.
    fn from_mounts(
        mounts: &str,
        unified: impl Fn(&Path) -> std::io::Result<String>,
    ) -> Result<Self, DiscoverError> {
        let mut found = Vec::new();
        for (root, kind, options) in mounts.lines().filter_map(mount_of) {
            let root = PathBuf::from(root);
            let (version, controllers) = match kind {
                "cgroup" => (Version::One, Controller::among(options, ',')),
                "cgroup2" => {
                    let listed = unified(&root).map_err(|source| DiscoverError::Controllers {
                        path: root.display().to_string(),
                        source,
                    })?;
                    (Version::Two, Controller::among(&listed, ' '))
                }
                _ => continue,
            };
            let double = found.iter().any(|known: &Hierarchy| {
                known.version == version && (version == Version::Two || known.controllers == controllers)
            });
            // A hierarchy of version 1 may control nothing: systemd has one only to group processes.
            if !double && (version == Version::Two || !controllers.is_empty()) {
                found.push(Hierarchy { root, version, controllers });
            }
        }
        Ok(Self(found))
    }

    /// The hierarchy of version 2.
    pub fn unified(&self) -> Option<&Hierarchy> {
        self.0.iter().find(|hierarchy| hierarchy.version == Version::Two)
    }

    /// Where a controller is; version 2 first.
    pub fn with(&self, controller: Controller) -> Option<&Hierarchy> {
        let holds = |hierarchy: &&Hierarchy| hierarchy.controllers.contains(&controller);
        self.unified().filter(holds).or_else(|| self.0.iter().find(holds))
    }
}

/// Mount point, kind and options of a line of mountinfo: proc_pid_mountinfo(5).
fn mount_of(line: &str) -> Option<(&str, &str, &str)> {
    let (before, after) = line.split_once(" - ")?;
    let root = before.split(' ').nth(4)?;
    let mut after = after.split(' ');
    let kind = after.next()?;
    Some((root, kind, after.nth(1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
30 24 0:26 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
32 30 0:28 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
33 30 0:29 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
34 30 0:30 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";
    const PURE: &str = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

    fn parse(mounts: &str, controllers: &'static str) -> Hierarchies {
        Hierarchies::from_mounts(mounts, |_| Ok(controllers.to_owned())).unwrap()
    }

    #[test]
    fn a_machine_with_version_2_alone_has_every_controller_there() {
        let found = parse(PURE, "cpuset cpu io memory hugetlb pids\n");
        for controller in [Controller::Memory, Controller::Processes, Controller::Cpu] {
            assert_eq!(found.with(controller).unwrap().version, Version::Two);
        }
    }

    #[test]
    fn a_hybrid_machine_has_its_controllers_in_version_1() {
        let found = parse(HYBRID, "hugetlb\n");
        assert_eq!(found.with(Controller::Memory).unwrap().root, Path::new("/sys/fs/cgroup/memory"));
        assert_eq!(found.with(Controller::Cpu), found.with(Controller::Accounting));
        assert_eq!(found.with(Controller::Processes), None);
        assert_eq!(found.unified().unwrap().root, Path::new("/sys/fs/cgroup/unified"));
    }

    #[test]
    fn a_controller_is_not_taken_for_one_whose_name_begins_alike() {
        assert_eq!(Controller::among("cpuset,cpuacct", ','), [Controller::Accounting]);
    }

    #[test]
    fn lines_that_are_no_mounts_are_passed_over() {
        assert_eq!(parse("\n30 24\nx - y\n", ""), Hierarchies::default());
    }

    #[test]
    fn a_line_names_the_group_in_its_own_hierarchy_alone() {
        let hierarchy = |version, controllers: &[Controller]| Hierarchy {
            root: "/".into(),
            version,
            controllers: controllers.to_vec(),
        };
        let memory = hierarchy(Version::One, &[Controller::Memory]);
        assert_eq!(memory.home_in("4:memory:/some/group"), Some("/some/group"));
        assert_eq!(memory.home_in("8:pids:/"), None);
        assert_eq!(memory.home_in("0::/"), None);
        assert_eq!(hierarchy(Version::Two, &[]).home_in("0::/user.slice"), Some("/user.slice"));
        assert_eq!(hierarchy(Version::Two, &[]).home_in("9:name=systemd:/"), None);
    }
}
