//! `mimobox-vmm`: one microVM. Started by the host with a control socket as descriptor 3, never by hand.

use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(socket) = mimobox_vmm::connection() else { return ExitCode::from(2) };
    match mimobox_vmm::serve(socket) {
        Ok(()) => ExitCode::SUCCESS,
        // The host was told, or cannot be.
        Err(_) => ExitCode::FAILURE,
    }
}
