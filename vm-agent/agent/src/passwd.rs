//! Looks a user up in the sandbox's own `/etc/passwd`: passwd(5).
//!
//! The file belongs to the image, so it is hostile: whatever it is, reading it neither blocks nor takes more than
//! a bounded amount, and a line that makes no sense is passed over. The C library's look-up is no choice: it
//! would load code from the image.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;

use mimobox_protocol::SpawnFailure;
use nix::unistd::{Gid, Uid};

use crate::identity::Ids;

const PATH: &str = "/etc/passwd";

/// As much of the file as is read; a distribution's own has some 2 KiB.
const MAX_BYTES: u64 = 256 * 1024;

/// The ids of `name`.
pub(crate) fn find(name: &str) -> Result<Ids, SpawnFailure> {
    let passwd = read().map_err(|_| SpawnFailure::UserNotFound)?;
    find_in(&passwd, name).ok_or(SpawnFailure::UserNotFound)
}

fn read() -> io::Result<Vec<u8>> {
    // Opening a fifo without O_NONBLOCK would wait for a writer.
    let file: File =
        OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(PATH)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut passwd = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut passwd)?;
    Ok(passwd)
}

fn find_in(passwd: &[u8], name: &str) -> Option<Ids> {
    passwd.split(|byte| *byte == b'\n').find_map(|line| {
        let mut fields = line.split(|byte| *byte == b':');
        if fields.next()? != name.as_bytes() {
            return None;
        }
        let uid = number(fields.nth(1)?)?;
        let gid = number(fields.next()?)?;
        Some(Ids { uid: Uid::from_raw(uid), gid: Gid::from_raw(gid) })
    })
}

/// A user or group number. The greatest stands for "no change" in setresuid(2) and is never one.
fn number(field: &[u8]) -> Option<u32> {
    std::str::from_utf8(field).ok()?.parse().ok().filter(|number| *number != u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\n\
        broken:x:12\n\
        word:x:twelve:12::/:/bin/sh\n\
        negative:x:-1:12::/:/bin/sh\n\
        unchanged:x:4294967295:12::/:/bin/sh\n\
        \xff\xfe:x:1:1::/:/bin/sh\n\
        games:x:5:60:games:/usr/games:/usr/sbin/nologin\n\
        games:x:6:61:again:/:/bin/sh\n\
        last:x:7:8:without a newline";

    fn found(name: &str) -> Option<(u32, u32)> {
        find_in(PASSWD, name).map(|ids| (ids.uid.as_raw(), ids.gid.as_raw()))
    }

    #[test]
    fn the_first_line_of_a_name_counts() {
        assert_eq!(found("games"), Some((5, 60)));
        assert_eq!(found("last"), Some((7, 8)));
        assert_eq!(found("root"), Some((0, 0)));
    }

    #[test]
    fn lines_that_make_no_sense_name_nobody() {
        for name in ["broken", "word", "negative", "unchanged"] {
            assert_eq!(found(name), None, "{name}");
        }
    }

    #[test]
    fn a_name_is_matched_whole() {
        for name in ["", "game", "games:x", "root:x:0", "x"] {
            assert_eq!(found(name), None, "{name}");
        }
    }
}
