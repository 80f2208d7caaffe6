//! Sending to controllers.

use super::{Abort, Observer, Walk};
use crate::drop::DropReason;
use crate::verdict::{Op, PacketIn, PacketInReason};
use tulle_flow::{Field, Key, ToController};

impl<O: Observer> Walk<'_, '_, O> {
    pub(super) fn controller(&mut self, max_len: u16) -> Result<(), Abort> {
        let is_miss = self.place.is_miss_flow && self.reason == PacketInReason::Action;
        if is_miss && self.plane.ports.config(self.in_port()).no_packet_in {
            return self.lose(DropReason::PortNoPacketIn);
        }
        let reason = if is_miss { PacketInReason::NoMatch } else { self.reason };
        self.tell(max_len, 0, reason)
    }

    pub(super) fn controller_with(&mut self, to: &ToController) -> Result<(), Abort> {
        let reason = match to.reason {
            0 => PacketInReason::NoMatch,
            2 => PacketInReason::InvalidTtl,
            3 => PacketInReason::ActionSet,
            4 => PacketInReason::Group,
            5 => PacketInReason::PacketOut,
            _ => self.reason,
        };
        let ToController { max_len, controller, userdata, meter, pause, .. } = to;
        let info = self.info(*max_len, *controller, reason);
        let info = PacketIn { userdata: userdata.clone(), meter: *meter, ..info };
        if *pause {
            self.freeze_for_controller(info);
            return Ok(());
        }
        self.commit()?;
        self.push(Op::Controller(Box::new(info)))
    }

    pub(super) fn tell(
        &mut self,
        max_len: u16,
        controller: u16,
        reason: PacketInReason,
    ) -> Result<(), Abort> {
        self.commit()?;
        let info = self.info(max_len, controller, reason);
        self.push(Op::Controller(Box::new(info)))
    }

    fn info(&mut self, max_len: u16, controller: u16, reason: PacketInReason) -> PacketIn {
        let mut key = Key::ZERO;
        // The number of an interruption is nobody's business but the switch's.
        let has_options = !self.plane.options.is_empty();
        let is_told = |field: &&Field| {
            field.is_metadata() && **field != Field::ResumeId && (has_options || !field.is_hidden())
        };
        for field in Field::ALL.iter().filter(is_told) {
            self.look_at_field(*field, u128::MAX);
            key.set(*field, self.key.field(*field));
        }
        let cookie = self.place.cookie.unwrap_or(u64::MAX);
        let table = self.place.table;
        PacketIn {
            max_len,
            table,
            cookie,
            reason,
            key,
            options: self.plane.options.named_key(&key),
            controller,
            userdata: [].into(),
            meter: None,
            pause: None,
        }
    }
}
