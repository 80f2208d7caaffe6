//! Which of several controllers may change a switch (OpenFlow 1.3.5 section 7.3.9).

use crate::bytes::{Parsed, Put, Reader};
use crate::error::ErrorCode;

/// What a controller is to a switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Only asks which role it has.
    NoChange,
    /// May read and change all, as others may.
    Equal,
    /// May change all, and no other master may (`OFPCR_ROLE_MASTER`).
    Master,
    /// May only read (`OFPCR_ROLE_SLAVE`).
    Slave,
}

const ROLES: [Role; 4] = [Role::NoChange, Role::Equal, Role::Master, Role::Slave];

/// A role and the election it comes from; in requests and in replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleState {
    /// The role asked for or held.
    pub role: Role,
    /// Counts elections, so that a late request of an old master is refused.
    pub generation: u64,
}

impl RoleState {
    pub(crate) fn parse(mut body: Reader<'_>) -> Parsed<RoleState> {
        let role = ROLES.get(body.u32()? as usize).copied();
        body.skip(4)?;
        let generation = body.u64()?;
        body.finish()?;
        Ok(RoleState { role: role.ok_or(ErrorCode::BadRole)?, generation })
    }

    pub(crate) fn emit(self, out: &mut Vec<u8>) {
        out.u32(self.role as u32);
        out.zeros(4);
        out.u64(self.generation);
    }
}
