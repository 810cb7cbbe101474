//! Types for transfers that several layers share.

/// Representation type (RFC 959 §3.1.1).
///
/// The enum is complete: the other types of RFC 959 are not offered, and no later RFC adds one.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TransferType {
    /// `TYPE A`, the default of RFC 959.
    #[default]
    Ascii,
    /// `TYPE I`.
    Image,
}

/// The direction of a transfer.
///
/// The enum is complete.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum TransferDirection {
    /// To the client: RETR.
    Download,
    /// From the client: STOR, APPE, STOU.
    Upload,
}

/// What a command moves over the data connection.
///
/// The enum is complete.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transferred {
    /// A file.
    File(TransferDirection),
    /// A directory listing, for the client.
    Listing,
}

impl Transferred {
    /// The direction of its bytes.
    pub fn direction(self) -> TransferDirection {
        match self {
            Self::File(direction) => direction,
            Self::Listing => TransferDirection::Download,
        }
    }
}

/// How a transfer ended.
///
/// The enum is complete: observers have to know every way for a transfer to end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TransferEnd {
    /// All bytes were moved, and the end of the stream was seen.
    Complete,
    /// The peer ended a TLS stream without close_notify, so that the end of the data may be
    /// missing.
    Truncated,
    /// The TLS handshake failed, or the peer is not the client of the control connection.
    Unsecured,
    /// The peer reset or closed the data connection too early.
    Reset,
    /// The client sent `ABOR`.
    Aborted,
    /// Reading or writing the file failed on the server.
    LocalError,
    /// No byte was moved within the data timeout.
    Stalled,
    /// The control connection ended before the transfer.
    ControlLost,
    /// The server is stopping.
    Shutdown,
}
