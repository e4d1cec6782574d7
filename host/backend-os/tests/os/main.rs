//! Sandboxes of this machine's kernel, for real. They take root and a static agent (`MIMOBOX_AGENT`).

mod confinement;
mod harness;
mod isolation;
mod lifecycle;
mod limits;
mod programs;
mod root;
mod volumes;
