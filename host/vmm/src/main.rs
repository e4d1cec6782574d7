//! `mimobox-vmm`: one microVM. Started by the host with a control socket as descriptor 3, never by hand.
//!
//! `mimobox-vmm probe`, with `/dev/kvm` as descriptor 3, writes one packet to its standard output: how guests run here.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(connection) = mimobox_vmm::connection() else { return ExitCode::from(2) };
    let mut arguments = std::env::args_os().skip(1);
    match (arguments.next(), arguments.next()) {
        (None, None) => serve(connection),
        (Some(mode), None) if mode == "probe" => probe(connection),
        _ => ExitCode::from(2),
    }
}

fn serve(socket: OwnedFd) -> ExitCode {
    match mimobox_vmm::serve(socket) {
        Ok(()) => ExitCode::SUCCESS,
        // The host was told, or cannot be.
        Err(_) => ExitCode::FAILURE,
    }
}

fn probe(kvm: OwnedFd) -> ExitCode {
    let answer = mimobox_vmm::probe(kvm);
    let said = mimobox_vmm_protocol::encode(&answer).is_ok_and(|packet| {
        let mut out = std::io::stdout().lock();
        out.write_all(&packet).and_then(|()| out.flush()).is_ok()
    });
    if said { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
