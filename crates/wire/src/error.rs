//! Why bytes are not the header that they were taken for.

/// Why a header could not be parsed, or an operation on a frame not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum WireError {
    /// Fewer bytes than the header, or than its length fields say.
    #[error("the bytes end before the header or what it announces")]
    Truncated,
    /// A length field that contradicts the header itself.
    #[error("a length field contradicts the header")]
    BadLength,
    /// A version, hardware type or similar constant is not the one expected.
    #[error("not this protocol or version")]
    BadVersion,
    /// A checksum does not fit the bytes.
    #[error("the checksum is wrong")]
    BadChecksum,
    /// Something well formed that is not handled here.
    #[error("well formed, but not supported here")]
    Unsupported,
}
