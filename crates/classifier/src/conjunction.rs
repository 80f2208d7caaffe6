//! Conjunctive matches (`ovs-fields(7)`, "Conjunctive match fields"): entries that are clauses of one.
//!
//! A packet matches a conjunctive match when, at one priority, it matches an entry of each clause.  Then the entry
//! that counts is found by a search with `conj_id` set, which leaves clauses out.

/// What an entry contributes to a conjunctive match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Clause {
    /// Which conjunctive match.
    pub id: u32,
    /// Which clause of it, from 0.
    pub clause: u8,
    /// How many clauses it has, 2 to 64.
    pub clauses: u8,
}

/// Clauses that a packet matches, with the priority of their entries.
#[derive(Debug, Default)]
pub(crate) struct Gathered<'a> {
    entries: Vec<(u16, &'a [Clause])>,
}

impl<'a> Gathered<'a> {
    pub fn push(&mut self, priority: u16, clauses: &'a [Clause]) {
        self.entries.push((priority, clauses));
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The conjunctive matches that are complete, by falling priority and rising id, as far as they are above
    /// `above` (`None`: all).
    pub fn complete(&mut self, above: Option<u16>) -> Vec<u32> {
        self.entries.retain(|(priority, _)| above.is_none_or(|above| *priority > above));
        self.entries.sort_by_key(|(priority, _)| std::cmp::Reverse(*priority));
        let tiers = self.entries.chunk_by(|one, other| one.0 == other.0);
        tiers.flat_map(complete_in).collect()
    }
}

/// The conjunctive matches that entries of one priority complete, by rising id.
fn complete_in(entries: &[(u16, &[Clause])]) -> Vec<u32> {
    let mut clauses: Vec<Clause> = entries.iter().flat_map(|(_, clauses)| *clauses).copied().collect();
    clauses.sort_by_key(|clause| (clause.id, clause.clauses, clause.clause));
    let of_one = clauses.chunk_by(|one, other| (one.id, one.clauses) == (other.id, other.clauses));
    let is_complete = |of_one: &&[Clause]| {
        let bits = of_one.iter().fold(0_u64, |bits, clause| bits | 1 << (clause.clause & 63));
        bits.count_ones() == u32::from(of_one[0].clauses)
    };
    let mut ids: Vec<u32> = of_one.filter(is_complete).map(|of_one| of_one[0].id).collect();
    ids.dedup();
    ids
}
