//! A stand-in for the vsock device of a VMM: bytes of the host's connection go over the control connection, and each descriptor
//! that comes along gets a connection of its own, which begins with its number.

use std::fs::File;
use std::io::{IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;

use mimobox_protocol::MAX_DESCRIPTORS;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

const CHUNK: usize = 64 * 1024;

/// Carries bytes between a host and a guest until one of them closes. `streams` is where the guest takes streams in.
pub(crate) fn carry(host: UnixStream, control: UnixStream, streams: PathBuf) {
    let (mut from, mut to) = (control.try_clone().unwrap(), host.try_clone().unwrap());
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    thread::spawn(move || {
        let _ = take_from_host(&host, &control, &streams);
        let _ = control.shutdown(Shutdown::Both);
    });
}

fn take_from_host(host: &UnixStream, mut control: &UnixStream, streams: &Path) -> std::io::Result<()> {
    let mut next: u32 = 0;
    let mut chunk = vec![0; CHUNK];
    loop {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let parts = &mut [IoSliceMut::new(&mut chunk)];
        let count = recvmsg(host, parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?.bytes;
        for message in ancillary.drain() {
            let RecvAncillaryMessage::ScmRights(descriptors) = message else { continue };
            for descriptor in descriptors {
                open_stream(descriptor, next, streams)?;
                next += 1;
            }
        }
        if count == 0 {
            return Ok(());
        }
        control.write_all(&chunk[..count])?;
    }
}

fn open_stream(descriptor: OwnedFd, number: u32, streams: &Path) -> std::io::Result<()> {
    let mut stream = UnixStream::connect(streams)?;
    stream.write_all(&number.to_le_bytes())?;
    let mode = fcntl_getfl(&descriptor)? & OFlags::RWMODE;
    thread::spawn(move || {
        if mode == OFlags::RDONLY {
            to_guest(descriptor.into(), &stream);
        } else {
            to_host(descriptor.into(), &stream);
        }
    });
    Ok(())
}

fn to_guest(mut pipe: File, mut stream: &UnixStream) {
    let mut chunk = vec![0; CHUNK];
    while let Ok(count @ 1..) = pipe.read(&mut chunk) {
        if stream.write_all(&chunk[..count]).is_err() {
            return;
        }
    }
    let _ = stream.shutdown(Shutdown::Write);
    // The stream stays until the guest is done with it.
    let _ = stream.read(&mut [0]);
}

fn to_host(mut pipe: File, mut stream: &UnixStream) {
    let mut chunk = vec![0; CHUNK];
    loop {
        {
            let mut both = [
                PollFd::from_borrowed_fd(stream.as_fd(), PollFlags::IN),
                // Nothing is asked for, but that its reader is gone is told.
                PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::empty()),
            ];
            let _ = poll(&mut both, None);
            if !both[1].revents().is_empty() {
                break;
            }
        }
        let Ok(count @ 1..) = stream.read(&mut chunk) else { break };
        if pipe.write_all(&chunk[..count]).is_err() {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
}
