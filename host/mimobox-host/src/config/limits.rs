//! The ceiling and the defaults: what is built in, and what the configuration makes of it.

use std::collections::BTreeMap;
use std::fmt::Display;

use mimobox_sandbox::{Ceiling, GrantedLimits, Isolation};
use toml::Spanned;

use super::document::{CeilingTable, DefaultsTable, ImagesTable};
use super::fault::{ConfigError, Source};
use crate::quantity::{Cores, Size};

const MIB: u64 = 1024 * 1024;
/// The agent and one command.
const FEWEST_PROCESSES: u32 = 2;
/// Below this not even the agent runs.
const LEAST_MEMORY: Size = Size(4 * MIB);

/// The built-in ceiling with what the two tables change.
pub(super) fn ceiling(
    source: &Source<'_>,
    most: &CeilingTable,
    usual: &DefaultsTable,
) -> Result<Ceiling, ConfigError> {
    let built_in = Ceiling::moderate();
    let (limits, defaults) = (built_in.limits, built_in.defaults);
    check_least(source, most, usual)?;
    let memory =
        pair(source, "memory", &most.memory, &usual.memory, Size(limits.memory), Size(defaults.memory))?;
    let cpu = pair(source, "cpu", &most.cpu, &usual.cpu, Cores(limits.cpu), Cores(defaults.cpu))?;
    let processes =
        pair(source, "processes", &most.processes, &usual.processes, limits.processes, defaults.processes)?;
    let disk = pair(source, "disk", &most.disk, &usual.disk, Size(limits.disk), Size(defaults.disk))?;

    let sandboxes = most.sandboxes.as_ref().map_or(built_in.sandboxes, |number| *number.get_ref());
    let per_run = most.sandboxes_per_run.as_ref().map(|number| *number.get_ref());
    Ok(Ceiling {
        isolation: isolation(source, most)?.unwrap_or(built_in.isolation),
        sandboxes,
        sandboxes_per_run: per_run.unwrap_or(built_in.sandboxes_per_run).min(sandboxes),
        commands: most.commands.as_ref().map_or(built_in.commands, |number| *number.get_ref()),
        limits: GrantedLimits { memory: memory.0.0, cpu: cpu.0.0, processes: processes.0, disk: disk.0.0 },
        defaults: GrantedLimits { memory: memory.1.0, cpu: cpu.1.0, processes: processes.1, disk: disk.1.0 },
        timeout: most.timeout.map_or(built_in.timeout, |timeout| timeout.0),
        lifetime: most.lifetime.map_or(built_in.lifetime, |lifetime| lifetime.0),
        output: most.output.map_or(built_in.output, |output| output.0),
        volumes: BTreeMap::new(),
    })
}

/// The limits of an import, with what the table changes.
pub(super) fn images(
    source: &Source<'_>,
    table: &ImagesTable,
) -> Result<mimobox_images::Limits, ConfigError> {
    let built_in = mimobox_images::Limits::default();
    let deepest = mimobox_images::Limits::DEEPEST;
    if let Some(depth) = table.depth.as_ref().filter(|depth| *depth.get_ref() > deepest) {
        return Err(source.malformed(&depth.span(), format!("an image's depth is at most {deepest}")));
    }
    Ok(mimobox_images::Limits {
        bytes: table.bytes.map_or(built_in.bytes, |size| size.0),
        entries: table.entries.unwrap_or(built_in.entries),
        depth: table.depth.as_ref().map_or(built_in.depth, |depth| *depth.get_ref()),
        path: table.path_length.unwrap_or(built_in.path),
    })
}

fn isolation(source: &Source<'_>, most: &CeilingTable) -> Result<Option<Vec<Isolation>>, ConfigError> {
    match &most.isolation {
        Some(list) if list.get_ref().is_empty() => {
            Err(source.malformed(&list.span(), "an empty list of isolations: no sandbox could be made"))
        }
        list => Ok(list.as_ref().map(|list| list.get_ref().clone())),
    }
}

/// Ceiling and default of one limit.
///
/// A default that was written must lie under the ceiling; one that is built in gives way to it. Where only a default was
/// written, it is held against the built-in ceiling: nobody allowed more.
fn pair<T: Ord + Copy + Display>(
    source: &Source<'_>,
    name: &'static str,
    most: &Option<Spanned<T>>,
    usual: &Option<Spanned<T>>,
    built_in_most: T,
    built_in_usual: T,
) -> Result<(T, T), ConfigError> {
    let most = most.as_ref().map_or(built_in_most, |most| *most.get_ref());
    match usual {
        Some(usual) if *usual.get_ref() > most => Err(ConfigError::DefaultAboveCeiling {
            name,
            default: usual.get_ref().to_string(),
            ceiling: most.to_string(),
            place: source.place(&usual.span()),
        }),
        Some(usual) => Ok((most, *usual.get_ref())),
        None => Ok((most, built_in_usual.min(most))),
    }
}

/// Refuses numbers under which nothing could ever run: better now than at the first sandbox.
fn check_least(source: &Source<'_>, most: &CeilingTable, usual: &DefaultsTable) -> Result<(), ConfigError> {
    at_least(source, "sandboxes", &most.sandboxes, 1)?;
    at_least(source, "sandboxes-per-run", &most.sandboxes_per_run, 1)?;
    at_least(source, "commands", &most.commands, 1)?;
    for processes in [&most.processes, &usual.processes] {
        at_least(source, "processes", processes, FEWEST_PROCESSES)?;
    }
    for memory in [&most.memory, &usual.memory] {
        at_least(source, "memory", memory, LEAST_MEMORY)?;
    }
    Ok(())
}

fn at_least<T: Ord + Display>(
    source: &Source<'_>,
    name: &str,
    value: &Option<Spanned<T>>,
    least: T,
) -> Result<(), ConfigError> {
    match value {
        Some(value) if *value.get_ref() < least => {
            let message =
                format!("{name} of {} is too little to run anything: at least {least}", value.get_ref());
            Err(source.malformed(&value.span(), message))
        }
        _ => Ok(()),
    }
}
