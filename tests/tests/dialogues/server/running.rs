//! The server under test, on a thread of its own.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use ftpdlib::authorizers::{DummyAuthorizer, User};
use ftpdlib::handlers::{DtpHandler, FtpHandler};
use ftpdlib::servers::{FtpServer, ServeOptions, ServerHandle};
use ftpdlib_tests::dialogue::Setting;

use super::LIMIT;

pub(super) struct RunningServer {
    handle: ServerHandle,
    ended: Receiver<Result<(), String>>,
}

impl RunningServer {
    /// Starts a server on a free port of `ip`; `alice` and `bob` both have the home directory.
    pub(super) fn start(ip: IpAddr, home: &Path, settings: &[&Setting]) -> Result<Self, String> {
        let handler = handler(home, settings).map_err(|error| error.to_string())?;
        let (started, start) = mpsc::channel();
        let (ending, ended) = mpsc::channel();
        thread::spawn(move || {
            let serve = || -> Result<(), Box<dyn Error>> {
                let mut server = FtpServer::new((ip, 0), handler)?;
                started.send(server.handle()?)?;
                server.serve_forever(ServeOptions::default().handle_exit(false))?;
                Ok(())
            };
            // Nobody listens any more where the dialogue has failed.
            let _ = ending.send(serve().map_err(|error| error.to_string()));
        });
        match start.recv_timeout(LIMIT) {
            Ok(handle) => Ok(Self { handle, ended }),
            Err(_) => Err(format!("the server does not start: {:?}", ended.try_recv())),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.handle.local_addrs()[0]
    }

    /// Waits until the last client has left.
    pub(super) fn stop(self) -> Result<(), String> {
        self.handle.close();
        let limit = |_| format!("{} sessions do not end", self.handle.clients());
        self.ended.recv_timeout(LIMIT).map_err(limit)?
    }
}

fn handler(home: &Path, settings: &[&Setting]) -> Result<FtpHandler, Box<dyn Error>> {
    let authorizer = DummyAuthorizer::new();
    authorizer.add_user(User::new("alice", "secret", home).perm("elradfmwMT"))?;
    authorizer.add_user(User::new("bob", "secret", home))?;
    let mut handler = FtpHandler::new(authorizer);
    for Setting { name, value } in settings {
        let seconds = || value.parse().map(Duration::from_secs);
        let time = || seconds().map(|time| (!time.is_zero()).then_some(time));
        handler = match name.as_str() {
            "banner" => handler.banner(value.replace("\\n", "\n")),
            "timeout" => handler.timeout(time()?),
            "auth_failed_timeout" => handler.auth_failed_timeout(seconds()?),
            "max_login_attempts" => handler.max_login_attempts(value.parse()?),
            "permit_foreign_addresses" => handler.permit_foreign_addresses(value == "true"),
            "permit_privileged_ports" => handler.permit_privileged_ports(value == "true"),
            "host_names" => handler.host_names(value.split(' ')),
            "masquerade_address" => handler.masquerade_address(value.parse::<Ipv4Addr>()?),
            "passive_timeout" => {
                handler.dtp_handler(DtpHandler::default().passive_timeout(time()?))
            }
            _ => return Err(format!("no such setting: {name}").into()),
        };
    }
    Ok(handler)
}
