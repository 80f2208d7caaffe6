//! Packets that pass meters.

use super::{Effects, Machine, Packet};
use crate::drop::DropReason;
use crate::extract::{ETHERTYPE_IPV4, ETHERTYPE_IPV6};
use crate::meters::{CONTROLLER_METER, Metered};
use crate::rewrite::rewrite;
use crate::verdict::{Drop, PacketIn};
use tulle_flow::Field;

impl Machine {
    /// False where the packet has been dropped.
    pub(super) fn meter(
        &mut self,
        meter: u32,
        drop: Drop,
        packet: &mut Packet<'_>,
        now: u64,
        effects: &mut impl Effects,
    ) -> bool {
        match self.meters.pass(meter, packet.length, now) {
            Metered::Pass => true,
            Metered::Remark(levels) => {
                remark(packet, levels);
                true
            }
            Metered::Drop => {
                self.lose(packet, Drop { reason: DropReason::Metered, ..drop }, effects);
                false
            }
        }
    }

    /// Packets for the controller pass the meter that the action names, else the one for all of them.
    pub(super) fn passes_controller_meter(&mut self, info: &PacketIn, bytes: usize, now: u64) -> bool {
        let meter = info.meter.unwrap_or(CONTROLLER_METER);
        self.meters.pass(meter, bytes, now) != Metered::Drop
    }
}

/// Raises the drop precedence of assured forwarding (RFC 2597: the two bits above the lowest, 1 to 3) by so many
/// levels, at most to the highest; other traffic has none.
fn remark(packet: &mut Packet<'_>, levels: u8) {
    let (frame, layout) = (packet.frame.bytes(), &packet.layout);
    let tos = match (layout.ethertype, frame.get(layout.l3..layout.l3 + 2)) {
        (ETHERTYPE_IPV4, Some(bytes)) if layout.l3 > 0 => bytes[1],
        (ETHERTYPE_IPV6, Some(bytes)) if layout.l3 > 0 => bytes[0] << 4 | bytes[1] >> 4,
        _ => return,
    };
    let (class, precedence, is_odd) = (tos >> 5, tos >> 3 & 3, tos >> 2 & 1 != 0);
    if !(1..=4).contains(&class) || precedence == 0 || is_odd {
        return;
    }
    let raised = precedence.saturating_add(levels).min(3);
    let (value, mask) = (u128::from(raised) << 3, 0x18);
    let layout = packet.layout;
    rewrite(packet.frame.bytes_mut(), &layout, &packet.offload, Field::IpTos, value, mask);
}
