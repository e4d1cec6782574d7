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
mod handles;
mod invalid;
mod leak;
mod log;
mod many;
mod nothing;
mod numbers;
mod pause;
mod print_both;
mod recurse;
mod signal;
mod sleep;
mod spin;
mod trap;
mod twice;
mod unread;
mod unsupported;
mod usage;

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
        "handles" => handles::run(arguments).await,
        "invalid" => invalid::run().await,
        "leak" => leak::run(arguments).await,
        "log" => log::run(),
        "many" => many::run(arguments).await,
        "nothing" => nothing::run(),
        "pause" => pause::run().await,
        "print-both" => print_both::run(),
        "recurse" => recurse::run(),
        "signal" => signal::run().await,
        "sleep" => sleep::run(arguments).await,
        "spin" => spin::run(),
        "trap" => trap::run().await,
        "twice" => twice::run().await,
        "unread" => unread::run().await,
        "unsupported" => unsupported::run().await,
        "usage" => usage::run().await,
        _ => Err(format!("there is no behaviour {behaviour:?}").into()),
    }
}
