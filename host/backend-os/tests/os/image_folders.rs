//! Small images, made of this machine's programs.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Programs that the tests run in an image.
const PROGRAMS: [&str; 12] =
    ["sh", "cat", "cut", "echo", "head", "id", "ls", "mkdir", "mv", "rm", "rmdir", "true"];

/// A root in the manner of Debian: dynamic programs, `/bin` a link into `/usr`, users `root` and `daemon`.
pub(crate) fn debian_like() -> TempDir {
    let image = skeleton("debian-like");
    let root = image.path();
    fs::create_dir_all(root.join("usr/bin")).unwrap();
    symlink("usr/bin", root.join("bin")).unwrap();
    for program in PROGRAMS {
        let source = found(program);
        fs::copy(&source, root.join("usr/bin").join(program)).unwrap();
        for library in libraries(&source) {
            let place = root.join(library.strip_prefix("/").unwrap());
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::copy(&library, place).unwrap();
        }
    }
    image
}

/// A root in the manner of Alpine: one static program under many names. None where this machine has no such program.
pub(crate) fn alpine_like() -> Option<TempDir> {
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().map(Path::new).find(|path| path.exists());
    let Some(busybox) = busybox.filter(|busybox| libraries(busybox).is_empty()) else {
        assert!(std::env::var_os("CI").is_none(), "there is no static busybox");
        println!("skipped: there is no static busybox");
        return None;
    };
    let image = skeleton("alpine-like");
    fs::create_dir(image.path().join("bin")).unwrap();
    fs::copy(busybox, image.path().join("bin/busybox")).unwrap();
    for program in PROGRAMS {
        symlink("busybox", image.path().join("bin").join(program)).unwrap();
    }
    Some(image)
}

fn skeleton(name: &str) -> TempDir {
    let image = tempfile::tempdir().unwrap();
    let root = image.path();
    fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
    for directory in ["etc", "srv", "usr"] {
        fs::create_dir(root.join(directory)).unwrap();
    }
    fs::write(root.join("etc/os-release"), format!("ID={name}\n")).unwrap();
    fs::write(root.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\ndaemon:x:2:3::/:/bin/sh\n").unwrap();
    fs::write(root.join("etc/group"), "root:x:0:\ndaemon:x:3:\n").unwrap();
    fs::write(root.join("srv/file"), "as packed\n").unwrap();
    fs::write(root.join("srv/gone"), "as packed\n").unwrap();
    for file in ["file", "gone"] {
        fs::set_permissions(root.join("srv").join(file), fs::Permissions::from_mode(0o666)).unwrap();
    }
    image
}

fn found(program: &str) -> PathBuf {
    let folders = ["/usr/bin", "/bin"].into_iter().map(|folder| Path::new(folder).join(program));
    folders.into_iter().find(|path| path.exists()).unwrap_or_else(|| panic!("no {program}"))
}

/// The shared libraries of a program and its loader; none of a static one.
#[allow(clippy::disallowed_methods, reason = "a test may run a program of its machine")]
fn libraries(program: &Path) -> Vec<PathBuf> {
    let listed = Command::new("ldd").arg(program).output().unwrap();
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}
