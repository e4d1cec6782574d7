//! What this machine has: `/dev/kvm`, and how guests run on it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use mimobox_confine::launch::Program;
use mimobox_vmm_protocol::{Event, Probe, Request};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;

use crate::control::Control;
use crate::error::KvmError;

/// How long trying may take: milliseconds, unless the machine is busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// Opens `/dev/kvm`.
///
/// # Errors
/// `Absent`, `Denied`, `Open`.
pub fn open_kvm() -> Result<OwnedFd, KvmError> {
    open("/dev/kvm", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).map_err(refused)
}

fn refused(errno: Errno) -> KvmError {
    match errno {
        Errno::NOENT | Errno::NXIO | Errno::NODEV => KvmError::Absent,
        Errno::ACCESS | Errno::PERM => KvmError::Denied,
        errno => KvmError::Open(errno),
    }
}

/// Has a VMM find out how guests run here, by running instructions in one. Must be called within a tokio runtime.
///
/// # Errors
/// `NoAnswer`, `Probe`.
pub async fn probe(vmm: &[u8], kvm: BorrowedFd<'_>) -> Result<Probe, KvmError> {
    let program = Program::load(vmm).map_err(|error| KvmError::NoAnswer(error.to_string()))?;
    probe_with(&program, kvm).await
}

/// The same, with a program that is loaded already.
pub(crate) async fn probe_with(program: &Program, kvm: BorrowedFd<'_>) -> Result<Probe, KvmError> {
    let (control, theirs) = Control::pair()?;
    // Killed when this is done, or given up.
    let _child = program
        .start_free(&["mimobox-vmm"], theirs.as_fd())
        .map_err(|error| KvmError::NoAnswer(error.to_string()))?;
    drop(theirs);
    control.configure(&Request::Probe, &[kvm]).await?;
    let answer = tokio::time::timeout(PATIENCE, control.event()).await;
    match answer.map_err(|_| KvmError::NoAnswer("no answer in time".to_owned()))??.event {
        Event::Probed(found) => Ok(found?),
        _ => Err(KvmError::NoAnswer("an answer that makes no sense".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_not_there_and_one_that_may_not_be_opened_are_told_with_what_helps() {
        let told = |errno| refused(errno).to_string();
        assert!(told(Errno::NOENT).contains("load the module"));
        assert!(told(Errno::ACCESS).contains("the group `kvm`"));
        assert!(matches!(refused(Errno::MFILE), KvmError::Open(Errno::MFILE)));
    }
}
