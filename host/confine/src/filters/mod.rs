//! The system call filters as data, and their compilation: `*.json` beside this file.
//!
//! Two filters are installed. `allow` lists every call that a program may make; any other is answered as if the kernel had
//! never heard of it (`ENOSYS`), which is what programs have a fallback for. `refuse` lists the calls that are dangerous and
//! known, and answers them as forbidden (`EPERM`), so that a person who sees the message knows why. It can only refuse:
//! what it does not list is still up to `allow`.

use seccompiler::{BpfMap, TargetArch, compile_from_json};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::seccomp::{Filter, Instruction};

const ALLOW: &str = include_str!("allow.json");
/// Old calls that newer architectures never had.
const ALLOW_X86_64: &str = include_str!("allow-x86_64.json");
const REFUSE: &str = include_str!("refuse.json");
const REFUSE_X86_64: &str = include_str!("refuse-x86_64.json");

/// The filters were not compiled.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// There are no lists for this machine.
    #[error("failed to find system call lists for this architecture")]
    Architecture,
    /// A list is not the JSON that it should be.
    #[error("failed to read the system call list `{0}`")]
    Read(&'static str, #[source] serde_json::Error),
    /// A list names a call or condition that there is not.
    #[error("failed to compile the system call list `{0}`")]
    Compile(&'static str, #[source] seccompiler::Error),
}

/// One line of a list. A call is listed again for each set of conditions under which it is meant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    syscall: String,
    /// Why it is here, where it is not plain work with files, processes, memory or time.
    comment: Option<String>,
    args: Option<Value>,
}

/// Compiles both filters for this machine, in the order in which they are to be installed.
///
/// # Errors
/// Each variant of [`FilterError`] is a step.
pub fn compile() -> Result<Vec<Filter>, FilterError> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH).map_err(|_| FilterError::Architecture)?;
    let (allow_old, refuse_old) = match architecture {
        TargetArch::x86_64 => (ALLOW_X86_64, REFUSE_X86_64),
        _ => ("[]", "[]"),
    };
    let unknown = json!({ "errno": libc::ENOSYS });
    let refused = json!({ "errno": libc::EPERM });
    Ok(vec![
        one("allow", &[ALLOW, allow_old], &unknown, &json!("allow"), architecture)?,
        one("refuse", &[REFUSE, refuse_old], &json!("allow"), &refused, architecture)?,
    ])
}

fn one(
    name: &'static str,
    lists: &[&str],
    mismatch: &Value,
    matched: &Value,
    architecture: TargetArch,
) -> Result<Filter, FilterError> {
    let mut rules = Vec::new();
    for list in lists {
        for Entry { syscall, comment, args } in entries(name, list)? {
            rules.push(json!({ "syscall": syscall, "comment": comment, "args": args }));
        }
    }
    let document = json!({ name: { "mismatch_action": mismatch, "match_action": matched, "filter": rules } });
    let compiled: BpfMap = compile_from_json(document.to_string().as_bytes(), architecture)
        .map_err(|source| FilterError::Compile(name, source))?;
    let instructions = compiled
        .into_values()
        .flatten()
        .map(|instruction| Instruction {
            code: instruction.code,
            jump_true: instruction.jt,
            jump_false: instruction.jf,
            operand: instruction.k,
        })
        .collect();
    Ok(Filter { name: name.to_owned(), instructions })
}

fn entries(name: &'static str, list: &str) -> Result<Vec<Entry>, FilterError> {
    serde_json::from_str(list).map_err(|source| FilterError::Read(name, source))
}

#[cfg(test)]
mod tests;
