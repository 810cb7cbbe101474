//! A "real" UNIX FTP server: system users log in with their passwords, start in their homes and see
//! the whole disk, each with the user's own rights.
//!
//! Run it as root: `cargo build -p ftpdlib --example unix_ftpd`, then
//! `sudo target/debug/examples/unix_ftpd`.

use std::net::Ipv4Addr;
use std::sync::Arc;

use ftpdlib::authorizers::UnixAuthorizer;
use ftpdlib::filesystems::{Filesystem, UnixFilesystem};
use ftpdlib::handlers::FtpHandler;
use ftpdlib::servers::{FtpServer, ServeOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();

    let authorizer = UnixAuthorizer::builder().rejected_users(["root"]).build()?;
    let handler = FtpHandler::new(authorizer).abstracted_fs(|login| {
        Ok(Arc::new(UnixFilesystem::new(&login.home)?) as Arc<dyn Filesystem>)
    });

    let mut server = FtpServer::new((Ipv4Addr::UNSPECIFIED, 2121), handler)?;
    server.serve_forever(ServeOptions::default())?;
    Ok(())
}
