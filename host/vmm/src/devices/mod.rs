//! The devices of a microVM: virtio over MMIO.
