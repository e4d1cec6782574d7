//! A virtual processor and its thread.
//!
//! ```text
//!   main thread                        processor's thread
//!     Order::Begin ─────────────────►    made ready, or refused: Report::Begun
//!     Order::Run ───────────────────►    in the guest
//!     kick ─────────────────────────►    Report::Stopped
//!     Order::Save ──────────────────►    Report::Saved
//!                                        the guest ends: Report::Ended
//! ```
//! The thread waits for orders only between runs, and answers each.

mod cpuid;
mod exits;
mod kick;
mod registers;
mod run;
mod state;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use kvm_bindings::{CpuId, kvm_cpuid_entry2};
use kvm_ioctls::VcpuFd;
use mimobox_vmm_protocol::{Exits, Failure, KvmStep};
use vmm_sys_util::signal::Killable;

pub(crate) use cpuid::of as cpuid_of;
pub(crate) use kick::Kick;
pub(crate) use registers::enter as enter_kernel;
pub(crate) use state::ProcessorState;

use crate::board::Board;
use crate::jail::Filter;
use crate::reports::{Report, Reporter};
use crate::sys::ThreadClock;
use exits::ExitCounts;

/// Enough for a processor's thread, in any build.
const STACK: usize = 256 * 1024;

/// What a processor's thread is asked.
#[derive(Debug)]
pub(crate) enum Order {
    /// Make this processor ready.
    Begin(Box<Begin>),
    /// Run the guest until kicked.
    Run,
    /// Hand over the state.
    Save,
}

/// A new processor, and what it is to be.
#[derive(Debug)]
pub(crate) struct Begin {
    pub(crate) vcpu: VcpuFd,
    pub(crate) board: Arc<Board>,
    /// Model-specific registers to save.
    pub(crate) listed: Arc<[u32]>,
    pub(crate) start: Beginning,
}

/// How a processor begins.
#[derive(Debug)]
pub(crate) enum Beginning {
    /// After a reset. The one with an entry enters the kernel, others wait for it to start them.
    Boot {
        /// What CPUID says.
        cpuid: Vec<kvm_cpuid_entry2>,
        /// The kernel's first instruction.
        entry: Option<u64>,
    },
    /// Where it was.
    Restore(Box<ProcessorState>),
}

/// A processor's thread, as the main thread holds it.
#[derive(Debug)]
pub(crate) struct Processor {
    orders: Sender<Order>,
    thread: JoinHandle<()>,
    kick: Arc<Kick>,
    exits: Arc<ExitCounts>,
    clock: ThreadClock,
}

impl Processor {
    /// Starts the thread, which first of all installs its filter and says so ([`Report::Jailed`]).
    ///
    /// # Errors
    /// `Thread`.
    pub(crate) fn start(number: u8, filter: Filter, reporter: Reporter) -> Result<Self, Failure> {
        let (kick, exits) = (Arc::new(Kick::default()), Arc::new(ExitCounts::default()));
        let (orders, received) = channel();
        let (clock, its_clock) = channel();
        let (its_kick, its_exits) = (Arc::clone(&kick), Arc::clone(&exits));
        let body = move || {
            // The receiver waits for it.
            let _ = clock.send(ThreadClock::of_this_thread());
            reporter.send(Report::Jailed(filter, filter.install()));
            serve(&received, &reporter, &its_kick, &its_exits);
        };
        let builder = Builder::new().name(format!("vcpu{number}")).stack_size(STACK);
        let thread = builder.spawn(body).map_err(|_| Failure::Thread)?;
        let clock = its_clock.recv().map_err(|_| Failure::Thread)?;
        Ok(Self { orders, thread, kick, exits, clock })
    }

    /// Gives an order.
    ///
    /// # Errors
    /// `Thread`: it is gone.
    pub(crate) fn order(&self, order: Order) -> Result<(), Failure> {
        if matches!(order, Order::Run) {
            self.kick.release();
        }
        self.orders.send(order).map_err(|_| Failure::Thread)
    }

    /// Gets it out of the guest: [`Report::Stopped`] follows, unless the guest ended.
    ///
    /// # Errors
    /// `Thread`: it is gone.
    pub(crate) fn kick(&self) -> Result<(), Failure> {
        self.kick.want();
        self.thread.kill(Kick::signal()).map_err(|_| Failure::Thread)
    }

    /// Time that it has had a processor of the host's for.
    pub(crate) fn time(&self) -> Duration {
        self.clock.read()
    }

    /// Adds its exits to a sum.
    pub(crate) fn add_exits(&self, sum: &mut Exits) {
        self.exits.add_to(sum);
    }
}

/// What the thread does once it is jailed: until the main thread is gone.
fn serve(orders: &Receiver<Order>, reporter: &Reporter, kick: &Kick, exits: &ExitCounts) {
    let Ok(Order::Begin(begin)) = orders.recv() else { return };
    let Begin { mut vcpu, board, listed, start } = *begin;
    let cpuid = match begin_at(&vcpu, start) {
        Ok(cpuid) => cpuid,
        Err(failure) => return reporter.send(Report::Begun(Err(failure))),
    };
    reporter.send(Report::Begun(Ok(())));
    kick.switch.connect(&mut vcpu, |vcpu| {
        while let Ok(order) = orders.recv() {
            match order {
                Order::Begin(_) => return,
                Order::Run => match run::run(vcpu, &board, kick, exits) {
                    None => reporter.send(Report::Stopped),
                    Some(end) => reporter.send(Report::Ended(end)),
                },
                Order::Save => {
                    let state = state::save(vcpu, &cpuid, &listed);
                    reporter.send(Report::Saved(state.map(Box::new)));
                }
            }
        }
    });
}

/// Makes a processor ready, and says what CPUID it has.
fn begin_at(vcpu: &VcpuFd, start: Beginning) -> Result<Vec<kvm_cpuid_entry2>, Failure> {
    match start {
        Beginning::Boot { cpuid, entry } => {
            let entries = CpuId::from_entries(&cpuid)
                .map_err(|_| Failure::Kvm { step: KvmStep::Cpuid, errno: libc::E2BIG })?;
            vcpu.set_cpuid2(&entries).map_err(refused(KvmStep::Cpuid))?;
            registers::set_up_as_firmware(vcpu)?;
            if let Some(entry) = entry {
                enter_kernel(vcpu, entry)?;
            }
            Ok(cpuid)
        }
        Beginning::Restore(saved) => {
            state::restore(vcpu, &saved)?;
            Ok(saved.cpuid().to_vec())
        }
    }
}

/// KVM refused this step.
pub(crate) fn refused(step: KvmStep) -> impl Fn(kvm_ioctls::Error) -> Failure {
    move |error| Failure::Kvm { step, errno: error.errno() }
}
