//! Which of several controllers may change a switch (OpenFlow 1.3.5 section 7.3.9, 1.4 section 7.4.4; in OpenFlow 1.0
//! Nicira's role messages, which know no generations).

use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};
use crate::error::ErrorCode;
use crate::property::refuse_properties;
use crate::version::Version;

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
/// Nicira's numbers.
const NICIRA_ROLES: [Role; 3] = [Role::Equal, Role::Master, Role::Slave];

fn parse_role(number: u32) -> Parsed<Role> {
    ROLES.get(number as usize).copied().ok_or(ErrorCode::BadRole)
}

/// A role and the election it comes from; in requests and in replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleState {
    /// The role asked for or held.
    pub role: Role,
    /// Counts elections, so that a late request of an old master is refused; Nicira's messages have none.
    pub generation: Option<u64>,
}

impl RoleState {
    pub(crate) fn parse(mut body: Reader<'_>) -> Parsed<RoleState> {
        let role = body.u32()?;
        body.skip(4)?;
        let generation = Some(body.u64()?);
        body.finish()?;
        Ok(RoleState { role: parse_role(role)?, generation })
    }

    pub(crate) fn parse_nicira(mut body: Reader<'_>) -> Parsed<RoleState> {
        let role = NICIRA_ROLES.get(body.u32()? as usize).copied();
        body.finish()?;
        Ok(RoleState { role: role.ok_or(ErrorCode::BadRole)?, generation: None })
    }

    /// A generation that is not known is all ones.
    pub(crate) fn emit(self, out: &mut Writer<'_>) -> Emitted {
        if out.version() > Version::V10 {
            out.u32(self.role as u32);
            out.zeros(4);
            out.u64(self.generation.unwrap_or(u64::MAX));
            return Ok(());
        }
        let number = NICIRA_ROLES.iter().position(|role| *role == self.role);
        let Some(number) = number else { return out.lacks("asking for the present role") };
        out.u32(number as u32);
        Ok(())
    }
}

/// Why a controller has another role now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleStatusReason {
    /// Another controller became master.
    MasterRequest,
    /// The switch's configuration changed.
    Config,
    /// An experimenter's data changed.
    Experimenter,
}

/// Tells a controller that it has another role (OpenFlow 1.4 and later; 1.3 by the ONF's extension 191).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleStatus {
    /// The new role.
    pub role: Role,
    /// Why.
    pub reason: RoleStatusReason,
    /// The present generation.
    pub generation: u64,
}

impl RoleStatus {
    pub(crate) fn parse(mut body: Reader<'_>) -> Parsed<RoleStatus> {
        let role = parse_role(body.u32()?)?;
        let reason = match body.u8()? {
            0 => RoleStatusReason::MasterRequest,
            1 => RoleStatusReason::Config,
            2 => RoleStatusReason::Experimenter,
            _ => return Err(ErrorCode::BadReason),
        };
        body.skip(3)?;
        let generation = body.u64()?;
        refuse_properties(body)?;
        Ok(RoleStatus { role, reason, generation })
    }

    pub(crate) fn emit(self, out: &mut Writer<'_>) -> Emitted {
        if out.version() == Version::V10 {
            return out.lacks("a role-status");
        }
        out.u32(self.role as u32);
        out.u8(self.reason as u8);
        out.zeros(3);
        out.u64(self.generation);
        Ok(())
    }
}
