//! Serves the host's requests until the connection closes.
