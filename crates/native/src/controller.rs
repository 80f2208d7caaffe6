//! The controller's side of an OpenFlow connection.

use std::collections::HashMap;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use tulle_flow::Field;
use tulle_openflow::{
    Config, Connection, Event, FlowMod, FlowModCommand, FlowStats, FlowStatsRequest, Message, Meter,
    MeterBand, MeterBandKind, MeterCommand, MeterMod, MultipartReply, MultipartRequest, PacketIn, PacketOut,
    TABLE_ALL, Version, Versions, Xid, meter_flags,
};

use crate::error::refused;
use crate::text::{parse_actions, parse_flow};
use crate::values::registers;

#[pyclass(module = "tulle._native")]
pub(crate) struct ControllerSession {
    connection: Connection,
    dumps: HashMap<Xid, Vec<FlowStats>>,
}

#[pymethods]
impl ControllerSession {
    #[new]
    fn new() -> Self {
        let connection = Connection::with_versions(Versions::only(Version::V13));
        ControllerSession { connection, dumps: HashMap::new() }
    }

    fn receive<'py>(&mut self, py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyList>> {
        let events: Vec<Event> = self.connection.receive(data).collect();
        let list = PyList::empty(py);
        for event in events {
            if let Some(found) = self.emit_event(py, event)? {
                list.append(found)?;
            }
        }
        Ok(list)
    }

    fn outgoing<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.connection.outgoing())
    }

    fn flow_mods(&mut self, command: &str, flows: Vec<String>) -> PyResult<Vec<Xid>> {
        let command = parse_command(command)?;
        let parsed: Vec<_> = flows.iter().map(|text| parse_flow(text)).collect::<PyResult<_>>()?;
        let send = |flow| self.connection.send(&Message::FlowMod(FlowMod::new(command, flow)));
        parsed.into_iter().map(send).collect::<Result<_, _>>().map_err(refused)
    }

    /// Changes a meter that lets so many packets a second pass, and as many at once.
    fn meter_mod(&mut self, command: &str, meter: u32, packets_per_second: u32) -> PyResult<Xid> {
        let command = parse_meter_command(command)?;
        let flags = meter_flags::PKTPS | meter_flags::BURST;
        let band =
            MeterBand { kind: MeterBandKind::Drop, rate: packets_per_second, burst: packets_per_second };
        let bands = if command == MeterCommand::Delete { Vec::new() } else { vec![band] };
        let change = MeterMod { command, meter: Meter { meter, flags, bands } };
        self.connection.send(&Message::MeterMod(change)).map_err(refused)
    }

    fn barrier(&mut self) -> PyResult<Xid> {
        self.connection.send(&Message::BarrierRequest).map_err(refused)
    }

    fn dump_flows(&mut self) -> PyResult<Xid> {
        let request = FlowStatsRequest { table: TABLE_ALL, ..FlowStatsRequest::default() };
        let message = Message::MultipartRequest { more: false, request: MultipartRequest::Flows(request) };
        let xid = self.connection.send(&message).map_err(refused)?;
        self.dumps.insert(xid, Vec::new());
        Ok(xid)
    }

    fn packet_out(&mut self, in_port: u32, actions: &str, frame: Vec<u8>) -> PyResult<Xid> {
        let packet =
            PacketOut { in_port, actions: parse_actions(actions)?, data: frame, ..PacketOut::default() };
        self.connection.send(&Message::PacketOut(packet)).map_err(refused)
    }
}

impl ControllerSession {
    fn emit_event<'py>(&mut self, py: Python<'py>, event: Event) -> PyResult<Option<Bound<'py, PyDict>>> {
        let found = PyDict::new(py);
        match event {
            Event::Negotiated { version } => {
                // A switch sends packets to a controller that connects by itself only once it says how much of them.
                let config = Config { flags: 0, miss_send_len: u16::MAX };
                self.connection.send(&Message::SetConfig(config)).map_err(refused)?;
                found.set_item("event", "negotiated")?;
                found.set_item("version", version.wire())?;
            }
            Event::Closed { reason } => {
                found.set_item("event", "closed")?;
                found.set_item("reason", format!("{reason:?}"))?;
            }
            Event::MessageRefused { error } => {
                found.set_item("event", "malformed")?;
                found.set_item("text", error.to_string())?;
            }
            Event::MessageReceived { xid, message, .. } => {
                found.set_item("xid", xid)?;
                if !self.emit_message(&found, xid, message)? {
                    return Ok(None);
                }
            }
        }
        Ok(Some(found))
    }

    /// False where the message is nothing to tell of.
    fn emit_message(&mut self, found: &Bound<'_, PyDict>, xid: Xid, message: Message) -> PyResult<bool> {
        match message {
            Message::BarrierReply => found.set_item("event", "barrier-passed")?,
            Message::Error(report) => {
                let (kind, code) = report.code.wire(Version::V13);
                found.set_item("event", "refused")?;
                found.set_item("type", kind)?;
                found.set_item("code", code)?;
                found.set_item("text", format!("{:?}", report.code))?;
            }
            Message::PacketIn(packet) => emit_packet(found, &packet)?,
            Message::MultipartReply { more, reply: MultipartReply::Flows(flows) } => {
                return self.gather(found, xid, flows, more);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn gather(
        &mut self,
        found: &Bound<'_, PyDict>,
        xid: Xid,
        flows: Vec<FlowStats>,
        more: bool,
    ) -> PyResult<bool> {
        // A reply that nobody asked for is not kept: a peer must not fill the memory.
        let Some(gathered) = self.dumps.get_mut(&xid) else { return Ok(false) };
        gathered.extend(flows);
        if more {
            return Ok(false);
        }
        let whole = self.dumps.remove(&xid).unwrap_or_default();
        let each = |stats: &FlowStats| {
            (stats.flow.to_string(), stats.packets, stats.bytes, stats.duration.as_secs_f64())
        };
        found.set_item("event", "flows-dumped")?;
        found.set_item("flows", whole.iter().map(each).collect::<Vec<_>>())?;
        Ok(true)
    }
}

fn emit_packet(found: &Bound<'_, PyDict>, packet: &PacketIn) -> PyResult<()> {
    let key = packet.metadata.key();
    found.set_item("event", "packet-received")?;
    found.set_item("in_port", packet.in_port().unwrap_or(0))?;
    found.set_item("table", packet.table)?;
    found.set_item("cookie", packet.cookie)?;
    found.set_item("metadata", key.field(Field::Metadata) as u64)?;
    found.set_item("registers", registers(found.py(), |field| key.field(field))?)?;
    found.set_item("frame", PyBytes::new(found.py(), &packet.data))
}

fn parse_command(text: &str) -> PyResult<FlowModCommand> {
    match text {
        "add" => Ok(FlowModCommand::Add),
        "modify" => Ok(FlowModCommand::Modify),
        "modify-strict" => Ok(FlowModCommand::ModifyStrict),
        "delete" => Ok(FlowModCommand::Delete),
        "delete-strict" => Ok(FlowModCommand::DeleteStrict),
        _ => Err(refused(format!("unknown command {text:?}"))),
    }
}

fn parse_meter_command(text: &str) -> PyResult<MeterCommand> {
    match text {
        "add" => Ok(MeterCommand::Add),
        "modify" => Ok(MeterCommand::Modify),
        "delete" => Ok(MeterCommand::Delete),
        _ => Err(refused(format!("unknown command {text:?}"))),
    }
}
