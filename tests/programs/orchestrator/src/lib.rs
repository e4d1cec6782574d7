//! One component for all that tests and bench want of an orchestrator: its first argument says what it does.
//!
//! Each behaviour is a file of its own, and its name is the file's, with hyphens. Those that break the rules are here too:
//! they show that the host stops them.

mod allocate;
mod arguments;
mod bench_execute;
mod bench_stdout;
mod clock_and_random;
mod detach;
mod drop;
mod echo;
mod enforcement;
mod events;
mod execute;
mod fail;
mod file_abandon;
mod file_bytes;
mod file_drafts;
mod file_errors;
mod file_handles;
mod files;
mod handles;
mod invalid;
mod leak;
mod log;
mod many;
mod nothing;
mod numbers;
mod pass_on;
mod pause;
mod print_both;
mod recurse;
mod sessions;
mod signal;
mod sleep;
mod small_files;
mod snapshots;
mod spin;
mod terminal;
mod trap;
mod twice;
mod unread;
mod unsupported;
mod usage;
mod watch;
mod watch_flood;

use std::error::Error;

use arguments::Arguments;

mimobox_guest::main!(run);

/// The exit code, or why there is none.
type Ended = Result<u8, Box<dyn Error>>;

async fn run(arguments: Vec<String>) -> Ended {
    let mut arguments = Arguments::new(arguments);
    let behaviour: String = arguments.next("behaviour")?;
    match behaviour.as_str() {
        "allocate" => allocate::run(),
        "bench-execute" => bench_execute::run(arguments).await,
        "bench-stdout" => bench_stdout::run(arguments).await,
        "clock-and-random" => clock_and_random::run(),
        "detach" => detach::run().await,
        "drop" => drop::run().await,
        "echo" => echo::run(arguments).await,
        "enforcement" => enforcement::run().await,
        "events" => events::run(arguments).await,
        "execute" => execute::run(arguments).await,
        "fail" => fail::run(),
        "file-abandon" => file_abandon::run(arguments).await,
        "file-bytes" => file_bytes::run(arguments).await,
        "file-drafts" => file_drafts::run().await,
        "file-errors" => file_errors::run().await,
        "file-handles" => file_handles::run(arguments).await,
        "files" => files::run().await,
        "handles" => handles::run(arguments).await,
        "invalid" => invalid::run().await,
        "leak" => leak::run(arguments).await,
        "log" => log::run(),
        "many" => many::run(arguments).await,
        "nothing" => nothing::run(),
        "pass-on" => pass_on::run().await,
        "pause" => pause::run().await,
        "print-both" => print_both::run(),
        "recurse" => recurse::run(),
        "sessions" => sessions::run(arguments).await,
        "signal" => signal::run().await,
        "sleep" => sleep::run(arguments).await,
        "small-files" => small_files::run(arguments).await,
        "snapshots" => snapshots::run().await,
        "spin" => spin::run(),
        "terminal" => terminal::run().await,
        "trap" => trap::run().await,
        "twice" => twice::run().await,
        "unread" => unread::run().await,
        "unsupported" => unsupported::run().await,
        "usage" => usage::run().await,
        "watch" => watch::run().await,
        "watch-flood" => watch_flood::run(arguments).await,
        _ => Err(format!("there is no behaviour {behaviour:?}").into()),
    }
}
