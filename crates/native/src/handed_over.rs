//! What one process leaves for the next, as Python names it.

use std::os::fd::{IntoRawFd, OwnedFd};
use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use tulle_switch::{Guarded, JournalFile, Loaded};

use crate::error::refused;

/// Number and path.
pub(crate) type JournalPair = (u64, PathBuf);

pub(crate) fn parse_journal((number, path): JournalPair) -> JournalFile {
    JournalFile { number, path }
}

pub(crate) fn emit_loaded(py: Python<'_>, loaded: Loaded) -> PyResult<Bound<'_, PyDict>> {
    let found = PyDict::new(py);
    found.set_item("flows", loaded.flows)?;
    found.set_item("others", loaded.others)?;
    found.set_item("changes", loaded.changes)?;
    found.set_item("refused", loaded.refused)?;
    found.set_item("problems", loaded.problems)?;
    Ok(found)
}

/// `tcp:7471`, `udp:4789` or `gre`.
pub(crate) fn parse_guarded(name: &str) -> PyResult<Guarded> {
    let unknown = || refused(format!("expected tcp:PORT, udp:PORT or gre, got {name:?}"));
    let port = |text: &str| text.parse().map_err(|_| unknown());
    match name.split_once(':') {
        Some(("tcp", number)) => Ok(Guarded::Tcp(port(number)?)),
        Some(("udp", number)) => Ok(Guarded::Udp(port(number)?)),
        None if name == "gre" => Ok(Guarded::Gre),
        _ => Err(unknown()),
    }
}

pub(crate) fn emit_guards(guards: Vec<(Guarded, Vec<OwnedFd>)>) -> Vec<(String, Vec<i32>)> {
    let name = |what| match what {
        Guarded::Tcp(port) => format!("tcp:{port}"),
        Guarded::Udp(port) => format!("udp:{port}"),
        Guarded::Gre => "gre".to_owned(),
    };
    let descriptors = |all: Vec<OwnedFd>| all.into_iter().map(OwnedFd::into_raw_fd).collect();
    guards.into_iter().map(|(what, all)| (name(what), descriptors(all))).collect()
}
