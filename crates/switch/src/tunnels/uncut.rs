//! Whether a device of the underlay cuts within tunnels, and what is sent to it by where it does.
//!
//! A device that does not would have the kernel cut frames into packets, one by one, which costs more than our own
//! trains of datagrams; so those are sent as long as it does not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use tulle_io::{Features, TunnelTap};

/// Without and with a checksum in the outer UDP header.
const FEATURES: [&str; 2] = ["tx-udp_tnl-segmentation", "tx-udp_tnl-csum-segmentation"];

/// The way for super-frames to one device.
#[derive(Debug)]
pub(crate) struct Uncut {
    name: String,
    ifindex: u32,
    tap: OnceLock<TunnelTap>,
    is_on: AtomicBool,
}

impl Uncut {
    /// To a device of the calling thread's network namespace.
    pub(super) fn to(name: &str, ifindex: u32) -> Arc<Uncut> {
        let (tap, is_on) = (OnceLock::new(), AtomicBool::new(false));
        let uncut = Uncut { name: name.to_owned(), ifindex, tap, is_on };
        uncut.look();
        Arc::new(uncut)
    }

    /// Looks at the device again, which somebody may have told to cut or not to.  To be called in its namespace.
    pub(crate) fn look(&self) {
        let features = Features::of(&self.name);
        let cuts = features.is_ok_and(|features| FEATURES.iter().all(|name| features.has(name)));
        if cuts && self.tap.get().is_none() {
            if let Ok(tap) = TunnelTap::open(self.ifindex) {
                let _ = self.tap.set(tap);
            }
        }
        self.is_on.store(cuts && self.tap.get().is_some(), Ordering::Relaxed);
    }

    /// By what to send, where it pays.
    #[inline]
    pub(super) fn tap(&self) -> Option<&TunnelTap> {
        self.tap.get().filter(|_| self.is_on.load(Ordering::Relaxed))
    }

    /// Sends no more that way until the device is looked at again: somebody has set ours down or deleted it.
    #[cold]
    pub(super) fn give_up(&self) {
        self.is_on.store(false, Ordering::Relaxed);
    }
}
