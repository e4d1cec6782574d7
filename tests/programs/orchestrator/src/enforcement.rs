//! Prints what a sandbox enforces, one mechanism a line.

use mimobox_guest::{EnforcementStatus, Sandbox, println};

use crate::Ended;

pub(crate) async fn run() -> Ended {
    let sandbox = Sandbox::builder().create().await?;
    for line in sandbox.enforcement() {
        let status = match line.status {
            EnforcementStatus::Enforced => "enforced",
            EnforcementStatus::Partial => "partial",
            EnforcementStatus::Absent => "absent",
            EnforcementStatus::NotRequested => "not-requested",
        };
        println!("{} {status}: {}", line.mechanism, line.detail);
    }
    Ok(0)
}
