//! Calls of KVM whose arguments the compiler cannot check.
#![allow(unsafe_code, reason = "kvm-ioctls leaves these to the caller")]

use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};

use kvm_bindings::{KVM_INTERNAL_ERROR_EMULATION, kvm_userspace_memory_region, kvm_xsave};
use kvm_ioctls::{Kvm, VcpuFd, VmFd};
use vm_memory::{GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion, MemoryRegionAddress};

/// Makes guest memory the memory of a virtual machine. What it maps lives as long as the process does.
pub(crate) fn give_memory(vm: &VmFd, memory: &GuestMemoryMmap) -> Result<(), kvm_ioctls::Error> {
    // The kernel reads and writes it from now on: it must never be unmapped, whoever drops `memory`.
    #[allow(clippy::mem_forget, reason = "the mapping must outlive the virtual machine")]
    std::mem::forget(memory.clone());
    for (slot, region) in (0..).zip(memory.iter()) {
        let Ok(host) = region.get_host_address(MemoryRegionAddress(0)) else { continue };
        let region = kvm_userspace_memory_region {
            slot,
            flags: 0,
            guest_phys_addr: region.start_addr().0,
            memory_size: region.len(),
            userspace_addr: host.addr() as u64,
        };
        // SAFETY: the region is mapped, as long as it says, and stays so: the clone above is never dropped.
        unsafe { vm.set_user_memory_region(region) }?;
    }
    Ok(())
}

/// Sets x87, SSE and AVX state. The caller has seen that KVM wants no more than `kvm_xsave` holds.
pub(crate) fn set_extended_state(vcpu: &VcpuFd, state: &kvm_xsave) -> Result<(), kvm_ioctls::Error> {
    // SAFETY: without `arch_prctl(ARCH_REQ_XCOMP_GUEST_PERM)`, which nobody here calls, KVM reads `size_of::<kvm_xsave>()`.
    unsafe { vcpu.set_xsave(state) }
}

/// What KVM tells of an internal error.
#[derive(Debug)]
pub(crate) struct Emulation {
    pub(crate) suberror: u32,
    /// The instruction's bytes; none where KVM does not tell them.
    pub(crate) bytes: Vec<u8>,
}

/// Reads what KVM says after `KVM_EXIT_INTERNAL_ERROR`.
pub(crate) fn failed_emulation(vcpu: &mut VcpuFd) -> Emulation {
    /// `KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES` of `linux/kvm.h`.
    const HAS_BYTES: u64 = 1;
    let run = vcpu.get_kvm_run();
    // SAFETY: all variants of the union are plain numbers, so any bytes are valid.
    let internal = unsafe { run.__bindgen_anon_1.internal };
    let mut bytes = Vec::new();
    let [flags, rest @ ..] = internal.data;
    if internal.suberror == KVM_INTERNAL_ERROR_EMULATION && internal.ndata > 1 && flags & HAS_BYTES != 0 {
        // A length, then fifteen bytes.
        let said: Vec<u8> = rest.iter().flat_map(|word| word.to_le_bytes()).collect();
        if let Some((length, said)) = said.split_first() {
            bytes.extend(said.iter().take(usize::from(*length).min(15)));
        }
    }
    Emulation { suberror: internal.suberror, bytes }
}

/// KVM, by a descriptor of `/dev/kvm`. If it is of anything else, every call fails.
pub(crate) fn kvm_from(descriptor: OwnedFd) -> Kvm {
    // SAFETY: the descriptor is open and given away.
    unsafe { Kvm::from_raw_fd(descriptor.into_raw_fd()) }
}
