//! The flows of the smallest switch, and its answers.

use std::time::Duration;

use tulle_flow::{Action, Flow};
use tulle_openflow::{
    AggregateStats, Config, Description, ErrorCode, Features, FlowMod, FlowModCommand, FlowStats,
    FlowStatsRequest, Message, MultipartReply, MultipartRequest, PacketInFormat, Port, PortStats, TABLE_ALL,
    TableFeatures, TableStats, Version,
};

const TABLES: u8 = 254;
const MAX_FLOWS: usize = 100_000;

#[derive(Default)]
pub struct Store {
    flows: Vec<FlowStats>,
    config: Config,
}

impl Store {
    /// The reply to a message, if it has one.
    pub fn answer(&mut self, message: &Message) -> Result<Option<Message>, ErrorCode> {
        match message {
            Message::FeaturesRequest => Ok(Some(Message::FeaturesReply(features()))),
            Message::ConfigRequest => Ok(Some(Message::ConfigReply(self.config))),
            Message::BarrierRequest => Ok(Some(Message::BarrierReply)),
            Message::RoleRequest(role) => Ok(Some(Message::RoleReply(*role))),
            Message::SetConfig(config) => {
                self.config = *config;
                Ok(None)
            }
            Message::FlowMod(flow_mod) => self.change(flow_mod).map(|()| None),
            Message::MultipartRequest { request, .. } => {
                Ok(Some(Message::MultipartReply { more: false, reply: self.report(request)? }))
            }
            Message::SetPacketInFormat(PacketInFormat::Standard)
            | Message::SetNiciraFlows(_)
            | Message::SetFlowModTableId(_)
            | Message::Error(_)
            | Message::EchoReply(_) => Ok(None),
            _ => Err(ErrorCode::BadType),
        }
    }

    fn change(&mut self, flow_mod: &FlowMod) -> Result<(), ErrorCode> {
        match flow_mod.command {
            FlowModCommand::Add if self.flows.len() >= MAX_FLOWS => return Err(ErrorCode::TableFull),
            FlowModCommand::Add => self.add(flow_mod),
            FlowModCommand::Modify | FlowModCommand::ModifyStrict => {
                let selected = self.flows.iter_mut().filter(|stats| selects(flow_mod, &stats.flow));
                selected.for_each(|stats| stats.flow.actions.clone_from(&flow_mod.flow.actions));
            }
            FlowModCommand::Delete | FlowModCommand::DeleteStrict => {
                self.flows.retain(|stats| !selects(flow_mod, &stats.flow));
            }
        }
        Ok(())
    }

    fn add(&mut self, flow_mod: &FlowMod) {
        self.flows.retain(|stats| !is_same(&stats.flow, &flow_mod.flow));
        self.flows.push(FlowStats {
            flow: flow_mod.flow.clone(),
            duration: Duration::from_millis(1500),
            flags: flow_mod.flags,
            packets: 3,
            bytes: 180,
            ..FlowStats::default()
        });
    }

    fn report(&self, request: &MultipartRequest) -> Result<MultipartReply, ErrorCode> {
        Ok(match request {
            MultipartRequest::Description => MultipartReply::Description(Description {
                manufacturer: "Tulle".into(),
                software: "flow_store".into(),
                ..Description::default()
            }),
            MultipartRequest::Flows(request) => {
                MultipartReply::Flows(self.selected(request).cloned().collect())
            }
            MultipartRequest::NiciraFlows(request) => {
                MultipartReply::NiciraFlows(self.selected(request).cloned().collect())
            }
            MultipartRequest::Aggregate(request) => MultipartReply::Aggregate(self.sums(request)),
            MultipartRequest::NiciraAggregate(request) => MultipartReply::NiciraAggregate(self.sums(request)),
            MultipartRequest::Tables => MultipartReply::Tables((0..TABLES).map(|t| self.table(t)).collect()),
            MultipartRequest::PortStats(_) => {
                let duration = Duration::from_millis(2500);
                let stats = PortStats { number: 1, received_packets: 7, duration, ..PortStats::default() };
                MultipartReply::PortStats(vec![stats])
            }
            MultipartRequest::TableFeatures(tables) if tables.is_empty() => {
                MultipartReply::TableFeatures((0..TABLES).map(table_features).collect())
            }
            MultipartRequest::TableFeatures(_) => return Err(ErrorCode::TableFeaturesFixed),
            MultipartRequest::Ports(_) => MultipartReply::Ports(vec![port()]),
            _ => return Err(ErrorCode::BadMultipart),
        })
    }

    fn selected<'a>(&'a self, request: &'a FlowStatsRequest) -> impl Iterator<Item = &'a FlowStats> {
        self.flows.iter().filter(|stats| {
            let flow = &stats.flow;
            let table = request.table == TABLE_ALL || request.table == flow.table;
            let cookie = (request.cookie ^ flow.cookie) & request.cookie_mask == 0;
            table && cookie && request.matching.contains(&flow.matching) && sends_to(flow, request.out_port)
        })
    }

    fn sums(&self, request: &FlowStatsRequest) -> AggregateStats {
        self.selected(request).fold(AggregateStats::default(), |sums, stats| AggregateStats {
            packets: sums.packets + stats.packets,
            bytes: sums.bytes + stats.bytes,
            flows: sums.flows + 1,
        })
    }

    fn table(&self, table: u8) -> TableStats {
        let active = self.flows.iter().filter(|stats| stats.flow.table == table).count() as u32;
        TableStats { table, active, ..TableStats::default() }
    }
}

fn is_same(flow: &Flow, other: &Flow) -> bool {
    (flow.table, flow.priority, flow.matching) == (other.table, other.priority, other.matching)
}

fn sends_to(flow: &Flow, port: Option<u32>) -> bool {
    port.is_none_or(|port| flow.actions.contains(&Action::Output(port)))
}

/// Whether a change is about a flow (OpenFlow 1.3.5 section 6.4).
fn selects(flow_mod: &FlowMod, flow: &Flow) -> bool {
    let wanted = &flow_mod.flow;
    let table = wanted.table == TABLE_ALL || wanted.table == flow.table;
    let cookie = (wanted.cookie ^ flow.cookie) & flow_mod.cookie_mask == 0;
    let matches = match flow_mod.command {
        FlowModCommand::ModifyStrict | FlowModCommand::DeleteStrict => {
            wanted.priority == flow.priority && wanted.matching == flow.matching
        }
        _ => wanted.matching.contains(&flow.matching),
    };
    table && cookie && matches && sends_to(flow, flow_mod.out_port)
}

fn features() -> Features {
    let capabilities = Features::STATISTICS;
    Features { datapath_id: 0x0200_0000_0001, tables: TABLES, capabilities, ..Features::default() }
}

fn table_features(table: u8) -> TableFeatures {
    TableFeatures::complete(Version::V13, table, TABLES - 1, MAX_FLOWS as u32)
}

fn port() -> Port {
    Port { number: 1, mac: [2, 0, 0, 0, 0, 1], name: "p1".into(), state: Port::STATE_LIVE, ..Port::default() }
}
