//! The judge: runs every program of a folder in a sandbox of its own and says what came of it.
//!
//! ```text
//! submissions ──► trial × N, some at a time ──► outcome ──► expectations ──► report
//!  (a sandbox      (a sandbox each)              (what)      (as it should)   (a table, or JSON)
//!   that lists)
//! ```
//!
//! The folder is the operator's volume `submissions`. `expected.toml` in it says what should come of each program; then
//! the exit code is 0 if all of it came true. Without that file it is 0 if all programs were run.

mod arguments;
mod capture;
mod expectations;
mod method;
mod outcome;
mod printable;
mod progress;
mod report;
mod submissions;
mod trial;

use std::error::Error;

use mimobox_guest::{print, println, run_all};

use arguments::Arguments;
use progress::Progress;
use report::Report;

mimobox_guest::main!(run);

async fn run(arguments: Vec<String>) -> Result<u8, Box<dyn Error>> {
    let Some(arguments) = Arguments::parse(&arguments)? else {
        print!("{}", arguments::USAGE);
        return Ok(0);
    };
    let folder = submissions::read(&arguments).await?;
    let progress = Progress::new(arguments.progress, folder.submissions.len());
    let trials = folder.submissions.iter().map(async |submission| {
        progress.began(submission);
        let finding = trial::run(submission, &arguments).await;
        progress.ended(submission, &finding.outcome);
        finding
    });
    let findings = run_all(arguments.jobs, trials).await;
    progress.finished();

    let report = Report::new(&folder, findings);
    if arguments.json {
        println!("{}", report.json()?);
    } else {
        print!("{report}");
    }
    Ok(u8::from(!report.held))
}
