//! What the kernel and devices can do.

use pyo3::prelude::*;
use tulle_io::{Capabilities, Features};

use crate::error::refused;

#[pyfunction]
pub(crate) fn probe_kernel(py: Python<'_>) -> Vec<(&'static str, bool)> {
    let found = py.detach(Capabilities::probe);
    vec![
        ("udp-segmentation", found.udp_segmentation),
        ("udp-merging", found.udp_merging),
        ("tap-udp-segmentation", found.tap_udp_segmentation),
        ("tap-tunnel-segmentation", found.tap_tunnel_segmentation),
        ("tunnel-tap", found.tunnel_tap),
        ("packet-ring", found.packet_ring),
        ("direct-sending", found.direct_sending),
        ("direct-checksums", found.direct_checksums),
    ]
}

#[pyfunction]
pub(crate) fn device_features(device: &str, names: Vec<String>) -> PyResult<(Vec<bool>, Option<u32>)> {
    let found = Features::of(device).map_err(|error| refused(format!("{device}: {error}")))?;
    Ok((names.iter().map(|name| found.has(name)).collect(), found.queues))
}
