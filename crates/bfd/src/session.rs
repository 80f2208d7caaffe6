//! A session: states, timers, what is sent and what is made of what comes (RFC 5880 section 6.8).

mod timing;
mod traffic;

use crate::jitter::Jitter;
use crate::packet::{ControlPacket, Discard};
use crate::settings::{Settings, microseconds};
use crate::state::{Diagnostic, State};
use timing::Timing;
use traffic::Traffic;

/// As long as a session is not up, it sends no faster (RFC 5880 section 6.8.3).
const SLOW_MS: u32 = 1000;

/// What is known of the far end.
#[derive(Clone, Copy, Debug)]
struct Remote {
    packet: ControlPacket,
}

impl Remote {
    /// Nobody, whom packets may be sent to at any rate (RFC 5880 section 6.8.1).
    const UNKNOWN: Remote = Remote {
        packet: ControlPacket {
            state: State::Down,
            diagnostic: Diagnostic::NONE,
            poll: false,
            is_final: false,
            control_plane_independent: false,
            demand: false,
            multiplier: 0,
            my_discriminator: 0,
            your_discriminator: 0,
            desired_min_tx_us: 0,
            required_min_rx_us: 1,
            required_min_echo_rx_us: 0,
        },
    };
}

/// A session as it is; times in nanoseconds on the caller's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Whether packets may be sent by the path.
    pub is_forwarding: bool,
    /// How often that has changed.
    pub flaps: u64,
    /// This end, as its next packet says it.
    pub local: ControlPacket,
    /// The far end, as its last packet has said it; discriminator 0 where none has come in time.
    pub remote: ControlPacket,
    /// Interval between packets that are sent, before it is shortened by chance.
    pub tx_interval_ns: u64,
    /// The longest interval between packets that come.
    pub rx_interval_ns: u64,
    /// When the far end is taken for dead, if nothing comes.
    pub detects_at_ns: Option<u64>,
    /// When a packet is sent next.
    pub sends_at_ns: Option<u64>,
    /// When one was sent last.
    pub sent_at_ns: Option<u64>,
}

/// One of them.  Whoever has it calls [`tick`](Self::tick) at each [`deadline_ns`](Self::deadline_ns), and whenever
/// else it is convenient.
#[derive(Clone, Debug)]
pub struct Session {
    settings: Settings,
    state: State,
    diagnostic: Diagnostic,
    discriminator: u32,
    remote: Remote,
    timing: Timing,
    traffic: Traffic,
    /// What somebody has said that it is, for a test.
    forced: Option<bool>,
    is_forwarding: bool,
    flaps: u64,
}

impl Session {
    /// A session that is down.  `discriminator` differs from those of this node's other sessions and is not 0; `seed`
    /// decides about jitter.
    #[must_use]
    pub fn new(settings: Settings, discriminator: u32, seed: u64, now_ns: u64) -> Session {
        let mut session = Session {
            settings,
            state: State::Down,
            diagnostic: Diagnostic::NONE,
            discriminator: discriminator.max(1),
            remote: Remote::UNKNOWN,
            timing: Timing::new(Jitter::new(seed)),
            traffic: Traffic::new(now_ns),
            forced: None,
            is_forwarding: false,
            flaps: 0,
        };
        session.refresh(now_ns);
        session
    }

    /// Takes other settings; a far end that is up is asked to follow.
    pub fn configure(&mut self, settings: Settings, now_ns: u64) {
        let before = std::mem::replace(&mut self.settings, settings);
        self.timing.is_urgent |= before != settings;
        self.refresh(now_ns);
    }

    /// Holds the session down, or lets it come up.
    pub fn set_admin_down(&mut self, is_down: bool, now_ns: u64) {
        match (is_down, self.state) {
            (true, _) => self.enter(State::AdminDown, Diagnostic::ADMIN_DOWN),
            (false, State::AdminDown) => self.enter(State::Down, self.diagnostic),
            (false, _) => {}
        }
        self.refresh(now_ns);
    }

    /// Says whether packets may be sent, whatever the state; `None` leaves it to the session again.
    pub fn force_forwarding(&mut self, forced: Option<bool>, now_ns: u64) {
        self.forced = forced;
        self.refresh(now_ns);
    }

    /// Takes the payload of a datagram, and gives what has to be sent at once, if anything.  Errors: it has been
    /// discarded.
    pub fn receive(&mut self, bytes: &[u8], now_ns: u64) -> Result<Option<ControlPacket>, Discard> {
        let packet = ControlPacket::parse(bytes)?;
        if ![0, self.discriminator].contains(&packet.your_discriminator) {
            return Err(Discard::OtherSession);
        }
        self.remote.packet = packet;
        if packet.is_final {
            self.timing.poll_answered();
        }
        if self.state == State::AdminDown {
            return Err(Discard::AdminDown);
        }
        self.follow(packet.state);
        self.timing.received_at_ns = Some(now_ns);
        self.traffic.received_control(now_ns);
        self.refresh(now_ns);
        let answer = ControlPacket { poll: false, is_final: true, ..self.packet() };
        Ok(packet.poll.then_some(answer))
    }

    /// Looks what is due, and gives a packet to be sent.  `received` counts all packets that have come by the path.
    pub fn tick(&mut self, received: u64, now_ns: u64) -> Option<ControlPacket> {
        self.traffic.look(&self.settings, received, now_ns);
        if self.timing.has_expired(now_ns) {
            self.expire();
        }
        self.refresh(now_ns);
        if !self.timing.is_due(now_ns) {
            return None;
        }
        self.timing.sent(now_ns, self.settings.multiplier);
        Some(self.packet())
    }

    /// When [`tick`](Self::tick) has something to do next; `u64::MAX` is never.
    #[must_use]
    pub fn deadline_ns(&self) -> u64 {
        self.timing.deadline_ns().min(self.traffic.deadline_ns(&self.settings))
    }

    /// Whether packets may be sent by the path.
    #[must_use]
    pub fn is_forwarding(&self) -> bool {
        self.is_forwarding
    }

    /// This end's state.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// All that may be told of it.
    #[must_use]
    pub fn status(&self) -> Status {
        let timing = &self.timing;
        Status {
            is_forwarding: self.is_forwarding,
            flaps: self.flaps,
            local: self.packet(),
            remote: self.remote.packet,
            tx_interval_ns: timing.interval_ns(&self.remote.packet),
            rx_interval_ns: timing.rx_interval_ns(&self.remote.packet),
            detects_at_ns: timing.detects_at_ns,
            sends_at_ns: timing.sends_at_ns,
            sent_at_ns: timing.sent_at_ns,
        }
    }

    /// What this end has to say now.
    fn packet(&self) -> ControlPacket {
        let cpath_down = self.settings.cpath_down;
        ControlPacket {
            diagnostic: if cpath_down { Diagnostic::CONCATENATED_PATH_DOWN } else { self.diagnostic },
            state: self.state,
            poll: self.timing.is_polling(),
            is_final: false,
            control_plane_independent: false,
            demand: false,
            multiplier: self.settings.multiplier.max(1),
            my_discriminator: self.discriminator,
            your_discriminator: self.remote.packet.my_discriminator,
            desired_min_tx_us: self.timing.min_tx_us,
            required_min_rx_us: self.timing.min_rx_us,
            required_min_echo_rx_us: 0,
        }
    }

    /// The state machine (RFC 5880 section 6.8.6).
    fn follow(&mut self, theirs: State) {
        match (self.state, theirs) {
            (State::Init | State::Up, State::AdminDown) | (State::Up, State::Down) => {
                self.enter(State::Down, Diagnostic::NEIGHBOR_DOWN);
            }
            (State::Down, State::Down) => self.enter(State::Init, self.diagnostic),
            (State::Down, State::Init) | (State::Init, State::Init | State::Up) => {
                self.enter(State::Up, self.diagnostic);
            }
            _ => {}
        }
    }

    fn enter(&mut self, state: State, diagnostic: Diagnostic) {
        (self.state, self.diagnostic) = (state, diagnostic);
        self.timing.is_urgent = true;
    }

    /// Nothing has come for too long (RFC 5880 sections 6.8.1 and 6.8.4).
    fn expire(&mut self) {
        self.remote = Remote::UNKNOWN;
        self.timing.received_at_ns = None;
        if matches!(self.state, State::Init | State::Up) {
            self.enter(State::Down, Diagnostic::EXPIRED);
        }
    }

    /// Brings timers and verdict in line with state, settings and what the far end says.
    fn refresh(&mut self, now_ns: u64) {
        let is_up = self.state == State::Up;
        let Settings { min_tx_ms, min_rx_ms, decay_min_rx_ms, .. } = self.settings;
        let min_tx_ms = if is_up { min_tx_ms } else { min_tx_ms.max(SLOW_MS) };
        let min_rx_ms = if is_up && self.traffic.is_quiet { decay_min_rx_ms } else { min_rx_ms };
        self.timing.want(microseconds(min_tx_ms), microseconds(min_rx_ms), is_up);
        self.timing.refresh(&self.remote.packet, self.settings.multiplier, is_up, now_ns);
        let is_forwarding = self.forced.unwrap_or_else(|| self.may_forward(now_ns));
        self.flaps += u64::from(is_forwarding != self.is_forwarding);
        self.is_forwarding = is_forwarding;
    }

    fn may_forward(&self, now_ns: u64) -> bool {
        let is_heard = self.state == State::Up
            || (self.settings.forwarding_if_rx && self.traffic.is_fresh(&self.settings, now_ns));
        is_heard && !self.remote.packet.diagnostic.forbids_forwarding()
    }
}
