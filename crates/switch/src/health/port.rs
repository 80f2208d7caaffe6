//! The session of one tunnel port.

use tulle_bfd::{Encapsulation, Session, Settings, Status};

use crate::tunnels::Inner;

/// What is set of it (ovs-vswitchd.conf.db(5), table Interface, column `bfd`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HealthSettings {
    /// Of the session.
    pub session: Settings,
    /// The headers of its packets inside the tunnel; a source address of zeros means one of the switch's choice.
    pub headers: Encapsulation,
    /// Take packets without a key, or with 0 as key, only.
    pub check_key: bool,
    /// Say in the tunnel's header, where that can be said, that packets are not a tenant's.
    pub oam: bool,
}

/// What is to be known of it; moments in nanoseconds on a clock that shows `now_ns`.
#[derive(Clone, Copy, Debug)]
pub struct HealthStatus {
    /// The session.
    pub session: Status,
    /// Its settings.
    pub settings: Settings,
    /// The moment of which this is told.
    pub now_ns: u64,
}

/// A session and its headers.
#[derive(Debug)]
pub(crate) struct Health {
    pub session: Session,
    settings: HealthSettings,
    mac: [u8; 6],
}

impl Health {
    pub(super) fn new(settings: HealthSettings, discriminator: u32, seed: u64, now_ns: u64) -> Health {
        let [a, b, c, d] = discriminator.to_be_bytes();
        let session = Session::new(settings.session, discriminator, seed, now_ns);
        // Tunnel ports have no address of their own; one that is locally administered will do.
        let mut health = Health { session, settings, mac: [0x02, 0x23, a, b, c, d] };
        health.configure(settings, now_ns);
        health
    }

    pub(super) fn configure(&mut self, settings: HealthSettings, now_ns: u64) {
        self.settings = settings;
        if settings.headers.source_mac == [0; 6] {
            self.settings.headers.source_mac = self.mac;
        }
        self.session.configure(settings.session, now_ns);
    }

    pub(super) fn settings(&self) -> &HealthSettings {
        &self.settings
    }

    /// Whether a frame out of the tunnel is the session's rather than a tenant's.
    #[inline]
    pub(crate) fn recognizes(&self, inner: &Inner) -> bool {
        let is_ours = !self.settings.check_key || inner.passed.popped.context == 0;
        is_ours && self.settings.headers.recognizes(inner.frame.bytes())
    }

    /// What others want to hear of when it changes.
    pub(super) fn outline(&self) -> [u8; 5] {
        let Status { is_forwarding, local, remote, .. } = self.session.status();
        let (state, diagnostic) = (local.state as u8, local.diagnostic.0);
        [u8::from(is_forwarding), state, diagnostic, remote.state as u8, remote.diagnostic.0]
    }

    pub(super) fn status(&self, now_ns: u64) -> HealthStatus {
        HealthStatus { session: self.session.status(), settings: self.settings.session, now_ns }
    }
}
