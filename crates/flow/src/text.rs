//! The text of flows, in the syntax of `ovs-ofctl(8)`: parse and emit, each the inverse of the other.

mod actions;
mod flags;
mod flows;
mod names;
mod options;
mod values;
mod vlan;

use thiserror::Error;

/// Why a text is not a flow, a match or an action.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum TextError {
    /// No field has this name.
    #[error("unknown field {0:?}")]
    UnknownField(String),
    /// No action has this name.
    #[error("unknown action {0:?}")]
    UnknownAction(String),
    /// A value does not suit its field.
    #[error("{field}: expected {expected}, got {got:?}")]
    BadValue {
        /// Which field or parameter.
        field: String,
        /// What would have been right.
        expected: &'static str,
        /// What came.
        got: String,
    },
    /// A field is matched whose prerequisite the match does not require.
    #[error("{0}: its prerequisite is missing (for example nw_src needs ip or dl_type=0x0800)")]
    MissingPrerequisite(&'static str),
    /// The text stops, or goes on, where it should not.
    #[error("malformed near {0:?}")]
    Malformed(String),
}

/// Splits at commas that stand outside parentheses and brackets; blanks count as commas.
fn split_list(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_i32, 0);
    for (i, c) in text.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ',' | ' ' | '\t' | '\n' if depth <= 0 => {
                parts.push(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.retain(|part| !part.is_empty());
    parts
}
