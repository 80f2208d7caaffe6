//! The words of forwarding: fields, keys, matches, actions, flows, and their text.
//!
//! What it is: the vocabulary that the classifier, the OpenFlow codec and the datapath share.
//! The text is the syntax of `ovs-ofctl`, so that people can read and type it.
//!
//! What it is not: it knows no wire format of packets or of OpenFlow, and it forwards nothing.
//!
//! ```
//! use tulle_flow::Flow;
//! let flow: Flow = "table=3,priority=7,tcp,tp_dst=80,actions=set_field:5->reg15,resubmit(,4)".parse().unwrap();
//! assert_eq!(flow.table, 3);
//! ```

mod action;
mod field;
mod flow;
mod key;
mod matching;
mod option;
mod text;

pub use action::{
    Action, Bundle, BundleAlgorithm, Ct, CtZone, HashFields, Learn, LearnSource, LearnSpec, Multipath,
    MultipathAlgorithm, Nat, NatKind, Sample, SampleDirection, SubField, ToController, port,
};
pub use field::{Field, Format, Prerequisite};
pub use flow::Flow;
pub use key::{KEY_WORDS, Key};
pub use matching::Match;
pub use option::{OPTION_BYTES, OPTION_FIELDS, OPTION_SPACE, OptionValue, options_of};
pub use text::TextError;
