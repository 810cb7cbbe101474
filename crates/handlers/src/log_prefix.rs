//! The prefix of a session's log lines.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use ftpdlib_proto::Escaped;

use crate::SettingsError;

/// A parsed `log_prefix`; cheap to clone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct LogPrefix(Arc<[Part]>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Text(Box<str>),
    RemoteIp,
    RemotePort,
    Username,
}

impl LogPrefix {
    pub(crate) const DEFAULT: &str = "{remote_ip}:{remote_port}-[{username}]";

    pub(crate) fn parse(prefix: &str) -> Result<Self, SettingsError> {
        if prefix.contains("%(") {
            let problem = "has a placeholder of Python, %(…)s; known are {remote_ip}, {remote_port} \
                           and {username}";
            return Err(SettingsError::new("log_prefix", problem));
        }
        let mut parts = Vec::new();
        let mut rest = prefix;
        while let Some(open) = rest.find('{') {
            let Some(length) = rest[open..].find('}') else {
                return Err(SettingsError::new("log_prefix", "has a { without its }"));
            };
            if open > 0 {
                parts.push(Part::Text(rest[..open].into()));
            }
            parts.push(match &rest[open + 1..open + length] {
                "remote_ip" => Part::RemoteIp,
                "remote_port" => Part::RemotePort,
                "username" => Part::Username,
                other => {
                    return Err(SettingsError::new(
                        "log_prefix",
                        format!(
                            "has {{{other}}}; known are {{remote_ip}}, {{remote_port}} and \
                             {{username}}"
                        ),
                    ));
                }
            });
            rest = &rest[open + length + 1..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.into()));
        }
        Ok(Self(parts.into()))
    }

    /// The prefix for one session.
    pub(crate) fn of<'a>(&'a self, peer: SocketAddr, username: Option<&'a str>) -> Prefix<'a> {
        Prefix {
            parts: &self.0,
            peer,
            username: username.unwrap_or(""),
        }
    }
}

/// Shows the prefix; user names come from clients, so their control characters are escaped.
pub(crate) struct Prefix<'a> {
    parts: &'a [Part],
    peer: SocketAddr,
    username: &'a str,
}

impl fmt::Display for Prefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.parts {
            match part {
                Part::Text(text) => f.write_str(text)?,
                Part::RemoteIp => self.peer.ip().to_canonical().fmt(f)?,
                Part::RemotePort => self.peer.port().fmt(f)?,
                Part::Username => Escaped(self.username.as_bytes()).fmt(f)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(prefix: &str, expected: &str) {
        let peer = "[::ffff:192.0.2.9]:5000".parse().unwrap();
        let shown = LogPrefix::parse(prefix)
            .unwrap()
            .of(peer, Some("al\nice"))
            .to_string();
        assert_eq!(shown, expected);
    }

    #[test]
    fn placeholders_are_filled_in() {
        check(LogPrefix::DEFAULT, "192.0.2.9:5000-[al\\nice]");
        check("", "");
        check("x{username}y", "xal\\nicey");
    }

    #[test]
    fn unknown_placeholders_are_refused() {
        assert!(LogPrefix::parse("{nobody}").is_err());
        assert!(LogPrefix::parse("{username").is_err());
    }

    #[test]
    fn placeholders_of_pyftpdlib_were_taken_for_text() {
        let error = LogPrefix::parse("XXX [%(username)s]@%(remote_ip)s").unwrap_err();
        assert!(error.to_string().contains("{username}"), "{error}");
        check("100% [{username}]", "100% [al\\nice]");
    }
}
