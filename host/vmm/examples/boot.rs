//! Boots a kernel and shows what it says: `boot KERNEL [MIB [ARGUMENTS [DISK…]]]`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a tool for trying"
)]

use std::fs::File;
use std::time::Instant;

use mimobox_vmm_protocol::{Config, Disk, Event, Request, Start};

#[path = "../tests/machine/vmm.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod vmm;

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    let memory = arguments.get(2).map_or(128, |mib| mib.parse().unwrap()) << 20;
    let disks: Vec<_> = arguments.iter().skip(4).map(|path| File::open(path).unwrap().into()).collect();
    let kvm = File::options().read(true).write(true).open("/dev/kvm").unwrap();
    let config = Config {
        memory,
        vcpus: 1,
        template: mimobox_vmm::probe(kvm.into()).unwrap().template,
        command_line: arguments.get(3).cloned().unwrap_or_default(),
        disks: disks.iter().map(|_| Disk { capacity: 1 << 30 }).collect(),
        start: Start::Boot,
        account: None,
        tolerated: Vec::new(),
    };
    let kernel = File::open(&arguments[1]).unwrap().into();
    let begin = Instant::now();
    let mut vmm =
        vmm::Vmm::start(&config, vmm::Parts { start: kernel, memory: vmm::new_memory(memory), disks });
    println!("started {:?}, pid {}", begin.elapsed(), vmm.pid());
    println!("{:?} {:?}", vmm.event(), begin.elapsed());
    println!("{:?} {:?}", vmm.event(), begin.elapsed());
    vmm.send(&Request::Run);
    loop {
        let event = vmm.event();
        println!("{event:?} {:?}", begin.elapsed());
        if matches!(event, Event::Ended(_) | Event::Failed(_)) {
            break;
        }
    }
    println!("{}", vmm.said());
}
