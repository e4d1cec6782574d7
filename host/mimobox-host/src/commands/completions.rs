//! `mimobox-host completions`: a script by which a shell completes this program's words.

use clap::CommandFactory;
use clap_complete::Shell;
use serde::Serialize;

use crate::cli::{Arguments, CompletionsArguments, GlobalArguments, ShellWord};
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::host;
use crate::output;

/// Prints the script.
pub(super) fn completions(global: &GlobalArguments, arguments: &CompletionsArguments) -> Outcome {
    let (shell, name) = match arguments.shell {
        ShellWord::Bash => (Shell::Bash, "bash"),
        ShellWord::Fish => (Shell::Fish, "fish"),
        ShellWord::Zsh => (Shell::Zsh, "zsh"),
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), host::NAME, &mut script);
    // The generator takes the hyphen of our name for the border of a command in one place of its script for bash, and not in
    // the other.
    let script = String::from_utf8(script)?.replace("mimobox__subcmd__host", "mimobox__host");
    if global.json {
        output::show_json(&Report { shell: name, script: &script })?;
    } else {
        output::show(&script);
    }
    Ok(Exit::Success)
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    shell: &'static str,
    script: &'a str,
}
