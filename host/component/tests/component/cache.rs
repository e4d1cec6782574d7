//! The folder of compiled code, and who may write to it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

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
    assert_eq!(mode(&cache.join("compiled")), 0o700);
    assert!(fs::read_dir(cache.join("compiled")).unwrap().count() > 0, "nothing was kept");
}

/// Wasmtime deletes what it does not know when it cleans its folder up, which it does on the first use and then hourly.
#[test]
fn nothing_else_in_the_folder_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let (precious, stranger) =
        (folder.path().join("target/precious"), folder.path().join("compiled/stranger"));
    for file in [&precious, &stranger] {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(file.parent().unwrap()).unwrap();
        fs::write(file, "made by somebody else").unwrap();
    }
    let engine = engine(folder.path()).unwrap();
    Runner::new(&engine, &component(&command("", "", "", "(i32.const 0)")), &Grants::default()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while stranger.exists() {
        assert!(Instant::now() < deadline, "the cache was never cleaned up: this test shows nothing");
        thread::sleep(Duration::from_millis(10));
    }
    assert!(precious.exists());
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
