//! Boots a kernel until its log says a word, saves it there, and restores it: `restore KERNEL MIB WORD [ARGUMENTS [DISK…]]`.
//! Shows how long each step takes, what the process holds beyond guest memory, and how often the guest came out.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a tool for trying"
)]

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use mimobox_vmm_protocol::{Config, Disk, Event, Start};

#[path = "../tests/machine/vmm.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod vmm;

use vmm::{Parts, Vmm};

/// How long it may go on then.
const PAUSE: Duration = Duration::from_millis(500);
/// How often it is restored.
const TIMES: usize = 10;

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    let memory = arguments[2].parse::<u64>().unwrap() << 20;
    let disks =
        || arguments.iter().skip(5).map(|path| File::open(path).unwrap().into()).collect::<Vec<OwnedFd>>();
    let kvm = File::options().read(true).write(true).open("/dev/kvm").unwrap();
    let probe = mimobox_vmm::probe(kvm.into()).unwrap();
    println!("KVM flavour {}, template {}", probe.flavour.name(), probe.template.name());
    let config = Config {
        memory,
        vcpus: 1,
        template: probe.template,
        command_line: arguments.get(4).cloned().unwrap_or_default(),
        disks: disks().iter().map(|_| Disk { capacity: 1 << 30 }).collect(),
        start: Start::Boot,
        account: None,
        tolerated: Vec::new(),
    };
    let program = vmm::program();
    let kernel = File::open(&arguments[1]).unwrap().into();
    let parts = Parts { start: kernel, memory: vmm::new_memory(memory), disks: disks() };
    let mut first = started(&program, &config, parts);
    let begin = Instant::now();
    first.log_until(&arguments[3]);
    println!("boot to {:?}: {:?}", arguments[3], begin.elapsed());
    println!("{:?}", first.usage());
    println!("beyond guest memory: {} KiB", beyond_guest_memory(first.pid()));
    first.pause();
    let begin = Instant::now();
    let state = first.save();
    println!("saved in {:?}", begin.elapsed());
    let again = Config { start: Start::Restore, ..config };
    for _ in 0..TIMES {
        let (start, memory) = (state.try_clone().unwrap(), first.memory.try_clone().unwrap());
        let mut restored = started(&program, &again, Parts { start, memory, disks: disks() });
        std::thread::sleep(PAUSE);
        println!(
            "  beyond guest memory: {} KiB, {:?}",
            beyond_guest_memory(restored.pid()),
            restored.usage()
        );
        println!("  it says: {:?}", restored.said());
        restored.stop();
    }
}

/// Starts, configures and runs it, and tells how long each took.
fn started(program: &mimobox_confine::launch::Program, config: &Config, parts: Parts) -> Vmm {
    let begin = Instant::now();
    let mut vmm = Vmm::start_program(program, config, parts);
    let process = begin.elapsed();
    assert!(matches!(vmm.event(), Event::Jailed(_)));
    let jailed = begin.elapsed();
    assert_eq!(vmm.event(), Event::Configured);
    let configured = begin.elapsed();
    let spent = Duration::from_nanos(vmm.usage().total_nanoseconds);
    vmm.run();
    let running = begin.elapsed();
    println!(
        "{:?}: process {process:?}, jailed {jailed:?}, configured {configured:?} ({spent:?} of processor time), \
         running {running:?}",
        config.start
    );
    vmm
}

/// Proportional set size of all mappings but guest memory's (`/proc/<pid>/smaps`), in KiB.
fn beyond_guest_memory(pid: i32) -> u64 {
    let text = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("smaps")).unwrap();
    let (mut sum, mut is_guest) = (0, false);
    for line in text.lines() {
        if let Some(size) = line.strip_prefix("Pss:") {
            let size = size.trim().trim_end_matches(" kB").parse::<u64>().unwrap();
            sum += if is_guest { 0 } else { size };
        } else if line.contains('-') && !line.split(' ').next().unwrap_or_default().ends_with(':') {
            is_guest = line.contains("/memfd:guest");
        }
    }
    sum
}
