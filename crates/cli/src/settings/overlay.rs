//! Applies options over the file.

use std::net::SocketAddr;

use crate::args::Args;
use crate::config::{Concurrency, Config, Server};

/// Applies every given option over the file's key, except those for users and for transfer logs,
/// which are handled elsewhere.
pub(super) fn apply(args: &Args, config: &mut Config) {
    let Config {
        server,
        control,
        data,
        ..
    } = config;

    listen(args, server);
    put(&mut server.concurrency, args.concurrency);
    if args
        .concurrency
        .is_some_and(|model| model != Concurrency::Async)
    {
        // There is no option for the number of loops, and the file's number belongs to another
        // model.
        server.threads = 0;
    }
    put(&mut server.workers, args.workers);
    put(&mut server.user, args.user.clone().map(Some));
    put(&mut server.group, args.group.clone().map(Some));
    put(&mut server.max_cons, args.max_cons);
    put(&mut server.max_cons_per_ip, args.max_cons_per_ip);

    if let Some(timeout) = args.timeout {
        control.timeout = timeout;
        data.timeout = timeout;
    }
    put(&mut control.banner, args.banner.clone());
    put(&mut control.max_login_attempts, args.max_login_attempts);
    if let Some(address) = &args.nat_address {
        control.masquerade_address = address.clone();
        // The map would take precedence over the address.
        control.masquerade_address_map.clear();
    }
    put(&mut control.passive_ports, args.range.clone().map(Some));
    put(&mut control.encoding, args.encoding);
    control.permit_foreign_addresses |= args.permit_foreign_addresses;
    control.permit_privileged_ports |= args.permit_privileged_ports;
    control.use_gmt_times &= !args.use_localtime;
    control.use_sendfile &= !args.disable_sendfile;
}

/// `--interface` replaces all addresses, keeping the first one's port; `--port` replaces the port
/// of every address.
fn listen(args: &Args, server: &mut Server) {
    if let Some(interface) = args.interface {
        server.listen.truncate(1);
        for address in &mut server.listen {
            *address = SocketAddr::new(interface, address.port());
        }
    }
    if let Some(port) = args.port {
        for address in &mut server.listen {
            address.set_port(port);
        }
        // Addresses that differed only in their ports are now equal.
        server.listen.sort();
        server.listen.dedup();
    }
}

fn put<T>(key: &mut T, option: Option<T>) {
    if let Some(value) = option {
        *key = value;
    }
}
