//! Values about transfers that several layers share.

/// Representation type (RFC 959 §3.1.1).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TransferType {
    /// `TYPE A`, the default of RFC 959.
    #[default]
    Ascii,
    /// `TYPE I`.
    Image,
}

/// How a transfer ended.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TransferEnd {
    /// Every byte was moved and the end was seen.
    Complete,
    /// A TLS peer ended without close_notify.
    Truncated,
    /// The peer reset or closed the data connection too early.
    Reset,
    /// ABOR.
    Aborted,
    /// Reading or writing the file failed here.
    LocalError,
    /// No progress within the data timeout.
    Stalled,
    /// The control connection ended first.
    ControlLost,
    /// The server is stopping.
    Shutdown,
}
