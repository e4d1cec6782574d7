//! The system call filters as data, and their compilation: `*.json` beside this file.
//!
//! Two filters are installed. `allow` lists every call that a program may make; any other is answered as if the kernel had
//! never heard of it (`ENOSYS`), which is what programs have a fallback for. `refuse` lists the calls that are dangerous and
//! known, and answers them as forbidden (`EPERM`), so that a person who sees the message knows why. It can only refuse:
//! what it does not list is still up to `allow`.
//!
//! Where a sandbox writes to a volume two more are installed: `set-id`, and `unseen` for what that one cannot look into.

use std::collections::BTreeSet;

use seccompiler::{BpfMap, TargetArch, compile_from_json};
use serde::Deserialize;
use serde_json::{Value, json};
use syscalls::Sysno;

use crate::seccomp::{Filter, Instruction};

mod shortcut;

use shortcut::Shortcut;

/// `AUDIT_ARCH_…` of this machine: `linux/audit.h`.
#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xc000_00b7;

const ALLOW: &str = include_str!("allow.json");
/// Old calls that newer architectures never had.
const ALLOW_X86_64: &str = include_str!("allow-x86_64.json");
const REFUSE: &str = include_str!("refuse.json");
const REFUSE_X86_64: &str = include_str!("refuse-x86_64.json");
const SET_ID: &str = include_str!("set-id.json");
const SET_ID_X86_64: &str = include_str!("set-id-x86_64.json");
/// Filters do not see the mode that this call is given. Programs that use it have a way without.
const UNSEEN: &str = r#"[{"syscall": "openat2", "comment": "As openat, with its mode in memory."}]"#;

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
    let mut allowed = both("allow", ALLOW, allow_old)?;
    let refuse = both("refuse", REFUSE, refuse_old)?;
    let listed = numbers(&refuse);
    let unlisted =
        Sysno::iter().filter_map(|call| u32::try_from(call.id()).ok()).filter(|id| !listed.contains(id));
    let past_refuse = Shortcut::new(NATIVE, unlisted.collect());
    let always: Vec<_> =
        allowed.extract_if(.., |entry| entry.args.is_none() && number(entry).is_some()).collect();
    let past_allow = Shortcut::new(NATIVE, numbers(&always));
    if past_allow.is_none() {
        allowed.extend(always);
    }
    let allow = one("allow", allowed, &unknown, &json!("allow"), architecture)?;
    let refuse = one("refuse", refuse, &json!("allow"), &refused, architecture)?;
    Ok(vec![before(past_allow, allow), before(past_refuse, refuse)])
}

fn before(shortcut: Option<Shortcut>, mut filter: Filter) -> Filter {
    if let Some(shortcut) = shortcut {
        filter.instructions = shortcut.before(filter.instructions);
    }
    filter
}

/// Compiles what is installed besides in a sandbox that writes to a volume. A set-user-ID file left there would give its
/// owner's rights to whoever on the host runs it, and no mount option of the sandbox's keeps one from being made.
///
/// # Errors
/// Each variant of [`FilterError`] is a step.
pub fn compile_for_volumes() -> Result<Vec<Filter>, FilterError> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH).map_err(|_| FilterError::Architecture)?;
    let old = if architecture == TargetArch::x86_64 { SET_ID_X86_64 } else { "[]" };
    let set_id = both("set-id", SET_ID, old)?;
    let unseen = entries("unseen", UNSEEN)?;
    let allow = json!("allow");
    Ok(vec![
        one("set-id", set_id, &allow, &json!({ "errno": libc::EPERM }), architecture)?,
        one("unseen", unseen, &allow, &json!({ "errno": libc::ENOSYS }), architecture)?,
    ])
}

/// The numbers of these calls. One that the table does not know stays to the compiled filter.
fn numbers(entries: &[Entry]) -> BTreeSet<u32> {
    entries.iter().filter_map(number).collect()
}

fn number(entry: &Entry) -> Option<u32> {
    entry.syscall.parse::<Sysno>().ok().and_then(|call| u32::try_from(call.id()).ok())
}

fn both(name: &'static str, list: &str, old: &str) -> Result<Vec<Entry>, FilterError> {
    let mut all = entries(name, list)?;
    all.extend(entries(name, old)?);
    Ok(all)
}

fn one(
    name: &'static str,
    entries: Vec<Entry>,
    mismatch: &Value,
    matched: &Value,
    architecture: TargetArch,
) -> Result<Filter, FilterError> {
    let mut rules = Vec::new();
    for Entry { syscall, comment, args } in entries {
        rules.push(json!({ "syscall": syscall, "comment": comment, "args": args }));
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
