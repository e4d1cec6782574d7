//! A shortcut before a compiled filter: calls that are allowed whatever their arguments leave by it.
//!
//! The compiler asks for one call after another. When a filter is installed, the kernel runs it once for every call that
//! there is, to remember which answers depend on the number alone; over a list that costs most of a millisecond, and every
//! sandbox pays it. Calls that stand next to each other in number are one question here:
//!
//! ```text
//!   another architecture ───────────────────────────────► filter
//!   below 0? below 24? below 25? … an even place ───────► filter      (numbers of all allowed calls: 0 to 23, 25 to …)
//!                                  an odd place ────────► allow
//! ```

use std::collections::BTreeSet;

use crate::seccomp::Instruction;

// Of `linux/bpf_common.h`.
const LOAD: u16 = 0x20;
const JUMP: u16 = 0x05;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;
/// From after the last limit: over the jump to the answer, and over both to the filter.
const TO_ALLOW: u8 = 1;
const TO_FILTER: u8 = 2;
/// From the question for the architecture: the load of the number, and those two.
const PAST_LIMITS: u8 = 1 + TO_FILTER;
/// `SECCOMP_RET_ALLOW` of `linux/seccomp.h`, and where `struct seccomp_data` has what is asked about.
const ALLOW: u32 = 0x7fff_0000;
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;

/// Leads calls of some numbers past a filter.
#[derive(Debug)]
pub(super) struct Shortcut {
    /// An `AUDIT_ARCH_…` of `linux/audit.h`.
    architecture: u32,
    /// The first number of each run of neighbours, and the first after it.
    limits: Vec<u32>,
    /// How many those are: jumps forward hold a byte.
    count: u8,
}

impl Shortcut {
    /// For calls of these numbers; none if it would be too long for the jumps of BPF.
    pub(super) fn new(architecture: u32, allowed: BTreeSet<u32>) -> Option<Self> {
        let limits = limits(&allowed);
        let count = u8::try_from(limits.len()).ok().filter(|count| *count <= u8::MAX - PAST_LIMITS)?;
        Some(Self { architecture, limits, count })
    }

    /// The shortcut, then the filter.
    pub(super) fn before(&self, filter: Vec<Instruction>) -> Vec<Instruction> {
        let plain = |code, operand| Instruction { code, jump_true: 0, jump_false: 0, operand };
        let test = |code, operand, jump_false| Instruction { code, jump_true: 0, jump_false, operand };
        let mut program = vec![
            plain(LOAD, ARCHITECTURE),
            test(JUMP_IF_EQUAL, self.architecture, self.count + PAST_LIMITS),
            plain(LOAD, NUMBER),
        ];
        for (place, limit) in (0..self.count).zip(&self.limits) {
            // Below the first limit of a run it is none of ours; below the second it is.
            let target = if place % 2 == 0 { TO_FILTER } else { TO_ALLOW };
            program.push(test(JUMP_IF_AT_LEAST, *limit, self.count - place - 1 + target));
        }
        program.push(plain(JUMP, 1));
        program.push(plain(RETURN, ALLOW));
        program.extend(filter);
        program
    }
}

fn limits(numbers: &BTreeSet<u32>) -> Vec<u32> {
    let mut limits: Vec<u32> = Vec::new();
    for &number in numbers {
        match limits.last_mut() {
            Some(end) if *end == number => *end = number + 1,
            _ => limits.extend([number, number + 1]),
        }
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: u32 = 0xc000_003e;
    const REFUSE: u32 = 0x0005_0001;

    /// The little of BPF that seccomp filters are made of.
    fn run(program: &[Instruction], architecture: u32, number: u32) -> u32 {
        let (mut place, mut accumulator) = (0_usize, 0_u32);
        loop {
            let Instruction { code, jump_true, jump_false, operand } = program[place];
            place += 1;
            let jump = |holds| usize::from(if holds { jump_true } else { jump_false });
            match code {
                LOAD if operand == NUMBER => accumulator = number,
                LOAD => accumulator = architecture,
                JUMP => place += operand as usize,
                JUMP_IF_EQUAL => place += jump(accumulator == operand),
                JUMP_IF_AT_LEAST => place += jump(accumulator >= operand),
                RETURN => return operand,
                other => panic!("instruction {other:#x}"),
            }
        }
    }

    #[test]
    fn what_is_allowed_leaves_by_the_shortcut_and_all_else_goes_on() {
        let refuse = vec![Instruction { code: RETURN, jump_true: 0, jump_false: 0, operand: REFUSE }];
        let allowed = BTreeSet::from([0, 1, 2, 5, 9, 10, 300]);
        let program = Shortcut::new(HERE, allowed.clone()).unwrap().before(refuse);
        for number in (0..400).chain([0x4000_0000, u32::MAX]) {
            let answer = if allowed.contains(&number) { ALLOW } else { REFUSE };
            assert_eq!(run(&program, HERE, number), answer, "{number}");
            assert_eq!(run(&program, 0x4000_0003, number), REFUSE, "{number} of another architecture");
        }
    }

    #[test]
    fn a_shortcut_that_is_too_long_is_none() {
        assert!(Shortcut::new(HERE, (0..200).map(|number| number * 2).collect()).is_none());
    }
}
