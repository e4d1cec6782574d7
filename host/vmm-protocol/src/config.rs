//! What a microVM is made of: the one request that comes with descriptors.

use serde::{Deserialize, Serialize};

use crate::jail::Mechanism;

/// Bytes of a page of memory.
pub const PAGE: u64 = 4096;
/// Least bytes of guest memory. A kernel needs more to do anything; this is what boot data and the kernel's place need.
pub const MIN_MEMORY: u64 = 20 << 20;
/// Most bytes of guest memory: 1 TiB.
pub const MAX_MEMORY: u64 = 1 << 40;
/// Most virtual processors.
pub const MAX_VCPUS: u8 = 32;
/// Most disks: each has an interrupt line of its own, and these are few.
pub const MAX_DISKS: usize = 6;
/// Most bytes that the host adds to the kernel's command line.
pub const MAX_COMMAND_LINE: usize = 1024;

/// Processor features that a guest sees, and what the kernel is told of them. Chosen by a [`Probe`](crate::Probe), never by
/// the machine's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Template {
    /// The host's processor, as far as KVM passes it on.
    Native,
    /// For a KVM that emulates the guest's kernel mode: what its emulator can do. One virtual processor.
    Pvm,
}

impl Template {
    /// Stable name, for programs and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Pvm => "pvm",
        }
    }
}

/// Where the guest begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Start {
    /// With a kernel: `vmlinux` (ELF) or bzImage. Memory is shared with the descriptor: what the guest writes is in there.
    Boot,
    /// With a state that [`Event::Saved`](crate::Event::Saved) brought, and the memory of that time. Memory is private: what
    /// the guest writes is seen by nobody else, and the same memory can be restored any number of times.
    Restore,
}

/// A read-only block device: `/dev/vda` is the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// Bytes that the guest is told, a multiple of 512. May be more than there are: what lies beyond the last page is an error.
    pub capacity: u64,
}

/// Who the VMM is to be where it is started as root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// User of the host; not 0.
    pub user: u32,
    /// Group of the host; not 0.
    pub group: u32,
}

/// What a microVM is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Bytes of guest memory, whole pages.
    pub memory: u64,
    /// Virtual processors.
    pub vcpus: u8,
    /// What they can do.
    pub template: Template,
    /// Added to the kernel's command line, which already has the console, the devices and what the template needs.
    pub command_line: String,
    /// Read-only block devices.
    pub disks: Vec<Disk>,
    /// Boot or restore.
    pub start: Start,
    /// Who to be. Without one a VMM of root's becomes 65534, and one of an ordinary user's stays who she is.
    pub account: Option<Account>,
    /// Parts of the jail that may be missing. Any other that is missing ends the VMM.
    pub tolerated: Vec<Mechanism>,
}

/// One descriptor of those that come with a [`Config`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Descriptor {
    /// `/dev/kvm`, open for reading and writing.
    Kvm,
    /// Guest memory: a memfd or a file, of at least [`Config::memory`] bytes; for a restore it may be read-only.
    Memory,
    /// The kernel, an ordinary file.
    Kernel,
    /// The saved state.
    State,
    /// A stream socket to the agent's client.
    Agent,
    /// The write end of a pipe, for what the guest's kernel says while it starts.
    Log,
    /// The file of the disk of this number.
    Disk(usize),
}

/// A configuration is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ConfigError {
    /// Memory outside [`MIN_MEMORY`] to [`MAX_MEMORY`], or not whole pages.
    #[error("failed to accept {0} bytes of memory: {MIN_MEMORY} to {MAX_MEMORY}, in whole pages")]
    Memory(u64),
    /// No processor, or more than [`MAX_VCPUS`].
    #[error("failed to accept {0} virtual processors: 1 to {MAX_VCPUS}")]
    Vcpus(u8),
    /// The template has one alone.
    #[error("failed to accept {0} virtual processors: where guest kernels are emulated there is one")]
    EmulatedVcpus(u8),
    /// Too long, or a character that a command line cannot hold.
    #[error("failed to accept the addition to the kernel's command line")]
    CommandLine,
    /// More than [`MAX_DISKS`].
    #[error("failed to accept {0} disks: {MAX_DISKS} are the most")]
    Disks(u32),
    /// A capacity that is no multiple of 512.
    #[error("failed to accept a disk of {0} bytes: it is no multiple of 512")]
    Capacity(u64),
    /// A VMM is never root.
    #[error("failed to accept root as a VMM's account")]
    Account,
}

impl Config {
    /// Checks what can be checked without the host.
    ///
    /// # Errors
    /// Each variant of [`ConfigError`] is a check.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !(MIN_MEMORY..=MAX_MEMORY).contains(&self.memory) || !self.memory.is_multiple_of(PAGE) {
            return Err(ConfigError::Memory(self.memory));
        }
        if !(1..=MAX_VCPUS).contains(&self.vcpus) {
            return Err(ConfigError::Vcpus(self.vcpus));
        }
        if self.template == Template::Pvm && self.vcpus > 1 {
            return Err(ConfigError::EmulatedVcpus(self.vcpus));
        }
        let printable = self.command_line.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if self.command_line.len() > MAX_COMMAND_LINE || !printable {
            return Err(ConfigError::CommandLine);
        }
        if self.disks.len() > MAX_DISKS {
            return Err(ConfigError::Disks(u32::try_from(self.disks.len()).unwrap_or(u32::MAX)));
        }
        if let Some(disk) = self.disks.iter().find(|disk| !disk.capacity.is_multiple_of(512)) {
            return Err(ConfigError::Capacity(disk.capacity));
        }
        if self.account.is_some_and(|account| account.user == 0 || account.group == 0) {
            return Err(ConfigError::Account);
        }
        Ok(())
    }

    /// The descriptors that come with it, in order.
    #[must_use]
    pub fn descriptors(&self) -> Vec<Descriptor> {
        let start = match self.start {
            Start::Boot => Descriptor::Kernel,
            Start::Restore => Descriptor::State,
        };
        let mut all = vec![Descriptor::Kvm, Descriptor::Memory, start, Descriptor::Agent, Descriptor::Log];
        all.extend((0..self.disks.len()).map(Descriptor::Disk));
        all
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

    use super::*;

    fn config() -> Config {
        Config {
            memory: 64 << 20,
            vcpus: 1,
            template: Template::Pvm,
            command_line: "quiet".into(),
            disks: vec![Disk { capacity: 1 << 40 }],
            start: Start::Boot,
            account: None,
            tolerated: Vec::new(),
        }
    }

    #[test]
    fn an_ordinary_configuration_is_accepted() {
        assert_eq!(config().check(), Ok(()));
    }

    #[test]
    fn memory_has_bounds_and_whole_pages() {
        for memory in [0, MIN_MEMORY - PAGE, MAX_MEMORY + PAGE, (64 << 20) + 1] {
            assert_eq!(Config { memory, ..config() }.check(), Err(ConfigError::Memory(memory)));
        }
    }

    #[test]
    fn an_emulated_kernel_has_one_processor() {
        assert_eq!(Config { vcpus: 2, ..config() }.check(), Err(ConfigError::EmulatedVcpus(2)));
        assert_eq!(Config { vcpus: 2, template: Template::Native, ..config() }.check(), Ok(()));
        assert_eq!(Config { vcpus: 0, ..config() }.check(), Err(ConfigError::Vcpus(0)));
    }

    #[test]
    fn a_command_line_is_plain_text_of_bounded_length() {
        for text in ["a\nb".to_owned(), "a\0".to_owned(), "é".to_owned(), "x".repeat(MAX_COMMAND_LINE + 1)] {
            let refused = Config { command_line: text, ..config() };
            assert_eq!(refused.check(), Err(ConfigError::CommandLine));
        }
    }

    #[test]
    fn disks_are_few_and_made_of_sectors() {
        let disks = vec![Disk { capacity: 512 }; MAX_DISKS + 1];
        assert!(matches!(Config { disks, ..config() }.check(), Err(ConfigError::Disks(_))));
        let odd = vec![Disk { capacity: 513 }];
        assert_eq!(Config { disks: odd, ..config() }.check(), Err(ConfigError::Capacity(513)));
    }

    #[test]
    fn a_vmm_is_never_root() {
        let account = Some(Account { user: 1000, group: 0 });
        assert_eq!(Config { account, ..config() }.check(), Err(ConfigError::Account));
    }

    #[test]
    fn disks_come_last_among_the_descriptors() {
        let all = config().descriptors();
        assert_eq!(all.get(2), Some(&Descriptor::Kernel));
        assert_eq!(all.last(), Some(&Descriptor::Disk(0)));
    }
}
