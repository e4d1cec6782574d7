//! The control socket of a VMM, from the host's side: requests out, events in.
//!
//! ```text
//!   ask ──► packet ──► VMM ──► packet ──► reader (a task) ─┬─ an answer ──► whoever asked
//!                                                          └─ the end ────► End, for everybody
//! ```
//!
//! What a VMM says is hostile: a packet that makes no sense ends it as if it had died.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use mimobox_vmm_protocol::{
    DecodeError, EncodeError, End, Event, MAX_DESCRIPTORS, MAX_PACKET, Request, decode, encode,
};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::{Mutex, mpsc, watch};

/// Why a VMM was not understood, or did not understand.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    #[error("failed to make a control socket")]
    Socket(#[source] Errno),
    #[error("failed to watch the control socket")]
    Watch(#[source] std::io::Error),
    #[error("failed to write a request")]
    Encode(#[source] EncodeError),
    #[error("failed to send a request")]
    Send(#[source] Errno),
    #[error("failed to get an answer: {0}")]
    Ended(Ended),
}

/// How a VMM ended, as far as it could say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It said how its guest did.
    Guest(End),
    /// It went without a word: killed, or crashed.
    Silently,
    /// It said what makes no sense.
    Malformed,
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Guest(End::Shutdown) => f.write_str("the guest powered off"),
            Self::Guest(End::Reset) => {
                f.write_str("the guest reset itself, as it does for a panic or a reboot")
            }
            Self::Guest(End::TripleFault) => {
                f.write_str("the guest's processor shut down after a triple fault")
            }
            Self::Guest(End::InternalError(error)) => write!(
                f,
                "KVM could not go on (suberror {}, at {:#x}, instruction {:02x?})",
                error.suberror,
                error.instruction_pointer,
                error.bytes.get()
            ),
            Self::Guest(End::EntryFailed { reason }) => {
                write!(f, "KVM refused to enter the guest ({reason:#x})")
            }
            Self::Guest(End::RunFailed { errno }) => write!(f, "KVM failed to run the guest (errno {errno})"),
            Self::Guest(End::UnknownExit { number }) => {
                write!(f, "the guest left by an unknown exit ({number})")
            }
            Self::Guest(End::ThreadFailed) => f.write_str("a thread of the VMM failed"),
            Self::Guest(End::Killed) => f.write_str("the host ended it"),
            Self::Silently => f.write_str("the VMM died"),
            Self::Malformed => f.write_str("the VMM said what makes no sense"),
        }
    }
}

/// An answer, and the descriptor that came along.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) event: Event,
    pub(crate) descriptor: Option<OwnedFd>,
}

/// The host's end. Its task holds it open until the VMM has gone: whoever is done with a VMM kills it.
#[derive(Clone, Debug)]
pub(crate) struct Control {
    socket: Arc<UnixStream>,
    /// One asks at a time.
    answers: Arc<Mutex<mpsc::Receiver<Answer>>>,
    ended: watch::Receiver<Option<Ended>>,
}

impl Control {
    /// Both ends of a new one. A task of the runtime serves it until the VMM goes.
    pub(crate) fn pair() -> Result<(Self, OwnedFd), ControlError> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .map_err(ControlError::Socket)?;
        rustix::io::ioctl_fionbio(&ours, true).map_err(ControlError::Socket)?;
        // Of another type; only its readiness is used.
        let socket = Arc::new(UnixStream::from_std(ours.into()).map_err(ControlError::Watch)?);
        let (answer, answers) = mpsc::channel(4);
        let (end, ended) = watch::channel(None);
        tokio::spawn(read(Arc::clone(&socket), answer, end));
        Ok((Self { socket, answers: Arc::new(Mutex::new(answers)), ended }, theirs))
    }

    /// Sends a request and waits for what it is answered. Done to its end even if the caller goes meanwhile, so that nobody
    /// gets another's answer.
    pub(crate) async fn ask(&self, request: Request) -> Result<Answer, ControlError> {
        let control = self.clone();
        let asking = tokio::spawn(async move {
            let mut answers = control.answers.lock().await;
            control.send(&request, &[]).await?;
            Self::next(&mut answers, &control.ended).await
        });
        asking.await.unwrap_or(Err(ControlError::Ended(Ended::Silently)))
    }

    /// Sends the configuration, which several events answer.
    pub(crate) async fn configure(
        &self,
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), ControlError> {
        self.send(request, descriptors).await
    }

    /// Waits for the next event.
    pub(crate) async fn event(&self) -> Result<Answer, ControlError> {
        Self::next(&mut *self.answers.lock().await, &self.ended).await
    }

    /// Waits for the end.
    pub(crate) async fn ended(&self) -> Ended {
        let mut ended = self.ended.clone();
        let end = ended.wait_for(Option::is_some).await;
        end.ok().and_then(|end| end.clone()).unwrap_or(Ended::Silently)
    }

    async fn next(
        answers: &mut mpsc::Receiver<Answer>,
        ended: &watch::Receiver<Option<Ended>>,
    ) -> Result<Answer, ControlError> {
        match answers.recv().await {
            Some(answer) => Ok(answer),
            // Said before the queue was closed.
            None => Err(ControlError::Ended(ended.borrow().clone().unwrap_or(Ended::Silently))),
        }
    }

    async fn send(&self, request: &Request, descriptors: &[BorrowedFd<'_>]) -> Result<(), ControlError> {
        let bytes = encode(request).map_err(ControlError::Encode)?;
        let send = || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
                return Err(Errno::INVAL.into());
            }
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            Ok(sendmsg(&self.socket, &[IoSlice::new(&bytes)], &mut ancillary, flags).map(drop)?)
        };
        match self.socket.async_io(Interest::WRITABLE, send).await {
            Ok(()) => Ok(()),
            // Whoever waits for the answer learns how it ended.
            Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::PIPE | Errno::CONNRESET)) => {
                Ok(())
            }
            Err(error) => Err(ControlError::Send(Errno::from_io_error(&error).unwrap_or(Errno::IO))),
        }
    }
}

/// Reads until there is no more to come, and says how it ended.
async fn read(socket: Arc<UnixStream>, answers: mpsc::Sender<Answer>, end: watch::Sender<Option<Ended>>) {
    let ended = loop {
        let answer = match socket.async_io(Interest::READABLE, || receive(&socket)).await {
            Ok(Some(answer)) => answer,
            Ok(None) => break Ended::Silently,
            Err(error) if Errno::from_io_error(&error) == Some(Errno::CONNRESET) => break Ended::Silently,
            Err(_) => break Ended::Malformed,
        };
        if let Event::Ended(end) = answer.event {
            break Ended::Guest(end);
        }
        // Nobody asked for so much.
        if answers.try_send(answer).is_err() {
            break Ended::Malformed;
        }
    };
    end.send_replace(Some(ended));
}

/// One event. None: the VMM has closed its end.
fn receive(socket: &UnixStream) -> std::io::Result<Option<Answer>> {
    let mut bytes = vec![0; MAX_PACKET];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let received = recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, flags)?;
    // All but the last are closed.
    let descriptor = ancillary
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => descriptors.last(),
            _ => None,
        })
        .last();
    if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    if received.bytes == 0 {
        return Ok(None);
    }
    let event = decode(bytes.get(..received.bytes).unwrap_or_default());
    let event =
        event.map_err(|error: DecodeError| std::io::Error::new(std::io::ErrorKind::InvalidData, error))?;
    Ok(Some(Answer { event, descriptor }))
}
