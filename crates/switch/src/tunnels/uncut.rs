//! Whether a device of the underlay cuts within tunnels, and what is sent to it by where it does.
//!
//! A device that does not would have the kernel cut frames into packets, one by one, which costs more than our own
//! trains of datagrams; so those are sent as long as it does not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use tulle_io::{Features, TunnelTap};

use super::Kind;

/// Without and with a checksum in the outer UDP header.
const FOR_UDP: [&str; 2] = ["tx-udp_tnl-segmentation", "tx-udp_tnl-csum-segmentation"];
/// What has a checksum in GRE is never sent so.
const FOR_GRE: [&str; 1] = ["tx-gre-segmentation"];

/// The way for super-frames to one device.
#[derive(Debug)]
pub(crate) struct Uncut {
    name: String,
    ifindex: u32,
    tap: OnceLock<TunnelTap>,
    /// Whether tunnels over UDP go by it, and those over GRE.
    is_on_for_udp: AtomicBool,
    is_on_for_gre: AtomicBool,
}

impl Uncut {
    /// To a device of the calling thread's network namespace.
    pub(super) fn to(name: &str, ifindex: u32) -> Arc<Uncut> {
        let (is_on_for_udp, is_on_for_gre) = (AtomicBool::new(false), AtomicBool::new(false));
        let uncut =
            Uncut { name: name.to_owned(), ifindex, tap: OnceLock::new(), is_on_for_udp, is_on_for_gre };
        uncut.look();
        Arc::new(uncut)
    }

    /// Looks at the device again, which somebody may have told to cut or not to.  To be called in its namespace.
    pub(crate) fn look(&self) {
        let features = Features::of(&self.name);
        let cuts = |names: &[&str]| {
            features.as_ref().is_ok_and(|features| names.iter().all(|name| features.has(name)))
        };
        let (for_udp, for_gre) = (cuts(&FOR_UDP), cuts(&FOR_GRE));
        if (for_udp || for_gre) && self.tap.get().is_none() {
            if let Ok(tap) = TunnelTap::open(self.ifindex) {
                let _ = self.tap.set(tap);
            }
        }
        let has_tap = self.tap.get().is_some();
        self.is_on_for_udp.store(for_udp && has_tap, Ordering::Relaxed);
        self.is_on_for_gre.store(for_gre && has_tap, Ordering::Relaxed);
    }

    /// Whether what is in such a tunnel may be sent so.
    #[inline]
    pub(super) fn takes(&self, kind: Kind) -> bool {
        match kind {
            Kind::Vxlan | Kind::Geneve => self.is_on_for_udp.load(Ordering::Relaxed),
            Kind::Gre | Kind::Nvgre => self.is_on_for_gre.load(Ordering::Relaxed),
            Kind::Stt => false,
        }
    }

    /// By what to send it.
    #[inline]
    pub(super) fn tap(&self) -> Option<&TunnelTap> {
        self.tap.get()
    }

    /// Sends no more that way until the device is looked at again: somebody has set ours down or deleted it.
    #[cold]
    pub(super) fn give_up(&self) {
        self.is_on_for_udp.store(false, Ordering::Relaxed);
        self.is_on_for_gre.store(false, Ordering::Relaxed);
    }
}
