//! Connections that others have announced.

use crate::tuple::Endpoints;

/// What a connection that came as announced takes over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub mark: u32,
    pub label: u128,
    pub parent: Endpoints,
}
