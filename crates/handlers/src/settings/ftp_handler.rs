//! Settings of the control connection.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ftpdlib_authorizers::{Authorizer, Login};
use ftpdlib_filesystems::{Filesystem, FilesystemError};
use ftpdlib_proto::{NameEncoding, Zone};
use ftpdlib_session::SessionConfig;
use ipnet::IpNet;

use super::passive_ports::PassivePorts;
use super::tls_handler::OfferedTls;
use crate::log_prefix::LogPrefix;
use crate::proxy::Proxies;
use crate::{CustomCommand, DtpHandler, MasqueradeAddress, Observer, SettingsError};

/// Creates a user's filesystem at the login.
pub(crate) type FilesystemFactory =
    Arc<dyn Fn(&Login) -> Result<Arc<dyn Filesystem>, FilesystemError> + Send + Sync>;

/// Creates a client's greeting from both ends of its connection, the client's first.
pub(crate) type Greeting = Arc<dyn Fn(SocketAddr, SocketAddr) -> String + Send + Sync>;

/// How FTP clients are served (pyftpdlib: `FTPHandler`).
///
/// One value serves any number of connections. Every method sets the setting that has its name in
/// pyftpdlib. The values are checked when a server is created.
///
/// # Examples
///
/// ```
/// use ftpdlib_authorizers::DummyAuthorizer;
/// use ftpdlib_handlers::FtpHandler;
///
/// let authorizer = DummyAuthorizer::new();
/// authorizer.add_anonymous(std::env::temp_dir())?;
/// let handler = FtpHandler::new(authorizer).banner("Hello.").max_login_attempts(2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "it has to be given to a server"]
pub struct FtpHandler {
    pub(crate) authorizer: Arc<dyn Authorizer>,
    /// `None` for an `AbstractedFs` on the home directory.
    pub(crate) filesystem: Option<FilesystemFactory>,
    pub(crate) session: SessionConfig,
    pub(crate) passive_ports: PassivePorts,
    pub(crate) tcp_no_delay: bool,
    pub(crate) use_sendfile: bool,
    pub(crate) mlsd_shows_links: bool,
    pub(crate) busy_poll: Duration,
    pub(crate) log_prefix: String,
    pub(crate) hash_limit: u64,
    pub(crate) dtp: DtpHandler,
    pub(crate) greeting: Option<Greeting>,
    pub(crate) masquerade_address: MasqueradeAddress,
    pub(crate) commands: Vec<CustomCommand>,
    pub(crate) observers: Vec<Arc<dyn Observer>>,
    pub(crate) tls: Option<OfferedTls>,
    pub(crate) proxies: Proxies,
}

impl FtpHandler {
    /// The largest value of [`busy_poll`](Self::busy_poll): polling for longer than it takes to
    /// wake up saves nothing.
    pub const LONGEST_BUSY_POLL: Duration = ftpdlib_ioloop::LONGEST_BUSY_POLL;

    /// Serves the users of `authorizer`, each jailed in their home directory.
    pub fn new(authorizer: impl Authorizer + 'static) -> Self {
        Self {
            authorizer: Arc::new(authorizer),
            filesystem: None,
            session: SessionConfig::default(),
            passive_ports: PassivePorts::Any,
            tcp_no_delay: true,
            use_sendfile: true,
            mlsd_shows_links: false,
            busy_poll: Duration::from_micros(100),
            log_prefix: LogPrefix::DEFAULT.to_owned(),
            hash_limit: 0,
            dtp: DtpHandler::default(),
            greeting: None,
            masquerade_address: MasqueradeAddress::None,
            commands: Vec::new(),
            observers: Vec::new(),
            tls: None,
            proxies: Proxies::default(),
        }
    }

    /// Sets the function that creates a user's filesystem at login (pyftpdlib: `abstracted_fs`).
    /// The default is an [`AbstractedFs`](ftpdlib_filesystems::AbstractedFs) on the user's home
    /// directory.
    ///
    /// The function gets the login, which is all that a filesystem knows of its session:
    /// pyftpdlib's `cmd_channel` has no counterpart.
    ///
    /// If the session [acts as a user](Login::acts_as_user) of the system, and the home may contain
    /// `/proc`, as `/` does, an `AbstractedFs` should be [without
    /// processes](ftpdlib_filesystems::AbstractedFs::without_processes), as the default is: threads
    /// that act as a user still belong to root's process, and `/proc` shows them what it shows of
    /// that process.
    ///
    /// The function opens the home itself. Before and after it, the server checks that no link has
    /// taken the home's place; only the default opens exactly what was checked.
    ///
    /// It is called on a thread and may block. An error refuses the login with 530; if it is
    /// [`TooManyOpenFiles`](ftpdlib_filesystems::ErrorKind::TooManyOpenFiles), with 421, which ends
    /// the session. The client is told the text that was given to [`FilesystemError::new`], so it
    /// must hold no real path. An error of the system goes to the log, and the client is told that
    /// its home directory cannot be used.
    pub fn abstracted_fs<F>(mut self, factory: F) -> Self
    where
        F: Fn(&Login) -> Result<Arc<dyn Filesystem>, FilesystemError> + Send + Sync + 'static,
    {
        self.filesystem = Some(Arc::new(factory));
        self
    }

    /// Sets the settings of data connections (pyftpdlib: `dtp_handler`).
    pub fn dtp_handler(mut self, dtp: impl Into<DtpHandler>) -> Self {
        self.dtp = dtp.into();
        self
    }

    /// Sets how long a client may stay idle between commands; `None` or zero for no limit, 300
    /// seconds by default.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.session.timeout = unless_zero(timeout);
        self
    }

    /// Sets the greeting; several lines, or more than 75 characters, become a multi-line reply.
    /// `ftpdlib VERSION ready.` by default, with the [version](ftpdlib_session::VERSION) of this
    /// library.
    pub fn banner(mut self, banner: impl Into<String>) -> Self {
        self.session.banner = banner.into();
        self.greeting = None;
        self
    }

    /// Sets the function that creates the greeting for each client, from the client's and the
    /// server's end of its connection (pyftpdlib: `banner` as a property).
    ///
    /// It is called on the event loop, so it must not block. A client for which it panics gets 421.
    ///
    /// # Examples
    ///
    /// ```
    /// use ftpdlib_authorizers::DummyAuthorizer;
    /// use ftpdlib_handlers::FtpHandler;
    ///
    /// let handler = FtpHandler::new(DummyAuthorizer::new())
    ///     .dynamic_banner(|peer, _| format!("Hello, {}.", peer.ip()));
    /// ```
    pub fn dynamic_banner<F>(mut self, banner: F) -> Self
    where
        F: Fn(SocketAddr, SocketAddr) -> String + Send + Sync + 'static,
    {
        self.greeting = Some(Arc::new(banner));
        self
    }

    /// Sets how many logins may fail before the client is disconnected; 3 by default.
    pub fn max_login_attempts(mut self, attempts: u32) -> Self {
        self.session.max_login_attempts = attempts;
        self
    }

    /// Sets how long after `PASS` a failed login is answered; 3 seconds by default.
    pub fn auth_failed_timeout(mut self, timeout: Duration) -> Self {
        self.session.auth_failed_timeout = timeout;
        self
    }

    /// Allows data connections from and to other addresses than the client's (FXP); off by default,
    /// see RFC 2577.
    pub fn permit_foreign_addresses(mut self, permit: bool) -> Self {
        self.session.permit_foreign_addresses = permit;
        self
    }

    /// Allows `PORT` and `EPRT` with a port below 1024; off by default.
    pub fn permit_privileged_ports(mut self, permit: bool) -> Self {
        self.session.permit_privileged_ports = permit;
        self
    }

    /// Sets the address told in replies to `PASV`, for servers behind NAT; none by default.
    ///
    /// A text that is no address is a host name. It is looked up on a thread when the server
    /// starts and about every minute from then on; until it is known, and while it has no address,
    /// the last one known is told, or else the real one.
    ///
    /// Clients on the server's own network are told it too, unless
    /// [`masquerade_own_network`](Self::masquerade_own_network) is off.
    pub fn masquerade_address(mut self, address: impl Into<MasqueradeAddress>) -> Self {
        self.masquerade_address = address.into();
        self
    }

    /// Tells masquerade addresses to clients on the server's own network too; on by default, as in
    /// pyftpdlib.
    ///
    /// If off, clients whose address is private like the server's, and in the same block
    /// (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 169.254.0.0/16), are told the real address: a
    /// router may not route them back in by the public one. Clients from loopback are still told
    /// the masquerade address: they may come through a tunnel.
    pub fn masquerade_own_network(mut self, masquerade: bool) -> Self {
        self.session.masquerade_own_network = masquerade;
        self
    }

    /// Sets the address told in replies to `PASV` for each local address that clients connect to.
    /// It takes precedence over [`masquerade_address`](Self::masquerade_address). An IPv4-mapped
    /// IPv6 address is taken for the IPv4 address in it.
    pub fn masquerade_address_map(mut self, map: HashMap<IpAddr, Ipv4Addr>) -> Self {
        let canonical = |(local, shown): (IpAddr, _)| (local.to_canonical(), shown);
        self.session.masquerade_address_map = map.into_iter().map(canonical).collect();
        self
    }

    /// Sets the ports that passive data connections use, tried in random order; the kernel's choice
    /// by default. When all are taken the client is told `425`.
    pub fn passive_ports(mut self, ports: impl IntoIterator<Item = u16>) -> Self {
        self.passive_ports = PassivePorts::of(ports);
        self
    }

    /// Shows times in GMT, as RFC 3659 wants it, or in local time; GMT by default.
    pub fn use_gmt_times(mut self, gmt: bool) -> Self {
        self.session.zone = if gmt {
            Zone::Gmt
        } else {
            Zone::Local(ftpdlib_sys::local_offset)
        };
        self
    }

    /// Sends replies at once (`TCP_NODELAY`); on by default. This concerns control connections
    /// only: data connections under TLS always have it, others never.
    pub fn tcp_no_delay(mut self, no_delay: bool) -> Self {
        self.tcp_no_delay = no_delay;
        self
    }

    /// Moves files inside the kernel where the system can: downloads with sendfile(2), large
    /// uploads with splice(2); on by default.
    pub fn use_sendfile(mut self, sendfile: bool) -> Self {
        self.use_sendfile = sendfile;
        self
    }

    /// Shows links in MLSD and MLST as such (`type=OS.unix=slink:`) instead of what they lead to;
    /// off by default, as in pyftpdlib. LIST always shows them as such.
    ///
    /// A client that deletes or mirrors a tree follows links that it takes for directories, and
    /// deletes what is elsewhere. A client that does not know this type takes links for files.
    pub fn mlsd_shows_links(mut self, show: bool) -> Self {
        self.mlsd_shows_links = show;
        self
    }

    /// Sets how long at most the loop polls for a client's next command before it sleeps; 100 µs by
    /// default, zero for not at all, at most [`LONGEST_BUSY_POLL`](Self::LONGEST_BUSY_POLL).
    ///
    /// Waking up may take longer than a nearby client takes to send its next command, so many small
    /// files take up to a third less time with polling, which keeps a processor busy. The loop
    /// polls only if a single client has answered at once for a while, and pauses if that has saved
    /// less than half of the processor time that it took. It never polls if the service may use
    /// only one processor when it is created. pyftpdlib has no counterpart.
    pub fn busy_poll(mut self, limit: Duration) -> Self {
        self.busy_poll = limit;
        self
    }

    /// Sets the encoding of path names on the control connection; UTF-8 by default.
    pub fn encoding(mut self, encoding: NameEncoding) -> Self {
        self.session.encoding = encoding;
        self
    }

    /// Sets the encoding after `OPTS UTF8 OFF`, if [`encoding`](Self::encoding) is UTF-8;
    /// windows-1252 by default.
    pub fn legacy_encoding(mut self, encoding: NameEncoding) -> Self {
        self.session.legacy_encoding = encoding;
        self
    }

    /// Sets the names that `HOST` accepts (RFC 7151), in any case; an IPv6 address without
    /// brackets. None by default: then `HOST` is not offered.
    pub fn host_names(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.session.host_names = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the most bytes that a digest (`HASH`, `XCRC`, …) may read; 0, the default, for no
    /// limit.
    pub fn hash_limit(mut self, bytes: u64) -> Self {
        self.hash_limit = bytes;
        self
    }

    /// Sets the prefix of a session's log lines: text with the placeholders `{remote_ip}`,
    /// `{remote_port}` and `{username}`. Python's form, `%(username)s`, is an error.
    pub fn log_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.log_prefix = prefix.into();
        self
    }

    /// Sets the networks of proxies whose connections must begin with a PROXY header (version 1 or
    /// 2). The client that it names counts in logs, limits and checks of addresses, and for
    /// authorizers and observers. None by default; headers from other addresses are not believed.
    ///
    /// A passive data connection is accepted from the client itself, or from such a proxy with a
    /// header that names the client. `PASV` tells the address at which the client reached the
    /// proxy, unless there is a [masquerade address](Self::masquerade_address).
    pub fn proxy_protocol_from(mut self, networks: impl IntoIterator<Item = IpNet>) -> Self {
        self.proxies = Proxies::of(networks);
        self
    }

    /// Adds an observer (pyftpdlib: overridden `on_…` methods). Several observers are called in the
    /// order in which they were added, inline ones first.
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observers.push(Arc::new(observer));
        self
    }

    /// Adds a command, or replaces a built-in one.
    pub fn command(mut self, command: CustomCommand) -> Self {
        self.commands.push(command);
        self
    }

    /// Checks the settings. This reads the files of certificates, but creates no certificate.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] naming the first setting that cannot be used.
    pub fn check(&self) -> Result<(), SettingsError> {
        self.check_values()?;
        LogPrefix::parse(&self.log_prefix)?;
        self.tls.as_ref().map_or(Ok(()), OfferedTls::check)
    }

    /// Checks the settings, except for those that are checked when something is created from them.
    pub(crate) fn check_values(&self) -> Result<(), SettingsError> {
        if self.session.max_login_attempts == 0 {
            return Err(SettingsError::new(
                "max_login_attempts",
                "must be at least 1",
            ));
        }
        if self.passive_ports.is_empty() {
            return Err(SettingsError::new(
                "passive_ports",
                "holds no port between 1 and 65535",
            ));
        }
        if self.session.host_names.iter().any(String::is_empty) {
            return Err(SettingsError::new("host_names", "holds an empty name"));
        }
        if self.busy_poll > Self::LONGEST_BUSY_POLL {
            let reason = format!("must be at most {:?}", Self::LONGEST_BUSY_POLL);
            return Err(SettingsError::new("busy_poll", reason));
        }
        if self.greeting.is_none() && self.session.banner.trim().is_empty() {
            return Err(SettingsError::new("banner", "is empty"));
        }
        self.masquerade_address.check()?;
        let mut shown = self.session.masquerade_address_map.values();
        let is_wrong = |shown: &&Ipv4Addr| !MasqueradeAddress::from(**shown).is_plausible();
        if let Some(wrong) = shown.find(is_wrong) {
            let reason = format!("holds {wrong}, which is not the address of a host");
            return Err(SettingsError::new("masquerade_address_map", reason));
        }
        for (index, command) in self.commands.iter().enumerate() {
            command.check()?;
            let name = &command.registered.name;
            let mut earlier = self.commands[..index].iter();
            if earlier.any(|earlier| earlier.registered.name == *name) {
                let reason = format!("{name} is there twice");
                return Err(SettingsError::new("command", reason));
            }
        }
        self.dtp.check()
    }
}

impl fmt::Debug for FtpHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FtpHandler")
            .field("session", &self.session)
            .field("passive_ports", &self.passive_ports)
            .field("masquerade_address", &self.masquerade_address)
            .field("tcp_no_delay", &self.tcp_no_delay)
            .field("use_sendfile", &self.use_sendfile)
            .field("mlsd_shows_links", &self.mlsd_shows_links)
            .field("busy_poll", &self.busy_poll)
            .field("hash_limit", &self.hash_limit)
            .field("log_prefix", &self.log_prefix)
            .field("dtp", &self.dtp)
            .field("commands", &self.commands)
            .field("observers", &self.observers.len())
            .field("tls", &self.tls)
            .field("proxies", &self.proxies)
            .finish_non_exhaustive()
    }
}

/// Turns zero, which means "never" in pyftpdlib, into `None`.
pub(crate) fn unless_zero(time: impl Into<Option<Duration>>) -> Option<Duration> {
    time.into().filter(|time| !time.is_zero())
}
