//! Taking all there is of something. What stops it is a limit; the control is a sandbox with a larger one.

use mimobox_isolation_tests::{Attempt, Conditions, Confined, MIB, Place, without};
use mimobox_sandbox::{Command, Error, ExitStatus, Limits};
use tokio::io::AsyncReadExt;

fn take(what: &'static str, amount: u32) -> Attempt {
    Attempt::new("exhaustion", what).with(amount)
}

fn limited(limits: Limits) -> Place {
    Place::Sandbox(Conditions { limits, ..Conditions::default() })
}

fn with_memory(mebibytes: u64) -> Place {
    limited(Limits { memory: Some(mebibytes * MIB), ..Limits::default() })
}

fn with_processes(count: u32) -> Place {
    limited(Limits { processes: Some(count), ..Limits::default() })
}

fn with_disk(mebibytes: u64) -> Place {
    limited(Limits { disk: Some(mebibytes * MIB), ..Limits::default() })
}

#[test]
fn processes_are_limited() {
    take("processes", 40).is_stopped_in(&with_processes(20), &with_processes(100));
}

#[test]
fn threads_count_as_processes() {
    take("threads", 40).is_stopped_in(&with_processes(20), &with_processes(100));
}

#[test]
fn memory_is_limited() {
    take("memory", 64).is_stopped_in(&with_memory(48), &with_memory(256));
}

#[test]
fn files_in_memory_count_as_memory() {
    take("memory_file", 64).is_stopped_in(&with_memory(48), &with_memory(256));
}

#[test]
fn shared_memory_counts_as_memory() {
    take("shared_memory", 64).is_stopped_in(&with_memory(48), &with_memory(256));
}

#[test]
fn what_pipes_hold_counts_as_memory() {
    take("pipes", 56).is_stopped_in(&with_memory(48), &with_memory(256));
}

#[test]
fn what_unix_sockets_hold_counts_as_memory() {
    take("unix_sockets", 64).is_stopped_in(&with_memory(48), &with_memory(256));
}

#[test]
fn what_tcp_sockets_hold_counts_as_memory() {
    take("tcp_sockets", 64).is_stopped_in(&with_memory(48), &with_memory(1024));
}

#[test]
fn what_udp_sockets_hold_counts_as_memory() {
    take("udp_sockets", 64).is_stopped_in(&with_memory(48), &with_memory(1024));
}

#[test]
fn huge_pages_which_do_not_count_as_memory_cannot_be_had() {
    for way in ["mmap", "memfd_create", "shmget"] {
        Attempt::new("exhaustion", "huge_pages").with(way).is_stopped_but_not_in(&Place::host());
    }
}

#[test]
fn space_for_files_is_limited() {
    let fill = |folder| Attempt::new("exhaustion", "file").with(folder).with(32);
    for folder in ["/tmp", "/dev/shm", "/home/sandbox"] {
        fill(folder).is_stopped_in(&with_disk(16), &with_disk(64));
    }
}

#[test]
fn the_number_of_files_is_limited() {
    Attempt::new("exhaustion", "files")
        .with("/tmp")
        .with(10_000)
        .is_stopped_in(&with_disk(16), &with_disk(64));
}

#[test]
fn open_files_of_a_process_are_limited() {
    take("descriptors", 5000).is_stopped_but_not_in(&Place::weakened(without::resource_limits));
}

#[test]
fn locked_memory_is_limited() {
    take("locked_memory", 16).is_stopped_but_not_in(&Place::host());
}

#[test]
fn terminals_are_limited() {
    take("terminals", 100).is_stopped_but_not_in(&Place::host());
}

/// The kernel counts them for who made the user namespace, too.
#[test]
fn the_host_can_watch_files_while_a_sandbox_watches_as_many_as_it_can() {
    let watch = "import ctypes, time\nlibc = ctypes.CDLL(None)\nwhile libc.inotify_init1(0) != -1: pass\n\
                 print('all', flush=True)\ntime.sleep(60)";
    let Some(confined) = Confined::start() else { return };
    let command = Command::new("/usr/bin/python3").arguments(["-c", watch]);
    let watcher = confined.wait(confined.sandbox().spawn(command, false)).unwrap();
    let mut stdout = watcher.take_stdout().unwrap();
    confined.wait(stdout.read_exact(&mut [0; "all\n".len()])).unwrap();
    let one = take("watches", 1);
    one.must_get_out(&Place::host().attempt(&one));
}

#[test]
fn output_is_limited() {
    let flood = |output| {
        let confined = Confined::with(&Conditions { output, ..Conditions::default() })?;
        Some(confined.sh("head -c 2000000 /dev/zero").map(|finished| finished.stdout.len()))
    };
    let Some(flooded) = flood(MIB) else { return };
    assert_eq!(flooded, Err(Error::LimitReached("output".to_owned())));
    assert_eq!(flood(4 * MIB), Some(Ok(2_000_000)));
}

/// Each of these ends only by a limit, by the deadline of its command, or with its sandbox.
const GREEDY: [&str; 5] = [
    "perl -e 'while (1) { fork }'",
    "perl -e 'my @held; push @held, \"x\" x 1_000_000 while 1'",
    "yes",
    "head -c 1000000000 /dev/zero > /tmp/hoard; while :; do :; done",
    "perl -e 'while (1) { pipe(my $reader, my $writer); push @held, $reader, $writer }'; while :; do :; done",
];

#[test]
fn while_a_sandbox_takes_all_it_can_get_another_goes_on() {
    let limits = Limits { memory: Some(48 * MIB), processes: Some(40), ..Limits::default() };
    let conditions = Conditions { limits, ..Conditions::default() };
    let Some(greedy) = Confined::with(&conditions) else { return };
    let other = greedy.neighbour(&Conditions::default());
    // Nobody reads what they write. One that cannot even start is held back by what another has taken.
    let start = |script| greedy.sandbox().spawn(Command::new("sh").arguments(["-c", script]), false);
    let _held: Vec<_> = GREEDY.map(|script| greedy.wait(start(script))).into();
    for attempt in [take("processes", 20), take("memory", 100), take("memory_file", 100)] {
        attempt.must_get_out(&greedy.attempt_in(&other, &attempt));
    }
    let finished = greedy.wait(other.execute(Command::new("true"), Vec::new())).unwrap();
    assert_eq!(finished.status, ExitStatus::Exited(0));
}

#[test]
fn a_sandbox_goes_on_after_it_has_taken_all_it_could_get() {
    let limits = Limits { memory: Some(48 * MIB), processes: Some(40), ..Limits::default() };
    let conditions = Conditions { limits, ..Conditions::default() };
    let Some(confined) = Confined::with(&conditions) else { return };
    for attempt in [take("processes", 100), take("memory", 100), take("memory_file", 100)] {
        attempt.must_be_stopped(&confined.attempt(&attempt));
    }
    assert_eq!(confined.said("echo alive"), "alive");
}
