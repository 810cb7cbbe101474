//! Files in memory, shared by all anonymous users and lost when the process ends.
//!
//! Run it with `cargo run -p ftpdlib --example memory_ftpd`.

use std::net::Ipv4Addr;
use std::sync::Arc;

use ftpdlib::authorizers::{DummyAuthorizer, User};
use ftpdlib::filesystems::{Filesystem, MemoryFs};
use ftpdlib::handlers::FtpHandler;
use ftpdlib::servers::{FtpServer, ServeOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();

    let files = MemoryFs::new();
    files.insert("/pub/README", "Nothing here outlives the server.\n")?;

    // A home directory is required, but not used.
    let authorizer = DummyAuthorizer::new();
    authorizer.add_user(User::anonymous("/").perm("elradfmw"))?;

    let handler = FtpHandler::new(authorizer)
        .abstracted_fs(move |_| Ok(Arc::new(files.clone()) as Arc<dyn Filesystem>));
    let mut server = FtpServer::new((Ipv4Addr::LOCALHOST, 2121), handler)?;
    server.serve_forever(ServeOptions::default())?;
    Ok(())
}
