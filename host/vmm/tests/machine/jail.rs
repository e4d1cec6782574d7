//! The jail, seen from outside: /proc/<pid> of a VMM whose guest runs.
