//! What a client is asked to do, and to whom.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::run::Invocation;

/// The user every client logs in as.
pub const USER: &str = "user";

/// That user's password.
pub const PASSWORD: &str = "12345";

/// A time long ago, as MFMT takes it: 2001-02-03 04:05:06 UTC.
pub const TIME: &str = "20010203040506";

/// The address family of the control connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Family {
    /// IPv4: PASV or PORT for most clients.
    V4,
    /// IPv6: EPSV or EPRT, since nothing else can carry the address.
    V6,
}

impl Family {
    /// The loopback address of the family.
    pub fn loopback(self) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::LOCALHOST.into(),
            Self::V6 => Ipv6Addr::LOCALHOST.into(),
        }
    }
}

/// Who connects for the data connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// The client.
    Passive,
    /// The server.
    Active,
}

/// What is under TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Security {
    /// Nothing.
    Clear,
    /// Everything, after AUTH and `PROT P`.
    Explicit,
    /// The same by a client that knows nothing newer than TLS 1.2.
    ExplicitTls12,
    /// Everything, from the first byte.
    Implicit,
}

/// The server as a client is told about it.
#[derive(Debug)]
pub struct Target {
    /// Where the server listens.
    pub address: SocketAddr,
    /// How data connections are to be made.
    pub mode: Mode,
    /// What is to be under TLS.
    pub security: Security,
}

impl Target {
    /// The URL of `path`, which is relative to the user's first directory, without credentials.
    ///
    /// Everything but letters, digits, `/`, `.`, `_` and `-` is percent-encoded.
    pub fn url(&self, path: &str) -> String {
        let scheme = match self.security {
            Security::Clear | Security::Explicit | Security::ExplicitTls12 => "ftp",
            Security::Implicit => "ftps",
        };
        let mut url = format!("{scheme}://{}/", self.address);
        for byte in path.bytes() {
            if byte.is_ascii_alphanumeric() || b"/._-".contains(&byte) {
                url.push(char::from(byte));
            } else {
                url.push_str(&format!("%{byte:02X}"));
            }
        }
        url
    }

    /// The family of the address.
    pub fn family(&self) -> Family {
        if self.address.is_ipv4() {
            Family::V4
        } else {
            Family::V6
        }
    }

    /// The address without the port, without brackets.
    pub fn host(&self) -> String {
        self.address.ip().to_string()
    }

    /// The port, as an argument.
    pub fn port(&self) -> String {
        self.address.port().to_string()
    }
}

/// One thing to do. Remote paths are relative to the user's first directory, without a leading
/// slash; an empty one is that directory.
#[derive(Clone, Copy, Debug)]
pub enum Operation<'a> {
    /// Print a listing of `directory`.
    List {
        /// Directory on the server.
        directory: &'a str,
    },
    /// Download one file.
    Fetch {
        /// File on the server.
        remote: &'a str,
        /// File to make.
        local: &'a Path,
    },
    /// Upload one file.
    Store {
        /// File to send.
        local: &'a Path,
        /// File to make on the server.
        remote: &'a str,
    },
    /// Upload to the end of a file that is there.
    Append {
        /// File to send.
        local: &'a Path,
        /// File on the server.
        remote: &'a str,
    },
    /// Download the rest of a file whose beginning is in `local`.
    ResumeFetch {
        /// File on the server.
        remote: &'a str,
        /// File to complete.
        local: &'a Path,
        /// Bytes that are there.
        offset: usize,
    },
    /// Upload the rest of a file whose beginning is on the server.
    ResumeStore {
        /// The whole file.
        local: &'a Path,
        /// File to complete on the server.
        remote: &'a str,
        /// Bytes that are there.
        offset: usize,
    },
    /// Rename a file.
    Rename {
        /// Old name.
        from: &'a str,
        /// New name.
        to: &'a str,
    },
    /// Delete a file.
    Delete {
        /// File on the server.
        remote: &'a str,
    },
    /// Make a directory.
    MakeDirectory {
        /// Directory on the server.
        remote: &'a str,
    },
    /// Remove an empty directory.
    RemoveDirectory {
        /// Directory on the server.
        remote: &'a str,
    },
    /// Download the files of a directory whose names match a pattern.
    FetchMatching {
        /// Directory on the server, and a pattern in it.
        pattern: &'a str,
        /// Directory to fill; its last component is that of the pattern's directory.
        local: &'a Path,
    },
    /// Download `remote` with all below it, as the directory `local`.
    FetchTree {
        /// Directory on the server.
        remote: &'a str,
        /// Directory to make; its last component is that of `remote`.
        local: &'a Path,
    },
    /// Upload `local` with all below it, as the directory `remote`.
    StoreTree {
        /// Directory to send.
        local: &'a Path,
        /// Directory to make on the server; its last component is that of `local`.
        remote: &'a str,
    },
    /// Give a file the time 2001-02-03 04:05:06 UTC, [`TIME`].
    SetTime {
        /// File on the server.
        remote: &'a str,
    },
    /// Break off the download of `large` after some of it, then download `remote` in the same
    /// session.
    AbortThenFetch {
        /// A file of many megabytes on the server.
        large: &'a str,
        /// File on the server.
        remote: &'a str,
        /// File to make from `remote`.
        local: &'a Path,
    },
}

impl Operation<'_> {
    /// The operation as a script that drives a client's library gets it: a name, and its fields
    /// in their order.
    pub(super) fn words(&self) -> Vec<String> {
        let words: &[&str] = match self {
            Self::List { directory } => &["list", directory],
            Self::Fetch { remote, local } => &["fetch", remote, text(local)],
            Self::Store { local, remote } => &["store", text(local), remote],
            Self::Append { local, remote } => &["append", text(local), remote],
            Self::ResumeFetch {
                remote,
                local,
                offset,
            } => &["resume_fetch", remote, text(local), &offset.to_string()],
            Self::ResumeStore {
                local,
                remote,
                offset,
            } => &["resume_store", text(local), remote, &offset.to_string()],
            Self::Rename { from, to } => &["rename", from, to],
            Self::Delete { remote } => &["delete", remote],
            Self::MakeDirectory { remote } => &["make_directory", remote],
            Self::RemoveDirectory { remote } => &["remove_directory", remote],
            Self::FetchMatching { pattern, local } => &["fetch_matching", pattern, text(local)],
            Self::FetchTree { remote, local } => &["fetch_tree", remote, text(local)],
            Self::StoreTree { local, remote } => &["store_tree", text(local), remote],
            Self::SetTime { remote } => &["set_time", remote, TIME],
            Self::AbortThenFetch {
                large,
                remote,
                local,
            } => &["abort_then_fetch", large, remote, text(local)],
        };
        words.iter().copied().map(str::to_owned).collect()
    }
}

/// A real client program.
pub trait Client {
    /// Programs that have to be there, the first being the client's name.
    fn programs(&self) -> &'static [&'static str];

    /// Packages that have to be in `target/clients`: their paths in it.
    fn packages(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether it may be missing even where all clients have to be there.
    fn is_optional(&self) -> bool {
        false
    }

    /// Whether its data connections resume the TLS session of the control connection; then the
    /// server requires it.
    fn resumes_tls(&self) -> bool {
        false
    }

    /// Whether its uploads under TLS end with close_notify; the server does without where they do
    /// not.
    fn announces_ends(&self) -> bool {
        true
    }

    /// Has the client do `operation` with `home` as its home directory, and gives what it printed;
    /// `None` if it cannot do such a thing.
    ///
    /// # Errors
    ///
    /// A text that tells what went wrong.
    fn perform(
        &self,
        target: &Target,
        operation: &Operation<'_>,
        home: &Path,
    ) -> Result<Option<String>, String> {
        self.invocation(target, operation)
            .map(|invocation| invocation.run(home))
            .transpose()
    }

    /// The command that does `operation`; `None` if the client cannot do such a thing, or is a
    /// library that [`perform`](Self::perform) calls.
    fn invocation(&self, _target: &Target, _operation: &Operation<'_>) -> Option<Invocation> {
        None
    }

    /// Whether the client gives an uploaded file the time of the local one.
    fn keeps_time_of_upload(&self) -> bool {
        false
    }

    /// Whether the client gives a downloaded file the time of the remote one.
    fn keeps_time_of_download(&self) -> bool {
        false
    }

    /// Whether the client can be given a file of this name.
    fn can_name(&self, _name: &str) -> bool {
        true
    }

    /// Whether directories that hold nothing survive the client's copy of a tree.
    fn copies_empty_directories(&self) -> bool {
        true
    }
}

/// The directory part and the last component of a remote path.
pub(super) fn split_remote(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// A local path as text: the tests make their own paths, in UTF-8.
pub(super) fn text(path: &Path) -> &str {
    path.to_str().expect("paths of the tests are UTF-8")
}

/// The directory that a local path is in.
pub(super) fn parent(path: &Path) -> PathBuf {
    path.parent()
        .expect("paths of the tests are absolute")
        .into()
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

impl fmt::Display for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clear => "in the clear",
            Self::Explicit => "explicit TLS",
            Self::ExplicitTls12 => "explicit TLS 1.2",
            Self::Implicit => "implicit TLS",
        })
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passive => "passive",
            Self::Active => "active",
        })
    }
}
