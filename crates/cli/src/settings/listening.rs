//! What names the addresses to listen on.

use std::io;

use ftpdlib::servers::ServerError;

use super::named::place;
use crate::args::Args;
use crate::config::ConfigFile;
use crate::error::Place;

/// Where addresses and their ports come from.
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

    /// The error in one line, with what names an address that cannot be had. It is none of the
    /// configuration: later the same address may be free.
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
