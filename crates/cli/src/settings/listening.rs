//! The source of the addresses to listen on.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use ftpdlib::servers::ServerError;

use super::named::place;
use crate::args::Args;
use crate::config::ConfigFile;
use crate::error::{ConfigError, Place};

/// Where the addresses and their ports were configured.
#[derive(Clone, Debug)]
pub(crate) struct Listening {
    address: Place,
    port: Place,
}

impl Listening {
    pub(super) fn find(args: &Args, file: Option<&ConfigFile>) -> Self {
        let key = "server.listen";
        Self {
            address: place(args.interface.is_some(), "--interface", file, key),
            port: place(args.port.is_some(), "--port", file, key),
        }
    }

    /// Refuses what the system would refuse: a specific address beside the unspecified one, on the
    /// same port. Beside `0.0.0.0`, `[::]` stands for IPv6 only.
    ///
    /// # Errors
    ///
    /// The first such address.
    pub(super) fn check(&self, addresses: &[SocketAddr]) -> Result<(), ConfigError> {
        let all_v4 = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        let all_v6 = |port| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        for address in addresses {
            let port = address.port();
            if port == 0 || address.ip().is_unspecified() {
                continue;
            }
            let wider = match address {
                SocketAddr::V4(_) => [all_v4(port), all_v6(port)],
                SocketAddr::V6(_) => [all_v6(port); 2],
            };
            if let Some(wider) = wider.iter().find(|wider| addresses.contains(wider)) {
                let problem = format!(
                    "found {address} beside {wider}, which includes it, expected one of the two"
                );
                return Err(self.port.error(problem));
            }
        }
        Ok(())
    }

    /// Returns the error as one line that names the setting with the unavailable address. This is
    /// not an error in the configuration: the same address may be free later.
    pub(crate) fn explain(&self, error: &ServerError) -> String {
        let ServerError::Bind { source, .. } = error else {
            return error.to_string();
        };
        let (place, accepted) = match source.kind() {
            io::ErrorKind::AddrInUse => (&self.port, "one that is free"),
            io::ErrorKind::PermissionDenied => {
                (&self.port, "a port that this user may have, from 1024 on")
            }
            io::ErrorKind::AddrNotAvailable => (&self.address, "an address of this machine"),
            _ => (&self.address, "another"),
        };
        place
            .error(format!("{error}, expected {accepted}"))
            .to_string()
    }
}
