//! The state of one processor, taken and given back: `Documentation/virt/kvm/api.rst` of Linux.

use kvm_bindings::{
    CpuId, Msrs, kvm_cpuid_entry2, kvm_debugregs, kvm_lapic_state, kvm_mp_state, kvm_msr_entry, kvm_regs,
    kvm_sregs, kvm_vcpu_events, kvm_xcrs, kvm_xsave,
};
use kvm_ioctls::VcpuFd;
use mimobox_vmm_protocol::{Failure, KvmStep, StateFailure};
use serde::{Deserialize, Serialize};

use super::refused;
use crate::sys::set_extended_state;

/// Registers that are read or written by one call at most.
const AT_ONCE: usize = 128;
/// The deadline of the timer counts from the time stamp counter: it comes after it.
const TSC_DEADLINE: u32 = 0x6e0;
/// How far two frequencies may be apart, in millionths: what the clocks of two processors of one kind are.
const TOLERANCE: u64 = 250;

/// All of a processor that a guest can tell.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ProcessorState {
    cpuid: Vec<kvm_cpuid_entry2>,
    tsc_khz: u32,
    multiprocessor: kvm_mp_state,
    registers: kvm_regs,
    special: kvm_sregs,
    extended: kvm_xsave,
    extended_control: kvm_xcrs,
    debug: kvm_debugregs,
    local_interrupts: kvm_lapic_state,
    model: Vec<kvm_msr_entry>,
    events: kvm_vcpu_events,
}

/// Takes the state. `cpuid` is what was set; KVM may say something else. `listed` are the model-specific registers that KVM
/// says it has.
///
/// # Errors
/// `Kvm`.
pub(crate) fn save(
    vcpu: &VcpuFd,
    cpuid: &[kvm_cpuid_entry2],
    listed: &[u32],
) -> Result<ProcessorState, Failure> {
    // A processor that waits for its first interrupt reports this only after the events were read.
    let multiprocessor = vcpu.get_mp_state().map_err(refused(KvmStep::MultiprocessorState))?;
    // Not every KVM knows the clock's flag; it only keeps the guest's watchdog quiet.
    let _ = vcpu.kvmclock_ctrl();
    Ok(ProcessorState {
        cpuid: cpuid.to_vec(),
        tsc_khz: vcpu.get_tsc_khz().unwrap_or(0),
        multiprocessor,
        registers: vcpu.get_regs().map_err(refused(KvmStep::Registers))?,
        special: vcpu.get_sregs().map_err(refused(KvmStep::SpecialRegisters))?,
        extended: vcpu.get_xsave().map_err(refused(KvmStep::ExtendedState))?,
        extended_control: vcpu.get_xcrs().map_err(refused(KvmStep::ExtendedControl))?,
        debug: vcpu.get_debug_regs().map_err(refused(KvmStep::DebugRegisters))?,
        local_interrupts: vcpu.get_lapic().map_err(refused(KvmStep::LocalInterrupts))?,
        model: read_model_registers(vcpu, listed)?,
        events: vcpu.get_vcpu_events().map_err(refused(KvmStep::Events))?,
    })
}

/// Gives the state to a new processor. What CPUID it had comes along, for the next save.
///
/// # Errors
/// `State`: KVM does not take it, whatever it holds.
pub(crate) fn restore(vcpu: &VcpuFd, state: &ProcessorState) -> Result<(), Failure> {
    let step = |step| move |_| Failure::State(StateFailure::Refused(step));
    let cpuid = CpuId::from_entries(&state.cpuid).map_err(|_| Failure::State(StateFailure::Damaged))?;
    vcpu.set_cpuid2(&cpuid).map_err(step(KvmStep::Cpuid))?;
    keep_pace(vcpu, state.tsc_khz)?;
    vcpu.set_mp_state(state.multiprocessor).map_err(step(KvmStep::MultiprocessorState))?;
    vcpu.set_regs(&state.registers).map_err(step(KvmStep::Registers))?;
    vcpu.set_sregs(&state.special).map_err(step(KvmStep::SpecialRegisters))?;
    set_extended_state(vcpu, &state.extended).map_err(step(KvmStep::ExtendedState))?;
    vcpu.set_xcrs(&state.extended_control).map_err(step(KvmStep::ExtendedControl))?;
    vcpu.set_debug_regs(&state.debug).map_err(step(KvmStep::DebugRegisters))?;
    vcpu.set_lapic(&state.local_interrupts).map_err(step(KvmStep::LocalInterrupts))?;
    write_model_registers(vcpu, &state.model)?;
    vcpu.set_vcpu_events(&state.events).map_err(step(KvmStep::Events))
}

impl ProcessorState {
    /// What CPUID says under this state.
    pub(crate) fn cpuid(&self) -> &[kvm_cpuid_entry2] {
        &self.cpuid
    }
}

/// Lets the time stamp counter run as fast as it did. Zero: nobody knows how fast that was.
fn keep_pace(vcpu: &VcpuFd, khz: u32) -> Result<(), Failure> {
    let now = vcpu.get_tsc_khz().unwrap_or(0);
    let apart = u64::from(now.abs_diff(khz)).saturating_mul(1_000_000);
    if khz == 0 || now == 0 || apart <= u64::from(now).saturating_mul(TOLERANCE) {
        return Ok(());
    }
    vcpu.set_tsc_khz(khz).map_err(|_| Failure::State(StateFailure::Refused(KvmStep::TscFrequency)))
}

/// Reads all that can be read: KVM lists some that it then refuses, and stops at the first of these.
fn read_model_registers(vcpu: &VcpuFd, listed: &[u32]) -> Result<Vec<kvm_msr_entry>, Failure> {
    let mut all: Vec<kvm_msr_entry> = Vec::with_capacity(listed.len());
    let mut rest = listed;
    while !rest.is_empty() {
        let (now, _) = rest.split_at(rest.len().min(AT_ONCE));
        let wanted: Vec<_> =
            now.iter().map(|index| kvm_msr_entry { index: *index, ..Default::default() }).collect();
        let mut registers = Msrs::from_entries(&wanted)
            .map_err(|_| Failure::Kvm { step: KvmStep::ModelRegisters, errno: libc::E2BIG })?;
        let read = vcpu.get_msrs(&mut registers).map_err(refused(KvmStep::ModelRegisters))?;
        all.extend(registers.as_slice().iter().take(read));
        let done = if read < now.len() { read + 1 } else { read };
        rest = rest.get(done..).unwrap_or_default();
    }
    // One that is in the middle of counting down must find the counter set.
    all.sort_by_key(|register| register.index == TSC_DEADLINE);
    Ok(all)
}

/// Writes all. One that KVM refuses may be left out if it held nothing.
fn write_model_registers(vcpu: &VcpuFd, registers: &[kvm_msr_entry]) -> Result<(), Failure> {
    let damaged = |_| Failure::State(StateFailure::Damaged);
    let mut rest = registers;
    while !rest.is_empty() {
        let (now, _) = rest.split_at(rest.len().min(AT_ONCE));
        let written = vcpu
            .set_msrs(&Msrs::from_entries(now).map_err(damaged)?)
            .map_err(|_| Failure::State(StateFailure::Refused(KvmStep::ModelRegisters)))?;
        let left_out = now.get(written);
        if left_out.is_some_and(|register| register.data != 0) {
            return Err(Failure::State(StateFailure::Refused(KvmStep::ModelRegisters)));
        }
        rest = rest.get(written + usize::from(left_out.is_some())..).unwrap_or_default();
    }
    Ok(())
}
