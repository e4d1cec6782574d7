//! What a microVM uses: processor time, memory and exits.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use mimobox_vmm_protocol::{PAGE, Usage};

use crate::processor::Processor;
use crate::sys::processor_time;

/// Reads it. Opened before the jail is closed.
#[derive(Debug)]
pub(crate) struct Meter {
    /// `/proc/self/statm`: sizes in pages (proc_pid_statm(5)).
    memory: File,
    peak: u64,
}

impl Meter {
    /// Opens what it reads.
    ///
    /// # Errors
    /// Those of open(2).
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self { memory: File::open("/proc/self/statm")?, peak: 0 })
    }

    /// What was used so far.
    pub(crate) fn usage(&mut self, processors: &[Processor]) -> Usage {
        let mut usage = Usage {
            total_nanoseconds: nanoseconds(processor_time()),
            resident: self.resident().unwrap_or(0),
            ..Usage::default()
        };
        self.peak = self.peak.max(usage.resident);
        usage.peak = self.peak;
        let mut time = Duration::ZERO;
        for processor in processors {
            processor.add_exits(&mut usage.exits);
            time += processor.time();
        }
        usage.vcpu_nanoseconds = nanoseconds(time);
        usage
    }

    fn resident(&self) -> Option<u64> {
        let mut text = [0; 128];
        let length = self.memory.read_at(&mut text, 0).ok()?;
        let text = str::from_utf8(text.get(..length)?).ok()?;
        let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
        pages.checked_mul(PAGE)
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
