//! The groups of one sandbox, one in each hierarchy that it needs, as one thing.

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

use super::control::ControlFiles;
use super::error::CgroupError;
use super::hierarchies::{Controller, Version};
use super::host_groups::{Level, Territory};
use super::visit::Visit;
use super::{GroupLimits, Tolerated, cpu, freezer, memory, processes};
use crate::enforcement::{Enforcement, Mechanism};

/// What a group uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time so far.
    pub cpu_time: Duration,
    /// Bytes of memory now.
    pub memory: u64,
    /// Bytes of memory at most so far.
    pub memory_peak: u64,
    /// Processes and threads now.
    pub processes: u64,
}

/// What is done about a limit that no group can hold.
#[derive(Debug)]
pub(super) struct Lacking<'a> {
    pub(super) territory: Territory,
    /// Mechanisms that may be missing.
    pub(super) tolerated: &'a Tolerated,
}

impl Lacking<'_> {
    fn settle(&self, mechanism: Mechanism, why: String) -> Result<Enforcement, CgroupError> {
        let instead = match (self.territory, mechanism) {
            (Territory::Delegated, Mechanism::MemoryLimit) => {
                "for each process, not for all of them together"
            }
            (Territory::Delegated, Mechanism::ProcessesLimit) => "for each user of the sandbox",
            _ if self.tolerated.contains(&mechanism) => return Ok(Enforcement::absent(mechanism, why)),
            _ => return Err(CgroupError::Unenforceable { mechanism, why }),
        };
        Ok(Enforcement::partial(mechanism, format!("{instead}: {why}")))
    }
}

/// The groups of one sandbox. Dropping it removes nothing: [`Group::remove`] does, once they are empty.
#[derive(Debug)]
pub struct Group {
    name: String,
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    files: ControlFiles,
    level: Arc<Level>,
}

impl Group {
    /// Makes a group at each level, then sets the limits. What was made is removed again on an error.
    pub(super) fn create(
        levels: &[Arc<Level>],
        name: &str,
        limits: GroupLimits,
        lacking: &Lacking<'_>,
    ) -> Result<(Self, Vec<Enforcement>), CgroupError> {
        let mut group = Self { name: name.to_owned(), parts: Vec::with_capacity(levels.len()) };
        let made = group.fill(levels).and_then(|()| group.limit(limits, lacking));
        match made {
            Ok(lines) => Ok((group, lines)),
            Err(error) => {
                // The first error is the one that counts; what is left the janitor removes.
                let _ = group.remove();
                Err(error)
            }
        }
    }

    fn fill(&mut self, levels: &[Arc<Level>]) -> Result<(), CgroupError> {
        for level in levels {
            let directory = level.make(&self.name)?;
            self.parts.push(Part {
                files: ControlFiles::new(directory, level.version()),
                level: Arc::clone(level),
            });
        }
        Ok(())
    }

    fn limit(&self, limits: GroupLimits, lacking: &Lacking<'_>) -> Result<Vec<Enforcement>, CgroupError> {
        let enforce =
            |mechanism, controller, set: &dyn Fn(&ControlFiles) -> Result<Enforcement, CgroupError>| {
                match self.with(controller).map(set) {
                    Some(Ok(line)) => Ok(line),
                    // No property of the machine, and tolerated by nobody.
                    Some(Err(error)) if error.is_of_the_moment() => Err(error),
                    Some(Err(error)) if lacking.tolerated.contains(&mechanism) => {
                        Ok(Enforcement::absent(mechanism, error.to_string()))
                    }
                    Some(Err(error)) => Err(CgroupError::Unenforceable { mechanism, why: error.to_string() }),
                    None => {
                        let name = controller.name();
                        lacking
                            .settle(mechanism, format!("no control group of ours has the controller {name}"))
                    }
                }
            };
        Ok(vec![
            enforce(Mechanism::MemoryLimit, Controller::Memory, &|files| {
                memory::limit(files, limits.memory)
            })?,
            enforce(Mechanism::ProcessesLimit, Controller::Processes, &|files| {
                processes::limit(files, limits.processes)
            })?,
            enforce(Mechanism::CpuLimit, Controller::Cpu, &|files| cpu::limit(files, limits.cpu))?,
            match self.with(Controller::Freezer) {
                Some(_) => Enforcement::enforced(Mechanism::Freezer, ""),
                None => Enforcement::absent(
                    Mechanism::Freezer,
                    "no hierarchy of version 2, no freezer in version 1",
                ),
            },
        ])
    }

    /// The directory of version 2, for a process to be born in.
    pub fn unified(&self) -> Option<BorrowedFd<'_>> {
        self.parts.iter().find(|part| part.files.version() == Version::Two).map(|part| part.files.directory())
    }

    /// Puts the calling thread into the groups of version 1, so that what it clones is born in them. In that of version 2 a
    /// process is born by [`Group::unified`].
    ///
    /// # Errors
    /// `Enter`.
    pub fn visit(&self) -> Result<Visit, CgroupError> {
        let mut visit = Visit::begin();
        for part in self.parts.iter().filter(|part| part.files.version() == Version::One) {
            // Zero is the thread that writes.
            part.files.try_write("tasks", 0).map_err(CgroupError::Enter)?;
            visit.entered(&part.level);
        }
        Ok(visit)
    }

    /// What all processes of the group use; zero where there is no controller to count it.
    ///
    /// # Errors
    /// `NoController` where there is no group at all; `Read`, `Understand`.
    pub fn usage(&self) -> Result<Usage, CgroupError> {
        if self.parts.is_empty() {
            return Err(CgroupError::NoController("usage"));
        }
        let mut usage = Usage::default();
        if let Some(files) = self.with(Controller::Accounting) {
            usage.cpu_time = cpu::used(files)?;
        }
        if let Some(files) = self.with(Controller::Memory) {
            usage.memory = memory::current(files)?;
            usage.memory_peak = memory::peak(files)?.max(usage.memory);
        }
        if let Some(files) = self.with(Controller::Processes) {
            usage.processes = processes::current(files)?;
        }
        Ok(usage)
    }

    /// How many processes the kernel has killed for want of memory; zero where it does not count.
    ///
    /// # Errors
    /// `Read`, `Understand`.
    pub fn memory_kills(&self) -> Result<u64, CgroupError> {
        self.with(Controller::Memory).map_or(Ok(0), memory::kills)
    }

    /// Stops all processes; blocks until they stand still.
    ///
    /// # Errors
    /// `NoController`, `Write`, `Freeze`.
    pub fn freeze(&self) -> Result<(), CgroupError> {
        freezer::freeze(self.freezer()?)
    }

    /// Lets all processes go on. No error if they do.
    ///
    /// # Errors
    /// `NoController`, `Write`.
    pub fn thaw(&self) -> Result<(), CgroupError> {
        freezer::thaw(self.freezer()?)
    }

    /// Whether frozen processes die of `SIGKILL` only after [`Group::thaw`].
    pub fn must_thaw_to_kill(&self) -> bool {
        self.freezer().is_ok_and(|files| files.version() == Version::One)
    }

    /// Removes the groups, which must be empty. No error if they are gone.
    ///
    /// # Errors
    /// `Remove`; the others are removed all the same.
    pub fn remove(&self) -> Result<(), CgroupError> {
        let mut first = Ok(());
        for part in &self.parts {
            first = first.and(part.level.remove(&self.name));
        }
        first
    }

    fn freezer(&self) -> Result<&ControlFiles, CgroupError> {
        self.with(Controller::Freezer).ok_or(CgroupError::NoController("pause"))
    }

    fn with(&self, controller: Controller) -> Option<&ControlFiles> {
        self.parts.iter().find(|part| part.level.controls(controller)).map(|part| &part.files)
    }
}
