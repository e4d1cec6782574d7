//! From a granted command to what the agent is told.

use mimobox_agent_client::{Command, Limit, Resource};
use mimobox_agent_client::{Signal as AgentSignal, TerminalSize as AgentSize};
use mimobox_protocol::{SANDBOX_HOME, SANDBOX_NAME};
use mimobox_sandbox::{CommandGrant, Signal, TerminalSize};

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
