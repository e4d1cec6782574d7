//! Which descriptor an event is about, as the number that epoll(7) keeps with it.

/// What `server` waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventSource {
    /// The host's requests.
    Connection,
    /// Ended children.
    Children,
    /// A terminal of process `id`.
    Terminal { id: u32, end: TerminalEnd },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TerminalEnd {
    /// The pipe from the host.
    Input,
    /// The pipe to the host.
    Output,
    /// The terminal itself.
    Master,
}

/// The kind is in the upper half, a process's number in the lower.
const ID_BITS: u32 = u32::BITS;

impl From<EventSource> for u64 {
    fn from(source: EventSource) -> Self {
        let (kind, id) = match source {
            EventSource::Connection => (0, 0),
            EventSource::Children => (1, 0),
            EventSource::Terminal { id, end: TerminalEnd::Input } => (2, id),
            EventSource::Terminal { id, end: TerminalEnd::Output } => (3, id),
            EventSource::Terminal { id, end: TerminalEnd::Master } => (4, id),
        };
        kind << ID_BITS | Self::from(id)
    }
}

impl EventSource {
    /// What was registered under this number.
    pub(crate) fn from_data(data: u64) -> Option<Self> {
        let id = u32::try_from(data & u64::from(u32::MAX)).ok()?;
        match data >> ID_BITS {
            0 => Some(Self::Connection),
            1 => Some(Self::Children),
            2 => Some(Self::Terminal { id, end: TerminalEnd::Input }),
            3 => Some(Self::Terminal { id, end: TerminalEnd::Output }),
            4 => Some(Self::Terminal { id, end: TerminalEnd::Master }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_survives_being_a_number() {
        let terminal = |end| [0, 1, u32::MAX].map(|id| EventSource::Terminal { id, end });
        let terminals =
            [TerminalEnd::Input, TerminalEnd::Output, TerminalEnd::Master].into_iter().flat_map(terminal);
        for source in [EventSource::Connection, EventSource::Children].into_iter().chain(terminals) {
            assert_eq!(EventSource::from_data(source.into()), Some(source));
        }
    }
}
