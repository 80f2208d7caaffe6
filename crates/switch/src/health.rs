//! The health of tunnels: BFD sessions, whose packets travel inside the tunnels like any others.
//!
//! Packets that come are taken before the tables see them, by whichever thread receives them.  What is due is sent by
//! the first thread, which sleeps no longer than until then ([`Agenda`]); Python has no part in it, so that nothing that
//! Python does takes a living tunnel for dead.  A tunnel that does not forward is not live, by which groups and bundles
//! choose.

mod agenda;
mod port;

use std::collections::BTreeMap;

use tulle_bfd::ControlPacket;
use tulle_datapath::{Effects as _, Egress, TunnelKey};
use tulle_io::clock::monotonic_ns;
use tulle_wire::finish_checksum;
use tulle_wire::vnet::Offload;

use crate::engine::Engine;
use crate::error::SwitchError;
use crate::notice::PortChange;
use crate::outbox::Event;
use crate::port::Link;
use crate::switch::Switch;
use crate::tunnels::{Inner, flag};

pub(crate) use agenda::Agenda;
pub(crate) use port::Health;
pub use port::{HealthSettings, HealthStatus};

impl Switch {
    /// Watches a tunnel port by a session, or does not any more.  Other settings do not interrupt one that is up.
    pub fn watch_health(&self, number: u32, settings: Option<HealthSettings>) -> Result<(), SwitchError> {
        self.call(move |engine| engine.watch_health(number, settings))?
    }

    /// The sessions of all ports that have one.
    pub fn health(&self) -> Result<BTreeMap<u32, HealthStatus>, SwitchError> {
        self.call(|engine| {
            let now = monotonic_ns();
            let ports = engine.wires.numbered();
            ports.filter_map(|(number, port)| Some((number, port.health.as_ref()?.status(now)))).collect()
        })
    }

    /// Says whether a port forwards, or (with no number) all that are watched, whatever their sessions say; `None`
    /// leaves it to them again.  Errors: the port has no session.
    pub fn force_forwarding(&self, number: Option<u32>, forced: Option<bool>) -> Result<(), SwitchError> {
        self.call(move |engine| {
            let watched = engine.wires.numbered().filter(|(_, port)| port.health.is_some());
            let numbers: Vec<u32> =
                watched.map(|(at, _)| at).filter(|at| number.is_none_or(|number| number == *at)).collect();
            if let (Some(number), []) = (number, &*numbers) {
                return Err(SwitchError::NoSession(number));
            }
            for number in numbers {
                engine.with_health(number, |health, now| health.session.force_forwarding(forced, now));
            }
            Ok(())
        })?
    }
}

impl Engine {
    fn watch_health(&mut self, number: u32, settings: Option<HealthSettings>) -> Result<(), SwitchError> {
        let port = self.wires.port(number).ok_or(SwitchError::NoPort(number))?;
        match (settings, &mut port.health) {
            (None, None) => {}
            (None, health) => {
                *health = None;
                self.agenda.forget(number);
                self.show_health(number);
            }
            (Some(settings), Some(_)) => {
                self.with_health(number, |health, now| health.configure(settings, now));
            }
            (Some(settings), none) => {
                let Link::Tunnel(_) = port.link else { return Err(SwitchError::NotTunnel(number)) };
                let (discriminator, seed) = self.agenda.draw();
                *none = Some(Box::new(Health::new(settings, discriminator, seed, monotonic_ns())));
                self.show_health(number);
                self.with_health(number, |_, _| ());
            }
        }
        Ok(())
    }

    /// Takes a packet of a port's session.
    #[cold]
    pub(crate) fn receive_health(&mut self, number: u32, inner: &mut Inner) {
        let offload = inner.passed.popped.offload;
        let mut is_whole = true;
        if offload.needs_csum {
            let bytes = inner.frame.bytes_mut();
            is_whole = finish_checksum(bytes, offload.csum_start, offload.csum_offset).is_ok();
        }
        let packet = tulle_bfd::payload(inner.frame.bytes()).filter(|_| is_whole);
        let taken = self.with_health(number, |health, now| match packet {
            Some(packet) => health.session.receive(packet, now).map_err(|_| "bfd-discarded"),
            None => Err("bfd-bad-frame"),
        });
        match taken {
            Some(Ok(Some(answer))) => self.send_health(number, &answer),
            Some(Err(reason)) => self.wires.losses.count(number, reason),
            Some(Ok(None)) | None => {}
        }
    }

    /// Does what is due of all sessions.
    pub(crate) fn tick_health(&mut self, now: u64) {
        while let Some(number) = self.agenda.next_due(now) {
            let received = self.wires.port(number).map_or(0, |port| port.counters.rx_packets);
            let packet = self.with_health(number, |health, now| health.session.tick(received, now));
            match packet {
                Some(Some(packet)) => self.send_health(number, &packet),
                Some(None) => {}
                None => self.agenda.forget(number),
            }
        }
    }

    fn send_health(&mut self, number: u32, packet: &ControlPacket) {
        let Self { wires, frame, .. } = self;
        let Some(health) = wires.port_at(number).and_then(|port| port.health.as_ref()) else { return };
        let settings = health.settings();
        let key = TunnelKey { flags: flag::OAM, ..TunnelKey::default() };
        let tunnel = settings.oam.then(|| Box::new(key));
        frame.fill(&settings.headers.emit(packet));
        let to = Egress {
            port: number,
            queue: None,
            max_len: u32::MAX,
            tunnel,
            options: Box::default(),
            is_mirrored: false,
        };
        wires.output(&to, frame, &Offload::default(), false);
    }

    /// Changes something of a session, and has what follows from it.  `None`: there is none.
    fn with_health<R>(&mut self, number: u32, change: impl FnOnce(&mut Health, u64) -> R) -> Option<R> {
        let now = monotonic_ns();
        let health = self.wires.port(number)?.health.as_mut()?;
        let before = health.outline();
        let result = change(health, now);
        let (after, deadline) = (health.outline(), health.session.deadline_ns());
        if before != after {
            self.show_health(number);
        }
        if self.agenda.set(number, deadline) && self.wires.sender.thread > 0 {
            // The first thread would sleep longer than it may.
            self.colleagues.first().inspect(|first| first.waker.wake());
        }
        Some(result)
    }

    /// Lets groups, controllers and the owner see what has become of a session.
    fn show_health(&mut self, number: u32) {
        let Some(port) = self.wires.port(number) else { return };
        let is_live = port.is_live();
        if self.datapath.set_port_live(number, is_live) {
            self.tell_port(number, PortChange::Modified);
        }
        self.wires.outbox.tell(Event::HealthChanged { port: number });
    }
}
