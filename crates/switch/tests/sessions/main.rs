//! Sessions against a running switch without devices: what controllers ask of it, and what it tells them.

mod bundles;
mod peer;
mod snooping;
mod told;
mod versions;
