//! The first registers of a processor: 64-bit mode, at a kernel's entry (`Documentation/arch/x86/boot.rst` of Linux).

use kvm_bindings::{Msrs, kvm_fpu, kvm_msr_entry, kvm_regs, kvm_segment, kvm_sregs};
use kvm_ioctls::VcpuFd;
use mimobox_vmm_protocol::{Failure, KvmStep};

use super::refused;
use crate::layout::{PAGE_TABLES, SEGMENTS, ZERO_PAGE};
use crate::machine::DESCRIPTORS_LENGTH;

const CODE: u16 = 0x10;
const DATA: u16 = 0x18;
/// Types of segments: executable and readable, writable; both accessed.
const CODE_TYPE: u8 = 11;
const DATA_TYPE: u8 = 3;

/// Protected mode and paging; physical address extension; long mode, enabled and active.
const CR0: u64 = 0x8000_0001;
const CR4: u64 = 0x20;
const LONG_MODE: u64 = 0x500;

/// Interrupts off; the bit that is always set.
const FLAGS: u64 = 2;
/// Below the zero page and above the segments.
const STACK: u64 = 0x6ff0;
/// What x87 and SSE have after a reset.
const X87_CONTROL: u16 = 0x37f;
const SSE_CONTROL: u32 = 0x1f80;

/// Model-specific registers: IA32_MISC_ENABLE and IA32_MTRR_DEF_TYPE of Intel's manual, volume 4.
const MISC_ENABLE: u32 = 0x1a0;
const FAST_STRINGS: u64 = 1;
const MTRR_DEFAULT: u32 = 0x2ff;
const MTRR_ON: u64 = 1 << 11;
const WRITE_BACK: u64 = 6;

/// Sets the registers of the processor that enters the kernel.
///
/// # Errors
/// `Kvm`.
pub(crate) fn enter(vcpu: &VcpuFd, entry: u64) -> Result<(), Failure> {
    let mut special = vcpu.get_sregs().map_err(refused(KvmStep::SpecialRegisters))?;
    long_mode(&mut special);
    vcpu.set_sregs(&special).map_err(refused(KvmStep::SpecialRegisters))?;
    let registers = kvm_regs { rip: entry, rsi: ZERO_PAGE, rflags: FLAGS, rsp: STACK, ..Default::default() };
    vcpu.set_regs(&registers).map_err(refused(KvmStep::Registers))?;
    let floating = kvm_fpu { fcw: X87_CONTROL, mxcsr: SSE_CONTROL, ..Default::default() };
    vcpu.set_fpu(&floating).map_err(refused(KvmStep::FloatingPoint))
}

/// Sets what firmware would: fast string instructions on, and memory cached where nobody says otherwise. Linux believes it.
/// A KVM that has no such register does without.
///
/// # Errors
/// `Kvm`.
pub(crate) fn set_up_as_firmware(vcpu: &VcpuFd) -> Result<(), Failure> {
    for (index, data) in [(MISC_ENABLE, FAST_STRINGS), (MTRR_DEFAULT, MTRR_ON | WRITE_BACK)] {
        let register = kvm_msr_entry { index, data, ..Default::default() };
        let one = Msrs::from_entries(&[register])
            .map_err(|_| Failure::Kvm { step: KvmStep::ModelRegisters, errno: libc::E2BIG })?;
        vcpu.set_msrs(&one).map_err(refused(KvmStep::ModelRegisters))?;
    }
    Ok(())
}

fn long_mode(special: &mut kvm_sregs) {
    let data = segment(DATA, DATA_TYPE, false);
    special.cs = segment(CODE, CODE_TYPE, true);
    (special.ds, special.es, special.ss, special.fs, special.gs) = (data, data, data, data, data);
    (special.gdt.base, special.gdt.limit) = (SEGMENTS, DESCRIPTORS_LENGTH - 1);
    (special.idt.base, special.idt.limit) = (0, 0);
    special.cr3 = PAGE_TABLES;
    special.cr4 |= CR4;
    special.cr0 |= CR0;
    special.efer |= LONG_MODE;
}

fn segment(selector: u16, type_: u8, long: bool) -> kvm_segment {
    kvm_segment {
        limit: u32::MAX,
        selector,
        type_,
        present: 1,
        db: u8::from(!long),
        s: 1,
        l: u8::from(long),
        g: 1,
        ..Default::default()
    }
}
