//! Push and pop of one encapsulation, as frames stand on a wire without offloads.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tulle_encap::{
    Encap, Endpoints, Geneve, Gre, Nvgre, Outers, Passage, Pushed, Stt, Template, TunnelOptions, Vxlan,
};
use tulle_encap::{geneve, stt, vxlan};
use tulle_wire::vnet::Offload;
use tulle_wire::{FrameBuf, finish_checksum, flow_hash, tcp_segments};

use crate::error::refused;
use crate::values::parse_ip;

const LOCAL_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const REMOTE_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];

#[pyclass(module = "tulle._native")]
pub(crate) struct Encapsulator {
    encap: Box<dyn Encap + Sync>,
    template: Template,
    frame_id: u32,
}

#[pymethods]
impl Encapsulator {
    #[new]
    #[pyo3(signature = (encapsulation, local, remote, mtu = 1500))]
    fn new(encapsulation: &str, local: &str, remote: &str, mtu: u16) -> PyResult<Self> {
        let (encap, port) = by_name(encapsulation)?;
        let (local, remote) = (parse_ip(local)?, parse_ip(remote)?);
        let ends = Endpoints { local, remote, local_mac: LOCAL_MAC, remote_mac: REMOTE_MAC };
        let template = encap.template(&ends, &TunnelOptions::new(mtu, port)).map_err(refused)?;
        Ok(Encapsulator { encap, template, frame_id: 0 })
    }

    fn push<'py>(
        &mut self,
        py: Python<'py>,
        frame: &[u8],
        context: u64,
    ) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let mut buffer = FrameBuf::new();
        buffer.fill(frame);
        let mut scratch = FrameBuf::new();
        let mut wire: Vec<(Vec<u8>, Offload)> = Vec::new();
        let passage = Passage::new(context, flow_hash(frame), &mut self.frame_id);
        let mut each = |outers: Outers<'_>| {
            wire.extend(outers.frames().map(|outer| (outer.to_vec(), *outers.offload)));
        };
        let pushed = self
            .encap
            .push(&self.template, passage, &mut buffer, &Offload::default(), &mut scratch, &mut each)
            .map_err(refused)?;
        if let Pushed::Whole(offload) = pushed {
            wire.push((buffer.bytes().to_vec(), offload));
        }
        let finished: Vec<Vec<u8>> =
            wire.into_iter().flat_map(|(outer, offload)| finish(outer, &offload)).collect();
        Ok(finished.iter().map(|outer| PyBytes::new(py, outer)).collect())
    }

    #[pyo3(signature = (frame, now_ns = 0))]
    fn pop<'py>(
        &mut self,
        py: Python<'py>,
        frame: &[u8],
        now_ns: u64,
    ) -> PyResult<Vec<(u64, Bound<'py, PyBytes>)>> {
        let mut buffer = FrameBuf::new();
        buffer.fill(frame);
        let mut found = Vec::new();
        let mut lost = None;
        self.encap.pop(&mut buffer, &Offload::default(), now_ns, &mut |result, inner| match result {
            Ok(popped) => found.push((popped.context, inner.bytes().to_vec())),
            Err(reason) => lost = Some(reason),
        });
        match lost {
            Some(reason) => Err(refused(reason.name())),
            None => Ok(found.iter().map(|(id, bytes)| (*id, PyBytes::new(py, bytes))).collect()),
        }
    }
}

fn by_name(name: &str) -> PyResult<(Box<dyn Encap + Sync>, u16)> {
    Ok(match name {
        "stt" => (Box::new(Stt::default()), stt::PORT),
        // Without a device that cuts, every datagram is given on its own.
        "vxlan" => (Box::new(Vxlan::new(vxlan::PORT, false)), vxlan::PORT),
        "geneve" => (Box::new(Geneve::new(geneve::PORT, false)), geneve::PORT),
        "gre" => (Box::new(Gre::new()), 0),
        "nvgre" => (Box::new(Nvgre::new()), 0),
        _ => return Err(refused(format!("unknown encapsulation {name:?}"))),
    })
}

/// What a device does to a frame before it stands on the wire: cutting and checksums.
fn finish(mut outer: Vec<u8>, offload: &Offload) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    let mut scratch = FrameBuf::new();
    if offload.gso_size != 0 {
        let cut =
            tcp_segments(&outer, offload.gso_size, &mut scratch, |piece| pieces.push(piece.bytes().to_vec()));
        if cut.is_ok() {
            return pieces;
        }
    }
    if offload.needs_csum {
        let _ = finish_checksum(&mut outer, offload.csum_start, offload.csum_offset);
    }
    vec![outer]
}
