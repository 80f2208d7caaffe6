//! What a switch is, for people (OpenFlow 1.3.5 section 7.3.5.1).

use crate::bytes::{Emitted, Parsed, Put, Reader, Writer};

const LONG: usize = 256;
const SERIAL: usize = 32;

/// A switch's description; texts longer than their field are cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// Who made it; at most 255 bytes.
    pub manufacturer: String,
    /// What it runs on; at most 255 bytes.
    pub hardware: String,
    /// What it is, with version; at most 255 bytes.
    pub software: String,
    /// Serial number; at most 31 bytes.
    pub serial: String,
    /// Which one it is; at most 255 bytes.
    pub datapath: String,
}

impl Description {
    pub(super) fn parse(body: &mut Reader<'_>) -> Parsed<Description> {
        Ok(Description {
            manufacturer: body.text(LONG)?,
            hardware: body.text(LONG)?,
            software: body.text(LONG)?,
            serial: body.text(SERIAL)?,
            datapath: body.text(LONG)?,
        })
    }

    pub(super) fn emit(&self, out: &mut Writer<'_>) -> Emitted {
        for text in [&self.manufacturer, &self.hardware, &self.software] {
            out.text(text, LONG);
        }
        out.text(&self.serial, SERIAL);
        out.text(&self.datapath, LONG);
        Ok(())
    }
}
