//! Ports and what they counted.

use std::time::Duration;

use tulle_flow::port;
use tulle_openflow::{ErrorCode, Port, PortStats};

use crate::engine::Engine;
use crate::port as switch_port;
use crate::session::config_bits;

pub(super) fn stats(engine: &Engine, number: u32) -> Result<Vec<PortStats>, ErrorCode> {
    let now = tulle_io::clock::monotonic_ns();
    let wanted = engine.wires.numbered().filter(|(at, _)| number == port::NONE || *at == number);
    let each = |(at, port): (u32, &switch_port::Port)| {
        let counters = port.counters;
        PortStats {
            number: at,
            received_packets: counters.rx_packets,
            sent_packets: counters.tx_packets,
            received_bytes: counters.rx_bytes,
            sent_bytes: counters.tx_bytes,
            receive_drops: counters.rx_dropped,
            send_drops: counters.tx_dropped,
            duration: Duration::from_nanos(now.saturating_sub(port.since_ns)),
            ..PortStats::default()
        }
    };
    known(wanted.map(each).collect(), number)
}

pub(super) fn descriptions(engine: &Engine, number: u32) -> Result<Vec<Port>, ErrorCode> {
    let wanted = engine.wires.numbered().filter(|(at, _)| number == port::NONE || *at == number);
    known(wanted.map(|(at, port)| described(engine, at, port)).collect(), number)
}

/// A port as controllers are told of it.
pub(crate) fn described_port(engine: &Engine, number: u32) -> Option<Port> {
    let (at, port) = engine.wires.numbered().find(|(at, _)| *at == number)?;
    Some(described(engine, at, port))
}

fn known<T>(found: Vec<T>, number: u32) -> Result<Vec<T>, ErrorCode> {
    if found.is_empty() && number != port::NONE { Err(ErrorCode::BadPort) } else { Ok(found) }
}

fn described(engine: &Engine, number: u32, port: &switch_port::Port) -> Port {
    // A tunnel that has a link may still be found not to work.
    let state = match (port.is_up && port.has_link, port.is_live()) {
        (false, _) => Port::STATE_LINK_DOWN,
        (true, false) => 0,
        (true, true) => Port::STATE_LIVE,
    };
    let down = if port.is_up { 0 } else { Port::CONFIG_DOWN };
    Port {
        number,
        mac: port.mac,
        name: port.name.clone(),
        config: config_bits(engine.datapath.ports().config(number)) | down,
        state,
        ..Port::default()
    }
}
