//! Any bytes as the source of an image.

#![no_main]

#[path = "../checks/image_import.rs"]
mod image_import;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // In memory: an import waits for the disk.
    let place = tempfile::tempdir_in("/dev/shm").expect("a place");
    image_import::check(place.path(), bytes);
});
