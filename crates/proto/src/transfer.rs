//! Values about transfers that several layers share.

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

/// Which way a file goes.
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
    /// What a directory holds, for the client.
    Listing,
}

impl Transferred {
    /// Which way its bytes go.
    pub fn direction(self) -> TransferDirection {
        match self {
            Self::File(direction) => direction,
            Self::Listing => TransferDirection::Download,
        }
    }
}

/// How a transfer ended.
///
/// The enum is complete: whoever is told of an end has to have a word for each.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TransferEnd {
    /// Every byte was moved and the end was seen.
    Complete,
    /// The peer ended a TLS stream without close_notify, so its end may have been cut off.
    Truncated,
    /// TLS could not be agreed on, or not with the client of the control connection.
    Unsecured,
    /// The peer reset or closed the data connection too early.
    Reset,
    /// The client sent `ABOR`.
    Aborted,
    /// Reading or writing the file failed here.
    LocalError,
    /// No byte moved within the data timeout.
    Stalled,
    /// The control connection ended first.
    ControlLost,
    /// The server is stopping.
    Shutdown,
}
