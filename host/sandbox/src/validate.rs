//! Whether a request makes sense at all, before anybody decides about it.
//!
//! Requests come from components, which nobody trusts: every count and size has a cap here.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::spec::{Command, Spec};

/// Linux takes no longer path (`PATH_MAX`).
const MAX_PATH: usize = 4095;
/// Linux takes no longer single argument (`MAX_ARG_STRLEN`).
const MAX_ARGUMENT: usize = 128 * 1024 - 1;
/// Far above what a shell line holds; a list that is longer belongs on standard input.
const MAX_ARGUMENTS: usize = 8192;
/// Linux gives arguments and environment a quarter of the stack: 2 MiB of the usual 8.
const MAX_ARGUMENT_BYTES: usize = 1024 * 1024;
const MAX_VARIABLES: usize = 1024;
const MAX_ENVIRONMENT_BYTES: usize = 256 * 1024;
const MAX_LABELS: usize = 64;
const MAX_LABEL: usize = 256;
const MAX_MOUNTS: usize = 64;
const MAX_EGRESS_RULES: usize = 256;
/// A name that the operator or an image gave.
const MAX_NAME: usize = 128;
/// Durations stay below 2^53 ns, which is what a JavaScript guest can say exactly: 104 days.
const MAX_DURATION: Duration = Duration::from_nanos(1 << 53);
/// Below this not even the agent runs.
const MIN_MEMORY: u64 = 4 * 1024 * 1024;

/// Where the sandbox's own mounts are: a volume there would hide them.
const RESERVED_TARGETS: [&str; 9] =
    ["/bin", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr"];

pub(crate) fn command(command: &Command) -> Result<()> {
    text("program", &command.program, MAX_PATH)?;
    if command.program.is_empty() {
        return Err(Error::invalid("program", "empty"));
    }
    at_most("arguments", command.arguments.len(), MAX_ARGUMENTS)?;
    let mut bytes = command.program.len();
    for argument in &command.arguments {
        text("arguments", argument, MAX_ARGUMENT)?;
        bytes = bytes.saturating_add(argument.len() + 1);
    }
    if bytes > MAX_ARGUMENT_BYTES {
        return Err(Error::invalid("arguments", format!("{bytes} bytes; at most {MAX_ARGUMENT_BYTES}")));
    }
    environment(&command.environment)?;
    if let Some(directory) = &command.directory {
        text("directory", directory, MAX_PATH)?;
        absolute("directory", directory)?;
    }
    if let Some(user) = &command.user {
        name("user", user)?;
    }
    duration("timeout", command.timeout)
}

pub(crate) fn spec(spec: &Spec) -> Result<()> {
    if let Some(image) = &spec.image {
        name("image", image)?;
    }
    environment(&spec.environment)?;
    if spec.limits.memory.is_some_and(|memory| memory < MIN_MEMORY) {
        return Err(Error::invalid("memory", format!("below {MIN_MEMORY} bytes nothing runs")));
    }
    if spec.limits.cpu == Some(0) {
        return Err(Error::invalid("cpu", "zero"));
    }
    // The agent and one command.
    if spec.limits.processes.is_some_and(|processes| processes < 2) {
        return Err(Error::invalid("processes", "below 2 no command runs"));
    }
    if spec.limits.disk == Some(0) {
        return Err(Error::invalid("disk", "zero"));
    }
    at_most("mounts", spec.mounts.len(), MAX_MOUNTS)?;
    let mut targets = BTreeSet::new();
    for mount in &spec.mounts {
        name("volume", &mount.volume)?;
        target(&mount.target)?;
        if !targets.insert(&mount.target) {
            return Err(Error::invalid("mounts", format!("two at {:?}", mount.target)));
        }
    }
    at_most("egress", spec.egress.len(), MAX_EGRESS_RULES)?;
    at_most("labels", spec.labels.len(), MAX_LABELS)?;
    for (key, value) in &spec.labels {
        text("labels", key, MAX_LABEL)?;
        text("labels", value, MAX_LABEL)?;
    }
    duration("lifetime", spec.lifetime)
}

/// A path of a file: absolute, and no longer than Linux takes.
pub(crate) fn path(path: &str) -> Result<()> {
    text("path", path, MAX_PATH)?;
    absolute("path", path)
}

fn target(target: &str) -> Result<()> {
    text("mount target", target, MAX_PATH)?;
    absolute("mount target", target)?;
    let plain = target.split('/').skip(1).all(|part| !part.is_empty() && part != "." && part != "..");
    if !plain {
        return Err(Error::invalid("mount target", format!("{target:?} is not a plain path")));
    }
    let within =
        |place: &str| target.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    match RESERVED_TARGETS.iter().find(|place| within(place)) {
        Some(place) => Err(Error::invalid("mount target", format!("{place} is the sandbox's own"))),
        None => Ok(()),
    }
}

fn environment(variables: &[(String, String)]) -> Result<()> {
    at_most("environment", variables.len(), MAX_VARIABLES)?;
    let mut bytes = 0_usize;
    for (name, value) in variables {
        text("environment", name, MAX_ARGUMENT)?;
        text("environment", value, MAX_ARGUMENT)?;
        if name.is_empty() || name.contains('=') {
            return Err(Error::invalid("environment", format!("{name:?} is not a variable's name")));
        }
        bytes = bytes.saturating_add(name.len() + value.len() + 2);
    }
    if bytes > MAX_ENVIRONMENT_BYTES {
        return Err(Error::invalid("environment", format!("{bytes} bytes; at most {MAX_ENVIRONMENT_BYTES}")));
    }
    Ok(())
}

fn name(part: &str, name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/' | '@');
    if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(fits) {
        return Err(Error::invalid(part, format!("{:?} is not a name", shortened(name))));
    }
    Ok(())
}

fn text(part: &str, text: &str, most: usize) -> Result<()> {
    if text.contains('\0') {
        return Err(Error::invalid(part, "holds a NUL byte"));
    }
    if text.len() > most {
        return Err(Error::invalid(part, format!("{} bytes long; at most {most}", text.len())));
    }
    Ok(())
}

fn absolute(part: &str, path: &str) -> Result<()> {
    if path.starts_with('/') {
        Ok(())
    } else {
        Err(Error::invalid(part, format!("{path:?} is not absolute")))
    }
}

fn at_most(part: &str, count: usize, most: usize) -> Result<()> {
    if count <= most { Ok(()) } else { Err(Error::invalid(part, format!("{count} given; at most {most}"))) }
}

fn duration(part: &str, duration: Option<Duration>) -> Result<()> {
    match duration {
        Some(Duration::ZERO) => Err(Error::invalid(part, "zero")),
        Some(long) if long > MAX_DURATION => Err(Error::invalid(part, "longer than 2^53 nanoseconds")),
        _ => Ok(()),
    }
}

/// Guest-controlled text goes into an error only in part.
fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Mount;

    fn refusal(result: Result<()>) -> String {
        match result {
            Err(Error::InvalidArgument(why)) => why,
            other => panic!("not refused: {other:?}"),
        }
    }

    #[test]
    fn ten_thousand_arguments_are_refused() {
        let long = Command::new("true").arguments((0..10_000).map(|n| n.to_string()));
        assert_eq!(refusal(command(&long)), "arguments: 10000 given; at most 8192");
    }

    #[test]
    fn a_nul_byte_is_refused_wherever_it_stands() {
        let nul = "a\0b".to_owned();
        assert_eq!(refusal(command(&Command::new(&nul))), "program: holds a NUL byte");
        assert!(refusal(command(&Command::new("true").arguments([&nul]))).contains("NUL"));
        let variable = Command { environment: vec![("A".into(), nul.clone())], ..Command::new("true") };
        assert!(refusal(command(&variable)).contains("NUL"));
        let directory = Command { directory: Some(format!("/{nul}")), ..Command::new("true") };
        assert!(refusal(command(&directory)).contains("NUL"));
    }

    #[test]
    fn an_absurd_timeout_is_refused() {
        for timeout in [Duration::ZERO, Duration::MAX] {
            let absurd = Command { timeout: Some(timeout), ..Command::new("true") };
            assert!(refusal(command(&absurd)).starts_with("timeout"));
        }
    }

    #[test]
    fn a_relative_directory_and_an_empty_program_are_refused() {
        let relative = Command { directory: Some("tmp".into()), ..Command::new("true") };
        assert!(refusal(command(&relative)).starts_with("directory"));
        assert_eq!(refusal(command(&Command::new(""))), "program: empty");
    }

    #[test]
    fn a_mount_may_not_hide_the_sandbox_s_own_or_step_out() {
        for place in ["/proc", "/dev/shm", "/usr/bin", "data", "/", "/a/../proc", "/a//b", "/a/."] {
            let mount = Mount { volume: "v".into(), target: place.into(), read_only: true };
            assert!(spec(&Spec { mounts: vec![mount], ..Spec::default() }).is_err(), "{place}");
        }
        let mount = Mount { volume: "v".into(), target: "/devices".into(), read_only: true };
        assert_eq!(spec(&Spec { mounts: vec![mount], ..Spec::default() }), Ok(()));
    }
}
