//! Events on their way to a policy, and its verdicts on their way back. A verdict is checked: it goes into the audit log and,
//! if it denies, to the component that asked.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mimobox_sandbox as domain;

use crate::bindings::policy::exports::mimobox::policy::decision as wit;

/// Bytes of a rule's name.
const LONGEST_RULE: usize = 128;
/// Bytes of a reason.
const LONGEST_REASON: usize = 1024;
/// Names in one list of a narrowing.
const MOST_NAMES: usize = 1024;
/// Bytes of one of them.
const LONGEST_NAME: usize = 1024;

/// What is wrong with a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(unreachable_pub, reason = "a public trait names it")]
pub enum AbsurdVerdict {
    #[error("its rule has no name")]
    NamelessRule,
    #[error("its rule's name has {0} bytes; at most {LONGEST_RULE}")]
    LongRule(usize),
    #[error("its rule's name holds a control character")]
    UnprintableRule,
    #[error("its reason has {0} bytes; at most {LONGEST_REASON}")]
    LongReason(usize),
    #[error("its reason holds a control character")]
    UnprintableReason,
    #[error("its narrowing names {0} things; at most {MOST_NAMES}")]
    ManyNames(usize),
    #[error("its narrowing holds a name of {0} bytes; at most {LONGEST_NAME}")]
    LongName(usize),
}

impl From<&domain::Event> for wit::Event {
    fn from(event: &domain::Event) -> Self {
        let domain::Event { subject, operation, time, history } = event;
        Self {
            subject: subject.into(),
            operation: operation.into(),
            time: (*time).into(),
            history: (*history).into(),
        }
    }
}

impl From<&domain::Subject> for wit::Subject {
    fn from(subject: &domain::Subject) -> Self {
        let domain::Subject { component, digest, sandbox, isolation, labels } = subject.clone();
        Self { component, digest, sandbox, isolation, labels }
    }
}

impl From<&domain::Operation> for wit::Operation {
    fn from(operation: &domain::Operation) -> Self {
        match operation {
            domain::Operation::Create(creation) => Self::Create(creation.into()),
            domain::Operation::Execute(execution) => Self::Execute(execution.into()),
            domain::Operation::File(file) => Self::File(file.into()),
            domain::Operation::TakeSnapshot => Self::TakeSnapshot,
            domain::Operation::RestoreSnapshot(id) => Self::RestoreSnapshot(id.clone()),
            domain::Operation::Fork(count) => Self::Fork(*count),
            domain::Operation::Signal(number) => Self::Signal(*number),
        }
    }
}

impl From<&domain::Creation> for wit::Creation {
    fn from(creation: &domain::Creation) -> Self {
        let domain::Creation { isolation, image, memory, cpu, processes, volumes, hosts } = creation.clone();
        Self { isolation, image, memory, cpu, processes, volumes, hosts }
    }
}

impl From<&domain::Execution> for wit::Execution {
    fn from(execution: &domain::Execution) -> Self {
        let domain::Execution { program, arguments, environment, directory, user, terminal } =
            execution.clone();
        Self { program, arguments, environment, directory, user, terminal }
    }
}

impl From<&domain::File> for wit::File {
    fn from(file: &domain::File) -> Self {
        let domain::File { path, access } = file.clone();
        let access = match access {
            domain::FileAccess::Read => wit::FileAccess::Read,
            domain::FileAccess::Write => wit::FileAccess::Write,
            domain::FileAccess::Remove => wit::FileAccess::Remove,
            domain::FileAccess::Watch => wit::FileAccess::Watch,
        };
        Self { path, access }
    }
}

impl From<SystemTime> for wit::Datetime {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { seconds: since.as_secs(), nanoseconds: since.subsec_nanos() }
    }
}

impl From<domain::History> for wit::History {
    fn from(history: domain::History) -> Self {
        let domain::History { sandboxes, commands, requests, denials } = history;
        Self { sandboxes, commands, requests, denials }
    }
}

impl TryFrom<wit::Verdict> for domain::Verdict {
    type Error = AbsurdVerdict;

    fn try_from(verdict: wit::Verdict) -> Result<Self, AbsurdVerdict> {
        let wit::Verdict { effect, rule, reason } = verdict;
        match rule.len() {
            0 => return Err(AbsurdVerdict::NamelessRule),
            length if length > LONGEST_RULE => return Err(AbsurdVerdict::LongRule(length)),
            _ if rule.contains(char::is_control) => return Err(AbsurdVerdict::UnprintableRule),
            _ => {}
        }
        if reason.len() > LONGEST_REASON {
            return Err(AbsurdVerdict::LongReason(reason.len()));
        }
        if reason.contains(char::is_control) {
            return Err(AbsurdVerdict::UnprintableReason);
        }
        Ok(Self { effect: effect.try_into()?, rule, reason })
    }
}

impl TryFrom<wit::Effect> for domain::Effect {
    type Error = AbsurdVerdict;

    fn try_from(effect: wit::Effect) -> Result<Self, AbsurdVerdict> {
        Ok(match effect {
            wit::Effect::Allow => Self::Allow,
            wit::Effect::Narrow(narrowing) => Self::Narrow(narrowing.try_into()?),
            wit::Effect::Deny => Self::Deny,
        })
    }
}

impl TryFrom<wit::Narrowing> for domain::Narrowing {
    type Error = AbsurdVerdict;

    fn try_from(narrowing: wit::Narrowing) -> Result<Self, AbsurdVerdict> {
        let wit::Narrowing { timeout, memory, cpu, processes, hosts, remove_environment, count } = narrowing;
        for names in hosts.iter().chain([&remove_environment]) {
            if names.len() > MOST_NAMES {
                return Err(AbsurdVerdict::ManyNames(names.len()));
            }
            if let Some(long) = names.iter().find(|name| name.len() > LONGEST_NAME) {
                return Err(AbsurdVerdict::LongName(long.len()));
            }
        }
        let timeout = timeout.map(Duration::from_nanos);
        Ok(Self { timeout, memory, cpu, processes, hosts, remove_environment, count })
    }
}
