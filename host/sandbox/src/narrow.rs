//! Applies a policy's narrowing to what the ceiling left.
//!
//! A narrowing that cannot be enforced on an operation is no narrowing: the operation is then refused, and nothing is
//! dropped in silence.

use crate::grant::{CommandGrant, SandboxGrant};
use crate::policy::Narrowing;

/// A field of a narrowing that means nothing to the operation at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field} cannot be narrowed for {operation}")]
pub(crate) struct Unenforceable {
    field: &'static str,
    operation: &'static str,
}

pub(crate) fn sandbox(grant: &mut SandboxGrant, narrowing: &Narrowing) -> Result<(), Unenforceable> {
    let Narrowing { timeout, memory, cpu, processes, hosts: _, remove_environment, count } = narrowing;
    absent("count", "create", count.is_none())?;
    // No egress rule passes the ceiling yet, so there is no host to take away.
    tighten(&mut grant.lifetime, *timeout);
    tighten(&mut grant.limits.memory, *memory);
    tighten(&mut grant.limits.cpu, *cpu);
    tighten(&mut grant.limits.processes, *processes);
    grant.environment.retain(|(name, _)| !remove_environment.contains(name));
    Ok(())
}

pub(crate) fn command(grant: &mut CommandGrant, narrowing: &Narrowing) -> Result<(), Unenforceable> {
    let Narrowing { timeout, memory, cpu, processes, hosts, remove_environment, count } = narrowing;
    absent("cpu", "execute", cpu.is_none())?;
    absent("hosts", "execute", hosts.is_none())?;
    absent("count", "execute", count.is_none())?;
    tighten(&mut grant.timeout, *timeout);
    tighten_option(&mut grant.memory, *memory);
    tighten_option(&mut grant.processes, *processes);
    grant.environment.retain(|(name, _)| !remove_environment.contains(name));
    grant.removed.extend(remove_environment.iter().cloned());
    Ok(())
}

/// A fork may have fewer children.
pub(crate) fn fork(children: &mut u32, narrowing: &Narrowing) -> Result<(), Unenforceable> {
    let Narrowing { timeout, memory, cpu, processes, hosts, remove_environment, count } = narrowing;
    absent("timeout", "fork", timeout.is_none())?;
    absent("memory", "fork", memory.is_none())?;
    absent("cpu", "fork", cpu.is_none())?;
    absent("processes", "fork", processes.is_none())?;
    absent("hosts", "fork", hosts.is_none())?;
    absent("remove-environment", "fork", remove_environment.is_empty())?;
    tighten(children, *count);
    Ok(())
}

/// For operations of which there is no less: a signal is sent or not.
pub(crate) fn nothing(operation: &'static str, narrowing: &Narrowing) -> Result<(), Unenforceable> {
    absent("anything", operation, *narrowing == Narrowing::default())
}

fn absent(field: &'static str, operation: &'static str, absent: bool) -> Result<(), Unenforceable> {
    if absent { Ok(()) } else { Err(Unenforceable { field, operation }) }
}

fn tighten<T: Ord + Copy>(granted: &mut T, narrowed: Option<T>) {
    if let Some(narrowed) = narrowed {
        *granted = narrowed.min(*granted);
    }
}

fn tighten_option<T: Ord + Copy>(granted: &mut Option<T>, narrowed: Option<T>) {
    if let Some(narrowed) = narrowed {
        *granted = Some(granted.map_or(narrowed, |granted| granted.min(narrowed)));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fake::ceiling;
    use crate::spec::{Command, Spec};

    fn command_grant() -> CommandGrant {
        let environment = [("KEEP".to_owned(), "1".to_owned()), ("DROP".to_owned(), "2".to_owned())];
        ceiling().admit_command(&Command::new("true"), &environment, false).unwrap()
    }

    #[test]
    fn two_narrowings_intersect() {
        let mut grant = command_grant();
        let seconds = |n| Narrowing { timeout: Some(Duration::from_secs(n)), ..Narrowing::default() };
        command(&mut grant, &seconds(3)).unwrap();
        command(&mut grant, &seconds(2)).unwrap();
        command(&mut grant, &seconds(4)).unwrap();
        assert_eq!(grant.timeout, Duration::from_secs(2));
    }

    #[test]
    fn a_narrowing_never_loosens() {
        let mut grant = ceiling().admit_spec(&Spec::default(), |_| Some("host".into())).unwrap();
        let before = grant.clone();
        let loose = Narrowing {
            timeout: Some(Duration::MAX),
            memory: Some(u64::MAX),
            cpu: Some(u32::MAX),
            processes: Some(u32::MAX),
            ..Narrowing::default()
        };
        sandbox(&mut grant, &loose).unwrap();
        assert_eq!(grant, before);
    }

    #[test]
    fn a_removed_variable_is_gone_and_stays_away() {
        let mut grant = command_grant();
        let narrowing =
            Narrowing { remove_environment: vec!["DROP".into(), "PATH".into()], ..Narrowing::default() };
        command(&mut grant, &narrowing).unwrap();
        assert_eq!(grant.environment, [("KEEP".to_owned(), "1".to_owned())]);
        assert_eq!(grant.removed, ["DROP", "PATH"]);
    }

    #[test]
    fn a_narrowing_that_cannot_be_enforced_is_an_error() {
        let cpu = Narrowing { cpu: Some(100), ..Narrowing::default() };
        assert_eq!(
            command(&mut command_grant(), &cpu).unwrap_err().to_string(),
            "cpu cannot be narrowed for execute"
        );
        assert!(nothing("signal", &cpu).is_err());
        assert!(nothing("signal", &Narrowing::default()).is_ok());
    }
}
