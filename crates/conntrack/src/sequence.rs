//! Sequence numbers of a connection whose payload has been made longer or shorter.

/// How far numbers have moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Adjustment {}
