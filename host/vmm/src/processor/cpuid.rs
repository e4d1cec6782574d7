//! CPU templates: what CPUID says to a guest.
//!
//! `native` passes on what KVM supports, with what differs from one virtual processor to the next put right. `pvm` says
//! little, so that a kernel uses little: each line of its table is there because a kernel stopped without it.

use kvm_bindings::{CpuId, KVM_CPUID_FLAG_SIGNIFCANT_INDEX, kvm_cpuid_entry2};
use mimobox_vmm_protocol::Template;

/// Leaf 1, ecx: x2APIC, timer by deadline, XSAVE, hypervisor.
const X2APIC: u32 = 1 << 21;
const TSC_DEADLINE: u32 = 1 << 24;
const XSAVE: u32 = 1 << 26;
const HYPERVISOR: u32 = 1 << 31;
/// Leaf 1, edx, of `pvm`: a plain x86-64 without machine checks, MTRR, PAT, PSE-36 and CMOV-era extras that need them.
const PVM_FEATURES: u32 = 0x078b_fbff & !(1 << 7 | 1 << 12 | 1 << 14 | 1 << 16 | 1 << 17);
/// Leaf 1, ebx: the bits that are the processor's own number, and how many share a package.
const PROCESSOR_SHIFT: u32 = 24;
const PER_PACKAGE_SHIFT: u32 = 16;
/// Leaf 0xd: x87 and SSE, and the bytes that their state takes.
const X87_AND_SSE: u32 = 3;
const SAVED_BYTES: u32 = 576;
/// KVM's own leaf: the clock of the second kind, and that it is stable.
const KVM_CLOCK: u32 = 1 << 3 | 1 << 24;
/// Leaf 0x80000001: LAHF in long mode; SYSCALL, no-execute, long mode.
const LAHF: u32 = 1;
const LONG_MODE: u32 = 1 << 11 | 1 << 20 | 1 << 29;
/// Leaf 0x80000007, edx: a time stamp counter that never changes its pace.
const INVARIANT_TSC: u32 = 1 << 8;
/// Leaf 0x80000008, ebx: FXSAVE clears error pointers. Else the kernel works around that, by an instruction that stops it.
const XSAVEERPTR: u32 = 1 << 2;

/// What this processor of so many is to say.
pub(crate) fn of(
    template: Template,
    supported: &CpuId,
    processor: u8,
    processors: u8,
) -> Vec<kvm_cpuid_entry2> {
    let mut entries: Vec<_> = match template {
        Template::Native => supported.as_slice().to_vec(),
        Template::Pvm => supported.as_slice().iter().filter_map(|entry| pvm(*entry)).collect(),
    };
    for entry in &mut entries {
        number(entry, template, processor, processors);
    }
    entries
}

/// An entry of the `pvm` template; none where the leaf is left out.
fn pvm(supported: kvm_cpuid_entry2) -> Option<kvm_cpuid_entry2> {
    let registers = |eax, ebx, ecx, edx| Some(kvm_cpuid_entry2 { eax, ebx, ecx, edx, ..supported });
    let kvm_cpuid_entry2 { eax, ebx, ecx, edx, .. } = supported;
    match (supported.function, supported.index) {
        (0, _) => registers(0xd, ebx, ecx, edx),
        (1, _) => registers(eax, ebx, X2APIC | TSC_DEADLINE | XSAVE | HYPERVISOR, PVM_FEATURES),
        (7, 0) | (0xd, 1) => registers(0, 0, 0, 0),
        (0xd, 0) => registers(X87_AND_SSE, SAVED_BYTES, SAVED_BYTES, 0),
        (0x4000_0000 | 0x8000_0002..=0x8000_0004, _) => Some(supported),
        (0x4000_0001, _) => registers(eax & KVM_CLOCK, ebx, ecx, edx),
        (0x8000_0000, _) => registers(0x8000_0008, ebx, ecx, edx),
        (0x8000_0001, _) => registers(eax, ebx, LAHF, LONG_MODE),
        (0x8000_0007, _) => registers(0, 0, 0, INVARIANT_TSC),
        (0x8000_0008, _) => registers(eax, XSAVEERPTR, 0, 0),
        _ => None,
    }
}

/// Puts in what differs from one processor to the next: its number, and how many there are, all in one package.
fn number(entry: &mut kvm_cpuid_entry2, template: Template, processor: u8, processors: u8) {
    let (processor, processors) = (u32::from(processor), u32::from(processors));
    match entry.function {
        1 => {
            entry.ebx = entry.ebx & 0xffff | processor << PROCESSOR_SHIFT | processors << PER_PACKAGE_SHIFT;
            if template == Template::Native {
                // KVM has these in its interrupt controller, whatever it says of the processor.
                entry.ecx |= TSC_DEADLINE | HYPERVISOR;
                let several = 1 << 28;
                entry.edx = if processors > 1 { entry.edx | several } else { entry.edx & !several };
            }
        }
        // Caches of this processor alone, in a package of so many.
        4 if entry.eax & 0x1f != 0 => {
            let numbers = processors.next_power_of_two() - 1;
            entry.eax = entry.eax & 0x3fff | numbers << 26;
        }
        // Topology: one thread a core; the package takes the bits that number the cores.
        0xb | 0x1f => {
            let bits = processors.next_power_of_two().trailing_zeros();
            let level = |bits, count, kind: u32| (bits, count, entry.index | kind << 8);
            let (eax, ebx, ecx) = match entry.index {
                0 => level(0, 1, 1),
                1 => level(bits, processors, 2),
                _ => level(0, 0, 0),
            };
            (entry.eax, entry.ebx, entry.ecx, entry.edx) = (eax, ebx, ecx, processor);
            entry.flags |= KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
        }
        // AMD: how many processors; which one this is.
        0x8000_0008 if template == Template::Native => entry.ecx = entry.ecx & !0xffff | (processors - 1),
        0x8000_001e => (entry.eax, entry.ebx, entry.ecx) = (processor, processor, 0),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

    use super::*;

    fn supported() -> CpuId {
        let all = u32::MAX;
        let entry = |function, index| kvm_cpuid_entry2 {
            function,
            index,
            eax: all,
            ebx: all,
            ecx: all,
            edx: all,
            ..Default::default()
        };
        let leaves = [(0, 0), (1, 0), (4, 0), (7, 0), (7, 1), (0xb, 0), (0xb, 1), (0xd, 0), (0x8000_0008, 0)];
        let entries: Vec<_> = leaves.into_iter().map(|(function, index)| entry(function, index)).collect();
        CpuId::from_entries(&entries).unwrap()
    }

    fn leaf(entries: &[kvm_cpuid_entry2], function: u32) -> kvm_cpuid_entry2 {
        *entries.iter().find(|entry| entry.function == function).unwrap()
    }

    #[test]
    fn pvm_has_none_of_what_its_emulator_does_not_know() {
        let entries = of(Template::Pvm, &supported(), 0, 1);
        let features = leaf(&entries, 1);
        for (name, bit) in [("cmpxchg16b", 13), ("popcnt", 23), ("rdrand", 30), ("avx", 28)] {
            assert_eq!(features.ecx & 1 << bit, 0, "{name}");
        }
        assert_eq!(leaf(&entries, 7).ebx, 0);
        assert_eq!(leaf(&entries, 0x8000_0008).ebx, XSAVEERPTR);
        assert!(entries.iter().all(|entry| ![4, 0xb].contains(&entry.function)));
    }

    #[test]
    fn native_passes_on_all_features() {
        let entries = of(Template::Native, &supported(), 0, 2);
        assert_eq!(leaf(&entries, 7).ebx, u32::MAX);
        assert_eq!(leaf(&entries, 1).ecx, u32::MAX);
    }

    #[test]
    fn each_processor_has_its_own_number() {
        for processor in 0..3 {
            let entries = of(Template::Native, &supported(), processor, 3);
            assert_eq!(leaf(&entries, 1).ebx >> 24, u32::from(processor));
            assert_eq!(leaf(&entries, 0xb).edx, u32::from(processor));
        }
    }
}
