//! The section `[data]`: pyftpdlib's `DTPHandler` and `ThrottledDTPHandler`.

use std::time::Duration;

use serde::Deserialize;

use super::field;

/// Data connections.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Data {
    /// How long a transfer may stall; 0 = for ever.
    #[serde(deserialize_with = "field::seconds")]
    pub(crate) timeout: Duration,
    /// Bytes.
    #[serde(deserialize_with = "field::buffer_size")]
    pub(crate) ac_in_buffer_size: u32,
    /// Bytes.
    #[serde(deserialize_with = "field::buffer_size")]
    pub(crate) ac_out_buffer_size: u32,
    /// Upload, bytes per second and connection; 0 = no limit.
    #[serde(deserialize_with = "field::bytes")]
    pub(crate) read_limit: u64,
    /// Download, bytes per second and connection; 0 = no limit.
    #[serde(deserialize_with = "field::bytes")]
    pub(crate) write_limit: u64,
    /// For the client to connect; 0 = no limit.
    #[serde(deserialize_with = "field::seconds")]
    pub(crate) passive_timeout: Duration,
    /// For the server to connect; 0 = the system's limit.
    #[serde(deserialize_with = "field::seconds")]
    pub(crate) active_timeout: Duration,
}

/// Bytes of a buffer that is not set. Uploads to local disks are then read in larger pieces.
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
