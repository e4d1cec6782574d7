//! One component for all that tests and bench want of an orchestrator: its first argument says what it does.
//!
//! Each behaviour is a file of its own, and its name is the file's, with hyphens. Those that break the rules are here too:
//! they show that the host stops them.

mod arguments;
mod bench_execute;
mod bench_stdout;
mod echo;
mod execute;
mod nothing;
mod numbers;

use std::error::Error;

use arguments::Arguments;

mimobox_guest::main!(run);

/// The exit code, or why there is none.
type Ended = Result<u8, Box<dyn Error>>;

async fn run(arguments: Vec<String>) -> Ended {
    let mut arguments = Arguments::new(arguments);
    let behaviour: String = arguments.next("behaviour")?;
    match behaviour.as_str() {
        "bench-execute" => bench_execute::run(arguments).await,
        "bench-stdout" => bench_stdout::run(arguments).await,
        "echo" => echo::run(arguments).await,
        "execute" => execute::run(arguments).await,
        "nothing" => nothing::run(),
        _ => Err(format!("there is no behaviour {behaviour:?}").into()),
    }
}
