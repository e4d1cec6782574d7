//! The operator's log. Each line stands there under this component's name.

use std::fmt::Display;

use crate::bindings::mimobox::host::log as host;

pub use host::Level;

/// Writes a line with fields, for people and programs alike.
pub fn write(level: Level, message: impl Display, fields: &[(&str, &dyn Display)]) {
    let fields: Vec<(String, String)> =
        fields.iter().map(|(name, value)| ((*name).to_owned(), value.to_string())).collect();
    host::log(level, &message.to_string(), &fields);
}

/// What only who wrote the component wants to know, at length.
pub fn trace(message: impl Display) {
    write(Level::Trace, message, &[]);
}

/// What only who wrote the component wants to know.
pub fn debug(message: impl Display) {
    write(Level::Debug, message, &[]);
}

/// What goes on.
pub fn info(message: impl Display) {
    write(Level::Info, message, &[]);
}

/// What somebody should look at.
pub fn warn(message: impl Display) {
    write(Level::Warn, message, &[]);
}

/// What went wrong.
pub fn error(message: impl Display) {
    write(Level::Error, message, &[]);
}
