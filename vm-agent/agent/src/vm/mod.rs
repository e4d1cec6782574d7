//! The agent as pid 1 of a microVM: makes the guest a sandbox, then relays between its host and an agent that serves in it.
//!
//! ```text
//!   kernel ─► init: mounts, loopback, the agent's process, doors  ── the state that a template of the machine keeps ──
//!          ─► the host connects ─► SetUp: clock, entropy, name, limit, root, volumes ─► SetUpAnswer
//!          ─► relay, until the host closes the connection ─► power off
//! ```
//!
//! The agent is another process of this program, so that it is the same code as in an OS sandbox, on a socketpair like there.
//! It is forked before the host connects: that is the dearest call of all, and so a template has it done. It waits for what
//! `begin` tells it.
//!
//! The machine is the sandbox, and whatever runs in it may become its root. So this program is no border: it keeps to its
//! bounds so that an honest command cannot break it, and who breaks it has broken his own machine.

mod begin;
mod disk;
mod init;
mod listen;
mod power;
mod relay;
mod root;
mod seed;
mod serve;
mod set_up;

use std::error::Error;
use std::fmt::Write as _;
use std::os::unix::net::UnixStream;

use begin::Begin;
use init::InitError;
use mimobox_protocol::MACHINE_READY;
use nix::errno::Errno;
use serve::MachineError;

pub(crate) use serve::relay_only;

use crate::surroundings::Surroundings;

/// The machine ended otherwise than by its host.
#[derive(Debug, thiserror::Error)]
enum VmError {
    #[error(transparent)]
    Init(#[from] InitError),
    #[error("failed to open the machine's doors")]
    Doors(#[source] Errno),
    #[error(transparent)]
    Machine(#[from] MachineError),
}

/// Is the machine's first process for as long as its host wants the machine, and then stops it.
pub(crate) fn run() {
    if let Err(error) = live() {
        tell(&error);
    }
    power::off();
}

fn live() -> Result<(), VmError> {
    let fittings = init::prepare()?;
    let agent = serve::start_agent(begin)?;
    init::allow_descriptors()?;
    init::yield_to_others()?;
    let doors = listen::open().map_err(VmError::Doors)?;
    say(MACHINE_READY);
    serve::serve_host(doors, agent, |set_up, agent| {
        set_up::carry_out(set_up, fittings, agent).map_err(|error| {
            tell(&error);
            error.failure()
        })
    })?;
    Ok(())
}

/// The agent's own beginning. Nothing if the machine is not set up after all.
fn begin(init: &UnixStream) -> Option<Surroundings> {
    // The machine as a whole has a limit; that of one user is a share of memory which nobody has asked for.
    init::lift_process_limit().ok()?;
    Some(Begin::receive(init).ok()??.into())
}

/// Says what went wrong on the machine's console, which the host may keep for its log.
fn tell(error: &dyn Error) {
    let mut text = format!("mimobox-agent: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing to a string does not fail.
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    say(&text);
}

/// Says a line on the console. Where nobody listens there is nobody to tell.
fn say(line: &str) {
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{line}\n").as_bytes());
}
