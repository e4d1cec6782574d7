//! Frames on their way to the agent, each with its descriptors.
//!
//! Usually a frame is sent at once, by whoever asks, with one sendmsg(2). What the socket does not take stays
//! here, and the connection's task sends it when there is room: so that a caller who stops waiting half-way never
//! leaves half a frame. How many frames there can be is bounded by the client's permits.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use mimobox_protocol::MAX_DESCRIPTORS;
use parking_lot::Mutex;
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::Notify;

#[derive(Debug)]
pub(crate) struct Frame {
    bytes: Vec<u8>,
    sent: usize,
    /// Travel with the first byte, and are closed here once that is sent.
    descriptors: Vec<OwnedFd>,
}

impl Frame {
    pub(crate) fn new(bytes: Vec<u8>, descriptors: Vec<OwnedFd>) -> Self {
        Self { bytes, sent: 0, descriptors }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: Mutex<VecDeque<Frame>>,
    /// That something waits.
    filled: Notify,
}

impl Outbox {
    /// Sends a frame, now or later, after those that wait.
    pub(crate) fn send(&self, socket: &UnixStream, frame: Frame) -> io::Result<()> {
        let mut waiting = self.waiting.lock();
        let was_empty = waiting.is_empty();
        waiting.push_back(frame);
        if was_empty {
            match send_waiting(socket, &mut waiting) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.filled.notify_one(),
                result => return result,
            }
        }
        Ok(())
    }

    /// Sends what waits, whenever something does. Ends only with an error; may be dropped at any point.
    pub(crate) async fn flush(&self, socket: &UnixStream) -> io::Error {
        loop {
            // Asked every time, as the notice may have gone to a future that was dropped.
            if self.waiting.lock().is_empty() {
                self.filled.notified().await;
                continue;
            }
            let sent =
                socket.async_io(Interest::WRITABLE, || send_waiting(socket, &mut self.waiting.lock())).await;
            if let Err(error) = sent {
                return error;
            }
        }
    }
}

/// Sends frames until there is none; `WouldBlock` if the socket takes no more before.
fn send_waiting(socket: &UnixStream, waiting: &mut VecDeque<Frame>) -> io::Result<()> {
    while let Some(frame) = waiting.front_mut() {
        match send_part(socket, frame) {
            Ok(count) => frame.sent = frame.sent.saturating_add(count),
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
        frame.descriptors.clear();
        if frame.sent >= frame.bytes.len() {
            waiting.pop_front();
        }
    }
    Ok(())
}

fn send_part(socket: &UnixStream, frame: &Frame) -> Result<usize, Errno> {
    let rest = frame.bytes.get(frame.sent..).unwrap_or_default();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors: Vec<_> = frame.descriptors.iter().map(AsFd::as_fd).collect();
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(Errno::INVAL);
    }
    sendmsg(socket, &[IoSlice::new(rest)], &mut control, SendFlags::NOSIGNAL)
}
