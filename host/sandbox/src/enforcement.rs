//! The report of what was asked for and what the kernel holds, mechanism by mechanism.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

/// How far one mechanism is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnforcementStatus {
    /// All that was asked for.
    Enforced,
    /// A part of it; the detail says which is missing.
    Partial,
    /// Nothing of it. A sandbox exists in this state only where the operator tolerates the mechanism by name.
    Absent,
    /// Nobody asked for it.
    NotRequested,
}

impl fmt::Display for EnforcementStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enforced => "enforced",
            Self::Partial => "partial",
            Self::Absent => "absent",
            Self::NotRequested => "not-requested",
        })
    }
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Enforcement {
    /// `landlock`, `seccomp`, `user-namespace`, `memory-limit`, …: stable names.
    pub mechanism: Cow<'static, str>,
    /// How far it is in force.
    pub status: EnforcementStatus,
    /// What is missing, or the kernel's version of the mechanism.
    pub detail: String,
}
