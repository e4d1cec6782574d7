//! Volumes: what a sandbox leaves in one may lead neither the host nor the next sandbox elsewhere.

use std::os::unix::fs::symlink;
use std::path::Path;

use mimobox_isolation_tests::Confined;
use mimobox_sandbox::{Mount, Spec};

fn mount(volume: &str, target: &str) -> Mount {
    Mount { volume: volume.to_owned(), target: target.to_owned(), read_only: false }
}

/// A directory of the host in which everybody may make files: the worst that a link can lead to.
fn open_directory() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    folder
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn a_link_in_a_volume_leads_no_mount_to_the_host() {
    let outside = open_directory();
    let Some(confined) = Confined::start() else { return };
    symlink(outside.path(), confined.volume("scratch").join("link")).unwrap();
    let mounts = vec![mount("scratch", "/data"), mount("scratch", "/data/link/inside")];
    let made = confined.wait(confined.run().create(Spec { mounts, ..Spec::default() }));
    // It may be refused, or be made inside.
    drop(made);
    assert!(is_empty(outside.path()), "a directory was made on the host");
}
