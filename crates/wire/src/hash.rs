//! A number that is the same for all packets of a flow, for spreading flows over paths.
//!
//! Not a defence against chosen collisions.

use crate::Layers;

/// The hash of addresses, protocol and ports of an IP frame; of the Ethernet header for others.
#[inline]
#[must_use]
pub fn flow_hash(frame: &[u8]) -> u32 {
    let Some(layers) = Layers::parse(frame) else {
        return finish(mix(0, &frame[..frame.len().min(14)]));
    };
    // Later fragments have no ports: the whole packet goes without, so that all take one path.
    let ports = if layers.fragment { None } else { layers.ports(frame) };
    let (source, destination) = ports.unwrap_or_default();
    let ports = u64::from(layers.protocol) << 32 | u64::from(source) << 16 | u64::from(destination);
    finish(step(mix(0, layers.addresses(frame)), ports))
}

#[inline]
fn mix(state: u64, bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(state, |state, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        step(state, u64::from_le_bytes(word))
    })
}

#[inline]
fn step(state: u64, word: u64) -> u64 {
    // An odd multiplier near 2^64 divided by the golden ratio spreads every input bit upwards.
    (state.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[inline]
fn finish(state: u64) -> u32 {
    let state = (state ^ (state >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (state >> 32) as u32
}
