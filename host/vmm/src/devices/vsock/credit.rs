//! How much each side of a connection may send: section 5.10.6.3 of virtio 1.2. All counters run modulo 2^32.

/// What a guest may send, and what it was told of that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inbound {
    /// Bytes that are held for it at most.
    window: u32,
    received: u32,
    forwarded: u32,
    /// `forwarded` as the guest knows it.
    told: u32,
}

impl Inbound {
    pub(crate) fn new(window: u32) -> Self {
        Self { window, received: 0, forwarded: 0, told: 0 }
    }

    pub(crate) fn window(&self) -> u32 {
        self.window
    }

    /// So many bytes came. False if there are more than the guest was given room for.
    pub(crate) fn receive(&mut self, length: u32) -> bool {
        let held = self.received.wrapping_sub(self.forwarded);
        let fits = held.checked_add(length).is_some_and(|held| held <= self.window);
        if fits {
            self.received = self.received.wrapping_add(length);
        }
        fits
    }

    /// So many bytes, of those that came, were passed on.
    pub(crate) fn forward(&mut self, length: usize) {
        // No more than a window, which is a `u32`.
        self.forwarded = self.forwarded.wrapping_add(u32::try_from(length).unwrap_or_default());
    }

    /// What to tell the guest with any packet. From then on it knows.
    pub(crate) fn tell(&mut self) -> u32 {
        self.told = self.forwarded;
        self.told
    }

    /// Whether the guest should be told now, by a packet of its own. It costs the guest an interrupt, so: when it believes
    /// that less than half of the window is left, and there is at least a quarter more than that, or everything.
    pub(crate) fn worth_telling(&self) -> bool {
        let believed = self.received.wrapping_sub(self.told);
        let news = self.forwarded.wrapping_sub(self.told);
        let all = self.forwarded == self.received;
        news > 0 && believed > self.window / 2 && (all || news >= self.window / 4)
    }
}

/// What a guest says it has room for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outbound {
    allocation: u32,
    forwarded: u32,
    sent: u32,
}

impl Outbound {
    /// The guest tells.
    pub(crate) fn update(&mut self, allocation: u32, forwarded: u32) {
        self.allocation = allocation;
        self.forwarded = forwarded;
    }

    /// Bytes that may be sent now. A guest whose counters make no sense gets nothing.
    pub(crate) fn room(&self) -> u32 {
        self.allocation.saturating_sub(self.sent.wrapping_sub(self.forwarded))
    }

    pub(crate) fn send(&mut self, length: u32) {
        self.sent = self.sent.wrapping_add(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_sends_no_more_than_its_window() {
        let mut inbound = Inbound::new(100);
        assert!(inbound.receive(100));
        assert!(!inbound.receive(1));
        inbound.forward(40);
        assert!(inbound.receive(40));
        assert!(!inbound.receive(u32::MAX));
    }

    #[test]
    fn a_guest_is_told_when_it_runs_out_and_not_before() {
        let mut inbound = Inbound::new(100);
        assert!(inbound.receive(50));
        inbound.forward(50);
        assert!(!inbound.worth_telling());
        assert!(inbound.receive(50));
        assert!(inbound.worth_telling());
        assert_eq!(inbound.tell(), 50);
        assert!(!inbound.worth_telling());
        inbound.forward(50);
        assert!(!inbound.worth_telling());
    }

    #[test]
    fn counters_go_round() {
        let mut outbound = Outbound { allocation: 100, forwarded: u32::MAX - 9, sent: u32::MAX - 9 };
        assert_eq!(outbound.room(), 100);
        outbound.send(60);
        assert_eq!(outbound.room(), 40);
        outbound.update(100, 50);
        assert_eq!(outbound.room(), 100);
        outbound.update(100, 51);
        assert_eq!(outbound.room(), 0, "more was passed on than was sent");
    }
}
