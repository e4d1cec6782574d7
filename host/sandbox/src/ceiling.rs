//! The operator's limits. Checked first, before any policy is asked; nothing can be granted above them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::grant::{CommandGrant, SandboxGrant};
use crate::limits::GrantedLimits;
use crate::spec::{Command, Isolation, Mount, Spec};

const MIB: u64 = 1024 * 1024;

/// What an operator allows at most, and what is given where nothing is asked for.
#[derive(Clone, Debug)]
pub struct Ceiling {
    /// The isolations that may be used; the first is the default.
    pub isolation: Vec<Isolation>,
    /// Sandboxes at once, of all runs.
    pub sandboxes: u32,
    /// Sandboxes at once, of one run.
    pub sandboxes_per_run: u32,
    /// Commands at once in one sandbox.
    pub commands: u32,
    /// Of one sandbox: at most.
    pub limits: GrantedLimits,
    /// Of one sandbox: where nothing is asked for. Never above `limits`.
    pub defaults: GrantedLimits,
    /// Of one command, at most and where none is asked for.
    pub timeout: Duration,
    /// Of one sandbox, at most and where none is asked for.
    pub lifetime: Duration,
    /// Bytes of output, each of standard output and error, that `execute` gathers and that a detached process may leave.
    pub output: u64,
    /// Volumes by name.
    pub volumes: BTreeMap<String, Access>,
}

impl Ceiling {
    /// What holds where the operator says nothing: enough for a build or a script, not enough to trouble the machine. Without
    /// volumes.
    pub fn moderate() -> Self {
        Self {
            isolation: vec![Isolation::Os, Isolation::MicroVm],
            sandboxes: 64,
            sandboxes_per_run: 32,
            commands: 64,
            limits: GrantedLimits { memory: 1024 * MIB, cpu: 2000, processes: 512, disk: 1024 * MIB },
            defaults: GrantedLimits { memory: 512 * MIB, cpu: 1000, processes: 128, disk: 256 * MIB },
            timeout: Duration::from_secs(10 * 60),
            lifetime: Duration::from_secs(60 * 60),
            output: 4 * MIB,
            volumes: BTreeMap::new(),
        }
    }
}

/// What may be done with a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Mounted read-only, or not at all.
    ReadOnly,
    /// May be mounted for writing.
    ReadWrite,
}

impl Ceiling {
    /// What `spec` gets under this ceiling, or the ceiling's rule that refuses it.
    pub(crate) fn admit_spec(
        &self,
        spec: &Spec,
        default_image: impl Fn(Isolation) -> Option<String>,
    ) -> Result<SandboxGrant> {
        let Some(&default) = self.isolation.first() else {
            return Err(refuse("ceiling-isolation", "the operator allows no isolation"));
        };
        let isolation = spec.isolation.unwrap_or(default);
        if !self.isolation.contains(&isolation) {
            return Err(refuse(
                "ceiling-isolation",
                format!("the operator does not allow isolation {isolation}"),
            ));
        }
        let Some(backend_image) = default_image(isolation) else {
            return Err(Error::Unsupported(format!("isolation {isolation}")));
        };
        if let Some(rule) = spec.egress.first() {
            return Err(refuse("ceiling-egress", format!("the operator allows no way out to {}", rule.host)));
        }
        Ok(SandboxGrant {
            isolation,
            image: spec.image.clone().unwrap_or(backend_image),
            limits: GrantedLimits {
                memory: within("memory", spec.limits.memory, self.defaults.memory, self.limits.memory)?,
                cpu: within("cpu", spec.limits.cpu, self.defaults.cpu, self.limits.cpu)?,
                processes: within(
                    "processes",
                    spec.limits.processes,
                    self.defaults.processes,
                    self.limits.processes,
                )?,
                disk: within("disk", spec.limits.disk, self.defaults.disk, self.limits.disk)?,
            },
            environment: merge(&spec.environment, &[]),
            mounts: spec.mounts.iter().map(|mount| self.admit_mount(mount)).collect::<Result<_>>()?,
            lifetime: duration_within("lifetime", spec.lifetime, self.lifetime)?,
        })
    }

    /// What `command` gets under this ceiling in a sandbox with `environment`.
    pub(crate) fn admit_command(
        &self,
        command: &Command,
        environment: &[(String, String)],
        stdin: bool,
    ) -> Result<CommandGrant> {
        Ok(CommandGrant {
            program: command.program.clone(),
            arguments: command.arguments.clone(),
            environment: merge(environment, &command.environment),
            removed: Vec::new(),
            directory: command.directory.clone(),
            user: command.user.clone(),
            stdin,
            timeout: duration_within("timeout", command.timeout, self.timeout)?,
            memory: None,
            processes: None,
        })
    }

    fn admit_mount(&self, mount: &Mount) -> Result<Mount> {
        match self.volumes.get(&mount.volume) {
            None => {
                Err(refuse("ceiling-volume", format!("the operator declared no volume {:?}", mount.volume)))
            }
            Some(Access::ReadOnly) if !mount.read_only => {
                Err(refuse("ceiling-volume", format!("volume {:?} is read-only", mount.volume)))
            }
            Some(_) => Ok(mount.clone()),
        }
    }
}

fn refuse(rule: &str, reason: impl Into<String>) -> Error {
    Error::denied(rule, reason)
}

fn within<T: Ord + Copy + std::fmt::Display>(name: &str, asked: Option<T>, default: T, most: T) -> Result<T> {
    match asked {
        None => Ok(default.min(most)),
        Some(asked) if asked <= most => Ok(asked),
        Some(asked) => {
            Err(refuse(&format!("ceiling-{name}"), format!("{name} {asked} is above the operator's {most}")))
        }
    }
}

fn duration_within(name: &str, asked: Option<Duration>, most: Duration) -> Result<Duration> {
    match asked {
        Some(asked) if asked > most => Err(refuse(
            &format!("ceiling-{name}"),
            format!("{name} of {} s is above the operator's {} s", asked.as_secs_f64(), most.as_secs_f64()),
        )),
        asked => Ok(asked.unwrap_or(most)),
    }
}

/// Both lists in one, each name once: a later pair wins, in the place of the first.
fn merge(sandbox: &[(String, String)], command: &[(String, String)]) -> Vec<(String, String)> {
    let mut merged: Vec<(String, String)> = Vec::with_capacity(sandbox.len() + command.len());
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, value) in sandbox.iter().chain(command) {
        match places.get(name.as_str()).and_then(|&place| merged.get_mut(place)) {
            Some(pair) => pair.1.clone_from(value),
            None => {
                places.insert(name, merged.len());
                merged.push((name.clone(), value.clone()));
            }
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::ceiling;
    use crate::limits::Limits;

    fn admit(spec: &Spec) -> Result<SandboxGrant> {
        ceiling().admit_spec(spec, |isolation| (isolation == Isolation::Os).then(|| "host".to_owned()))
    }

    fn rule(result: Result<impl std::fmt::Debug>) -> String {
        match result {
            Err(Error::Denied(denial)) => denial.rule,
            other => panic!("not denied: {other:?}"),
        }
    }

    #[test]
    fn what_is_not_asked_for_gets_the_default() {
        let grant = admit(&Spec::default()).unwrap();
        assert_eq!(grant.limits, ceiling().defaults);
        assert_eq!(grant.isolation, Isolation::Os);
        assert_eq!(grant.image, "host");
    }

    #[test]
    fn more_than_the_ceiling_is_refused_by_name() {
        let most = ceiling().limits;
        for (limits, name) in [
            (Limits { memory: Some(most.memory + 1), ..Limits::default() }, "ceiling-memory"),
            (Limits { cpu: Some(most.cpu + 1), ..Limits::default() }, "ceiling-cpu"),
            (Limits { processes: Some(most.processes + 1), ..Limits::default() }, "ceiling-processes"),
            (Limits { disk: Some(most.disk + 1), ..Limits::default() }, "ceiling-disk"),
        ] {
            assert_eq!(rule(admit(&Spec { limits, ..Spec::default() })), name);
        }
        let lifetime = Some(ceiling().lifetime + Duration::from_secs(1));
        assert_eq!(rule(admit(&Spec { lifetime, ..Spec::default() })), "ceiling-lifetime");
        let isolation = Some(Isolation::MicroVm);
        assert_eq!(rule(admit(&Spec { isolation, ..Spec::default() })), "ceiling-isolation");
    }

    #[test]
    fn a_volume_gives_no_more_than_the_operator_gave() {
        let mount =
            |volume: &str, read_only| Mount { volume: volume.into(), target: "/data".into(), read_only };
        let spec = |mount| Spec { mounts: vec![mount], ..Spec::default() };
        assert_eq!(rule(admit(&spec(mount("nowhere", true)))), "ceiling-volume");
        assert_eq!(rule(admit(&spec(mount("fixtures", false)))), "ceiling-volume");
        assert!(admit(&spec(mount("fixtures", true))).is_ok());
        assert!(admit(&spec(mount("scratch", false))).is_ok());
    }

    #[test]
    fn a_later_variable_wins() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let merged =
            merge(&[pair("A", "1"), pair("B", "2")], &[pair("A", "3"), pair("C", "4"), pair("C", "5")]);
        assert_eq!(merged, [pair("A", "3"), pair("B", "2"), pair("C", "5")]);
    }
}
