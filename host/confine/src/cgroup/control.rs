//! The files of one group in one hierarchy.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use cap_std::fs::{Dir, OpenOptions};

use super::error::CgroupError;
use super::hierarchies::Version;

/// Far more than any of these files holds.
const LONGEST: u64 = 64 * 1024;

/// One group in one hierarchy.
#[derive(Debug)]
pub(crate) struct ControlFiles {
    directory: Dir,
    version: Version,
}

impl ControlFiles {
    pub(crate) fn new(directory: Dir, version: Version) -> Self {
        Self { directory, version }
    }

    pub(crate) fn version(&self) -> Version {
        self.version
    }

    pub(crate) fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Writes a value, in one write: the kernel takes each write for a whole value.
    pub(crate) fn write(&self, file: &'static str, value: impl ToString) -> Result<(), CgroupError> {
        self.try_write(file, value).map_err(|source| CgroupError::Write { file, source })
    }

    /// As `write`, for a caller who knows what an error means here.
    pub(crate) fn try_write(&self, file: &str, value: impl ToString) -> io::Result<()> {
        let mut options = OpenOptions::new();
        self.directory.open_with(file, options.write(true))?.write_all(value.to_string().as_bytes())
    }

    pub(crate) fn read(&self, file: &'static str) -> Result<String, CgroupError> {
        let read = || -> io::Result<String> {
            let mut text = String::new();
            self.directory.open(file)?.take(LONGEST).read_to_string(&mut text)?;
            Ok(text)
        };
        read().map_err(|source| CgroupError::Read { file, source })
    }

    /// Reads a file that holds one number.
    pub(crate) fn read_number(&self, file: &'static str) -> Result<u64, CgroupError> {
        self.read(file)?.trim().parse().map_err(|_| CgroupError::Understand { file })
    }

    /// Reads one value of a file with a name and a value on each line.
    pub(crate) fn read_keyed(&self, file: &'static str, key: &str) -> Result<u64, CgroupError> {
        keyed(&self.read(file)?, key).ok_or(CgroupError::Understand { file })
    }

    pub(crate) fn open(&self, file: &'static str) -> Result<cap_std::fs::File, CgroupError> {
        self.directory.open(file).map_err(|source| CgroupError::Read { file, source })
    }
}

fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(' ')?;
        if name == key { value.trim().parse().ok() } else { None }
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A plain directory that looks like a group. Files that the code writes must be there.
    pub(crate) fn fake(version: Version, files: &[(&str, &str)]) -> (tempfile::TempDir, ControlFiles) {
        let scratch = tempfile::tempdir().unwrap();
        for (name, contents) in files {
            std::fs::write(scratch.path().join(name), contents).unwrap();
        }
        let directory = Dir::open_ambient_dir(scratch.path(), cap_std::ambient_authority()).unwrap();
        (scratch, ControlFiles::new(directory, version))
    }

    #[test]
    fn a_value_is_found_by_its_whole_name() {
        let events = "low 0\nhigh 1\noom 3\noom_kill 2\noom_group_kill 9\n";
        assert_eq!(keyed(events, "oom_kill"), Some(2));
        assert_eq!(keyed(events, "oom_"), None);
        assert_eq!(keyed("oom_kill many\n", "oom_kill"), None);
    }

    #[test]
    fn a_file_that_is_no_number_is_an_error_with_its_name() {
        let (_scratch, files) = fake(Version::Two, &[("memory.current", "much\n")]);
        let error = files.read_number("memory.current").unwrap_err();
        assert!(matches!(error, CgroupError::Understand { file: "memory.current" }));
    }
}
