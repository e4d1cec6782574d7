//! The box itself: cgroups, a range of users, and the agent as pid 1 of its namespaces. Made in one pass, undone whole.
//!
//! All of this blocks, for a millisecond or two: it is called off the async threads.

use std::io::{IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use mimobox_confine::cgroup::{Group, GroupLimits, HostGroups, Tolerated, Visit};
use mimobox_confine::channel::{self, HEADER};
use mimobox_confine::launch::{Child, HeldMounts, Program};
use mimobox_confine::{Enforcement, Mechanism, Plan, Report, Status, map_ids};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

use crate::attachments::{Attachment, hand_over_all, join};
use crate::error::{CreateError, DestroyError};
use crate::janitor::Janitor;
use crate::standing::{Population, Standing};
use crate::undertaker::{Remains, Undertaker};

/// How long the agent may take over its plan. It takes a millisecond.
const PATIENCE: Duration = Duration::from_secs(10);

/// What all sandboxes of a backend share. Lives until the last of them is gone.
#[derive(Debug)]
pub(crate) struct Workshop {
    pub(crate) program: Program,
    pub(crate) standing: Standing,
    pub(crate) tolerated: Tolerated,
    // In this order: the undertaker removes what is in the groups, and what is left of these then is the janitor's.
    pub(crate) undertaker: Undertaker,
    pub(crate) groups: HostGroups,
    pub(crate) janitor: Janitor,
}

/// A sandbox's processes and all that the host holds for them. Dropping it ends them, blocks until they have ended, and leaves
/// the rest to the undertaker.
#[derive(Debug)]
pub(crate) struct Enclosure {
    group: Arc<Group>,
    /// There until this is dropped.
    whole: Option<Whole>,
    workshop: Arc<Workshop>,
}

#[derive(Debug)]
struct Whole {
    agent: Child,
    mounts: Option<HeldMounts>,
    users: Population,
}

/// An enclosure whose agent has closed itself in and serves.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) enclosure: Enclosure,
    pub(crate) connection: UnixStream,
    pub(crate) enforcement: Vec<Enforcement>,
}

/// What is to be made.
#[derive(Debug)]
pub(crate) struct Order {
    /// Unique on this host.
    pub(crate) name: String,
    pub(crate) limits: GroupLimits,
    pub(crate) plan: Plan,
    /// Those that the plan names, in its order.
    pub(crate) attachments: Vec<Attachment>,
}

impl Order {
    /// Whether both make the same, neither with anything that is its own.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let all_is_said = self.attachments.is_empty() && other.attachments.is_empty();
        all_is_said && self.limits == other.limits && self.plan == other.plan
    }

    /// The same once more, but for what is its own.
    pub(crate) fn again(&self, name: String) -> Self {
        Self { name, limits: self.limits, plan: self.plan.clone(), attachments: Vec::new() }
    }
}

impl Workshop {
    /// Makes an enclosure. On an error nothing is left of it.
    pub(crate) fn make(self: &Arc<Self>, order: &Order) -> Result<Ready, CreateError> {
        if self.janitor.stands(&self.groups) {
            return self.enclose(order);
        }
        // With the first sandbox: each takes a millisecond or two, and neither needs the other.
        thread::scope(|scope| {
            let janitor = scope.spawn(|| self.janitor.ensure(&self.program, &self.groups));
            let ready = self.enclose(order);
            janitor.join().map_err(|_| CreateError::ShuttingDown)??;
            ready
        })
    }

    fn enclose(self: &Arc<Self>, order: &Order) -> Result<Ready, CreateError> {
        let plan = channel::encode(&order.plan).map_err(CreateError::Plan)?;
        let users = self.standing.populate(!order.attachments.is_empty())?;
        let map = users.map;
        let (mut ours, theirs) = UnixStream::pair().map_err(CreateError::SocketPair)?;
        let (group, mut enforcement) =
            self.groups.group(&order.name, order.limits, &self.tolerated).map_err(CreateError::Groups)?;
        enforcement.push(users.line.clone());
        let group = EmptyGroup(Some(group));
        let visit = group.visit()?;
        let agent = self
            .program
            .start_confined(&["mimobox-agent", "os"], theirs.as_fd(), &map, group.unified())
            .map_err(CreateError::Launch)?;
        visit.map_or(Ok(()), Visit::leave).map_err(CreateError::Groups)?;
        // From here on the enclosure undoes all of it. The agent meanwhile starts, and waits for its plan.
        drop(theirs);
        let group = group.occupied()?;
        let pid = agent.pid();
        let mut enclosure = Enclosure {
            group,
            whole: Some(Whole { mounts: agent.hold_mounts(), agent, users }),
            workshop: Arc::clone(self),
        };
        map_ids(pid, &map).map_err(CreateError::MapUsers)?;
        let handed = hand_over_all(&order.attachments, &map, pid).map_err(CreateError::HandOver)?;
        send(&mut ours, &plan, &order.attachments)?;
        let report = receive(&mut ours)?;
        enclosure.runs();
        if let Some(failure) = report.failure {
            return Err(CreateError::Step(failure));
        }
        enforcement.push(Enforcement::enforced(Mechanism::IpcNamespace, ""));
        enforcement.extend(report.enforcement);
        handed.into_iter().for_each(|line| join(&mut enforcement, line));
        self.require(&enforcement)?;
        enforcement.sort_by_key(|line| line.mechanism);
        Ok(Ready { enclosure, connection: ours, enforcement })
    }

    /// Refuses what lacks a mechanism, unless the operator lets it go missing. A sandbox that can't be paused is a sandbox
    /// all the same: pausing it is refused instead.
    fn require(&self, enforcement: &[Enforcement]) -> Result<(), CreateError> {
        let missing = enforcement.iter().find(|line| {
            line.status == Status::Absent
                && line.mechanism != Mechanism::Freezer
                && !self.tolerated.contains(&line.mechanism)
        });
        missing.map_or(Ok(()), |line| Err(CreateError::NotEnforced(line.mechanism)))
    }
}

impl Enclosure {
    /// Its cgroups.
    pub(crate) fn group(&self) -> &Arc<Group> {
        &self.group
    }

    /// Kills all its processes.
    pub(crate) fn kill(&self) -> Result<(), DestroyError> {
        let Some(whole) = &self.whole else { return Ok(()) };
        if self.group.must_thaw_to_kill() {
            self.group.thaw().map_err(DestroyError::Thaw)?;
        }
        whole.agent.kill().map_err(DestroyError::End)
    }

    /// A handle that becomes readable when all its processes have ended. A pid 1 has ended only when all of its namespace has.
    pub(crate) fn handle(&self) -> Option<BorrowedFd<'_>> {
        self.whole.as_ref().map(|whole| whole.agent.handle())
    }

    /// Whether its agent has ended, whoever killed it.
    pub(crate) fn has_ended(&self) -> bool {
        let Some(handle) = self.handle() else { return true };
        let mut end = [PollFd::new(handle, PollFlags::POLLIN)];
        poll(&mut end, PollTimeout::ZERO) != Ok(0)
    }

    fn runs(&mut self) {
        if let Some(whole) = &mut self.whole {
            whole.agent.runs();
        }
    }

    fn end(&self) -> Result<(), DestroyError> {
        self.kill()?;
        let Some(whole) = &self.whole else { return Ok(()) };
        whole.agent.wait_for_end().map_err(DestroyError::End)
    }
}

impl Drop for Enclosure {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::error!(cause = &error as &dyn std::error::Error, "a sandbox was not ended");
        }
        if let Some(Whole { agent, mounts, users }) = self.whole.take() {
            let group = Arc::clone(&self.group);
            self.workshop.undertaker.take(Remains { agent, mounts, group, _users: users });
        }
    }
}

/// A group without processes, removed unless one comes.
struct EmptyGroup(Option<Group>);

impl EmptyGroup {
    fn unified(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_ref().and_then(Group::unified)
    }

    fn visit(&self) -> Result<Option<Visit>, CreateError> {
        self.0.as_ref().map(Group::visit).transpose().map_err(CreateError::Groups)
    }

    fn occupied(mut self) -> Result<Arc<Group>, CreateError> {
        self.0.take().map(Arc::new).ok_or(CreateError::ShuttingDown)
    }
}

impl Drop for EmptyGroup {
    fn drop(&mut self) {
        if let Some(group) = &self.0
            && let Err(error) = group.remove()
        {
            tracing::error!(cause = &error as &dyn std::error::Error, "an empty cgroup was not removed");
        }
    }
}

fn send(to: &mut UnixStream, plan: &[u8], attachments: &[Attachment]) -> Result<(), CreateError> {
    let descriptors: Vec<_> = attachments.iter().map(|attachment| attachment.handle().as_raw_fd()).collect();
    let rights = [ControlMessage::ScmRights(&descriptors)];
    let control = if descriptors.is_empty() { [].as_slice() } else { rights.as_slice() };
    let sent = sendmsg::<()>(to.as_raw_fd(), &[IoSlice::new(plan)], control, MsgFlags::MSG_NOSIGNAL, None)
        .map_err(CreateError::SendPlan)?;
    let rest = plan.get(sent..).unwrap_or_default();
    to.write_all(rest).map_err(|error| {
        CreateError::SendPlan(nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or(0)))
    })
}

fn receive(from: &mut UnixStream) -> Result<Report, CreateError> {
    from.set_read_timeout(Some(PATIENCE)).map_err(CreateError::ReceiveReport)?;
    let mut header = [0; HEADER];
    from.read_exact(&mut header).map_err(CreateError::ReceiveReport)?;
    let mut body = vec![0; channel::length(header).map_err(CreateError::Report)?];
    from.read_exact(&mut body).map_err(CreateError::ReceiveReport)?;
    from.set_read_timeout(None).map_err(CreateError::ReceiveReport)?;
    channel::decode(&body).map_err(CreateError::Report)
}
