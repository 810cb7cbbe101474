//! A custom authorizer: users from a file with lines `name:password:home`, read at each login.
//!
//! Run it with such a file: `cargo run -p ftpdlib --example own_authorizer_ftpd -- users.txt`.

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use ftpdlib::authorizers::{AuthenticationFailed, Authorizer, Login, LoginRequest};
use ftpdlib::handlers::FtpHandler;
use ftpdlib::proto::{Perm, VirtualPath};
use ftpdlib::servers::{FtpServer, ServeOptions};

/// The users of a file, who may read everything and write below `/incoming`.
pub(crate) struct UserFile(pub(crate) PathBuf);

impl Authorizer for UserFile {
    /// This may block: it runs on a thread.
    fn authenticate(&self, request: &LoginRequest<'_>) -> Result<Login, AuthenticationFailed> {
        let users = fs::read_to_string(&self.0).map_err(|error| {
            log::error!("{}: {error}", self.0.display());
            AuthenticationFailed
        })?;
        let user = users.lines().find_map(|line| {
            let (name, rest) = line.split_once(':')?;
            let (password, home) = rest.split_once(':')?;
            (name == request.username).then_some((password, home))
        });
        match user {
            Some((password, home)) if password == request.password => {
                Ok(Login::new(request.username, home))
            }
            Some(_) | None => Err(AuthenticationFailed),
        }
    }

    fn has_perm(&self, _: &Login, perm: Perm, path: &VirtualPath) -> bool {
        let mut names = path.components();
        let is_below = names.next() == Some(b"incoming".as_slice()) && names.next().is_some();
        !perm.is_write() || is_below
    }

    /// Checking a permission never blocks, so commands need no thread.
    fn is_local(&self) -> bool {
        true
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    let file = std::env::args_os()
        .nth(1)
        .ok_or("a file of users is needed")?;

    let handler = FtpHandler::new(UserFile(file.into()));
    let mut server = FtpServer::new((Ipv4Addr::LOCALHOST, 2121), handler)?;
    server.serve_forever(ServeOptions::default())?;
    Ok(())
}
