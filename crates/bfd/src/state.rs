//! The words of a session: its state, and why it last went down (RFC 5880 section 4.1).

/// What a session is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Held down by whoever owns the end.
    AdminDown = 0,
    /// The far end is not heard, or does not hear.
    #[default]
    Down = 1,
    /// The far end is heard.
    Init = 2,
    /// The far end is heard and hears.
    Up = 3,
}

impl State {
    /// From two bits.
    pub(crate) fn from_bits(bits: u8) -> State {
        [State::AdminDown, State::Down, State::Init, State::Up][usize::from(bits & 3)]
    }

    /// As Open vSwitch spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        ["admin_down", "down", "init", "up"][self as usize]
    }
}

/// Why an end's state is not, or was not, up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Diagnostic(pub u8);

impl Diagnostic {
    /// There is nothing to say.
    pub const NONE: Diagnostic = Diagnostic(0);
    /// Packets have not come in time.
    pub const EXPIRED: Diagnostic = Diagnostic(1);
    /// The far end said that it is down.
    pub const NEIGHBOR_DOWN: Diagnostic = Diagnostic(3);
    /// The path is down.
    pub const PATH_DOWN: Diagnostic = Diagnostic(5);
    /// What the path goes on to is down.
    pub const CONCATENATED_PATH_DOWN: Diagnostic = Diagnostic(6);
    /// Held down by whoever owns the end.
    pub const ADMIN_DOWN: Diagnostic = Diagnostic(7);
    /// What the path back goes on to is down.
    pub const REVERSE_PATH_DOWN: Diagnostic = Diagnostic(8);

    /// The words of RFC 5880 section 4.1; numbers that it keeps for later are unknown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            0 => "No Diagnostic",
            1 => "Control Detection Time Expired",
            2 => "Echo Function Failed",
            3 => "Neighbor Signaled Session Down",
            4 => "Forwarding Plane Reset",
            5 => "Path Down",
            6 => "Concatenated Path Down",
            7 => "Administratively Down",
            8 => "Reverse Concatenated Path Down",
            _ => "Unknown Diagnostic",
        }
    }

    /// Whether an end that says it cannot forward although the session may be up (RFC 5880 section 6.8.17).
    pub(crate) fn forbids_forwarding(self) -> bool {
        [Self::PATH_DOWN, Self::CONCATENATED_PATH_DOWN, Self::REVERSE_PATH_DOWN].contains(&self)
    }
}
