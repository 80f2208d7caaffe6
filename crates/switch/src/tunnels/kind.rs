//! The encapsulations that exist; the place to name a new one.

use tulle_encap::stt::Limits;
use tulle_encap::vxlan::Extension;
use tulle_encap::{Encap, Geneve, Gre, Nvgre, Stt, Vxlan, geneve, stt, vxlan};
use tulle_io::Guarded;

use crate::error::SwitchError;

/// An encapsulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// draft-davie-stt-08.
    Stt,
    /// RFC 7348.
    Vxlan,
    /// RFC 8926.
    Geneve,
    /// RFC 2784 and 2890, with Ethernet in it.
    Gre,
    /// RFC 7637.
    Nvgre,
}

impl Kind {
    const ALL: [Kind; 5] = [Kind::Stt, Kind::Vxlan, Kind::Geneve, Kind::Gre, Kind::Nvgre];

    /// By the name that users write.
    pub fn from_name(name: &str) -> Result<Kind, SwitchError> {
        let found = Kind::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| SwitchError::UnknownEncapsulation(name.to_owned()))
    }

    /// The name that users write.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Stt => "stt",
            Kind::Vxlan => "vxlan",
            Kind::Geneve => "geneve",
            Kind::Gre => "gre",
            Kind::Nvgre => "nvgre",
        }
    }

    /// The destination port that IANA assigned; 0 where there are no ports.
    #[must_use]
    pub fn standard_port(self) -> u16 {
        match self {
            Kind::Stt => stt::PORT,
            Kind::Vxlan => vxlan::PORT,
            Kind::Geneve => geneve::PORT,
            Kind::Gre | Kind::Nvgre => 0,
        }
    }

    /// What its packets are recognized by.
    pub(crate) fn wire(self, port: u16) -> Guarded {
        match self {
            Kind::Stt => Guarded::Tcp(port),
            Kind::Vxlan | Kind::Geneve => Guarded::Udp(port),
            Kind::Gre | Kind::Nvgre => Guarded::Gre,
        }
    }
}

/// Every encapsulation once, for sending, which has no state.
#[derive(Debug)]
pub(crate) struct Senders {
    stt: Stt,
    vxlan: Vxlan,
    gbp: Vxlan,
    geneve: Geneve,
    gre: Gre,
    nvgre: Nvgre,
}

impl Senders {
    pub(crate) fn new() -> Senders {
        Senders {
            stt: Stt::default(),
            vxlan: Vxlan::default(),
            gbp: Vxlan::default().with_extension(Extension::Gbp),
            geneve: Geneve::default(),
            gre: Gre::default(),
            nvgre: Nvgre,
        }
    }

    #[inline]
    pub(crate) fn of(&self, kind: Kind, gbp: bool) -> &dyn Encap {
        match kind {
            Kind::Stt => &self.stt,
            Kind::Vxlan if gbp => &self.gbp,
            Kind::Vxlan => &self.vxlan,
            Kind::Geneve => &self.geneve,
            Kind::Gre => &self.gre,
            Kind::Nvgre => &self.nvgre,
        }
    }
}

/// What comes in by one port or protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reception {
    pub kind: Kind,
    /// With the group policy of VXLAN.
    pub gbp: bool,
}

impl Reception {
    fn receiver(self, wire: Guarded) -> Box<dyn Encap> {
        let port = match wire {
            Guarded::Tcp(port) | Guarded::Udp(port) => port,
            Guarded::Gre => 0,
        };
        match self.kind {
            Kind::Stt => Box::new(Stt::new(port, Limits::default())),
            Kind::Vxlan => {
                let extension = if self.gbp { Extension::Gbp } else { Extension::Plain };
                Box::new(Vxlan::new(port, true).with_extension(extension).accept_zero_checksum_v6(true))
            }
            Kind::Geneve => {
                let mut geneve = Geneve::new(port, true).accept_zero_checksum_v6(true);
                // Which options mean something is for the flow tables to say, as in Open vSwitch.
                geneve.know_all();
                Box::new(geneve)
            }
            Kind::Gre => Box::new(Gre::new()),
            Kind::Nvgre => Box::new(Nvgre),
        }
    }
}

/// What takes packets apart: one for each port or protocol, with frames that are half received.
#[derive(Default)]
pub(crate) struct Receivers {
    all: Vec<(Guarded, Reception, Box<dyn Encap>)>,
}

impl Receivers {
    /// Makes them those that are wanted; the others keep what they have half received.
    pub(crate) fn keep(&mut self, wanted: &[(Guarded, Reception)]) {
        self.all.retain(|(wire, reception, _)| wanted.contains(&(*wire, *reception)));
        for (wire, reception) in wanted {
            if self.of(*wire).is_none() {
                self.all.push((*wire, *reception, reception.receiver(*wire)));
            }
        }
    }

    #[inline]
    pub(crate) fn of(&mut self, wire: Guarded) -> Option<&mut dyn Encap> {
        let (.., encap) = self.all.iter_mut().find(|(own, ..)| *own == wire)?;
        Some(encap.as_mut())
    }

    /// Forgets what has waited too long; gives each drop reason's name.
    pub(crate) fn expire(&mut self, now_ns: u64, lost: &mut dyn FnMut(&'static str)) {
        for (.., encap) in &mut self.all {
            encap.expire(now_ns, &mut |reason| lost(reason.name()));
        }
    }
}
