//! What of this machine's root the image `host` shows: looked at once, when the backend is made.

use std::fs;
use std::io;
use std::path::Path;

use crate::error::NewBackendError;

/// Programs and libraries are in `/usr`; these are links into it, or, on machines that have not merged them, directories.
const BESIDE_USR: [&str; 6] = ["/bin", "/lib", "/lib32", "/lib64", "/libx32", "/sbin"];
/// What the dynamic linker, Debian's alternatives and TLS libraries look up. Nothing in here names a person or a secret.
const CONFIGURATION: [&str; 5] =
    ["/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/ssl/certs"];
/// Devices that hold nothing of the machine.
const DEVICES: [&str; 6] = ["/dev/full", "/dev/null", "/dev/random", "/dev/tty", "/dev/urandom", "/dev/zero"];

/// What is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HostRoot {
    /// Links at the top, and what they say.
    pub(crate) links: Vec<(String, String)>,
    /// Directories of programs and libraries.
    pub(crate) programs: Vec<String>,
    /// Files and directories of configuration.
    pub(crate) configuration: Vec<String>,
    /// Devices.
    pub(crate) devices: Vec<String>,
}

impl HostRoot {
    /// Looks at this machine's root.
    pub(crate) fn survey() -> Result<Self, NewBackendError> {
        Self::of(Path::new("/"))
    }

    fn of(root: &Path) -> Result<Self, NewBackendError> {
        let at = |path: &str| root.join(path.trim_start_matches('/'));
        let kind = |path: &str| match fs::symlink_metadata(at(path)) {
            Ok(metadata) => Ok(Some(metadata.file_type())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(NewBackendError::HostRoot { path: path.to_owned(), source }),
        };
        let mut found = Self { programs: vec!["/usr".to_owned()], ..Self::default() };
        for path in BESIDE_USR {
            match kind(path)? {
                Some(kind) if kind.is_symlink() => {
                    let target = fs::read_link(at(path))
                        .map_err(|source| NewBackendError::HostRoot { path: path.to_owned(), source })?;
                    // A link to anywhere else would dangle.
                    if let Some(target) = target.to_str()
                        && target.trim_start_matches('/').starts_with("usr/")
                    {
                        found.links.push((path.to_owned(), target.to_owned()));
                    }
                }
                Some(kind) if kind.is_dir() => found.programs.push(path.to_owned()),
                _ => {}
            }
        }
        for path in CONFIGURATION {
            if kind(path)?.is_some_and(|kind| kind.is_dir() || kind.is_file()) {
                found.configuration.push(path.to_owned());
            }
        }
        for path in DEVICES {
            if kind(path)?.is_some() {
                found.devices.push(path.to_owned());
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_into_usr_stay_links_and_directories_beside_it_are_shown() {
        let root = tempfile::tempdir().unwrap();
        symlink("usr/bin", root.path().join("bin")).unwrap();
        symlink("/opt/lib", root.path().join("lib")).unwrap();
        fs::create_dir(root.path().join("sbin")).unwrap();
        fs::create_dir_all(root.path().join("etc/ssl/certs")).unwrap();
        let found = HostRoot::of(root.path()).unwrap();
        assert_eq!(found.links, [("/bin".to_owned(), "usr/bin".to_owned())]);
        assert_eq!(found.programs, ["/usr", "/sbin"]);
        assert_eq!(found.configuration, ["/etc/ssl/certs"]);
        assert_eq!(found.devices, Vec::<String>::new());
    }
}
