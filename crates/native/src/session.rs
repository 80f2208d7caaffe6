//! A switch's OpenFlow session whose bytes Python moves.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use tulle_openflow::Versions;
use tulle_switch::{SessionInfo, SessionKind, SessionOptions};

use crate::error::refused;

#[pyclass(module = "tulle._native")]
pub(crate) struct SwitchSession {
    pub session: tulle_switch::SwitchSession,
}

#[pymethods]
impl SwitchSession {
    fn receive(&mut self, py: Python<'_>, data: &[u8]) {
        py.detach(|| self.session.receive(data));
    }

    fn outgoing<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.session.outgoing())
    }

    fn probe(&mut self) {
        self.session.probe();
    }

    #[getter]
    fn open(&self) -> bool {
        self.session.is_open()
    }

    #[getter]
    fn closed(&self) -> bool {
        self.session.is_closed()
    }

    fn close(&mut self, py: Python<'_>) {
        py.detach(|| self.session.close());
    }
}

/// Wire versions.
fn parse_versions(numbers: Vec<u8>) -> PyResult<Versions> {
    let bitmap = numbers.iter().filter(|number| **number < 32).map(|number| 1 << number).sum();
    let versions = Versions::from_bitmap(bitmap);
    match versions.highest() {
        Some(_) => Ok(versions),
        None => Err(refused(format!("no version of OpenFlow that is spoken here among {numbers:?}"))),
    }
}

/// How a session is opened; `kind` is controller or service.
pub(crate) fn parse_options(
    name: &str,
    kind: &str,
    probe_s: f64,
    versions: Option<Vec<u8>>,
) -> PyResult<SessionOptions> {
    let kind = match kind {
        "controller" => SessionKind::Controller,
        "service" => SessionKind::Service,
        _ => return Err(refused(format!("expected controller or service, got {kind:?}"))),
    };
    let versions = versions.map(parse_versions).transpose()?;
    let probe_ns = (probe_s.max(0.0) * 1e9) as u64;
    Ok(SessionOptions { name: name.to_owned(), kind, versions, probe_ns })
}

/// What is known of a session.
pub(crate) fn emit_session(py: Python<'_>, session: SessionInfo) -> PyResult<Bound<'_, PyDict>> {
    let entry = PyDict::new(py);
    entry.set_item("session", session.id)?;
    entry.set_item("name", session.name)?;
    entry.set_item("role", session.role)?;
    entry.set_item("version", session.version)?;
    Ok(entry)
}
