//! What the kernel holds, in the domain's words.

use mimobox_confine::{Enforcement as Line, Status};
use mimobox_sandbox::{Enforcement, EnforcementStatus};

/// A line of the report.
pub fn reported(line: Line) -> Enforcement {
    Enforcement {
        mechanism: line.mechanism.name().into(),
        status: match line.status {
            Status::Enforced => EnforcementStatus::Enforced,
            Status::Partial => EnforcementStatus::Partial,
            Status::Absent => EnforcementStatus::Absent,
            Status::NotRequested => EnforcementStatus::NotRequested,
        },
        detail: line.detail,
    }
}
