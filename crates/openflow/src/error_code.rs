//! Error types and codes, with their form in each version.
//!
//! Sources: OpenFlow 1.0 section 5.4.4, 1.3.5 section 7.5.4, 1.4 section 7.5.4, 1.5.1 section 7.5.4, and for what a
//! version lacks the experimenter errors of the ONF (its extension documents) and of Nicira (`ovs-ofctl(8)` prints them).

use crate::experimenter::{NICIRA, ONF};
use crate::version::Version;

/// An error on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WireError {
    /// This version has no form for it.
    None,
    /// Type and code of the standard.
    Standard(u16, u16),
    /// Nicira's vendor error of OpenFlow 1.0, which wraps a type and code.
    Nicira10(u16, u16),
    /// An experimenter error of Nicira's.
    Nicira(u16),
    /// An experimenter error of the ONF's.
    Onf(u16),
}

use WireError::{Nicira, Nicira10, None, Onf, Standard};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $v10:expr, $v13:expr, $v14:expr, $v15:expr;)*) => {
        /// An error, whatever its type and code in the version spoken.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $name,)*
            /// Any other type and code.
            Other(u16, u16),
            /// Any other experimenter's error: who, and which.
            OtherExperimenter(u32, u16),
        }

        impl ErrorCode {
            /// All codes with a name.
            pub const NAMED: &'static [ErrorCode] = &[$(ErrorCode::$name),*];
        }

        /// In the order of [`ErrorCode::NAMED`]: the forms in 1.0, 1.3, 1.4 and 1.5.
        pub(super) static FORMS: &[[WireError; 4]] = &[$([$v10, $v13, $v14, $v15]),*];

        pub(super) fn named_form(code: ErrorCode, version: usize) -> WireError {
            match code {
                $(ErrorCode::$name => {
                    const FORM: [WireError; 4] = [$v10, $v13, $v14, $v15];
                    FORM[version]
                })*
                ErrorCode::Other(kind, code) => Standard(kind, code),
                ErrorCode::OtherExperimenter(NICIRA, code) => Nicira(code),
                ErrorCode::OtherExperimenter(ONF, code) => Onf(code),
                ErrorCode::OtherExperimenter(..) => None,
            }
        }
    };
}

mod table;

pub use table::ErrorCode;
use table::{FORMS, named_form};

fn index(version: Version) -> usize {
    match version {
        Version::V10 => 0,
        Version::V13 => 1,
        Version::V14 => 2,
        Version::V15 => 3,
    }
}

impl ErrorCode {
    /// The form in a version; what the version lacks becomes Nicira's "cannot be represented".
    pub(crate) fn form(self, version: Version) -> WireError {
        match named_form(self, index(version)) {
            None => named_form(ErrorCode::UnencodableError, index(version)),
            form => form,
        }
    }

    /// Type and code in a version; of experimenter errors 0xffff and their code, of Nicira's in 1.0 what they wrap.
    pub fn wire(self, version: Version) -> (u16, u16) {
        match self.form(version) {
            Standard(kind, code) | Nicira10(kind, code) => (kind, code),
            Nicira(code) | Onf(code) => (0xffff, code),
            None => (0xffff, 0),
        }
    }

    /// The code of this form.
    pub(crate) fn from_form(form: WireError, version: Version) -> ErrorCode {
        let at = index(version);
        let known = FORMS.iter().position(|forms| forms[at] == form).map(|found| ErrorCode::NAMED[found]);
        known.unwrap_or(match form {
            Standard(kind, code) | Nicira10(kind, code) => ErrorCode::Other(kind, code),
            Nicira(code) => ErrorCode::OtherExperimenter(NICIRA, code),
            Onf(code) => ErrorCode::OtherExperimenter(ONF, code),
            None => ErrorCode::UnencodableError,
        })
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, code) = self.wire(Version::V15);
        write!(f, "{self:?} (type {kind}, code {code})")
    }
}
