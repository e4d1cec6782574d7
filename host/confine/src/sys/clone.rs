//! New processes by `clone3`, without a copy of the parent's memory: the cost does not grow with the host.
#![allow(unsafe_code, reason = "no safe library wraps clone3")]

use std::arch::asm;
use std::ffi::CString;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::wait::{Id, WaitPidFlag, waitid};

use super::entry::{Orders, execute, leave, wait};
use super::signal_pidfd;
use super::user::as_user;

/// Deep enough for `entry`, in any build.
const STACK_WORDS: usize = 64 * 1024 / size_of::<u128>();

/// What to start.
#[derive(Debug)]
pub(crate) struct Start<'a> {
    /// A static program.
    pub(crate) program: BorrowedFd<'a>,
    /// Its arguments, its own name first.
    pub(crate) arguments: Vec<CString>,
    /// Its descriptor 3.
    pub(crate) connection: BorrowedFd<'a>,
    /// Its standard input, output and error.
    pub(crate) null: BorrowedFd<'a>,
    /// `CLONE_NEW…` flags.
    pub(crate) namespaces: u64,
    /// Capabilities in the new user namespace that the program keeps.
    pub(crate) capabilities: u64,
    /// A directory of cgroup v2 to start in.
    pub(crate) cgroup: Option<BorrowedFd<'a>>,
    /// The user of the host who makes it, where that is not the caller.
    pub(crate) creator: Option<u32>,
}

/// A process that was started, and is killed and reaped when this is dropped.
#[derive(Debug)]
pub(crate) struct Started {
    pid: libc::pid_t,
    handle: OwnedFd,
    reaped: bool,
    borrowed: Option<Borrowed>,
}

/// What the new process uses of ours until it has executed its program.
#[derive(Debug)]
struct Borrowed {
    _stack: Vec<MaybeUninit<u128>>,
    _orders: Box<Orders>,
    _arguments: Vec<CString>,
}

// SAFETY: the raw pointers in `Orders` point into `_arguments` beside it, which nobody changes.
unsafe impl Send for Borrowed {}
// SAFETY: as for `Send`; nothing is reachable through a shared reference.
unsafe impl Sync for Borrowed {}

impl Started {
    /// Its number, which stays its own until it is reaped.
    pub(crate) fn pid(&self) -> libc::pid_t {
        self.pid
    }

    /// A handle that becomes readable when it ends.
    pub(crate) fn handle(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }

    /// Takes back what was lent. To be called once the program is known to run: it has spoken.
    pub(crate) fn runs(&mut self) {
        self.borrowed = None;
    }

    /// Kills it. No error if it has ended.
    pub(crate) fn kill(&self) -> Result<(), Errno> {
        match signal_pidfd(self.handle(), Signal::SIGKILL) {
            Err(Errno::ESRCH) => Ok(()),
            answer => answer,
        }
    }

    /// Waits until it has ended.
    pub(crate) fn wait_for_end(&self) -> Result<(), Errno> {
        if self.reaped { Ok(()) } else { self.await_end(WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) }
    }

    /// Waits until it has ended, and reaps it.
    pub(crate) fn wait(&mut self) -> Result<(), Errno> {
        if !self.reaped {
            self.await_end(WaitPidFlag::WEXITED)?;
        }
        self.reaped = true;
        self.borrowed = None;
        Ok(())
    }

    fn await_end(&self, how: WaitPidFlag) -> Result<(), Errno> {
        loop {
            match waitid(Id::PIDFd(self.handle.as_fd()), how) {
                Err(Errno::EINTR) => {}
                // Somebody else reaped it: the embedding program may wait for any child.
                Ok(_) | Err(Errno::ECHILD) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if !self.reaped && (self.kill().is_err() || self.wait().is_err()) {
            // It may still use the stack: leak that rather than pull it away.
            #[allow(clippy::mem_forget, reason = "leaking is the point")]
            std::mem::forget(self.borrowed.take());
        }
    }
}

/// Starts a program in new namespaces.
pub(crate) fn clone_into(start: Start<'_>) -> Result<Started, Errno> {
    let mut arguments: Vec<_> = start.arguments.iter().map(|argument| argument.as_ptr()).collect();
    arguments.push(std::ptr::null());
    let orders = Box::new(Orders {
        program: start.program.as_raw_fd(),
        connection: start.connection.as_raw_fd(),
        null: start.null.as_raw_fd(),
        arguments,
        capabilities: start.capabilities,
    });
    let make = || clone(start.namespaces, start.cgroup, execute, orders, start.arguments);
    match start.creator {
        None => make(),
        Some(user) => as_user(user, make),
    }
}

/// Whether the kernel lets this user make these namespaces, by making them.
pub(crate) fn try_namespaces(namespaces: u64) -> Result<(), Errno> {
    let orders =
        Orders { program: -1, connection: -1, null: -1, arguments: vec![std::ptr::null()], capabilities: 0 };
    clone(namespaces, None, leave, Box::new(orders), Vec::new())?.wait()
}

/// Starts a process in a new user namespace that does nothing, for as long as it is not dropped.
pub(crate) fn hold_user_namespace() -> Result<Started, Errno> {
    let orders =
        Orders { program: -1, connection: -1, null: -1, arguments: vec![std::ptr::null()], capabilities: 0 };
    let namespaces = u64::from(libc::CLONE_NEWUSER.cast_unsigned());
    clone(namespaces, None, wait, Box::new(orders), Vec::new())
}

type Entry = unsafe extern "C" fn(*const Orders) -> !;

fn clone(
    namespaces: u64,
    cgroup: Option<BorrowedFd<'_>>,
    entry: Entry,
    orders: Box<Orders>,
    arguments: Vec<CString>,
) -> Result<Started, Errno> {
    let mut stack = vec![MaybeUninit::<u128>::uninit(); STACK_WORDS];
    let mut handle: RawFd = -1;
    let into_cgroup = if cgroup.is_some() { INTO_CGROUP } else { 0 };
    let shared = (libc::CLONE_VM | libc::CLONE_PIDFD).cast_unsigned();
    let request = libc::clone_args {
        flags: namespaces | u64::from(shared) | CLEAR_SIGNAL_HANDLERS | into_cgroup,
        pidfd: (&raw mut handle).addr() as u64,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: libc::SIGCHLD.cast_unsigned().into(),
        stack: stack.as_mut_ptr().addr() as u64,
        stack_size: size_of_val(stack.as_slice()) as u64,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: cgroup.map_or(0, |directory| u64::from(directory.as_raw_fd().cast_unsigned())),
    };
    // A signal handler of the host must not run in the new process, on its small stack.
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    // SAFETY: `stack`, `orders` and `arguments` are kept until the new process has executed its program or ended.
    let answer = unsafe { clone_at(&request, &raw const *orders, entry) };
    let restored = before.thread_set_mask();
    let pid = check_raw(answer)?;
    // SAFETY: `clone3` succeeded, so it opened this descriptor for us.
    let handle = unsafe { OwnedFd::from_raw_fd(handle) };
    let borrowed = Borrowed { _stack: stack, _orders: orders, _arguments: arguments };
    let started = Started { pid, handle, reaped: false, borrowed: Some(borrowed) };
    restored?;
    Ok(started)
}

/// `CLONE_CLEAR_SIGHAND` and `CLONE_INTO_CGROUP` of `linux/sched.h`: libc gives them in 32 bits, which they exceed.
const CLEAR_SIGNAL_HANDLERS: u64 = 0x1_0000_0000;
const INTO_CGROUP: u64 = 0x2_0000_0000;

fn check_raw(answer: libc::c_long) -> Result<libc::pid_t, Errno> {
    let answer = i32::try_from(answer).map_err(|_| Errno::EINVAL)?;
    if answer < 0 { Err(Errno::from_raw(answer.saturating_neg())) } else { Ok(answer) }
}

/// `clone3`; the new process calls `entry` on the stack of `request`.
///
/// # Safety
/// `request` names a stack that is large enough, aligned to 16 bytes and unused, and stays so, like `orders`, until the new
/// process has executed a program or ended.
#[cfg(target_arch = "x86_64")]
unsafe fn clone_at(request: &libc::clone_args, orders: *const Orders, entry: Entry) -> libc::c_long {
    let answer: libc::c_long;
    // SAFETY: the parent sees an ordinary system call. The child never comes back from `entry`.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => answer,
            in("rdi") request, in("rsi") size_of::<libc::clone_args>(),
            in("r12") orders, in("r13") entry,
            lateout("rcx") _, lateout("r11") _,
        );
    }
    answer
}

/// As above.
///
/// # Safety
/// As above.
#[cfg(target_arch = "aarch64")]
unsafe fn clone_at(request: &libc::clone_args, orders: *const Orders, entry: Entry) -> libc::c_long {
    let answer: libc::c_long;
    // SAFETY: the parent sees an ordinary system call. The child never comes back from `entry`.
    unsafe {
        asm!(
            "svc #0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x0, x20",
            "blr x21",
            "brk #1",
            "2:",
            in("x8") libc::SYS_clone3,
            inlateout("x0") std::ptr::from_ref(request).addr() => answer,
            in("x1") size_of::<libc::clone_args>(),
            in("x20") orders, in("x21") entry,
        );
    }
    answer
}
