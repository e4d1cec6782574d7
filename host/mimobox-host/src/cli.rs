//! The command line. These doc comments are its help.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use mimobox_sandbox::{Access, Isolation, SnapshotId};

use crate::config;
use crate::quantity::{Cores, Size, Span};

mod image;
mod snapshot;

pub(crate) use image::{ImageArguments, ImageCommand, ImportArguments};
pub(crate) use snapshot::ImportArguments as ImportSnapshotArguments;
pub(crate) use snapshot::{ExportArguments, SnapshotArguments, SnapshotCommand};

const EXIT_CODES: &str = "\
Exit codes of `exec`, `shell` and `run`: that of what ran; 124 it took longer than it may; 125 the host failed, or was called \
wrongly; 126 refused by the ceiling, a policy, a grant or a digest, or not executable; 127 no such program; 128 + n \
killed by signal n (137 also: out of memory). A component that fails with a message gives 1.";

/// A sandbox host: untrusted programs run in sandboxes, WebAssembly components decide which and in what order.
#[derive(Debug, Parser)]
#[command(name = "mimobox-host", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: GlobalArguments,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct GlobalArguments {
    /// The configuration, instead of $MIMOBOX_CONFIG, ./mimobox.toml or the one in the user's configuration folder
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print the result as one JSON object, for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Log more, on standard error; twice or three times for still more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a component that makes and drives sandboxes
    #[command(after_help = EXIT_CODES)]
    Run(RunArguments),
    /// Run one program in a sandbox of its own
    #[command(after_help = EXIT_CODES)]
    Exec(ExecArguments),
    /// Open a terminal in a sandbox of its own, with a shell on it
    #[command(after_help = EXIT_CODES)]
    Shell(ShellArguments),
    /// Show what a component asks for before it runs: its imports are its permission request
    Inspect(InspectArguments),
    /// Keep root file systems for sandboxes to run in
    #[command(subcommand)]
    Image(ImageCommand),
    /// Keep what sandboxes left, to go on from
    #[command(subcommand)]
    Snapshot(SnapshotCommand),
    /// Look at this machine: which mechanisms there are, what is lost without them, how to get them
    Doctor,
    /// Print a script by which a shell completes this program's words
    Completions(CompletionsArguments),
    /// Print the manual page of this program, or of one of its commands
    Man(ManArguments),
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// A component's file, or its name in the configuration
    pub(crate) component: String,
    #[command(flatten)]
    pub(crate) additions: Additions,
    /// End the run after this long, such as `10 min`; an hour where none is given
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<Span>,
    /// What the component is given as its arguments
    #[arg(last = true)]
    pub(crate) arguments: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ExecArguments {
    #[command(flatten)]
    pub(crate) sandbox: SandboxArguments,
    #[command(flatten)]
    pub(crate) process: ProcessArguments,
    /// Save the sandbox when the program has ended, however it did, and print the snapshot's id on standard error
    #[arg(long)]
    pub(crate) save: bool,
    /// Pass standard input on even from a terminal; without this it is passed on from a file or a pipe only
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// The program, looked up inside the sandbox, and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "PROGRAM")]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ShellArguments {
    #[command(flatten)]
    pub(crate) sandbox: SandboxArguments,
    #[command(flatten)]
    pub(crate) process: ProcessArguments,
    /// A program other than the sandbox's shell, and its arguments
    #[arg(trailing_var_arg = true, value_name = "PROGRAM")]
    pub(crate) command: Vec<String>,
}

/// The sandbox that a command makes for itself.
#[derive(Debug, Default, Args)]
pub(crate) struct SandboxArguments {
    /// The kind of sandbox; the first that the configuration allows where none is given
    #[arg(long, value_parser = isolation, value_name = "os|micro-vm")]
    pub(crate) isolation: Option<Isolation>,
    /// The root to run in, of those that `mimobox-host image list` shows; this machine's own programs where none is given
    #[arg(long, value_name = "NAME")]
    pub(crate) image: Option<String>,
    #[command(flatten)]
    pub(crate) additions: Additions,
    /// Go on from a snapshot, of those that `mimobox-host snapshot list` shows
    #[arg(long, value_parser = snapshot::id, value_name = "ID")]
    pub(crate) restore: Option<SnapshotId>,
    /// Memory of the sandbox, such as `512 MiB`
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<Size>,
    /// Processor cores of the sandbox, such as `0.5`
    #[arg(long, value_name = "CORES")]
    pub(crate) cpu: Option<Cores>,
    /// Processes and threads of the sandbox at once
    #[arg(long, value_name = "NUMBER")]
    pub(crate) processes: Option<u32>,
    /// What the sandbox may write to its own file system, such as `1 GiB`
    #[arg(long, value_name = "SIZE")]
    pub(crate) disk: Option<Size>,
    /// Label the sandbox, for policies and the audit log; may be given again
    #[arg(long, value_parser = variable, value_name = "NAME=VALUE")]
    pub(crate) label: Vec<(String, String)>,
    /// Print what the kernel enforces, on standard error
    #[arg(long)]
    pub(crate) enforcement: bool,
}

/// How a program runs in there.
#[derive(Debug, Default, Args)]
pub(crate) struct ProcessArguments {
    /// Set a variable for the program; may be given again
    #[arg(long, value_parser = variable, value_name = "NAME=VALUE")]
    pub(crate) env: Vec<(String, String)>,
    /// Kill the program after this long, such as `30 s`; at the configuration's ceiling where none is given
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<Span>,
    /// Run as this user of the image; as its unprivileged default where none is given
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Where the program starts, inside the sandbox
    #[arg(long, visible_alias = "cwd", value_name = "DIRECTORY")]
    pub(crate) directory: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// A component's file, or its name in the configuration
    pub(crate) component: String,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// Whose script it is
    pub(crate) shell: ShellWord,
}

/// A shell that completes words.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ShellWord {
    Bash,
    Fish,
    Zsh,
}

#[derive(Debug, Args)]
pub(crate) struct ManArguments {
    /// A command, such as `exec` or `image import`
    #[arg(conflicts_with = "all")]
    pub(crate) command: Vec<String>,
    /// Write the pages of this program and all its commands into this directory instead
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) all: Option<PathBuf>,
}

/// What the command line adds to the configuration. It can add policies and never take one away.
#[derive(Debug, Default, Args)]
pub(crate) struct Additions {
    /// One more policy component that must agree, after the configured ones; may be given again
    #[arg(long, value_name = "POLICY.wasm")]
    pub(crate) policy: Vec<PathBuf>,
    /// A directory that sandboxes may mount by this name, for reading unless `:rw` is added; may be given again. `exec`
    /// and `shell` mount it at /mnt/NAME, and know a configured one by its name alone
    #[arg(long, value_name = "NAME[=DIRECTORY[:rw]]")]
    pub(crate) volume: Vec<VolumeArgument>,
}

/// A volume as the command line names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VolumeArgument {
    /// By which a spec asks for it.
    pub(crate) name: String,
    /// Where it is and how far it may be used; none: the configuration says.
    pub(crate) directory: Option<(PathBuf, Access)>,
}

impl FromStr for VolumeArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, directory) = match text.split_once('=') {
            None => (text, None),
            Some((name, directory)) => (name, Some(directory)),
        };
        if !config::is_name(name) {
            return Err(format!("`{name}` is no name of a volume: write NAME=DIRECTORY"));
        }
        let directory = directory.map(|directory| match directory.strip_suffix(":rw") {
            Some(directory) => (PathBuf::from(directory), Access::ReadWrite),
            None => (PathBuf::from(directory), Access::ReadOnly),
        });
        if directory.as_ref().is_some_and(|(path, _)| path.as_os_str().is_empty()) {
            return Err("it names no directory: write NAME=DIRECTORY".into());
        }
        Ok(Self { name: name.to_owned(), directory })
    }
}

fn isolation(word: &str) -> Result<Isolation, String> {
    match word {
        "os" => Ok(Isolation::Os),
        "micro-vm" => Ok(Isolation::MicroVm),
        _ => Err("write `os` or `micro-vm`".into()),
    }
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn volume(text: &str) -> Result<VolumeArgument, String> {
        text.parse()
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_volume_is_for_reading_unless_it_says_otherwise() {
        let directory = |path: &str, access| Some((PathBuf::from(path), access));
        assert_eq!(volume("a=/b").unwrap().directory, directory("/b", Access::ReadOnly));
        assert_eq!(volume("a=/b:rw").unwrap().directory, directory("/b", Access::ReadWrite));
        assert_eq!(volume("a=b=c").unwrap().directory, directory("b=c", Access::ReadOnly));
        assert_eq!(volume("a").unwrap(), VolumeArgument { name: "a".into(), directory: None });
    }

    #[test]
    fn a_volume_without_a_name_or_a_directory_is_refused() {
        for text in ["", "=/b", "a/b=/c", "a=", "a=:rw"] {
            assert!(volume(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_program_keeps_its_own_options() {
        let Command::Exec(exec) =
            Arguments::parse_from(["mimobox-host", "exec", "--", "ls", "--json", "-v"]).command
        else {
            panic!("not exec")
        };
        assert_eq!(exec.command, ["ls", "--json", "-v"]);
        let arguments = Arguments::parse_from(["mimobox-host", "exec", "ls", "--json"]);
        assert!(!arguments.global.json, "even without `--`");
    }
}
