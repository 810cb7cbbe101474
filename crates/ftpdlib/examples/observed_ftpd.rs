//! Replacements for overridden methods of pyftpdlib: callbacks, a custom command, a greeting per
//! client.
//!
//! Run it with a directory to share: `cargo run -p ftpdlib --example observed_ftpd -- /srv/ftp`.

use std::net::Ipv4Addr;
use std::time::Duration;

use ftpdlib::authorizers::{DummyAuthorizer, User};
use ftpdlib::handlers::{
    CustomCommand, FtpHandler, ObservedCommand, ObservedSession, ObservedTransfer, Observer,
    Verdict,
};
use ftpdlib::proto::Reply;
use ftpdlib::servers::{FtpServer, ServeOptions};

struct House;

impl Observer for House {
    fn on_login(&self, session: &ObservedSession, username: &str) {
        log::info!("{username} came from {}", session.peer().ip());
        if username == "anonymous" {
            session.set_rate(64 << 10, 256 << 10);
        }
    }

    /// This may block: only this client's next command waits for it.
    fn on_file_received(&self, _: &ObservedSession, upload: &ObservedTransfer) {
        log::info!("scanning {} for an hour, or so", upload.file.path);
        std::thread::sleep(Duration::from_secs(1));
    }

    /// Do not remove the file here: callbacks do not run as the user, and a client that has
    /// replaced a directory by a link could make the path lead to other users' files. The example
    /// `whole_uploads_ftpd` removes it.
    fn on_incomplete_file_received(&self, session: &ObservedSession, upload: &ObservedTransfer) {
        let user = session.username().unwrap_or("nobody");
        log::warn!(
            "{} of {user} is not complete: {:?}",
            upload.file.path,
            upload.end
        );
    }

    fn on_command(&self, session: &ObservedSession, command: &ObservedCommand) -> Verdict {
        if command.verb == "DELE" && !session.peer().ip().is_loopback() {
            return Verdict::Refuse(Reply::new(550, "Only from here."));
        }
        Verdict::Allow
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    let home = std::env::args_os().nth(1).unwrap_or_else(|| ".".into());

    let authorizer = DummyAuthorizer::new();
    authorizer.add_user(User::new("user", "12345", &home).perm("elradfmwMT"))?;
    authorizer.add_anonymous(&home)?;

    let whoami = CustomCommand::new("SITE WHOAMI", |cx| {
        let name = cx.login().map_or("nobody", |login| &login.username);
        Reply::new(200, format!("You are {name}."))
    })
    .help("Syntax: SITE WHOAMI (tell the user's name).");

    let handler = FtpHandler::new(authorizer)
        .dynamic_banner(|peer, _| format!("Hello, {}.", peer.ip()))
        .observer(House)
        .command(whoami);
    let mut server = FtpServer::new((Ipv4Addr::LOCALHOST, 2121), handler)?;
    server.serve_forever(ServeOptions::default())?;
    Ok(())
}
