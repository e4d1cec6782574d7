//! What programs may be started, and how.

use alloc::format;

use mimobox_policy::{Execution, Narrowing, Verdict};

use crate::Denial;
use crate::pattern::{any_matches, has_dots, matches};
use crate::rules::{Program, Rules};

pub(crate) fn decide(rules: &Rules<'_>, execution: &Execution) -> Result<Verdict, Denial> {
    let program = find(rules, execution)?;
    if let Some((name, _)) =
        execution.environment.iter().find(|(name, _)| !any_matches(&rules.variables, name))
    {
        return Err(Denial::new("variable-not-listed", format!("{name} may not be set")));
    }
    if let Some(user) = execution.user.as_deref().filter(|user| !program.users.contains(user)) {
        return Err(Denial::new("user-not-listed", format!("{} may not run as {user}", program.rule)));
    }
    if execution.terminal && !program.terminal {
        return Err(Denial::new("terminal-not-listed", format!("{} may not have a terminal", program.rule)));
    }
    let narrowing = Narrowing {
        timeout: program.timeout,
        memory: program.memory,
        processes: program.processes,
        ..Narrowing::NONE
    };
    Ok(Verdict::narrow(program.rule, narrowing))
}

fn find<'a, 'r>(rules: &'a Rules<'r>, execution: &Execution) -> Result<&'a Program<'r>, Denial> {
    let mut of_that_name = rules.programs.iter().filter(|program| is_named(program, execution)).peekable();
    if of_that_name.peek().is_none() {
        return Err(Denial::new("program-not-listed", format!("{} is not on the list", execution.program)));
    }
    of_that_name.find(|program| has_arguments(program, execution)).ok_or_else(|| {
        Denial::new("arguments-not-listed", format!("{} may not have these arguments", execution.program))
    })
}

fn is_named(program: &Program<'_>, execution: &Execution) -> bool {
    matches(program.name, &execution.program) && !has_dots(&execution.program)
}

fn has_arguments(program: &Program<'_>, execution: &Execution) -> bool {
    let count = program.arguments.len();
    let enough =
        execution.arguments.len() == count || (program.more_arguments && execution.arguments.len() > count);
    enough
        && program
            .arguments
            .iter()
            .zip(&execution.arguments)
            .all(|(pattern, argument)| matches(pattern, argument) && !has_dots(argument))
}
