//! The processes of a session, which no call signals together: found one by one.

use std::fs;
use std::str::FromStr as _;

use nix::sys::signal::{self, kill, killpg};
use nix::unistd::{Pid, getsid};

/// Most times that all processes are looked at. What was killed cannot fork any more, so only what was being born during a
/// look is left for the next.
const MOST_LOOKS: usize = 16;

/// Kills every process of `leader`'s session, and says which they were, but for the leader. The leader must not be reaped
/// yet: the number could be another session's.
pub(crate) fn kill_all(leader: Pid) -> Vec<Pid> {
    // At once and without a look, in case there is no proc(5) to look into.
    let _ = killpg(leader, signal::SIGKILL);
    let mut killed = Vec::new();
    for _ in 0..MOST_LOOKS {
        let found: Vec<_> = members(leader).into_iter().filter(|member| !killed.contains(member)).collect();
        if found.is_empty() {
            break;
        }
        for member in found {
            let _ = kill(member, signal::SIGKILL);
            killed.push(member);
        }
    }
    killed.retain(|member| *member != leader);
    killed
}

/// Whether this process is there, be it as a zombie, and of `leader`'s session.
pub(crate) fn has(leader: Pid, process: Pid) -> bool {
    getsid(Some(process)) == Ok(leader)
}

fn members(leader: Pid) -> Vec<Pid> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    processes
        .filter_map(|entry| i32::from_str(entry.ok()?.file_name().to_str()?).ok())
        .map(Pid::from_raw)
        .filter(|process| has(leader, *process))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_of_its_own_session() {
        let session = getsid(None).unwrap();
        assert!(has(session, Pid::this()));
        assert!(members(session).contains(&Pid::this()));
        assert!(!has(Pid::this(), Pid::this()) || session == Pid::this());
    }
}
