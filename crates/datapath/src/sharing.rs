//! Equal things are kept once: many packets are treated alike, many flows have the same actions.
//!
//! A table of a fixed size knows what has come of late, each at a place of its own; what falls on the place of another
//! takes it.  So looking costs the same whatever a tenant sends, and the worst is something that is kept twice.

use std::borrow::Borrow;
use std::sync::Arc;

/// Places, a power of two.
const PLACES: usize = 1024;

#[derive(Debug)]
pub(crate) struct Recent<T: ?Sized> {
    places: Box<[Option<Arc<T>>]>,
}

impl<T: ?Sized + PartialEq> Recent<T> {
    pub fn new() -> Self {
        Recent { places: vec![None; PLACES].into() }
    }

    /// What was made, shared with those that have the same; `digest` differs for most things that differ.
    pub fn share(&mut self, digest: u64, made: impl Borrow<T> + Into<Arc<T>>) -> Arc<T> {
        let place = &mut self.places[digest as usize % PLACES];
        match place {
            Some(known) if **known == *made.borrow() => Arc::clone(known),
            _ => Arc::clone(place.insert(made.into())),
        }
    }

    /// Forgets what nobody else has any more, and with it what it refers to.
    pub fn forget_unused(&mut self) {
        for place in &mut self.places {
            if place.as_ref().is_some_and(|known| Arc::strong_count(known) == 1) {
                *place = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_things_are_one_while_somebody_has_them() {
        let mut recent = Recent::<[u8]>::new();
        let one = recent.share(7, &[1, 2][..]);
        assert!(Arc::ptr_eq(&one, &recent.share(7, &[1, 2][..])));
        let other = recent.share(7, &[3][..]);
        assert_eq!((&*one, &*other), (&[1, 2][..], &[3][..]));
        drop(other);
        recent.forget_unused();
        assert!(recent.places.iter().all(Option::is_none));
    }
}
