//! Ways to take a mechanism out of a plan.

use mimobox_confine::{Masks, Plan, Step};

/// Takes out the system call filters.
pub fn seccomp(plan: &mut Plan) {
    plan.steps.retain(|step| !matches!(step, Step::Seccomp(_)));
}

/// Takes out Landlock.
pub fn landlock(plan: &mut Plan) {
    plan.steps.retain(|step| !matches!(step, Step::Landlock(_)));
}

/// Shows all of `/proc`.
pub fn masks(plan: &mut Plan) {
    for step in &mut plan.steps {
        if let Step::Processes(masks) = step {
            *masks = Masks::default();
        }
    }
}

/// Leaves the limits of single processes as the host's are.
pub fn resource_limits(plan: &mut Plan) {
    plan.steps.retain(|step| !matches!(step, Step::ResourceLimits(_)));
}

/// Shows the host's cgroups by their names.
pub fn cgroup_namespace(plan: &mut Plan) {
    plan.steps.retain(|step| !matches!(step, Step::CgroupNamespace));
}
