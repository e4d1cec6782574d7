//! What std would bring: an allocator and an end for panics. Neither imports anything.

use core::panic::PanicInfo;

#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

// For memcpy and its like, which on this target come from libc alone; nothing that imports is taken from it.
#[cfg(target_env = "p2")]
#[link(name = "c")]
unsafe extern "C" {}

/// A policy that panics traps, and the host takes a trap as a denial.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// The canonical ABI's allocator: the host calls it for room to put the event into.
/// wit-bindgen brings one, except on `wasm32-wasip2`, where it counts on the one of std.
///
/// # Safety
/// As the canonical ABI has it: `old_size` bytes at `old`, aligned to `align`, came from an earlier call or are none.
#[cfg(target_env = "p2")]
#[unsafe(no_mangle)]
unsafe extern "C" fn cabi_realloc(old: *mut u8, old_size: usize, align: usize, new_size: usize) -> *mut u8 {
    use alloc::alloc::{Layout, alloc, realloc};

    if new_size == 0 {
        return core::ptr::without_provenance_mut(align);
    }
    let Ok(layout) = Layout::from_size_align(if old_size == 0 { new_size } else { old_size }, align) else {
        core::arch::wasm32::unreachable()
    };
    let new = if old_size == 0 {
        // SAFETY: the size is not zero, as tested above.
        unsafe { alloc(layout) }
    } else {
        // SAFETY: `old` has this layout by the caller's word, and the new size is not zero.
        unsafe { realloc(old, layout, new_size) }
    };
    if new.is_null() {
        core::arch::wasm32::unreachable()
    }
    new
}
