//! The section `[data]`: pyftpdlib's `DTPHandler` and `ThrottledDTPHandler`.

use std::time::Duration;

use serde::Deserialize;

use super::field;

/// Data connections.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Data {
    /// How long a transfer may stall; `None` = for ever.
    #[serde(deserialize_with = "field::seconds_or_never")]
    pub(crate) timeout: Option<Duration>,
    /// Bytes.
    #[serde(deserialize_with = "field::buffer_size")]
    pub(crate) ac_in_buffer_size: u32,
    /// Bytes.
    #[serde(deserialize_with = "field::buffer_size")]
    pub(crate) ac_out_buffer_size: u32,
    /// Upload, bytes per second and connection; `None` = no limit.
    #[serde(deserialize_with = "field::rate")]
    pub(crate) read_limit: Option<u64>,
    /// Download, bytes per second and connection; `None` = no limit.
    #[serde(deserialize_with = "field::rate")]
    pub(crate) write_limit: Option<u64>,
    /// For the client to connect; `None` = no limit.
    #[serde(deserialize_with = "field::seconds_or_never")]
    pub(crate) passive_timeout: Option<Duration>,
    /// For the server to connect; `None` = no limit.
    #[serde(deserialize_with = "field::seconds_or_never")]
    pub(crate) active_timeout: Option<Duration>,
}

/// Bytes of a buffer that is not set. Uploads to local disks are then read in larger pieces.
pub(crate) const DEFAULT_BUFFER: u32 = 64 * 1024;

impl Default for Data {
    fn default() -> Self {
        Self {
            timeout: Some(Duration::from_secs(300)),
            ac_in_buffer_size: DEFAULT_BUFFER,
            ac_out_buffer_size: DEFAULT_BUFFER,
            read_limit: None,
            write_limit: None,
            passive_timeout: Some(Duration::from_secs(30)),
            active_timeout: Some(Duration::from_secs(30)),
        }
    }
}
