//! Control packets (RFC 5880 section 4.1), and what makes one to be discarded whatever the session (section 6.8.6).

use crate::state::{Diagnostic, State};

/// Length of a packet without authentication.
pub const PACKET_LEN: usize = 24;
/// Length of the shortest one with authentication.
const AUTHENTICATED_LEN: usize = 26;
const VERSION: u8 = 1;

/// Why a packet was discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Discard {
    /// It ends before its header does.
    #[error("it is shorter than a control packet")]
    Short,
    /// Another version than 1.
    #[error("its version is not 1")]
    Version,
    /// Its length is too small, or larger than what has come.
    #[error("its length is wrong")]
    Length,
    /// The multiplier is 0.
    #[error("its detection multiplier is 0")]
    Multiplier,
    /// The multipoint bit is set.
    #[error("its multipoint bit is set")]
    Multipoint,
    /// It has no sender.
    #[error("its own discriminator is 0")]
    MyDiscriminator,
    /// It is for another session than this one.
    #[error("it is for another session")]
    OtherSession,
    /// It is for nobody, in a state in which its sender must know for whom.
    #[error("it names no session, in a state that needs one")]
    NoSession,
    /// It is authenticated, and nothing is agreed on.
    #[error("it is authenticated")]
    Authenticated,
    /// This end is held down.
    #[error("this end is held down")]
    AdminDown,
}

/// A control packet as a value; intervals in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ControlPacket {
    /// Why the sender's session last went down.
    pub diagnostic: Diagnostic,
    /// The sender's state.
    pub state: State,
    /// The sender waits for an answer.
    pub poll: bool,
    /// This is the answer.
    pub is_final: bool,
    /// The sender's packets do not depend on its control plane.
    pub control_plane_independent: bool,
    /// The sender would have the other end send nothing as long as both are up.
    pub demand: bool,
    /// Intervals without a packet after which the sender is to be taken for dead.
    pub multiplier: u8,
    /// The sender's number for the session.
    pub my_discriminator: u32,
    /// The receiver's number, as far as the sender knows it.
    pub your_discriminator: u32,
    /// The shortest interval at which the sender would send.
    pub desired_min_tx_us: u32,
    /// The shortest interval at which the sender can receive; 0: it wants nothing.
    pub required_min_rx_us: u32,
    /// The same for echoes; 0: it sends none back.
    pub required_min_echo_rx_us: u32,
}

impl ControlPacket {
    /// Reads the payload of a datagram.  Errors: it is to be discarded.
    pub fn parse(bytes: &[u8]) -> Result<ControlPacket, Discard> {
        let Some((header, _)) = bytes.split_first_chunk::<PACKET_LEN>() else { return Err(Discard::Short) };
        if header[0] >> 5 != VERSION {
            return Err(Discard::Version);
        }
        let (flag, length) = (|bit: u8| header[1] & bit != 0, usize::from(header[3]));
        let least = if flag(0x04) { AUTHENTICATED_LEN } else { PACKET_LEN };
        if length < least || length > bytes.len() {
            return Err(Discard::Length);
        }
        let packet = ControlPacket {
            diagnostic: Diagnostic(header[0] & 0x1f),
            state: State::from_bits(header[1] >> 6),
            poll: flag(0x20),
            is_final: flag(0x10),
            control_plane_independent: flag(0x08),
            demand: flag(0x02),
            multiplier: header[2],
            my_discriminator: word(header, 4),
            your_discriminator: word(header, 8),
            desired_min_tx_us: word(header, 12),
            required_min_rx_us: word(header, 16),
            required_min_echo_rx_us: word(header, 20),
        };
        packet.check(flag(0x01), flag(0x04)).map(|()| packet)
    }

    /// In the order of RFC 5880 section 6.8.6.
    fn check(&self, multipoint: bool, authenticated: bool) -> Result<(), Discard> {
        let is_starting = matches!(self.state, State::Down | State::AdminDown);
        match self {
            _ if self.multiplier == 0 => Err(Discard::Multiplier),
            _ if multipoint => Err(Discard::Multipoint),
            _ if self.my_discriminator == 0 => Err(Discard::MyDiscriminator),
            _ if self.your_discriminator == 0 && !is_starting => Err(Discard::NoSession),
            _ if authenticated => Err(Discard::Authenticated),
            _ => Ok(()),
        }
    }

    /// The bytes on the wire.
    #[must_use]
    pub fn emit(&self) -> [u8; PACKET_LEN] {
        let flag = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        let mut bytes = [0; PACKET_LEN];
        bytes[0] = VERSION << 5 | self.diagnostic.0 & 0x1f;
        bytes[1] = (self.state as u8) << 6
            | flag(self.poll, 0x20)
            | flag(self.is_final, 0x10)
            | flag(self.control_plane_independent, 0x08)
            | flag(self.demand, 0x02);
        bytes[2] = self.multiplier;
        bytes[3] = PACKET_LEN as u8;
        let words = [
            self.my_discriminator,
            self.your_discriminator,
            self.desired_min_tx_us,
            self.required_min_rx_us,
            self.required_min_echo_rx_us,
        ];
        for (place, word) in bytes[4..].chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }
}

fn word(header: &[u8; PACKET_LEN], at: usize) -> u32 {
    u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}
