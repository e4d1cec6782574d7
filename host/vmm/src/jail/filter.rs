//! System call filters: `filters/*.json`, compiled when this crate is built.
//!
//! What a list does not name kills the process: nothing here has a way without, and a call that is not listed is a call that
//! somebody else makes. Each kind of thread has a list of its own besides `every.json`.

use mimobox_confine::{Filter as Program, Instruction, Plan, Step, apply};

const CONTROL: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/control.bpf"));
const VCPU: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/vcpu.bpf"));
const DEVICE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/device.bpf"));

/// Bytes of a compiled instruction: `struct sock_filter` of `linux/filter.h`.
const INSTRUCTION: usize = 8;

/// Stands in a list for this process's number, which is not known when the list is compiled. No process has it: numbers are
/// positive.
const THIS_PROCESS: u32 = 0xffff_ff00;

/// A filter was not installed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to install the filter `{name}`: {cause}")]
pub struct FilterError {
    name: &'static str,
    cause: String,
}

/// Which system calls a kind of thread may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// The thread that speaks with the host and makes the machine.
    Control,
    /// A thread that runs a guest.
    Vcpu,
    /// The thread that serves the devices.
    Device,
}

impl Filter {
    /// Installs it on the calling thread, for good.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn install(self) -> Result<(), FilterError> {
        let (name, bytes) = match self {
            Self::Control => ("control", CONTROL),
            Self::Vcpu => ("vcpu", VCPU),
            Self::Device => ("device", DEVICE),
        };
        let program = Program { name: name.to_owned(), instructions: instructions(bytes) };
        match apply(&Plan { steps: vec![Step::Seccomp(vec![program])] }, Vec::new()).report.failure {
            None => Ok(()),
            Some(failure) => Err(FilterError { name, cause: failure.cause }),
        }
    }
}

fn instructions(bytes: &[u8]) -> Vec<Instruction> {
    let (whole, _) = bytes.as_chunks::<INSTRUCTION>();
    let number = |operand| if operand == THIS_PROCESS { std::process::id() } else { operand };
    whole
        .iter()
        .map(|&[code, code_high, jump_true, jump_false, a, b, c, d]| Instruction {
            code: u16::from_le_bytes([code, code_high]),
            jump_true,
            jump_false,
            operand: number(u32::from_le_bytes([a, b, c, d])),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operands(bytes: &[u8]) -> Vec<u32> {
        instructions(bytes).iter().map(|instruction| instruction.operand).collect()
    }

    #[test]
    fn only_the_main_thread_may_send_a_signal_and_only_to_this_process() {
        let number = std::process::id();
        let sends =
            |operands: &[u32]| operands.contains(&u32::try_from(libc::SYS_tgkill).unwrap_or_default());
        let control = operands(CONTROL);
        assert!(sends(&control) && control.contains(&number) && !control.contains(&THIS_PROCESS));
        for other in [VCPU, DEVICE] {
            assert!(!sends(&operands(other)));
        }
    }

    #[test]
    fn each_filter_fits_the_kernel() {
        // `BPF_MAXINSNS` of `linux/bpf_common.h`.
        for filter in [CONTROL, VCPU, DEVICE] {
            assert!((1..=4096).contains(&instructions(filter).len()));
        }
    }
}
