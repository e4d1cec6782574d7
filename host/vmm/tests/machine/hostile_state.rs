//! Saved states that somebody has changed: the fuzz target's check, bounded, on what a fixed generator makes of a real one.

#[path = "../../../../tests/fuzz/checks/vmm_state.rs"]
mod vmm_state;

use mimobox_mutation::Xorshift;
use mimobox_vmm_protocol::{Event, Failure};

use crate::need;
use crate::pause_and_save::{parts, restoring, saved};
use crate::vmm::Vmm;

/// States that are only looked at, and those that a VMM is given.
const LOOKED_AT: usize = 2000;
const RESTORED: usize = 60;

/// Changes a few bytes, or cuts, or lengthens: not as [`Xorshift::change`] does, as one byte put in or taken out makes
/// nonsense of all behind it.
fn change(random: &mut Xorshift, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(8) {
        let at = random.below(bytes.len() + 1);
        let byte = random.byte();
        match random.below(16) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, byte),
            _ => bytes.iter_mut().skip(at).take(1).for_each(|place| *place ^= byte),
        }
    }
}

#[test]
fn a_changed_state_is_looked_at_without_a_panic() {
    let Some(probe) = need::kvm() else { return };
    let (state, _vmm, _said) = saved(&probe);
    let mut random = Xorshift::first();
    vmm_state::check(&state);
    for _ in 0..LOOKED_AT {
        let mut contents = state[vmm_state::HEADER..].to_vec();
        change(&mut random, &mut contents);
        vmm_state::check(&contents);
    }
}

#[test]
fn a_vmm_that_is_given_a_changed_state_takes_it_or_says_why_not() {
    let Some(probe) = need::kvm() else { return };
    let (state, first, _said) = saved(&probe);
    let mut random = Xorshift::second();
    for _ in 0..RESTORED {
        let mut contents = state[vmm_state::HEADER..].to_vec();
        change(&mut random, &mut contents);
        let mut vmm = Vmm::start(&restoring(&probe), parts(&vmm_state::whole(&contents), &first));
        assert!(matches!(vmm.event(), Event::Jailed(_)));
        match vmm.event() {
            Event::Configured => vmm.stop(),
            Event::Failed(Failure::State(_) | Failure::Kvm { .. } | Failure::Devices { .. }) => vmm.ends(),
            other => panic!("{other:?}"),
        }
    }
}
