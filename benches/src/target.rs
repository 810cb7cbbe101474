//! What a workload is run against.

use std::net::SocketAddr;

use crate::Process;
use crate::tls::ClientTls;

/// An FTP server, a user of it, and its process.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// Who logs in.
    pub username: String,
    /// With what.
    pub password: String,
    /// The process whose tree is the server.
    pub process: Process,
    /// How TLS is spoken, if it is.
    pub tls: Option<ClientTls>,
    /// Whether it has a process, or more, for each session.
    pub process_per_session: bool,
}
