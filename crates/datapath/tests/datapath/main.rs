//! The datapath from outside: frames in, effects out.

mod acting;
mod backbone;
mod bridging;
mod bundles;
mod bytes;
mod caching;
mod eviction;
mod frames;
mod groups;
mod learning;
mod options;
mod recorder;
mod rewriting;
mod stats;
mod table_model;
mod tags;
mod tracing;
mod tracking;
mod twin;
mod unfinished;
mod walking;
