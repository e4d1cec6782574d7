//! Writes a small C project into a sandbox, builds it there on a terminal, so that the compiler shows its colours, fetches
//! the program, and runs it.
//!
//! ```text
//! mimobox-host run scaffold.wasm [-- NAME]
//! ```
//!
//! Nothing of the project, of make or of the compiler touches the host: what it gets are bytes.

mod project;
mod screen;

use std::time::Duration;

use mimobox_guest::terminal::Size;
use mimobox_guest::{ExitStatus, Sandbox, println};

use project::Project;
use screen::Screen;

mimobox_guest::main!(run);

/// No build of four lines takes longer.
const BUILD: Duration = Duration::from_secs(60);
/// Bytes of a program that are fetched at most.
const LARGEST: usize = 16 << 20;
const MEBIBYTE: u64 = 1 << 20;

async fn run(arguments: Vec<String>) -> Result<u8, String> {
    let name = arguments.into_iter().next().unwrap_or_else(|| "hello".to_owned());
    let project = Project::new(&name)?;
    build(&project).await.map_err(|error| error.to_string())
}

async fn build(project: &Project) -> mimobox_guest::Result<u8> {
    let sandbox = Sandbox::builder().memory(512 * MEBIBYTE).processes(32).create().await?;
    let files = sandbox.files();

    files.make_directory(project.folder(), true).await?;
    for (path, content) in project.files() {
        files.write(&path, content).await?;
        println!("wrote {path}");
    }

    let make = sandbox.command("make").current_dir(project.folder()).timeout(BUILD);
    let terminal = make.open_terminal(Size { columns: 100, rows: 30 }).await?;
    Screen::new(terminal.output()).show().await?;
    let status = terminal.wait().await?;
    if status != ExitStatus::Exited(0) {
        println!("make {status}");
        return Ok(1);
    }

    let program = files.read_to_vec(&project.program(), LARGEST).await?;
    println!("built {}: {} bytes", project.program(), program.len());
    let ran = sandbox.command(project.program()).output().await?;
    println!("it says: {}, and {}", screen::printable(&ran.stdout).trim_end(), ran.status);
    sandbox.close().await?;
    Ok(u8::from(!ran.status.success()))
}
