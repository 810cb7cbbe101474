//! A basic server: one user with all permissions, read-only anonymous users, and a custom greeting.
//!
//! Run it with a directory to share: `cargo run -p ftpdlib --example basic_ftpd -- /srv/ftp`.

use std::net::Ipv4Addr;

use ftpdlib::authorizers::{DummyAuthorizer, User};
use ftpdlib::handlers::FtpHandler;
use ftpdlib::servers::{FtpServerBuilder, ServeOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    let home = std::env::args_os().nth(1).unwrap_or_else(|| ".".into());

    let authorizer = DummyAuthorizer::new();
    authorizer.add_user(User::new("user", "12345", &home).perm("elradfmwMT"))?;
    authorizer.add_anonymous(&home)?;

    let handler = FtpHandler::new(authorizer)
        .banner("ftpdlib based server ready.")
        .passive_ports(60_000..=65_535);

    let mut server = FtpServerBuilder::new(handler)
        .listen((Ipv4Addr::UNSPECIFIED, 2121))
        .max_cons(256)
        .max_cons_per_ip(5)
        .build()?;
    server.serve_forever(ServeOptions::default())?;
    Ok(())
}
