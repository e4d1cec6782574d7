//! `mimobox:host/log`: to the operator's log, under the component's name.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::Result;
use wasmtime::component::Access;

use crate::bindings::host::mimobox::host::log::{Host as Interface, HostWithStore, Level};
use crate::ctx::{Ctx, Host};
use crate::escaped::Escaped;

/// Characters of a message that are kept.
const MESSAGE: usize = 4096;
/// Fields of a line that are kept.
const FIELDS: usize = 32;
/// Characters of a field's name and of its value that are kept.
const FIELD: usize = 512;
/// Lines in one go; after that, this many a second. What a component says beyond is dropped, and the log says how much.
const LINES: u32 = 200;

/// A component's way into the log.
pub(crate) struct Log {
    component: Arc<str>,
    room: u32,
    since: Instant,
    dropped: u64,
}

impl Log {
    pub(crate) fn new(component: Arc<str>) -> Self {
        Self { component, room: LINES, since: Instant::now(), dropped: 0 }
    }

    /// Whether there is room for one more line at `now`.
    fn admit(&mut self, now: Instant) -> bool {
        if now.duration_since(self.since) >= Duration::from_secs(1) {
            self.since = now;
            self.room = LINES;
            let dropped = std::mem::take(&mut self.dropped);
            if dropped > 0 {
                tracing::warn!(component = &*self.component, dropped, "a component logs more than is kept");
            }
        }
        match self.room.checked_sub(1) {
            Some(room) => self.room = room,
            None => self.dropped = self.dropped.saturating_add(1),
        }
        self.dropped == 0
    }
}

impl Interface for &mut Ctx {}

impl HostWithStore<Ctx> for Host {
    fn log(
        mut host: Access<'_, Ctx, Self>,
        level: Level,
        message: String,
        fields: Vec<(String, String)>,
    ) -> Result<()> {
        let log = &mut host.get().log;
        if !log.admit(Instant::now()) {
            return Ok(());
        }
        let component = &*log.component;
        let message = Escaped { text: &message, most: MESSAGE };
        let fields = (!fields.is_empty()).then(|| tracing::field::display(Fields(&fields)));
        // A level is part of an event's static data, hence five events.
        match level {
            Level::Trace => tracing::trace!(target: "component", component, fields, "{message}"),
            Level::Debug => tracing::debug!(target: "component", component, fields, "{message}"),
            Level::Info => tracing::info!(target: "component", component, fields, "{message}"),
            Level::Warn => tracing::warn!(target: "component", component, fields, "{message}"),
            Level::Error => tracing::error!(target: "component", component, fields, "{message}"),
        }
        Ok(())
    }
}

/// `name=value name=value`.
struct Fields<'a>(&'a [(String, String)]);

impl fmt::Display for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (name, value)) in self.0.iter().take(FIELDS).enumerate() {
            let (name, value) = (Escaped { text: name, most: FIELD }, Escaped { text: value, most: FIELD });
            write!(f, "{}{name}={value}", if place == 0 { "" } else { " " })?;
        }
        if self.0.len() > FIELDS { f.write_str(" …") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_that_floods_the_log_is_cut_off_until_the_next_second() {
        let start = Instant::now();
        let mut log = Log { component: "flood".into(), room: LINES, since: start, dropped: 0 };
        assert!((0..LINES).all(|_| log.admit(start)));
        assert!(!log.admit(start));
        assert!(!log.admit(start));
        assert!(log.admit(start + Duration::from_secs(1)));
        assert_eq!(log.dropped, 0);
    }

    #[test]
    fn fields_stay_on_one_line() {
        let fields = [("a".to_owned(), "1\n2".to_owned()), ("b".to_owned(), String::new())];
        assert_eq!(Fields(&fields).to_string(), "a=1\\n2 b=");
    }
}
