//! What a new process does between `clone3` and `execveat`.
//!
//! It shares its parent's memory and runs on a borrowed stack while the parent's threads go on: so it must not allocate,
//! lock, touch thread-local storage (`errno` is one) or panic. Hence bare system calls, their answers looked at in registers.
#![allow(unsafe_code, reason = "bare system calls of a process that may use no library")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "registers hold descriptors, flags and addresses alike; an error is a descriptor that the next call refuses"
)]

use std::arch::asm;
use std::os::fd::RawFd;

/// Where the program finds its end of the connection.
const CONNECTION: RawFd = 3;
/// Where the program itself lies until it is executed.
const PROGRAM: RawFd = 4;
/// Above all places that are filled below, so that filling one can't close a source.
const ABOVE: usize = 10;
/// Exit status of a process that could not execute its program.
const NOT_EXECUTED: usize = 127;
/// `SIG_SETMASK`, the kernel's size of a signal set, and signals 1 to 31.
const SET_MASK: usize = 2;
const SIGNAL_SET: usize = 8;
const ORDINARY_SIGNALS: usize = 31;

/// All that the new process is told. Lives in the parent until the program is executed.
#[derive(Debug)]
pub(super) struct Orders {
    pub(super) program: RawFd,
    pub(super) connection: RawFd,
    pub(super) null: RawFd,
    /// Ends with a null pointer.
    pub(super) arguments: Vec<*const libc::c_char>,
    /// Capabilities in the new user namespace that the program keeps.
    pub(super) capabilities: u64,
}

/// The entry of a process that is to execute a program. Never returns.
///
/// # Safety
/// `orders` is live, with valid pointers, until the program is executed or the process has ended.
pub(super) unsafe extern "C" fn execute(orders: *const Orders) -> ! {
    // SAFETY: the caller keeps `orders` alive, and nothing writes to it.
    let orders = unsafe { &*orders };
    keep_capabilities(orders.capabilities);
    let null = duplicate(orders.null);
    let connection = duplicate(orders.connection);
    let program = duplicate(orders.program);
    for standard in 0..CONNECTION {
        place(null, standard, 0);
    }
    place(connection, CONNECTION, 0);
    place(program, PROGRAM, libc::O_CLOEXEC);
    call(libc::SYS_close_range, [PROGRAM as usize + 1, u32::MAX as usize, 0, 0, 0]);
    // Neither the host's terminal nor its process group is the sandbox's.
    call(libc::SYS_setsid, [0; 5]);
    reset_signals();
    let environment: [*const libc::c_char; 1] = [std::ptr::null()];
    let (arguments, flags) = (orders.arguments.as_ptr(), libc::AT_EMPTY_PATH as usize);
    call(
        libc::SYS_execveat,
        [PROGRAM as usize, c"".as_ptr() as usize, arguments as usize, environment.as_ptr() as usize, flags],
    );
    leave_with(NOT_EXECUTED)
}

/// The entry of a process that only shows that it could be made. Never returns.
pub(super) unsafe extern "C" fn leave(_orders: *const Orders) -> ! {
    leave_with(0)
}

/// The entry of a process that waits to be killed. Never returns.
pub(super) unsafe extern "C" fn wait(_orders: *const Orders) -> ! {
    loop {
        // On no descriptor, without a deadline.
        call(libc::SYS_ppoll, [0; 5]);
    }
}

fn leave_with(status: usize) -> ! {
    loop {
        call(libc::SYS_exit_group, [status, 0, 0, 0, 0]);
    }
}

/// The new user namespace has no user map yet, so its creator is not root there, and executing a program would take all
/// capabilities away: all but the ambient ones.
fn keep_capabilities(set: u64) {
    if set == 0 {
        return;
    }
    let header: [u32; 2] = [0x2008_0522, 0];
    let (low, high) = ((set & 0xffff_ffff) as u32, (set >> 32) as u32);
    let words: [u32; 6] = [low, low, low, high, high, high];
    call(libc::SYS_capset, [header.as_ptr() as usize, words.as_ptr() as usize, 0, 0, 0]);
    let mut rest = set;
    while rest != 0 {
        let capability = rest.trailing_zeros() as usize;
        let (ambient, raise) = (libc::PR_CAP_AMBIENT as usize, libc::PR_CAP_AMBIENT_RAISE as usize);
        call(libc::SYS_prctl, [ambient, raise, capability, 0, 0]);
        rest &= rest - 1;
    }
}

/// Signals that the host ignores or blocks are none of the program's business.
fn reset_signals() {
    // As long as the kernel's `struct sigaction` on any architecture; zeros are the default action.
    let default: [u64; 4] = [0; 4];
    for signal in 1..=ORDINARY_SIGNALS {
        call(libc::SYS_rt_sigaction, [signal, default.as_ptr() as usize, 0, SIGNAL_SET, 0]);
    }
    let none: u64 = 0;
    call(libc::SYS_rt_sigprocmask, [SET_MASK, &raw const none as usize, 0, SIGNAL_SET, 0]);
}

fn duplicate(descriptor: RawFd) -> RawFd {
    call(libc::SYS_fcntl, [descriptor as usize, libc::F_DUPFD_CLOEXEC as usize, ABOVE, 0, 0]) as RawFd
}

fn place(descriptor: RawFd, at: RawFd, flags: libc::c_int) {
    call(libc::SYS_dup3, [descriptor as usize, at as usize, flags as usize, 0, 0]);
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn call(number: libc::c_long, arguments: [usize; 5]) -> libc::c_long {
    let [first, second, third, fourth, fifth] = arguments;
    let answer: libc::c_long;
    // SAFETY: the callers above pass live pointers, or numbers; the kernel keeps all registers but the three named.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => answer,
            in("rdi") first, in("rsi") second, in("rdx") third, in("r10") fourth, in("r8") fifth,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    answer
}

#[cfg(target_arch = "aarch64")]
#[inline(always)]
fn call(number: libc::c_long, arguments: [usize; 5]) -> libc::c_long {
    let [first, second, third, fourth, fifth] = arguments;
    let answer: libc::c_long;
    // SAFETY: the callers above pass live pointers, or numbers; the kernel keeps all registers but the answer's.
    unsafe {
        asm!(
            "svc #0",
            in("x8") number,
            inlateout("x0") first => answer,
            in("x1") second, in("x2") third, in("x3") fourth, in("x4") fifth,
            options(nostack),
        );
    }
    answer
}
