//! Running a guest on its processor, and what becomes of each way out of it.

use kvm_bindings::{KVM_EXIT_HLT, KVM_SYSTEM_EVENT_RESET, KVM_SYSTEM_EVENT_SHUTDOWN};
use kvm_ioctls::{VcpuExit, VcpuFd};
use mimobox_vmm_protocol::{Bytes, End, InternalError};

use super::exits::ExitCounts;
use super::kick::Kick;
use crate::board::{Board, PortWrite};
use crate::sys::failed_emulation;

/// How often in a row KVM may say "again" before that is a failure.
const PATIENCE: u32 = 1000;

/// Runs until the guest ends, or, with none, until somebody kicks.
///
/// An access that came out of the guest is complete only when the guest is entered again: so the last thing before a stop is
/// an entry that comes back at once.
pub(crate) fn run(vcpu: &mut VcpuFd, board: &Board, kick: &Kick, exits: &ExitCounts) -> Option<End> {
    let mut in_vain = 0;
    loop {
        let stopping = kick.is_wanted();
        if stopping {
            kick.expect_at_once();
        }
        match vcpu.run() {
            Ok(exit) => {
                in_vain = 0;
                match handle(exit, board, exits) {
                    Next::GoOn => {}
                    Next::End(end) => return Some(end),
                    Next::InternalError => return Some(internal_error(vcpu)),
                }
            }
            Err(error) => match error.errno() {
                // A processor that the kernel has not started yet was woken.
                libc::EAGAIN if in_vain < PATIENCE && !stopping => in_vain += 1,
                libc::EINTR | libc::EAGAIN if stopping => {
                    ExitCounts::count(&exits.kicks);
                    return None;
                }
                libc::EINTR => {
                    ExitCounts::count(&exits.kicks);
                    kick.heard();
                }
                errno => return Some(End::RunFailed { errno }),
            },
        }
    }
}

enum Next {
    GoOn,
    End(End),
    InternalError,
}

fn handle(exit: VcpuExit<'_>, board: &Board, exits: &ExitCounts) -> Next {
    match exit {
        VcpuExit::IoIn(port, data) => {
            ExitCounts::count(&exits.port_reads);
            board.ports.lock().read(port, data);
        }
        VcpuExit::IoOut(port, data) => {
            ExitCounts::count(&exits.port_writes);
            if board.ports.lock().write(port, data) == PortWrite::Reset {
                return Next::End(End::Reset);
            }
        }
        VcpuExit::MmioRead(address, data) => {
            ExitCounts::count(&exits.register_reads);
            board.devices.mmio_read(address, data);
        }
        VcpuExit::MmioWrite(address, data) => {
            ExitCounts::count(&exits.register_writes);
            board.devices.mmio_write(address, data);
        }
        other => {
            ExitCounts::count(&exits.others);
            return rare(&other);
        }
    }
    Next::GoOn
}

/// Ways out that end the guest, and those that mean nothing.
fn rare(exit: &VcpuExit<'_>) -> Next {
    let unknown = |number| Next::End(End::UnknownExit { number });
    match exit {
        VcpuExit::Intr | VcpuExit::IrqWindowOpen => Next::GoOn,
        VcpuExit::Shutdown => Next::End(End::TripleFault),
        VcpuExit::SystemEvent(KVM_SYSTEM_EVENT_SHUTDOWN, _) => Next::End(End::Shutdown),
        VcpuExit::SystemEvent(KVM_SYSTEM_EVENT_RESET, _) => Next::End(End::Reset),
        VcpuExit::FailEntry(reason, _) => Next::End(End::EntryFailed { reason: *reason }),
        VcpuExit::InternalError => Next::InternalError,
        // The interrupt controller in the kernel waits in the guest's stead.
        VcpuExit::Hlt => unknown(KVM_EXIT_HLT),
        VcpuExit::Unsupported(number) => unknown(*number),
        // Nothing that this VMM asks for brings any other.
        _ => unknown(u32::MAX),
    }
}

fn internal_error(vcpu: &mut VcpuFd) -> End {
    let error = failed_emulation(vcpu);
    let instruction_pointer = vcpu.get_regs().map_or(0, |registers| registers.rip);
    End::InternalError(InternalError {
        suberror: error.suberror,
        instruction_pointer,
        bytes: Bytes::new(&error.bytes),
    })
}
