//! What has been sent in each observation domain: sequence numbers and templates are its own (RFC 7011 sections 3.1
//! and 8).

use super::shape::{SHAPES, Shape};

/// How many domains are remembered; one more takes the place of the one that was used longest ago, whose templates
/// are sent again and whose sequence begins again when it is next used.
const MOST_DOMAINS: usize = 64;
/// After this time a template is sent again (RFC 7011 section 8.4, and the default of RFC 5153 section 6.2).
const TEMPLATE_NS: u64 = 600_000_000_000;

/// One observation domain.
#[derive(Clone, Debug)]
pub(super) struct Domain {
    pub id: u32,
    /// Data records sent so far.
    pub sequence: u32,
    /// When each template was sent.
    sent_ns: [Option<u64>; SHAPES],
    used: u64,
}

impl Domain {
    /// True where a record of this shape needs its template in front of it; then it is taken as sent.
    pub fn needs_template(&mut self, shape: Shape, now_ns: u64) -> bool {
        let sent = &mut self.sent_ns[shape.index()];
        let is_fresh = sent.is_some_and(|time| now_ns.saturating_sub(time) < TEMPLATE_NS);
        if !is_fresh {
            *sent = Some(now_ns);
        }
        !is_fresh
    }
}

/// All domains.
#[derive(Debug)]
pub(super) struct Domains {
    all: Vec<Domain>,
    uses: u64,
}

impl Domains {
    pub fn new() -> Domains {
        Domains { all: Vec::with_capacity(MOST_DOMAINS), uses: 0 }
    }

    /// The domain of this number, made where there is none.
    pub fn get(&mut self, id: u32) -> &mut Domain {
        self.uses += 1;
        let place = self.all.iter().position(|domain| domain.id == id).unwrap_or_else(|| self.make(id));
        let domain = &mut self.all[place];
        domain.used = self.uses;
        domain
    }

    fn make(&mut self, id: u32) -> usize {
        let domain = Domain { id, sequence: 0, sent_ns: [None; SHAPES], used: self.uses };
        if self.all.len() < MOST_DOMAINS {
            self.all.push(domain);
            return self.all.len() - 1;
        }
        let oldest = (0..self.all.len()).min_by_key(|place| self.all[*place].used).unwrap_or_default();
        self.all[oldest] = domain;
        oldest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_bounded_and_the_one_used_longest_ago_goes() {
        let mut domains = Domains::new();
        for id in 0..MOST_DOMAINS as u32 {
            domains.get(id).sequence = 7;
        }
        domains.get(0);
        assert_eq!(domains.get(9999).sequence, 0);
        assert_eq!((domains.all.len(), domains.get(0).sequence), (MOST_DOMAINS, 7));
        assert_eq!(domains.get(1).sequence, 0);
    }
}
