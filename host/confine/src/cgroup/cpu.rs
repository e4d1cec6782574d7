//! The limit on processor time, and how much was used.

use std::time::Duration;

use super::control::ControlFiles;
use super::error::CgroupError;
use super::hierarchies::Version;
use crate::enforcement::{Enforcement, Mechanism};

/// The kernel's own default period, in microseconds.
const PERIOD: u64 = 100_000;
/// The least that the kernel takes, in microseconds.
const LEAST: u64 = 1_000;

/// Sets the share: `thousandths` of one core.
pub(crate) fn limit(files: &ControlFiles, thousandths: u32) -> Result<Enforcement, CgroupError> {
    let quota = quota(thousandths);
    match files.version() {
        Version::Two => files.write("cpu.max", format!("{quota} {PERIOD}"))?,
        Version::One => files.write("cpu.cfs_quota_us", quota)?,
    }
    Ok(Enforcement::enforced(Mechanism::CpuLimit, format!("{quota} of every {PERIOD} µs")))
}

fn quota(thousandths: u32) -> u64 {
    (u64::from(thousandths) * PERIOD / 1_000).max(LEAST)
}

/// Processor time so far. In version 1 the files are those of the accounting controller.
pub(crate) fn used(files: &ControlFiles) -> Result<Duration, CgroupError> {
    match files.version() {
        Version::Two => files.read_keyed("cpu.stat", "usage_usec").map(Duration::from_micros),
        Version::One => files.read_number("cpuacct.usage").map(Duration::from_nanos),
    }
}

#[cfg(test)]
mod tests {
    use super::super::control::tests::fake;
    use super::*;

    #[test]
    fn a_core_and_a_half_is_one_and_a_half_periods() {
        assert_eq!(quota(1_500), 150_000);
    }

    #[test]
    fn a_tiny_share_is_the_least_that_the_kernel_takes() {
        assert_eq!(quota(0), LEAST);
    }

    #[test]
    fn version_2_takes_quota_and_period_in_one_file() {
        let (scratch, files) = fake(Version::Two, &[("cpu.max", "")]);
        limit(&files, 500).unwrap();
        assert_eq!(std::fs::read_to_string(scratch.path().join("cpu.max")).unwrap(), "50000 100000");
    }

    #[test]
    fn time_used_is_read_from_either_version() {
        let (_scratch, two) = fake(Version::Two, &[("cpu.stat", "usage_usec 1500\nuser_usec 1000\n")]);
        assert_eq!(used(&two).unwrap(), Duration::from_micros(1500));
        let (_scratch, one) = fake(Version::One, &[("cpuacct.usage", "1500\n")]);
        assert_eq!(used(&one).unwrap(), Duration::from_nanos(1500));
    }
}
