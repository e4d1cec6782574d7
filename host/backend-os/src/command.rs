//! From a granted command to what the agent is told, and from its answers to the domain's.

use mimobox_agent_client::{ClientError, Command, Limit, Resource, SignalError, SpawnError, SpawnFailure};
use mimobox_agent_client::{Signal as AgentSignal, SignalFailure, TerminalSize as AgentSize};
use mimobox_protocol::{SANDBOX_HOME, SANDBOX_NAME};
use mimobox_sandbox::{CommandGrant, Error, Signal, TerminalSize};

use crate::error::without_effect;

/// What every command finds in its environment unless grant or policy say otherwise.
const DEFAULTS: [(&str, &str); 5] = [
    ("HOME", SANDBOX_HOME),
    ("LANG", "C.UTF-8"),
    ("LOGNAME", SANDBOX_NAME),
    ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ("USER", SANDBOX_NAME),
];

/// What every terminal of today understands, and every image's terminfo has: terminfo(5).
const DEFAULT_TERMINAL: &str = "xterm";

/// The command with everything decided.
pub(crate) fn of(grant: CommandGrant) -> Command {
    let directory = grant.directory.unwrap_or_else(|| SANDBOX_HOME.to_owned());
    let mut environment = grant.environment;
    let defaults = DEFAULTS.iter().map(|(name, value)| (*name, *value)).chain([("PWD", directory.as_str())]);
    for (name, value) in defaults {
        let known = environment.iter().any(|(known, _)| known == name);
        if !known && !grant.removed.iter().any(|removed| removed == name) {
            environment.push((name.to_owned(), value.to_owned()));
        }
    }
    let limit = |resource, value: Option<u64>| value.map(|value| Limit { resource, value });
    Command {
        program: grant.program,
        arguments: grant.arguments,
        environment,
        directory,
        user: grant.user,
        limits: limit(Resource::AddressSpace, grant.memory)
            .into_iter()
            .chain(limit(Resource::Processes, grant.processes.map(u64::from)))
            .collect(),
    }
}

/// The same, for a command on a terminal: what it can show is said too, unless somebody said it already.
pub(crate) fn on_terminal(grant: CommandGrant) -> Command {
    let removed = grant.removed.iter().any(|removed| removed == "TERM");
    let mut command = of(grant);
    if !removed && !command.environment.iter().any(|(name, _)| name == "TERM") {
        command.environment.push(("TERM".to_owned(), DEFAULT_TERMINAL.to_owned()));
    }
    command
}

/// The agent's word for a size.
pub(crate) fn size(size: TerminalSize) -> AgentSize {
    AgentSize { columns: size.columns, rows: size.rows }
}

/// The agent's word for a signal.
pub(crate) fn signal(signal: Signal) -> AgentSignal {
    match signal {
        Signal::HangUp => AgentSignal::HangUp,
        Signal::Interrupt => AgentSignal::Interrupt,
        Signal::Quit => AgentSignal::Quit,
        Signal::Kill => AgentSignal::Kill,
        Signal::User1 => AgentSignal::User1,
        Signal::User2 => AgentSignal::User2,
        Signal::Terminate => AgentSignal::Terminate,
    }
}

/// Why a command was not started, in the domain's words.
pub(crate) fn not_spawned(error: &SpawnError) -> Error {
    let failure = match error {
        SpawnError::Refused(failure) => failure,
        SpawnError::Client(error) => return unreachable(*error),
        SpawnError::Pipe(_) => return without_effect(error),
    };
    match failure {
        SpawnFailure::NotFound => Error::NotFound,
        SpawnFailure::PermissionDenied => Error::PermissionDenied,
        SpawnFailure::IsADirectory => Error::IsADirectory,
        SpawnFailure::NotExecutable => Error::invalid("program", "not in an executable format"),
        SpawnFailure::ArgumentsTooLong => Error::LimitReached("arguments".to_owned()),
        SpawnFailure::DirectoryNotFound => Error::invalid("directory", "not found"),
        SpawnFailure::UserNotFound => Error::invalid("user", "not found"),
        SpawnFailure::LimitReached => Error::LimitReached("processes".to_owned()),
        SpawnFailure::InvalidString => {
            Error::invalid("command", "a string holds what the kernel does not take")
        }
        SpawnFailure::Failed(_) => Error::failed(error),
    }
}

/// Why a signal was not delivered, in the domain's words.
pub(crate) fn not_signalled(error: &SignalError) -> Error {
    match error {
        SignalError::Refused(SignalFailure::NotFound) => Error::Gone,
        SignalError::Refused(SignalFailure::Failed(_)) => Error::failed(error),
        SignalError::Client(error) => unreachable(*error),
    }
}

/// Why the agent did not answer, in the domain's words.
pub(crate) fn unreachable(error: ClientError) -> Error {
    match error {
        ClientError::Gone => Error::Gone,
        ClientError::Unresponsive => Error::failed(&error),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn grant() -> CommandGrant {
        CommandGrant {
            program: "true".into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            removed: Vec::new(),
            directory: None,
            user: None,
            stdin: false,
            timeout: Duration::from_secs(1),
            memory: None,
            processes: None,
        }
    }

    fn value<'a>(command: &'a Command, name: &str) -> Option<&'a str> {
        command.environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn a_command_starts_at_home_with_the_usual_environment() {
        let command = of(grant());
        assert_eq!(command.directory, "/home/sandbox");
        assert_eq!(value(&command, "PWD"), Some("/home/sandbox"));
        assert_eq!(value(&command, "PATH"), Some("/usr/local/bin:/usr/bin:/bin"));
        assert_eq!(value(&command, "TERM"), None);
    }

    #[test]
    fn what_was_granted_is_not_overridden() {
        let environment = vec![("PATH".to_owned(), "/opt".to_owned())];
        let command = of(CommandGrant { environment, directory: Some("/tmp".into()), ..grant() });
        assert_eq!(value(&command, "PATH"), Some("/opt"));
        assert_eq!(value(&command, "PWD"), Some("/tmp"));
    }

    #[test]
    fn what_a_policy_removed_does_not_come_back_as_a_default() {
        let command = of(CommandGrant { removed: vec!["PATH".into()], ..grant() });
        assert_eq!(value(&command, "PATH"), None);
    }

    #[test]
    fn narrowed_limits_are_passed_on() {
        let command = of(CommandGrant { memory: Some(1 << 20), processes: Some(4), ..grant() });
        let limits: Vec<_> = command.limits.iter().map(|limit| (limit.resource, limit.value)).collect();
        assert_eq!(limits, [(Resource::AddressSpace, 1 << 20), (Resource::Processes, 4)]);
    }
}
