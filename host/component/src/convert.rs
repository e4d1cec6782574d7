//! The words of the WIT packages and those of the domain, one into the other.
//!
//! Whether a request makes sense is the domain's to say: it checks every count and size before anybody decides. Here each
//! word only gets its counterpart, and every `match` is exhaustive, so that a new word in either place forces a decision.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mimobox_sandbox as domain;
use mimobox_sandbox::Error;

use crate::bindings::host::mimobox::host::{execute, files, pty, sandbox, stream, types};

/// The longest duration that a JavaScript guest can say exactly.
const LONGEST: u64 = (1 << 53) - 1;

/// A duration in nanoseconds, as WIT has it.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(LONGEST).min(LONGEST)
}

/// A domain error in the words of `types.error`.
pub(crate) fn error(error: Error) -> types::Error {
    match error {
        Error::Denied(denial) => {
            types::Error::Denied(types::Denial { rule: denial.rule, reason: denial.reason })
        }
        Error::InvalidArgument(what) => types::Error::InvalidArgument(what),
        Error::NotFound => types::Error::NotFound,
        Error::AlreadyExists => types::Error::AlreadyExists,
        Error::NotADirectory => types::Error::NotADirectory,
        Error::IsADirectory => types::Error::IsADirectory,
        Error::DirectoryNotEmpty => types::Error::DirectoryNotEmpty,
        Error::PermissionDenied => types::Error::PermissionDenied,
        Error::Unsupported(operation) => types::Error::Unsupported(operation),
        Error::LimitReached(limit) => types::Error::LimitReached(limit),
        Error::TimedOut => types::Error::TimedOut,
        Error::Gone => types::Error::Gone,
        Error::Poisoned => types::Error::Poisoned,
        Error::Failed(id) => types::Error::Failed(id.to_string()),
    }
}

impl From<types::Command> for domain::Command {
    fn from(command: types::Command) -> Self {
        let types::Command { program, arguments, environment, directory, user, timeout } = command;
        Self { program, arguments, environment, directory, user, timeout: timeout.map(Duration::from_nanos) }
    }
}

impl From<&domain::Command> for types::Command {
    fn from(command: &domain::Command) -> Self {
        let domain::Command { program, arguments, environment, directory, user, timeout } = command.clone();
        Self { program, arguments, environment, directory, user, timeout: timeout.map(nanoseconds) }
    }
}

impl From<domain::ExitStatus> for types::ExitStatus {
    fn from(status: domain::ExitStatus) -> Self {
        match status {
            domain::ExitStatus::Exited(code) => Self::Exited(code),
            domain::ExitStatus::Signaled(number) => Self::Signaled(number),
            domain::ExitStatus::TimedOut => Self::TimedOut,
            domain::ExitStatus::OutOfMemory => Self::OutOfMemory,
        }
    }
}

impl From<domain::Finished> for execute::Output {
    fn from(finished: domain::Finished) -> Self {
        let domain::Finished { stdout, stderr, status, elapsed } = finished;
        Self { stdout, stderr, status: status.into(), elapsed: nanoseconds(elapsed) }
    }
}

impl From<stream::Signal> for domain::Signal {
    fn from(signal: stream::Signal) -> Self {
        match signal {
            stream::Signal::HangUp => Self::HangUp,
            stream::Signal::Interrupt => Self::Interrupt,
            stream::Signal::Quit => Self::Quit,
            stream::Signal::Kill => Self::Kill,
            stream::Signal::User1 => Self::User1,
            stream::Signal::User2 => Self::User2,
            stream::Signal::Terminate => Self::Terminate,
        }
    }
}

impl From<sandbox::Isolation> for domain::Isolation {
    fn from(isolation: sandbox::Isolation) -> Self {
        match isolation {
            sandbox::Isolation::Os => Self::Os,
            sandbox::Isolation::MicroVm => Self::MicroVm,
        }
    }
}

impl From<domain::Isolation> for sandbox::Isolation {
    fn from(isolation: domain::Isolation) -> Self {
        match isolation {
            domain::Isolation::Os => Self::Os,
            domain::Isolation::MicroVm => Self::MicroVm,
        }
    }
}

impl From<sandbox::Spec> for domain::Spec {
    fn from(spec: sandbox::Spec) -> Self {
        let sandbox::Spec { isolation, image, limits, environment, mounts, egress, lifetime, labels } = spec;
        let sandbox::Limits { memory, cpu, processes, disk } = limits;
        Self {
            isolation: isolation.map(Into::into),
            image,
            limits: domain::Limits { memory, cpu, processes, disk },
            environment,
            mounts: mounts.into_iter().map(Into::into).collect(),
            egress: egress.into_iter().map(Into::into).collect(),
            lifetime: lifetime.map(Duration::from_nanos),
            labels,
        }
    }
}

impl From<sandbox::Mount> for domain::Mount {
    fn from(mount: sandbox::Mount) -> Self {
        let sandbox::Mount { volume, target, read_only } = mount;
        Self { volume, target, read_only }
    }
}

impl From<sandbox::EgressRule> for domain::EgressRule {
    fn from(rule: sandbox::EgressRule) -> Self {
        let sandbox::EgressRule { host, port, methods, path, secret } = rule;
        Self { host, port, methods, path, secret }
    }
}

impl From<&domain::Enforcement> for sandbox::Enforcement {
    fn from(line: &domain::Enforcement) -> Self {
        let status = match line.status {
            domain::EnforcementStatus::Enforced => sandbox::EnforcementStatus::Enforced,
            domain::EnforcementStatus::Partial => sandbox::EnforcementStatus::Partial,
            domain::EnforcementStatus::Absent => sandbox::EnforcementStatus::Absent,
            domain::EnforcementStatus::NotRequested => sandbox::EnforcementStatus::NotRequested,
        };
        Self { mechanism: line.mechanism.to_string(), status, detail: line.detail.clone() }
    }
}

impl From<domain::Usage> for sandbox::Usage {
    fn from(usage: domain::Usage) -> Self {
        let domain::Usage { cpu_time, memory, memory_peak, processes } = usage;
        Self { cpu_time: nanoseconds(cpu_time), memory, memory_peak, processes }
    }
}

impl From<pty::Size> for domain::TerminalSize {
    fn from(size: pty::Size) -> Self {
        let pty::Size { columns, rows } = size;
        Self { columns, rows }
    }
}

/// A request to write the file at `path`.
pub(crate) fn write_file(path: String, options: files::WriteOptions) -> domain::WriteFile {
    let files::WriteOptions { mode, length, append } = options;
    domain::WriteFile { path, mode, length, append }
}

impl From<domain::FileEntry> for files::Entry {
    fn from(entry: domain::FileEntry) -> Self {
        let domain::FileEntry { name, kind, size, mode, modified } = entry;
        let kind = match kind {
            domain::FileKind::File => files::Kind::File,
            domain::FileKind::Directory => files::Kind::Directory,
            domain::FileKind::SymbolicLink => files::Kind::SymbolicLink,
            domain::FileKind::Other => files::Kind::Other,
        };
        Self { name, kind, size, mode, modified: modified.into() }
    }
}

impl From<domain::FileChange> for files::Change {
    fn from(change: domain::FileChange) -> Self {
        let domain::FileChange { path, kind } = change;
        let kind = match kind {
            domain::ChangeKind::Created => files::ChangeKind::Created,
            domain::ChangeKind::Modified => files::ChangeKind::Modified,
            domain::ChangeKind::Removed => files::ChangeKind::Removed,
            domain::ChangeKind::Renamed => files::ChangeKind::Renamed,
        };
        Self { path, kind }
    }
}

impl From<SystemTime> for types::Datetime {
    fn from(time: SystemTime) -> Self {
        // A file's time is its program's to choose: what lies before the epoch is the epoch.
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { seconds: since.as_secs(), nanoseconds: since.subsec_nanos() }
    }
}
