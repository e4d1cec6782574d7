//! The report: what holds a microVM in, line by line.

use mimobox_agent_backend::reported;
use mimobox_confine::{Enforcement as Line, Mechanism};
use mimobox_sandbox::{Enforcement, EnforcementStatus, SandboxGrant};
use mimobox_vmm_protocol::{Flavour, JailLine, Probe, Template};

use crate::shape::Shape;

/// All lines of a sandbox.
pub(crate) fn report(
    grant: &SandboxGrant,
    shape: &Shape,
    probe: &Probe,
    limits: Vec<Line>,
    jail: Vec<JailLine>,
) -> Vec<Enforcement> {
    let mut lines = vec![machine(probe), template(probe.template)];
    // How many processes a VMM has is no limit of the grant's, and the guest's own are counted by its kernel.
    lines.extend(limits.into_iter().filter_map(|line| match line.mechanism {
        Mechanism::ProcessesLimit | Mechanism::Freezer => None,
        Mechanism::MemoryLimit => Some(memory(line, shape)),
        Mechanism::CpuLimit => Some(cpu(line, shape)),
        _ => Some(reported(line)),
    }));
    lines.push(enforced(
        "processes-limit",
        format!("{} at once, held by the guest's kernel", grant.limits.processes),
    ));
    lines.push(enforced(
        "disk-limit",
        format!("{} bytes of the guest's memory", shape.writable(&grant.limits)),
    ));
    lines.push(enforced("network-namespace", "the machine has no network device".to_owned()));
    lines.push(enforced("freezer", "the VMM stops processors and devices".to_owned()));
    lines.extend(jail.into_iter().map(|line| Enforcement {
        mechanism: line.mechanism.name().into(),
        status: if line.in_force { EnforcementStatus::Enforced } else { EnforcementStatus::Absent },
        detail: line.detail,
    }));
    lines
}

fn machine(probe: &Probe) -> Enforcement {
    match probe.flavour {
        Flavour::Hardware => {
            enforced("kvm", "a machine of its own, on the processor's virtualization".to_owned())
        }
        Flavour::EmulatedKernel => enforced(
            "kvm",
            "a machine of its own, whose kernel mode this machine's KVM emulates, a thousand times slower"
                .to_owned(),
        ),
    }
}

fn template(template: Template) -> Enforcement {
    match template {
        Template::Native => enforced("cpu-template", template.name().to_owned()),
        Template::Pvm => Enforcement {
            mechanism: "cpu-template".into(),
            status: EnforcementStatus::Partial,
            detail: format!(
                "{}: the guest does not keep AVX registers over a switch of tasks; commands are told not to use them by \
                 GLIBC_TUNABLES, and programs that do not listen may corrupt each other's data",
                template.name()
            ),
        },
    }
}

fn memory(line: Line, shape: &Shape) -> Enforcement {
    let guest = format!("the machine has {} bytes", shape.memory);
    // That the machine has no more holds whatever the cgroup does.
    let status = EnforcementStatus::Enforced;
    let detail = if line.detail.is_empty() { guest } else { format!("{guest}; {}", line.detail) };
    Enforcement { mechanism: line.mechanism.name().into(), status, detail }
}

fn cpu(line: Line, shape: &Shape) -> Enforcement {
    let told = reported(line);
    let detail = match told.detail.as_str() {
        "" => format!("{} processors", shape.vcpus),
        detail => format!("{} processors; {detail}", shape.vcpus),
    };
    Enforcement { detail, ..told }
}

fn enforced(mechanism: &'static str, detail: String) -> Enforcement {
    Enforcement { mechanism: mechanism.into(), status: EnforcementStatus::Enforced, detail }
}
