//! As whom commands run.

/// As whom commands run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// As the agent itself, whichever user that is; a command that names another is refused.
    Own,
    /// As the sandbox's default user, or the one that a command names: never as the agent's.
    Sandbox,
}
