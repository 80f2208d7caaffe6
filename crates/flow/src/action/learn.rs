//! What the action `learn` says.

use super::SubField;

/// Makes a flow from a packet (`learn` of `ovs-actions(7)`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Learn {
    /// Seconds without a packet until the flow goes; 0 means never.
    pub idle_timeout: u16,
    /// Seconds until the flow goes; 0 means never.
    pub hard_timeout: u16,
    /// Priority of the flow.
    pub priority: u16,
    /// Cookie of the flow.
    pub cookie: u64,
    /// Its table.
    pub table: u8,
    /// Tell the controller of its end.
    pub send_flow_removed: bool,
    /// Delete what was learned when this flow goes.
    pub delete_learned: bool,
    /// At most so many flows with this cookie in the table; 0 means no limit.
    pub limit: u32,
    /// Gets a 1 where the flow was learned or refreshed, a 0 where the limit forbade it.
    pub result: Option<SubField>,
    /// With FIN or RST: new idle timeout; 0 for none.
    pub fin_idle_timeout: u16,
    /// With FIN or RST: new hard timeout; 0 for none.
    pub fin_hard_timeout: u16,
    /// What the flow matches and does.
    pub specs: Box<[LearnSpec]>,
}

/// Where a learned value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LearnSource {
    /// Bits of the packet.
    Field(SubField),
    /// A value.
    Value(u128),
}

/// One part of a learned flow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LearnSpec {
    /// The flow matches these bits with the value.
    Match {
        /// The value.
        source: LearnSource,
        /// The bits.
        target: SubField,
    },
    /// The flow sets these bits to the value.
    Load {
        /// The value.
        source: LearnSource,
        /// The bits.
        target: SubField,
    },
    /// The flow sends to the port whose number these bits of the packet hold.
    Output(SubField),
}
