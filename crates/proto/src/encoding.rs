//! Name encodings: wire bytes to disk bytes and back.
use std::borrow::Cow;

/// The encoding of path names on the control connection (pyftpdlib: `encoding`).
///
/// Disk names that have no form on the wire (bytes that are not UTF-8, characters the encoding
/// lacks, CR, LF, NUL) are sent as `=xHH` per byte, two upper-case hex digits, and accepted back.
/// A literal `=xHH` that would be taken for an escape has its `=` escaped (`=x3DxHH`).
/// HH is only ever 00, 0A, 0D, 3D or 80..=FF.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NameEncoding(&'static encoding_rs::Encoding);

/// An unknown label, or an encoding that cannot be used on the wire.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodingError {
    /// No such label.
    #[error("unknown encoding {0:?}")]
    Unknown(String),
    /// UTF-16, or stateful (ISO-2022-JP), or decode-only (replacement).
    #[error("encoding {0:?} cannot be used for path names")]
    Unsuitable(String),
}

/// Bytes from the wire that are malformed in the encoding: 501.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("name is not valid in the connection's encoding")]
pub struct UndecodableName;

impl NameEncoding {
    /// UTF-8, the default.
    pub const UTF_8: Self = Self(encoding_rs::UTF_8);
    /// By a label of the WHATWG Encoding Standard.
    pub fn for_label(_label: &str) -> Result<Self, EncodingError> {
        todo!()
    }
    /// Its standard name.
    pub fn name(self) -> &'static str {
        self.0.name()
    }
    /// A name from the wire to disk bytes (escapes resolved).
    pub fn decode_name(self, _wire: &[u8]) -> Result<Cow<'_, [u8]>, UndecodableName> {
        todo!()
    }
    /// Text from the wire (user name, password): no escapes.
    pub fn decode_text(self, _wire: &[u8]) -> Result<Cow<'_, str>, UndecodableName> {
        todo!()
    }
    /// Appends the wire form of a disk name.
    pub fn encode_name(self, _disk: &[u8], _out: &mut Vec<u8>) {
        todo!()
    }
}
