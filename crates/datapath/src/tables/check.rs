//! What a flow may not do.

use super::TABLE_COUNT;
use crate::flow_mod::FlowModError;
use tulle_flow::{Action, Field};

pub(super) fn check_table(table: u8) -> Result<(), FlowModError> {
    if usize::from(table) < TABLE_COUNT { Ok(()) } else { Err(FlowModError::BadTable(table)) }
}

pub(super) fn check_actions(table: u8, actions: &[Action]) -> Result<(), FlowModError> {
    for action in actions {
        match action {
            Action::Set { field, .. } if is_read_only(*field) => {
                return Err(FlowModError::ReadOnlyField(*field));
            }
            Action::Move { target, .. } if is_read_only(target.field) => {
                return Err(FlowModError::ReadOnlyField(target.field));
            }
            Action::GotoTable(to) if *to <= table || usize::from(*to) >= TABLE_COUNT => {
                return Err(FlowModError::BackwardGoto(*to));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Fields that no action may write.
fn is_read_only(field: Field) -> bool {
    !field.is_writable()
}
