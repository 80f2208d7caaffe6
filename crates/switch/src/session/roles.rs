//! Which of several controllers may change the switch (OpenFlow 1.3.5 section 6.3.6).

use tulle_openflow::{ErrorCode, Message, Role, RoleState, RoleStatusReason, Xid};

use super::Session;
use crate::engine::Engine;
use crate::notice::Notice;

/// The role as the Open_vSwitch schema writes it (table Controller, column `role`).
pub(super) fn name(role: Role) -> &'static str {
    match role {
        Role::Master => "master",
        Role::Slave => "slave",
        Role::Equal | Role::NoChange => "other",
    }
}

impl Session {
    /// Takes a role, or only tells the present one.
    pub(super) fn take_role(&mut self, engine: &mut Engine, xid: Xid, request: RoleState) {
        let sessions = &mut engine.wires.sessions;
        if let (Role::Master | Role::Slave, Some(generation)) = (request.role, request.generation) {
            if is_stale(sessions.generation, generation) {
                return self.refuse(xid, &Message::RoleRequest(request), ErrorCode::StaleRole);
            }
            sessions.generation = Some(generation);
        }
        if request.role == Role::Master {
            let demoted = sessions.iter_mut().filter_map(|(id, session)| session.demote().then_some(id));
            for session in demoted.collect::<Vec<_>>() {
                let generation = sessions.generation.unwrap_or(u64::MAX);
                let reason = RoleStatusReason::MasterRequest;
                sessions.tell(Notice::RoleChanged { session, reason, generation });
            }
        }
        if request.role != Role::NoChange {
            self.role = request.role;
        }
        let generation = engine.wires.sessions.generation;
        self.reply(xid, Message::RoleReply(RoleState { role: self.role, generation }));
    }

    /// True where this session was primary until now.
    fn demote(&mut self) -> bool {
        let was_primary = self.role == Role::Master;
        if was_primary {
            self.role = Role::Slave;
        }
        was_primary
    }
}

/// Generations are compared around their end, as serial numbers are.
fn is_stale(known: Option<u64>, asked: u64) -> bool {
    known.is_some_and(|known| (asked.wrapping_sub(known) as i64) < 0)
}

#[cfg(test)]
mod tests {
    use super::is_stale;

    #[test]
    fn a_generation_is_stale_when_it_lies_behind_also_around_the_end() {
        assert!(!is_stale(None, 7));
        assert!(!is_stale(Some(7), 7));
        assert!(!is_stale(Some(u64::MAX), 2));
        assert!(is_stale(Some(2), u64::MAX));
        assert!(is_stale(Some(7), 6));
    }
}
