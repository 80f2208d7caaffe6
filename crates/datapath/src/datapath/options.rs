//! The map of Geneve options: its changes, and what it makes of matches.

use std::borrow::Cow;

use super::Datapath;
use crate::flow_mod::{FlowFilter, FlowMod, FlowModError, FlowRemoved, FlowStats};
use crate::options::{OptionMapError, OptionMapping};
use crate::versions::Shared;
use tulle_flow::{Field, Match, options_of};

impl Datapath {
    /// The options that `tun_metadata` fields stand for, in the order of the fields.
    pub fn option_mappings(&self) -> Vec<OptionMapping> {
        self.state.options.mappings().collect()
    }

    /// Maps options to fields, all or none of them.  Packets that come from now on have them.
    pub fn map_options(&mut self, mappings: &[OptionMapping]) -> Result<(), OptionMapError> {
        self.state.options.add(mappings)?;
        self.options_changed();
        Ok(())
    }

    /// Takes mappings away by the numbers of their fields; what is not mapped is passed over.
    /// Errors: a flow uses one of the fields; nothing has changed.
    pub fn unmap_options(&mut self, indexes: &[u8]) -> Result<(), OptionMapError> {
        let used = self.options_in_use();
        if let Some(index) = indexes.iter().find(|index| used >> (**index % 64) & 1 == 1) {
            return Err(OptionMapError::InUse(*index));
        }
        self.state.options.remove(indexes.iter().copied());
        self.options_changed();
        Ok(())
    }

    /// What is remembered was found for keys with other fields.
    fn options_changed(&mut self) {
        self.state.tables.change(Shared::Bridge);
        self.flush_cache();
    }

    /// The fields that flows match or use, a bit for each.
    fn options_in_use(&self) -> u64 {
        let mut used = 0;
        self.state.tables.visit(&FlowFilter::default(), &mut |rule| {
            let matched = rule.flow.matching.mask().unpacked().field(Field::TunPresent) as u64;
            used |= matched | options_of(&rule.flow.actions);
        });
        used
    }

    /// A change with its options in their places.  Errors: a field that is not mapped.
    pub(super) fn resolved<'a>(&self, change: &'a FlowMod) -> Result<Cow<'a, FlowMod>, FlowModError> {
        let unmapped = |index: u8| {
            FlowModError::UnmappedOption(Field::TUN_METADATA[usize::from(index) % Field::TUN_METADATA.len()])
        };
        let used = options_of(&change.flow.actions);
        let missing =
            (0..64).find(|index| used >> index & 1 == 1 && self.state.options.length(*index).is_none());
        if let Some(index) = missing {
            return Err(unmapped(index));
        }
        if change.flow.matching.mask().field(Field::TunPresent) == 0 {
            return Ok(Cow::Borrowed(change));
        }
        let mut change = change.clone();
        change.flow.matching = self.state.options.resolve(&change.flow.matching).map_err(unmapped)?;
        Ok(Cow::Owned(change))
    }

    /// A filter with its options in their places; nothing where no flow can have one of them.
    pub(super) fn resolved_filter(&self, filter: &FlowFilter) -> Option<FlowFilter> {
        let matching = self.state.options.resolve(&filter.matching).ok()?;
        Some(FlowFilter { matching, ..*filter })
    }

    /// Gives the options of a flow their names again.
    pub(super) fn name(&self, stats: &mut FlowStats) {
        stats.flow.matching = self.named(&stats.flow.matching);
    }

    /// Gives the options of a flow that went their names again; to be called before the map changes.
    pub fn name_removed(&self, removed: &mut FlowRemoved) {
        let matching = removed.stats().flow.matching;
        if matching.mask().field(Field::TunPresent) != 0 {
            removed.set_named(self.named(&matching));
        }
    }

    /// A match of the tables as a controller reads it.
    pub fn named(&self, matching: &Match) -> Match {
        if matching.mask().field(Field::TunPresent) == 0 {
            return *matching;
        }
        self.state.options.named(matching)
    }

    /// A match as the tables have it.  Errors: a field that is not mapped.
    pub fn placed(&self, matching: &Match) -> Result<Match, Field> {
        let field = |index| Field::TUN_METADATA[usize::from(index) % Field::TUN_METADATA.len()];
        self.state.options.resolve(matching).map_err(field)
    }

    /// The options of a match as they stand in a Geneve header.  Errors: a field that is not mapped.
    pub fn option_bytes(&self, matching: &Match) -> Result<Box<[u8]>, Field> {
        let placed = self.placed(matching)?;
        Ok(self.state.options.emit(placed.key()).unwrap_or_default())
    }
}
