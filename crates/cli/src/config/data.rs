//! The section `[data]`: pyftpdlib's `DTPHandler` and `ThrottledDTPHandler`.

use std::time::Duration;

use serde::Deserialize;

use super::field;

/// Data connections.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Data {
    /// How long a transfer may stall; 0 = forever.
    #[serde(deserialize_with = "field::seconds")]
    pub(crate) timeout: Duration,
    /// In bytes.
    #[serde(deserialize_with = "field::buffer_size")]
    pub(crate) ac_in_buffer_size: u32,
    /// In bytes.
    #[serde(deserialize_with = "field::buffer_size")]
    pub(crate) ac_out_buffer_size: u32,
    /// For uploads, in bytes per second and connection; 0 = no limit.
    #[serde(deserialize_with = "field::bytes")]
    pub(crate) read_limit: u64,
    /// For downloads, in bytes per second and connection; 0 = no limit.
    #[serde(deserialize_with = "field::bytes")]
    pub(crate) write_limit: u64,
    /// How long the client may take to connect; 0 = no limit.
    #[serde(deserialize_with = "field::seconds")]
    pub(crate) passive_timeout: Duration,
    /// How long the server tries to connect; 0 = the system's limit.
    #[serde(deserialize_with = "field::seconds")]
    pub(crate) active_timeout: Duration,
}

/// The size of a buffer that is not configured, in bytes. With it, uploads to local disks are read
/// in larger pieces.
pub(crate) const DEFAULT_BUFFER: u32 = 64 * 1024;

impl Default for Data {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(300),
            ac_in_buffer_size: DEFAULT_BUFFER,
            ac_out_buffer_size: DEFAULT_BUFFER,
            read_limit: 0,
            write_limit: 0,
            passive_timeout: Duration::from_secs(30),
            active_timeout: Duration::from_secs(30),
        }
    }
}
