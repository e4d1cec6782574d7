//! One file a command.

mod completions;
mod doctor;
mod exec;
mod image;
mod inspect;
mod man;
mod own_sandbox;
mod run;
mod shell;
mod snapshot;

use mimobox_component::HostInterface;

use crate::cli::{Arguments, Command, GlobalArguments};
use crate::config::{Config, Vocabulary};
use crate::failure::Outcome;
use crate::host;

/// Does what the command line asks for.
pub(crate) async fn dispatch(arguments: Arguments) -> Outcome {
    let Arguments { global, command } = arguments;
    let config = || configuration(&global);
    match command {
        Command::Run(arguments) => run::run(&global, config()?, arguments).await,
        Command::Exec(arguments) => exec::exec(&global, config()?, arguments).await,
        Command::Shell(arguments) => shell::shell(&global, config()?, arguments).await,
        Command::Inspect(arguments) => inspect::inspect(&global, &config()?, arguments).await,
        Command::Image(command) => image::image(&global, &config()?, command).await,
        Command::Snapshot(command) => snapshot::snapshot(&global, command).await,
        Command::Doctor => doctor::doctor(&global, &config()?).await,
        // About the command line alone, whatever the configuration is like.
        Command::Completions(arguments) => completions::completions(&global, &arguments),
        Command::Man(arguments) => man::man(&global, &arguments),
    }
}

fn configuration(global: &GlobalArguments) -> Outcome<Config> {
    let known = Vocabulary {
        interfaces: &HostInterface::ALL.map(HostInterface::name),
        mechanisms: &host::mechanisms(),
    };
    let config = Config::find(global.config.as_deref(), known)?;
    match &config.file {
        Some(file) => tracing::info!(file = %file.display(), "configuration"),
        None => tracing::info!("no configuration: the built-in one"),
    }
    Ok(config)
}
