//! Finds out how guests run here, by running instructions in one.
//!
//! Each program is a kernel of a few bytes that ends by a write to a port. A KVM that emulates a guest's kernel mode does not
//! know all instructions, and says so where the processor itself would just run them.

use std::os::fd::OwnedFd;

use kvm_ioctls::{Kvm, VcpuExit, VcpuFd};
use mimobox_vmm_protocol::{Failure, Flavour, KvmStep, MAX_VCPUS, Probe, ProbeFailure, Template};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

use crate::layout::HIGH_MEMORY;
use crate::machine::{check_version, prepare_long_mode};
use crate::processor::{enter_kernel, refused};
use crate::sys::{give_memory, kvm_from};

/// Where the programs lie. Below it are page tables and segments.
const PROGRAM: u64 = 0x1_0000;
/// `mov al, 1; out 0x80, al; hlt`: the end that each program comes to.
const END: [u8; 5] = [0xb0, 0x01, 0xe6, 0x80, 0xf4];
const PORT: u16 = 0x80;

/// Instructions that kernels use and emulators may not know. They do not depend on CPUID, and leave memory as it is.
const INSTRUCTIONS: [(&str, &[u8]); 5] = [
    ("popcnt", &[0xf3, 0x48, 0x0f, 0xb8, 0xc3]),
    ("lock cmpxchg16b", &[0xf0, 0x48, 0x0f, 0xc7, 0x0f]),
    ("fwait", &[0x9b]),
    ("fnclex; emms", &[0xdb, 0xe2, 0x0f, 0x77]),
    ("lar", &[0x0f, 0x02, 0xc1]),
];

/// What a program came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Its end.
    Ended,
    /// An instruction that KVM does not emulate.
    NotEmulated,
    /// Something else: a fault.
    Lost,
}

/// Tries this KVM.
///
/// # Errors
/// If nothing can run here.
pub fn probe(kvm: OwnedFd) -> Result<Probe, ProbeFailure> {
    let kvm = kvm_from(kvm);
    check_version(&kvm).map_err(told)?;
    if run(&kvm, &[])? != Outcome::Ended {
        return Err(ProbeFailure::Dead);
    }
    let mut missing = Vec::new();
    let mut flavour = Flavour::Hardware;
    for (name, bytes) in INSTRUCTIONS {
        let outcome = run(&kvm, bytes)?;
        if outcome != Outcome::Ended {
            missing.push(name.to_owned());
        }
        if outcome == Outcome::NotEmulated {
            flavour = Flavour::EmulatedKernel;
        }
    }
    let (template, most) = match flavour {
        Flavour::Hardware => (Template::Native, MAX_VCPUS),
        Flavour::EmulatedKernel => (Template::Pvm, 1),
    };
    let vcpus = u8::try_from(kvm.get_max_vcpus()).unwrap_or(u8::MAX).min(most);
    Ok(Probe { flavour, template, vcpus, missing })
}

/// Runs an instruction, and the end, in a machine of its own.
fn run(kvm: &Kvm, instruction: &[u8]) -> Result<Outcome, ProbeFailure> {
    let bytes = usize::try_from(HIGH_MEMORY).map_err(|_| ProbeFailure::Memory)?;
    let memory =
        GuestMemoryMmap::from_ranges(&[(GuestAddress(0), bytes)]).map_err(|_| ProbeFailure::Memory)?;
    prepare_long_mode(&memory).map_err(|_| ProbeFailure::Memory)?;
    let program = [instruction, &END].concat();
    memory.write_slice(&program, GuestAddress(PROGRAM)).map_err(|_| ProbeFailure::Memory)?;
    let mut vcpu = vcpu(kvm, &memory).map_err(told)?;
    match vcpu.run() {
        Ok(VcpuExit::IoOut(PORT, _)) => Ok(Outcome::Ended),
        Ok(VcpuExit::InternalError) => Ok(Outcome::NotEmulated),
        Ok(_) => Ok(Outcome::Lost),
        Err(error) => Err(told(refused(KvmStep::Run)(error))),
    }
}

fn vcpu(kvm: &Kvm, memory: &GuestMemoryMmap) -> Result<VcpuFd, Failure> {
    let vm = kvm.create_vm().map_err(refused(KvmStep::CreateVm))?;
    give_memory(&vm, memory).map_err(refused(KvmStep::Memory))?;
    let vcpu = vm.create_vcpu(0).map_err(refused(KvmStep::CreateVcpu))?;
    enter_kernel(&vcpu, PROGRAM)?;
    Ok(vcpu)
}

/// Only steps with KVM fail here.
fn told(failure: Failure) -> ProbeFailure {
    match failure {
        Failure::Kvm { step, errno } => ProbeFailure::Kvm { step, errno },
        _ => ProbeFailure::Memory,
    }
}
