//! Printing, by macros named as those of std: `use mimobox_guest::println;`.
//!
//! As in std, a line goes out whole. Unlike std, a closed output is no panic: there is nobody left to tell.

use std::fmt;

use crate::bindings::wasi::cli::{stderr, stdout, terminal_stderr};
use crate::bindings::wasi::io::streams::OutputStream;

/// The most that WASI takes in one blocking write.
const PIECE: usize = 4096;

#[doc(hidden)]
pub fn out(text: fmt::Arguments<'_>) {
    write(&stdout::get_stdout(), text);
}

#[doc(hidden)]
pub fn err(text: fmt::Arguments<'_>) {
    write(&stderr::get_stderr(), text);
}

/// Whether standard error is a person's terminal, where progress may be shown.
#[doc(hidden)]
pub fn err_is_terminal() -> bool {
    terminal_stderr::get_terminal_stderr().is_some()
}

fn write(stream: &OutputStream, text: fmt::Arguments<'_>) {
    for piece in text.to_string().as_bytes().chunks(PIECE) {
        if stream.blocking_write_and_flush(piece).is_err() {
            return;
        }
    }
}

/// Writes to standard output.
#[macro_export]
macro_rules! print {
    ($($argument:tt)*) => { $crate::print::out(::std::format_args!($($argument)*)) };
}

/// Writes a line to standard output.
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($($argument:tt)*) => { $crate::print!("{}\n", ::std::format_args!($($argument)*)) };
}

/// Writes to standard error.
#[macro_export]
macro_rules! eprint {
    ($($argument:tt)*) => { $crate::print::err(::std::format_args!($($argument)*)) };
}

/// Writes a line to standard error.
#[macro_export]
macro_rules! eprintln {
    () => { $crate::eprint!("\n") };
    ($($argument:tt)*) => { $crate::eprint!("{}\n", ::std::format_args!($($argument)*)) };
}
