//! The fuzz target's check, bounded: on honest archives that a fixed generator spoils, with their checksums made right
//! again, without which nearly all of them would be refused at the first header.

use tempfile::TempDir;

use crate::oci::{Layout, layer};
use crate::packing::{Tar, gzip};

#[path = "../../../../tests/fuzz/checks/image_import.rs"]
mod image_import;

const ROUNDS: usize = 400;
const BLOCK: usize = 512;

/// A generator of no quality but of one result (Knuth's constants).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

fn whole() -> Vec<Vec<u8>> {
    let root = || {
        Tar::new()
            .directory("a/")
            .file("a/b", [b'b'; 600])
            .symbolic_link("c", "a")
            .file("c/d", "d")
            .hard_link("e", "a/b")
            .extended(&[("path", "a/long"), ("mtime", "1.5")])
            .file("f", "f")
            .of_kind(b'3', "null")
    };
    let mut layout = Layout::new();
    let manifest = layout.image(&[layer(root()), layer(Tar::new().file("a/.wh.b", "").file(".wh.c", ""))]);
    vec![root().bytes(), layout.index(&[manifest]).archive()]
}

/// Makes the checksum of every header right, as far as sizes lead from one to the next.
fn mend(archive: &mut [u8]) {
    let mut at = 0;
    while let Some(block) = archive.get_mut(at..at + BLOCK) {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let digits =
            std::str::from_utf8(&block[124..135]).unwrap_or("0").trim_matches([' ', '\0']).to_owned();
        let size = usize::from_str_radix(&digits, 8).unwrap_or(0).min(archive.len());
        at += BLOCK + size.next_multiple_of(BLOCK);
    }
}

/// Changes some bytes to what matters in a header, or moves a block.
fn spoil(archive: &mut Vec<u8>, numbers: &mut Numbers) {
    const WORDS: [&[u8]; 10] =
        [b"../", b"/", b"\0", b"S", b"x", b"L", b"77777777777", b".wh.", b"\x80\xff\xff\xff", b"1"];
    for _ in 0..=numbers.below(4) {
        match numbers.below(8) {
            0 => {
                let (from, to) = (numbers.below(archive.len() / BLOCK), numbers.below(archive.len() / BLOCK));
                archive.copy_within(from * BLOCK..(from + 1) * BLOCK, to * BLOCK);
            }
            1 => archive.truncate(numbers.below(archive.len()).max(BLOCK)),
            2 => {
                let at = numbers.below(archive.len());
                archive[at] = numbers.below(256).to_le_bytes()[0];
            }
            _ => {
                // Within a header: its names, its numbers, its kind.
                let word = WORDS[numbers.below(WORDS.len())];
                let field = [0, 1, 100, 108, 116, 124, 136, 156, 157, 345][numbers.below(10)];
                let at = numbers.below(archive.len() / BLOCK) * BLOCK + field;
                let end = (at + word.len()).min(archive.len());
                archive[at..end].copy_from_slice(&word[..end - at]);
            }
        }
    }
}

#[test]
fn whatever_is_imported_touches_nothing_else() {
    // In memory where there is some: an import waits for the disk.
    let place = tempfile::tempdir_in("/dev/shm").or_else(|_| TempDir::new()).unwrap();
    let mut numbers = Numbers(20_260_101);
    for archive in whole() {
        image_import::check(place.path(), &archive);
        for round in 0..ROUNDS {
            let mut spoilt = archive.clone();
            spoil(&mut spoilt, &mut numbers);
            if round % 4 != 0 {
                mend(&mut spoilt);
            }
            let spoilt = if round % 8 == 1 { gzip(&spoilt) } else { spoilt };
            image_import::check(place.path(), &spoilt);
        }
    }
}
