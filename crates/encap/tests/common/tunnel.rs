//! A tunnel of any encapsulation over IPv4 or IPv6.

use tulle_encap::vxlan::Extension;
use tulle_encap::{Checksum, Encap, Endpoints, Geneve, Gre, Nvgre, Stt, TunnelOptions, Vxlan};
use tulle_encap::{geneve, stt, vxlan};
use tulle_wire::vnet::Offload;

use super::{ENDS, ENDS_V6, MTU, push_over, wire};

/// One way to set up a tunnel.
#[derive(Clone, Copy, Debug)]
pub struct Tunnel {
    pub name: &'static str,
    pub v6: bool,
    pub checksum: Checksum,
}

pub const NAMES: [&str; 7] = ["stt", "vxlan", "vxlan-gbp", "vxlan-gpe", "geneve", "gre", "nvgre"];

impl Tunnel {
    pub fn encap(&self, device_cuts: bool) -> (Box<dyn Encap>, u16) {
        let zero = self.checksum == Checksum::Never;
        let vxlan = |port| Vxlan::new(port, device_cuts).accept_zero_checksum_v6(zero);
        match self.name {
            "stt" => (Box::new(Stt::default()), stt::PORT),
            "vxlan" => (Box::new(vxlan(vxlan::PORT)), vxlan::PORT),
            "vxlan-gbp" => (Box::new(vxlan(vxlan::PORT).with_extension(Extension::Gbp)), vxlan::PORT),
            "vxlan-gpe" => (Box::new(vxlan(vxlan::GPE_PORT).with_extension(Extension::Gpe)), vxlan::GPE_PORT),
            "geneve" => {
                let encap = Geneve::new(geneve::PORT, device_cuts).accept_zero_checksum_v6(zero);
                (Box::new(encap), geneve::PORT)
            }
            "gre" => (Box::new(Gre::new()), 0),
            "nvgre" => (Box::new(Nvgre::new()), 0),
            other => panic!("unknown encapsulation {other}"),
        }
    }

    pub fn ends(&self) -> Endpoints {
        if self.v6 { ENDS_V6 } else { ENDS }
    }

    pub fn push(
        &self,
        context: u64,
        frame: &[u8],
        offload: &Offload,
        device_cuts: bool,
    ) -> Vec<(Vec<u8>, Offload)> {
        let (encap, port) = self.encap(device_cuts);
        let options = TunnelOptions { checksum: self.checksum, ..TunnelOptions::new(MTU, port) };
        push_over(&*encap, &self.ends(), &options, context, frame, offload).expect("pushed")
    }

    /// The outer frames on a wire without offloads.
    pub fn sent(&self, context: u64, frame: &[u8], offload: &Offload) -> Vec<Vec<u8>> {
        let outers = self.push(context, frame, offload, true);
        outers.iter().flat_map(|(outer, undone)| wire(outer, undone)).collect()
    }
}
