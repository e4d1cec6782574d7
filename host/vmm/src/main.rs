//! `mimobox-vmm`: one microVM. Started by the host with a control socket as descriptor 3, never by hand.

fn main() {}
