//! Virtual paths: what the client sees.

/// Why bytes are not a virtual path.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// A NUL byte.
    #[error("path contains a NUL byte")]
    Nul,
    /// Longer than 4,095 bytes once joined.
    #[error("path too long")]
    TooLong,
}

/// An absolute, normalised virtual path of disk bytes: begins with `/`, no empty, `.` or `..`
/// component, no trailing slash but the root's own.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct VirtualPath(Box<[u8]>);
impl VirtualPath {
    /// `/`
    pub fn root() -> Self {
        todo!()
    }
    /// Normalises `bytes` as seen from `/`.
    pub fn new(_bytes: impl AsRef<[u8]>) -> Result<Self, PathError> {
        todo!()
    }
    /// `argument` as seen from this directory (pyftpdlib's `ftpnorm`): absolute ones start over,
    /// `..` is lexical and stops at the root.
    pub fn join(&self, _argument: &[u8]) -> Result<Self, PathError> {
        todo!()
    }
    /// The directory that holds it; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        todo!()
    }
    /// Last component; `None` for the root.
    pub fn file_name(&self) -> Option<&[u8]> {
        todo!()
    }
    /// Components from the root down.
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        [].into_iter()
    }
    /// With the leading slash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
    /// Without the leading slash; empty for the root.
    pub fn relative(&self) -> &[u8] {
        todo!()
    }
    /// Whether it is `/`.
    pub fn is_root(&self) -> bool {
        todo!()
    }
    /// Whether it is `ancestor` or below it, by whole components.
    pub fn starts_with(&self, _ancestor: &Self) -> bool {
        todo!()
    }
}
// also: Display (lossy UTF-8, control characters escaped; for logs), AsRef<[u8]>
