//! What sessions change of the switch besides flows, groups, meters and ports: fragments, tables, connections.

use tulle_datapath::conntrack::{Endpoints, Entry};
use tulle_datapath::{Continuation, FragmentHandling, TablePolicy};
use tulle_openflow::{
    Config, CtFlush, CtTuple, ErrorCode, PacketIn, TABLE_ALL, TableConfig, Version, table_config,
};
use tulle_wire::protocol::{ICMP, ICMPV6};
use tulle_wire::vnet::Offload;

use crate::engine::Engine;
use crate::outbox::Event;
use crate::session::{Answer, TABLES};

impl Engine {
    /// Packets that no flow matches go to controllers of OpenFlow 1.0, and of no later version (1.3.5 section 5.4).
    pub(crate) fn note_versions(&mut self, greeted: Option<Version>) {
        let sessions = &mut self.wires.sessions;
        let is_old =
            greeted == Some(Version::V10) || sessions.iter_mut().any(|(_, session)| session.is_old());
        self.datapath.set_miss_to_controller(is_old);
    }

    /// A session has agreed upon a version: the owner may want to know.
    pub(crate) fn session_greeted(&mut self, session: u64, version: Version) {
        self.note_versions(Some(version));
        self.wires.outbox.tell(Event::SessionOpened { session, version: version.wire() });
    }

    /// How fragments are treated, as the messages say it.
    pub(crate) fn fragment_flags(&self) -> u16 {
        match self.datapath.fragment_handling() {
            FragmentHandling::Normal => Config::FRAGMENTS_NORMAL,
            FragmentHandling::Drop => Config::FRAGMENTS_DROP,
            FragmentHandling::Match => Config::FRAGMENTS_NICIRA,
        }
    }

    /// False where fragments cannot be treated so; the other flags are the session's.
    pub(crate) fn set_fragment_flags(&mut self, flags: u16) -> bool {
        let handling = match flags & Config::FRAGMENTS {
            Config::FRAGMENTS_NORMAL => FragmentHandling::Normal,
            Config::FRAGMENTS_DROP => FragmentHandling::Drop,
            Config::FRAGMENTS_NICIRA => FragmentHandling::Match,
            _ => return false,
        };
        self.datapath.set_fragment_handling(handling);
        true
    }

    /// Lets full tables give up flows for new ones, or no longer.
    pub(crate) fn change_table(&mut self, request: &TableConfig) -> Answer {
        if request.table >= TABLES && request.table != TABLE_ALL {
            return Err(ErrorCode::TableModBadTable);
        }
        if request.config & table_config::VACANCY_EVENTS != 0 {
            return Err(ErrorCode::BadTableConfig);
        }
        let evicts = request.config & table_config::EVICTION != 0;
        let tables = if request.table == TABLE_ALL { 0..TABLES } else { request.table..request.table + 1 };
        let now = tulle_io::clock::monotonic_ns();
        for table in tables {
            let evicts = evicts || self.evicts_always(table);
            let policy = TablePolicy { evicts, ..self.datapath.table_policy(table) };
            let removed = self.datapath.set_table_policy(table, policy, now);
            self.tell_removed(removed);
        }
        Ok(())
    }

    /// Forgets the tracked connections of a zone.
    pub(crate) fn flush_zone(&mut self, zone: u16) {
        if let Some(connections) = self.datapath.connections() {
            connections.flush_zone(zone);
        }
    }

    /// Forgets the tracked connections that a controller names.
    pub(crate) fn flush_some(&mut self, request: &CtFlush) {
        let now = tulle_io::clock::monotonic_ns();
        if let Some(connections) = self.datapath.connections() {
            connections.flush_matching(now, |entry| is_named(request, entry));
        }
    }

    /// Lets a packet go on that waited for a controller.
    pub(crate) fn resume_packet(&mut self, paused: &Continuation, packet: &PacketIn) -> Answer {
        let metadata = self.datapath.placed(&packet.metadata).map_err(|_| ErrorCode::InvalidTlvField)?;
        let Self { datapath, wires, frame, .. } = self;
        frame.fill(&packet.data);
        let (metadata, offload) = (metadata.key(), Offload::default());
        let now = tulle_io::clock::monotonic_ns();
        datapath.resume(paused.frozen(), metadata, frame, &offload, now, wires);
        Ok(())
    }
}

fn is_named(request: &CtFlush, entry: &Entry) -> bool {
    (request.protocol == 0 || request.protocol == entry.original.protocol)
        && request.zone.is_none_or(|zone| zone == entry.zone)
        && is_one_of(&request.original, &entry.original)
        && is_one_of(&request.reply, &entry.reply)
}

/// What is not said may be anything.
fn is_one_of(wanted: &CtTuple, found: &Endpoints) -> bool {
    let is_icmp = matches!(found.protocol, ICMP | ICMPV6);
    let ports = is_icmp
        || (wanted.source_port.is_none_or(|port| port == 0 || port == found.source_port)
            && wanted.destination_port.is_none_or(|port| port == 0 || port == found.destination_port));
    let query = !is_icmp
        || (wanted.icmp_id.is_none_or(|id| id == found.icmp_id)
            && wanted.icmp_type.is_none_or(|kind| u16::from(kind) == found.source_port)
            && wanted.icmp_code.is_none_or(|code| u16::from(code) == found.destination_port));
    wanted.source.is_none_or(|address| address == found.source)
        && wanted.destination.is_none_or(|address| address == found.destination)
        && ports
        && query
}
