//! The folder of compiled code, and who may write to it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use mimobox_component::{CacheError, Engine, EngineConfig, EngineError, Grants, Runner};

use crate::handmade::command;
use crate::stand::component;

fn engine(cache: &Path) -> Result<Engine, EngineError> {
    Engine::new(&EngineConfig { cache: Some(cache.to_owned()) })
}

fn refusal(cache: &Path) -> CacheError {
    match engine(cache) {
        Err(EngineError::Cache(error)) => error,
        other => panic!("not refused: {other:?}"),
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn compiled_code_is_kept_in_a_folder_for_the_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("a/b/code");
    let engine = engine(&cache).unwrap();
    assert_eq!(mode(&cache), 0o700);
    let program = component(&command("", "", "", "(i32.const 0)"));
    Runner::new(&engine, &program, &Grants::default()).unwrap();
    assert!(fs::read_dir(&cache).unwrap().count() > 0, "nothing was kept");
}

#[test]
fn a_folder_that_others_can_write_to_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for open in [0o777, 0o770, 0o702] {
        fs::set_permissions(folder.path(), Permissions::from_mode(open)).unwrap();
        assert!(matches!(refusal(folder.path()), CacheError::WritableByOthers { .. }), "{open:o}");
    }
    fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
    engine(folder.path()).unwrap();
}

#[test]
fn a_link_to_a_folder_that_others_can_write_to_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (open, link) = (folder.path().join("open"), folder.path().join("link"));
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
    symlink(&open, &link).unwrap();
    assert!(matches!(refusal(&link), CacheError::WritableByOthers { .. }));
}

#[test]
fn a_file_is_no_folder_for_compiled_code() {
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(matches!(refusal(file.path()), CacheError::Make { .. } | CacheError::NotAFolder { .. }));
}
