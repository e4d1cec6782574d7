//! The memory limit, what is used, and whether the kernel had to kill for want of memory.

use std::io;

use super::control::ControlFiles;
use super::error::CgroupError;
use super::hierarchies::Version;
use crate::enforcement::{Enforcement, Mechanism};

/// Version 1 counts the buffers of TCP apart, and without a limit of their own they could be as large as the machine's. This
/// part of the memory they may have on top of it.
const TCP_PART: u64 = 8;

/// Sets the limit on memory, on memory and swap together where the kernel counts swap, and on the buffers of sockets.
pub(crate) fn limit(files: &ControlFiles, bytes: u64) -> Result<Enforcement, CgroupError> {
    let swap = match files.version() {
        Version::Two => {
            files.write("memory.max", bytes)?;
            files.try_write("memory.swap.max", 0)
        }
        Version::One => {
            files.write("memory.limit_in_bytes", bytes)?;
            limit_tcp(files, bytes / TCP_PART)?;
            files.try_write("memory.memsw.limit_in_bytes", bytes)
        }
    };
    match swap {
        Ok(()) => Ok(Enforcement::enforced(Mechanism::MemoryLimit, format!("{bytes} bytes, no swap"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound || !machine_swaps() => {
            let status = if machine_swaps() { Enforcement::partial } else { Enforcement::enforced };
            Ok(status(Mechanism::MemoryLimit, format!("{bytes} bytes; the kernel does not count swap")))
        }
        Err(source) => Err(CgroupError::Write { file: "memory.swap.max", source }),
    }
}

fn limit_tcp(files: &ControlFiles, bytes: u64) -> Result<(), CgroupError> {
    const FILE: &str = "memory.kmem.tcp.limit_in_bytes";
    match files.try_write(FILE, bytes) {
        // A kernel without TCP.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        answer => answer.map_err(|source| CgroupError::Write { file: FILE, source }),
    }
}

/// Bytes now.
pub(crate) fn current(files: &ControlFiles) -> Result<u64, CgroupError> {
    files.read_number(match files.version() {
        Version::Two => "memory.current",
        Version::One => "memory.usage_in_bytes",
    })
}

/// Bytes at most so far; now, where the kernel (before 5.19, in version 2) does not keep it.
pub(crate) fn peak(files: &ControlFiles) -> Result<u64, CgroupError> {
    let file = match files.version() {
        Version::Two => "memory.peak",
        Version::One => "memory.max_usage_in_bytes",
    };
    match files.read_number(file) {
        Err(CgroupError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => current(files),
        answer => answer,
    }
}

/// How many processes the kernel has killed because the limit was reached.
pub(crate) fn kills(files: &ControlFiles) -> Result<u64, CgroupError> {
    let file = match files.version() {
        Version::Two => "memory.events",
        Version::One => "memory.oom_control",
    };
    files.read_keyed(file, "oom_kill")
}

/// Whether there is any swap to go to.
fn machine_swaps() -> bool {
    // A headline, and a line for each place. If it can't be read, there may be some.
    std::fs::read_to_string("/proc/swaps").map_or(true, |swaps| swaps.lines().count() > 1)
}

#[cfg(test)]
mod tests {
    use super::super::control::tests::fake;
    use super::*;

    #[test]
    fn version_2_is_limited_without_swap() {
        let (scratch, files) = fake(Version::Two, &[("memory.max", ""), ("memory.swap.max", "")]);
        let line = limit(&files, 1 << 20).unwrap();
        assert_eq!(line.status, crate::Status::Enforced);
        assert_eq!(std::fs::read_to_string(scratch.path().join("memory.max")).unwrap(), "1048576");
        assert_eq!(std::fs::read_to_string(scratch.path().join("memory.swap.max")).unwrap(), "0");
    }

    #[test]
    fn version_1_limits_the_buffers_of_tcp_apart() {
        let (scratch, files) = fake(
            Version::One,
            &[
                ("memory.limit_in_bytes", ""),
                ("memory.memsw.limit_in_bytes", ""),
                ("memory.kmem.tcp.limit_in_bytes", ""),
            ],
        );
        limit(&files, 1 << 20).unwrap();
        let tcp = std::fs::read_to_string(scratch.path().join("memory.kmem.tcp.limit_in_bytes")).unwrap();
        assert_eq!(tcp, "131072");
    }

    #[test]
    fn kills_are_read_from_either_version() {
        let (_scratch, two) = fake(Version::Two, &[("memory.events", "max 7\noom 2\noom_kill 2\n")]);
        assert_eq!(kills(&two).unwrap(), 2);
        let (_scratch, one) =
            fake(Version::One, &[("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n")]);
        assert_eq!(kills(&one).unwrap(), 5);
    }

    #[test]
    fn a_kernel_that_keeps_no_peak_answers_with_what_is_used_now() {
        let (_scratch, files) = fake(Version::Two, &[("memory.current", "4096\n")]);
        assert_eq!(peak(&files).unwrap(), 4096);
    }
}
