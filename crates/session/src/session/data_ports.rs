//! Commands that agree on a data connection: PASV, EPSV, PORT, EPRT (RFC 959 §4.1.2, RFC 2428).

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Instant;

use ftpdlib_proto::{EpsvArgument, Reply, format_epsv, format_host_port};

use super::Session;
use super::data_channel::DataChannel;
use super::pending::Pending;
use super::timers::after;
use crate::{Effect, Refusal};

/// The reply that tells the client the passive port.
#[derive(Clone, Copy, Debug)]
pub(super) enum PassiveReply {
    /// PASV: 227 with this address.
    Address(Ipv4Addr),
    /// EPSV: 229.
    PortOnly,
}

impl<P> Session<P> {
    /// PASV.
    pub(super) fn pasv(&mut self) -> Result<(), Reply> {
        self.check_data_port("PASV")?;
        let Some(address) = self.passive_address() else {
            return Err(Reply::new(425, "You can't use PASV on IPv6, use EPSV."));
        };
        self.listen(PassiveReply::Address(address));
        Ok(())
    }

    /// EPSV.
    pub(super) fn epsv(&mut self, argument: EpsvArgument) -> Result<(), Reply> {
        let ipv4 = self.local.is_ipv4();
        match argument {
            EpsvArgument::All => {
                self.parameters.epsv_all = true;
                self.reply(Reply::new(200, "EPSV ALL ok."));
            }
            EpsvArgument::Ipv4 if !ipv4 => return Err(self.foreign_protocol()),
            EpsvArgument::Ipv6 if ipv4 => return Err(self.foreign_protocol()),
            EpsvArgument::Default | EpsvArgument::Ipv4 | EpsvArgument::Ipv6 => {
                self.check_data_security()?;
                self.check_no_transfer()?;
                self.listen(PassiveReply::PortOnly);
            }
        }
        Ok(())
    }

    /// PORT.
    pub(super) fn port(&mut self, target: SocketAddrV4) -> Result<(), Reply> {
        self.check_data_port("PORT")?;
        self.set_target(target.into(), "PORT")
    }

    /// EPRT.
    pub(super) fn eprt(&mut self, target: SocketAddr) -> Result<(), Reply> {
        self.check_data_port("EPRT")?;
        if target.is_ipv4() != self.local.is_ipv4() {
            return Err(self.foreign_protocol());
        }
        self.set_target(target, "EPRT")
    }

    /// A passive port is open.
    pub(super) fn listening(&mut self, port: u16, now: Instant) {
        let Pending::PassivePort(form) = self.pending else {
            return;
        };
        self.pending = Pending::Nothing;
        self.data = DataChannel::Listening {
            deadline: after(now, self.config.passive_timeout),
            queued: None,
        };
        self.reply(match form {
            PassiveReply::Address(address) => {
                let host_port = format_host_port(SocketAddrV4::new(address, port));
                Reply::new(227, format!("Entering Passive Mode ({host_port})."))
            }
            // A full stop at the end confuses clients that look for the last bracket.
            PassiveReply::PortOnly => {
                let text = format!("Entering Extended Passive Mode {}", format_epsv(port));
                Reply::new(229, text)
            }
        });
    }

    /// No passive port is available.
    pub(super) fn listen_failed(&mut self, refusal: Refusal) {
        if let Pending::PassivePort(_) = self.pending {
            self.pending = Pending::Nothing;
            self.reply(refusal.into_reply());
        }
    }

    /// Refuses a transfer or a change of the data connection during a transfer.
    pub(super) fn check_no_transfer(&self) -> Result<(), Reply> {
        if self.is_transferring() {
            return Err(Reply::new(425, "A transfer is in progress."));
        }
        Ok(())
    }

    /// The refusal of a network protocol, which names the protocol of this session.
    pub(super) fn foreign_protocol(&self) -> Reply {
        let known = if self.local.is_ipv4() { 1 } else { 2 };
        let text = format!("Network protocol not supported, use ({known}).");
        Reply::new(522, text)
    }

    fn check_data_port(&self, verb: &str) -> Result<(), Reply> {
        if self.parameters.epsv_all {
            let text = format!("{verb} not allowed after EPSV ALL.");
            return Err(Reply::new(501, text));
        }
        self.check_data_security()?;
        self.check_no_transfer()
    }

    fn listen(&mut self, form: PassiveReply) {
        self.close_data();
        self.pending = Pending::PassivePort(form);
        self.effects.push_back(Effect::Listen);
    }

    /// Keeps the address that the client gave for the next transfer, unless it may be another
    /// host's (RFC 2577 §3) or belong to a system service.
    fn set_target(&mut self, mut target: SocketAddr, verb: &str) -> Result<(), Reply> {
        if target.ip().is_unspecified() {
            // lftp sends `EPRT |2|::|port|` over loopback. Taken literally, it would mean this
            // host.
            target.set_ip(self.peer.ip());
        }
        let port = target.port();
        if port == 0 {
            let text = format!("{verb} needs a port other than 0.");
            return Err(Reply::new(501, text));
        }
        if self.is_foreign(target) {
            let text = format!("Rejected data connection to foreign address {target}.");
            return Err(Reply::new(501, text));
        }
        if port < 1024 && !self.config.permit_privileged_ports {
            let text = format!("{verb} against the privileged port {port} refused.");
            return Err(Reply::new(501, text));
        }
        if let (SocketAddr::V6(target), SocketAddr::V6(peer)) = (&mut target, self.peer)
            && target.ip() == peer.ip()
        {
            // EPRT has no room for the scope of a link-local address.
            target.set_scope_id(peer.scope_id());
        }
        self.close_data();
        self.data = DataChannel::Target(target);
        let text = format!("{verb} command successful.");
        self.reply(Reply::new(200, text));
        Ok(())
    }

    /// The address for 227; `None` on IPv6.
    fn passive_address(&self) -> Option<Ipv4Addr> {
        let IpAddr::V4(local) = self.local else {
            return None;
        };
        if !self.config.masquerade_own_network && is_same_network(local, self.peer.ip()) {
            return Some(local);
        }
        let masquerade = self.config.masquerade_address_map.get(&self.local).copied();
        masquerade.or(self.masquerade).or(Some(local))
    }
}

/// Whether a client reaches `local` without leaving the network: it has the same address, or one in
/// the same block of private (RFC 1918) or link-local (RFC 3927) addresses. A loopback client may
/// come through a tunnel, so it does not count.
fn is_same_network(local: Ipv4Addr, peer: IpAddr) -> bool {
    let IpAddr::V4(peer) = peer else {
        return false;
    };
    let block = |address: Ipv4Addr| match address.octets() {
        [10, ..] => Some(10),
        [172, 16..=31, ..] => Some(172),
        [192, 168, ..] => Some(192),
        [169, 254, ..] => Some(169),
        _ => None,
    };
    let same = peer == local && !local.is_loopback();
    same || block(local).is_some_and(|private| block(peer) == Some(private))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(local: [u8; 4], peer: [u8; 4], expected: bool) {
        let got = is_same_network(local.into(), IpAddr::from(peer));
        assert_eq!(got, expected, "{local:?} {peer:?}");
    }

    #[test]
    fn neighbours_are_told_from_strangers() {
        check([127, 0, 0, 1], [127, 0, 0, 1], false);
        check([127, 0, 0, 1], [127, 0, 0, 2], false);
        check([203, 0, 113, 5], [203, 0, 113, 5], true);
        check([10, 0, 0, 5], [10, 9, 0, 1], true);
        check([192, 168, 1, 5], [192, 168, 2, 1], true);
        check([172, 16, 0, 5], [172, 31, 0, 1], true);
        check([169, 254, 0, 5], [169, 254, 9, 1], true);
        check([10, 0, 0, 5], [203, 0, 113, 9], false);
        check([10, 0, 0, 5], [192, 168, 1, 1], false);
        check([172, 16, 0, 5], [172, 32, 0, 1], false);
        check([203, 0, 113, 5], [203, 0, 113, 9], false);
    }
}
