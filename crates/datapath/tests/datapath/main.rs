//! The datapath from outside: frames in, effects out.

mod acting;
mod bundles;
mod bytes;
mod caching;
mod eviction;
mod frames;
mod recorder;
mod rewriting;
mod stats;
mod table_model;
mod tags;
mod tracing;
mod twin;
mod walking;
