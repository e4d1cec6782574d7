//! Numbers of the virtio-mmio transport, version 2: "Virtual I/O Device (VIRTIO) Version 1.2".

/// Registers of a device, as offsets into its page: section 4.2.2.
pub(crate) const MAGIC_VALUE: u64 = 0x000;
pub(crate) const VERSION: u64 = 0x004;
pub(crate) const DEVICE_ID: u64 = 0x008;
pub(crate) const VENDOR_ID: u64 = 0x00c;
pub(crate) const DEVICE_FEATURES: u64 = 0x010;
pub(crate) const DEVICE_FEATURES_SELECT: u64 = 0x014;
pub(crate) const DRIVER_FEATURES: u64 = 0x020;
pub(crate) const DRIVER_FEATURES_SELECT: u64 = 0x024;
pub(crate) const QUEUE_SELECT: u64 = 0x030;
pub(crate) const QUEUE_SIZE_MAX: u64 = 0x034;
pub(crate) const QUEUE_SIZE: u64 = 0x038;
pub(crate) const QUEUE_READY: u64 = 0x044;
pub(crate) const QUEUE_NOTIFY: u64 = 0x050;
pub(crate) const INTERRUPT_STATUS: u64 = 0x060;
pub(crate) const INTERRUPT_ACKNOWLEDGE: u64 = 0x064;
pub(crate) const STATUS: u64 = 0x070;
pub(crate) const QUEUE_DESCRIPTORS_LOW: u64 = 0x080;
pub(crate) const QUEUE_DESCRIPTORS_HIGH: u64 = 0x084;
pub(crate) const QUEUE_AVAILABLE_LOW: u64 = 0x090;
pub(crate) const QUEUE_AVAILABLE_HIGH: u64 = 0x094;
pub(crate) const QUEUE_USED_LOW: u64 = 0x0a0;
pub(crate) const QUEUE_USED_HIGH: u64 = 0x0a4;
pub(crate) const SHARED_MEMORY_SELECT: u64 = 0x0ac;
/// Length and base of shared memory, four registers. There is none, so they read as ones: section 4.2.2.1.
pub(crate) const SHARED_MEMORY: std::ops::RangeInclusive<u64> = 0x0b0..=0x0bc;
pub(crate) const CONFIG_GENERATION: u64 = 0x0fc;
/// Configuration of the device begins here and takes the rest of the page.
pub(crate) const CONFIG: u64 = 0x100;

/// What the first two registers read as: section 4.2.2.
pub(crate) const MAGIC: u32 = u32::from_le_bytes(*b"virt");
pub(crate) const TRANSPORT_VERSION: u32 = 2;
/// Anything: section 4.2.2.
pub(crate) const VENDOR: u32 = u32::from_le_bytes(*b"mimo");

/// Bits of the status register: section 2.1.
pub(crate) mod status {
    pub(crate) const ACKNOWLEDGE: u32 = 1;
    pub(crate) const DRIVER: u32 = 2;
    pub(crate) const DRIVER_OK: u32 = 4;
    pub(crate) const FEATURES_OK: u32 = 8;
    pub(crate) const NEEDS_RESET: u32 = 64;
    pub(crate) const FAILED: u32 = 128;
    /// Those that a driver may set.
    pub(crate) const OF_DRIVER: u32 = ACKNOWLEDGE | DRIVER | DRIVER_OK | FEATURES_OK | FAILED;
}

/// Bits of the interrupt status register: section 4.2.2.
pub(crate) mod interrupt {
    pub(crate) const USED_BUFFER: u32 = 1;
    pub(crate) const CONFIGURATION: u32 = 2;
}

/// Features that any device may have: section 6.
pub(crate) mod feature {
    /// `VIRTIO_F_EVENT_IDX`: fewer kicks and fewer interrupts. Section 2.7.10.
    pub(crate) const EVENT_INDEX: u64 = 1 << 29;
    /// `VIRTIO_F_VERSION_1`: not a legacy driver. Section 6.1 lets a device insist, and these do.
    pub(crate) const VERSION_1: u64 = 1 << 32;
}
