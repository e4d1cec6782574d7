//! What a microVM uses: processor time, memory and exits.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use mimobox_vmm_protocol::Usage;

use crate::processor::Processor;
use crate::sys::processor_time;

/// More than `/proc/self/status` has.
const LONGEST_STATUS: usize = 8 * 1024;

/// Reads it. Opened before the jail is closed.
#[derive(Debug)]
pub(crate) struct Meter {
    /// `/proc/self/status`: proc_pid_status(5). Not getrusage(2), whose peak begins with that of the host.
    status: File,
}

impl Meter {
    /// Opens what it reads.
    ///
    /// # Errors
    /// Those of open(2).
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self { status: File::open("/proc/self/status")? })
    }

    /// What was used so far.
    pub(crate) fn usage(&self, processors: &[Processor]) -> Usage {
        let mut text = [0; LONGEST_STATUS];
        let length = self.status.read_at(&mut text, 0).unwrap_or(0);
        let text = str::from_utf8(text.get(..length).unwrap_or_default()).unwrap_or_default();
        let mut usage = Usage {
            total_nanoseconds: nanoseconds(processor_time()),
            resident: bytes(text, "VmRSS:"),
            peak: bytes(text, "VmHWM:"),
            ..Usage::default()
        };
        let mut time = Duration::ZERO;
        for processor in processors {
            processor.add_exits(&mut usage.exits);
            time += processor.time();
        }
        usage.vcpu_nanoseconds = nanoseconds(time);
        usage
    }
}

/// What a line of the status says, in KiB there and bytes here. Zero if it says nothing.
fn bytes(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0).saturating_mul(1024)
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_the_status_in_bytes() {
        let status = "Name:\tvmm\nVmHWM:\t    2048 kB\nVmRSS:\t      12 kB\n";
        assert_eq!((bytes(status, "VmRSS:"), bytes(status, "VmHWM:")), (12 * 1024, 2048 * 1024));
        assert_eq!(bytes(status, "VmSwap:"), 0);
        assert_eq!(bytes("VmRSS: many kB", "VmRSS:"), 0);
    }
}
