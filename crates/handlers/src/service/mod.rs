//! What all connections of a server share.

mod host_name;
mod lanes;
mod limits;
mod local_homes;
mod one_at_a_time;
mod rates;
mod sessions;
mod tls_source;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ftpdlib_authorizers::Authorizer;
use ftpdlib_ioloop::Pool;
use ftpdlib_session::SessionConfig;

use crate::log_prefix::LogPrefix;
use crate::observer::Observers;
use crate::proxy::Proxies;
use crate::settings::{FilesystemFactory, Greeting, PassivePorts};
use crate::{CustomCommand, DtpHandler, FtpHandler, MasqueradeAddress, SettingsError};

use host_name::HostName;
use lanes::Lanes;
pub use limits::{LimitReached, Limits, ListenerShare, Permit};
use local_homes::LocalHomes;
use rates::UserRates;
pub(crate) use rates::{RateShare, Rates};
pub(crate) use sessions::Phase;
pub use sessions::{Reach, Sessions};
use tls_source::TlsSource;

/// The checked settings of an [`FtpHandler`] with what its connections share: limits, threads and
/// the list of sessions.
pub struct Service {
    pub(crate) authorizer: Arc<dyn Authorizer>,
    /// `None` for an `AbstractedFs` on the home directory.
    pub(crate) filesystem: Option<FilesystemFactory>,
    pub(crate) session: Arc<SessionConfig>,
    pub(crate) passive_ports: PassivePorts,
    pub(crate) tcp_no_delay: bool,
    pub(crate) use_sendfile: bool,
    pub(crate) mlsd_shows_links: bool,
    /// How long a loop may poll for a client's next command; zero for not at all.
    pub(crate) busy_poll: Duration,
    pub(crate) log_prefix: LogPrefix,
    /// Most bytes that a digest reads; 0 for no limit.
    pub(crate) hash_limit: u64,
    pub(crate) dtp: DtpHandler,
    pub(crate) greeting: Option<Greeting>,
    /// As given by the caller.
    masquerade_address: MasqueradeAddress,
    /// In the order of the session's [`commands`](SessionConfig::commands).
    pub(crate) commands: Vec<CustomCommand>,
    proxies: Proxies,
    pub(crate) tls: Option<TlsSource>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) sessions: Arc<Sessions>,
    /// How many services served the clients of this server before it.
    number: AtomicU64,
    pub(crate) observers: Observers,
    /// The name of the masquerade address, if it has one.
    pub(crate) masquerade: Option<Arc<HostName>>,
    pub(crate) user_rates: Arc<UserRates>,
    pub(crate) lanes: Arc<Lanes>,
    pub(crate) local_homes: LocalHomes,
    pool: Pool,
}

impl Service {
    /// Checks `handler` and makes what its connections share.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] naming the first setting that cannot be used.
    pub fn new(
        handler: FtpHandler,
        limits: Arc<Limits>,
        pool: Pool,
    ) -> Result<Arc<Self>, SettingsError> {
        let shared = Shared {
            limits,
            sessions: Arc::default(),
            user_rates: Arc::default(),
            lanes: Arc::new(Lanes::new(&pool)),
            pool,
        };
        Self::assemble(handler, shared, None)
    }

    /// Creates a service of the same server with other settings, for new clients. Limits, threads
    /// and the list of sessions stay. Nothing changes for other clients until it [takes
    /// over](Self::take_over).
    ///
    /// # Errors
    ///
    /// [`SettingsError`] naming the first setting that cannot be used.
    pub fn renewed(&self, handler: FtpHandler) -> Result<Arc<Self>, SettingsError> {
        let shared = Shared {
            limits: Arc::clone(&self.limits),
            sessions: Arc::clone(&self.sessions),
            user_rates: Arc::clone(&self.user_rates),
            lanes: Arc::clone(&self.lanes),
            pool: self.pool.clone(),
        };
        Self::assemble(handler, shared, self.masquerade.as_ref())
    }

    /// Takes the place of `replaced`, before the first client. After
    /// [`outdate_others`](Self::outdate_others), clients of that one can soon no longer log in.
    pub fn take_over(&self, replaced: &Self) {
        let number = replaced.number.load(Ordering::Relaxed) + 1;
        self.number.store(number, Ordering::Relaxed);
    }

    /// Stops further logins of clients that connected under one of the services that this one has
    /// [taken over](Self::take_over) from, in whatever order: their users and passwords may have
    /// been withdrawn. From 5 seconds on, a client that tries to log in is told 421; until then,
    /// clients that have just connected may still log in. Users who are logged in stay.
    pub fn outdate_others(&self, reach: Reach) {
        let number = self.number.load(Ordering::Relaxed);
        self.sessions.outdate_before(number, reach, Instant::now());
    }

    /// Does the same for the clients of this service, which another server has taken over from.
    pub fn outdate(&self, reach: Reach) {
        let number = self.number.load(Ordering::Relaxed);
        self.sessions
            .outdate_before(number + 1, reach, Instant::now());
    }

    /// Whether clients of this service can no longer log in.
    pub(crate) fn is_outdated(&self, now: Instant) -> bool {
        let number = self.number.load(Ordering::Relaxed);
        self.sessions.is_outdated(number, now)
    }

    fn assemble(
        handler: FtpHandler,
        shared: Shared,
        known: Option<&Arc<HostName>>,
    ) -> Result<Arc<Self>, SettingsError> {
        let Shared {
            limits,
            sessions,
            user_rates,
            lanes,
            pool,
        } = shared;
        handler.check_values()?;
        let FtpHandler {
            authorizer,
            filesystem,
            session,
            passive_ports,
            tcp_no_delay,
            use_sendfile,
            mlsd_shows_links,
            busy_poll,
            log_prefix,
            hash_limit,
            dtp,
            greeting,
            masquerade_address,
            commands,
            observers,
            tls,
            proxies,
        } = handler;
        let log_prefix = LogPrefix::parse(&log_prefix)?;
        let session = SessionConfig {
            passive_timeout: dtp.passive_timeout,
            active_timeout: dtp.active_timeout,
            data_timeout: dtp.timeout,
            masquerade_address: masquerade_address.address(),
            commands: commands.iter().map(|it| it.registered.clone()).collect(),
            tls: tls.as_ref().map(|tls| tls.rules),
            ..session
        };
        let tls = tls.map(|tls| TlsSource::new(tls, pool.lane("certificate", 1)));
        let tls = tls.transpose()?;
        let masquerade = masquerade_host(&masquerade_address, known, &pool)?;
        Ok(Arc::new(Self {
            authorizer,
            filesystem,
            session: Arc::new(session),
            passive_ports,
            tcp_no_delay,
            use_sendfile,
            mlsd_shows_links,
            busy_poll: if ftpdlib_sys::usable_cpus() > 1 {
                busy_poll
            } else {
                // The client may need the only processor to send its next command.
                Duration::ZERO
            },
            log_prefix,
            hash_limit,
            dtp,
            greeting,
            masquerade_address,
            commands,
            proxies,
            tls,
            limits,
            sessions,
            number: AtomicU64::new(0),
            observers: Observers::new(observers, &pool),
            masquerade,
            user_rates,
            lanes,
            local_homes: LocalHomes::default(),
            pool,
        }))
    }

    /// Whether clients expect TLS before any text.
    pub fn is_implicit_tls(&self) -> bool {
        self.session.tls.is_some_and(|rules| rules.implicit)
    }

    /// Whether a connection from `ip` is a proxy's, and begins with a PROXY header.
    pub fn is_proxy(&self, ip: IpAddr) -> bool {
        self.proxies.contain(ip)
    }

    /// The limits on connections.
    pub fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    /// The list of connections, to end them.
    pub fn sessions(&self) -> &Arc<Sessions> {
        &self.sessions
    }

    /// Logs the most important settings (pyftpdlib: the lines of `_log_start`).
    pub fn log_settings(&self) {
        let session = &self.session;
        log::info!("masquerade (NAT) address: {}", self.masquerade_address);
        log::info!("passive ports: {}", self.passive_ports);
        log::debug!("timeout: {:?}", session.timeout);
        log::debug!("max login attempts: {}", session.max_login_attempts);
        log::debug!("use sendfile(2): {}", self.use_sendfile);
        log::debug!("encoding: {}", session.encoding.name());
    }

    /// Looks up the name of the masquerade address, if it has one whose address is not known yet.
    /// Blocks: for a process that serves nobody so far.
    pub fn find_masquerade_address(&self) {
        if let Some(name) = &self.masquerade {
            name.find();
        }
    }

    /// Has a thread look up the name of the masquerade address again, if it has one. Returns after
    /// what time to call this again.
    pub fn refresh_masquerade_address(&self) -> Option<Duration> {
        let name = self.masquerade.as_ref()?;
        name.look_up();
        Some(name.interval())
    }

    /// Has a thread check whether the files of certificates have changed, if that is wanted.
    /// Returns after what time to call this again.
    pub fn refresh_certificates(&self) -> Option<Duration> {
        self.tls.as_ref()?.refresh()
    }

    /// Checks whether the files of certificates have changed, if that is wanted, in a process that
    /// has no thread and serves nobody. Returns whether certificates were read again, for new
    /// clients, and after what time to call this again.
    pub fn refresh_certificates_here(&self) -> Option<(bool, Duration)> {
        self.tls.as_ref()?.refresh_here()
    }

    /// Makes [`refresh_certificates`](Self::refresh_certificates) do nothing in this process, since
    /// its parent does it.
    pub fn leave_certificates_to_parent(&self) {
        if let Some(tls) = &self.tls {
            tls.leave_to_parent();
        }
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("session", &self.session)
            .field("dtp", &self.dtp)
            .field("limits", &self.limits)
            .field("sessions", &self.sessions)
            .finish_non_exhaustive()
    }
}

/// What a server keeps when its settings change.
struct Shared {
    limits: Arc<Limits>,
    sessions: Arc<Sessions>,
    user_rates: Arc<UserRates>,
    lanes: Arc<Lanes>,
    pool: Pool,
}

/// The host of a masquerade address that is a name: the `known` one if it has the same name. Its
/// address stays until another is found; without one, clients would be told the real address.
fn masquerade_host(
    address: &MasqueradeAddress,
    known: Option<&Arc<HostName>>,
    pool: &Pool,
) -> Result<Option<Arc<HostName>>, SettingsError> {
    let MasqueradeAddress::Name(name) = address else {
        return Ok(None);
    };
    if let Some(host) = known.filter(|host| host.name() == name) {
        return Ok(Some(Arc::clone(host)));
    }
    HostName::new(name.clone(), pool.lane("host name", 1))
        .map(Some)
        .map_err(|error| SettingsError::new("masquerade_address", error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use ftpdlib_authorizers::DummyAuthorizer;

    use super::*;
    use crate::testing;

    #[test]
    fn a_reload_forgot_the_address_of_the_masquerade_name() {
        let handler = |name: &str| FtpHandler::new(DummyAuthorizer::new()).masquerade_address(name);
        let address =
            |service: &Service| service.masquerade.as_ref().and_then(|host| host.address());
        let service = testing::service(handler("localhost"));
        assert_eq!(address(&service), None);
        service.find_masquerade_address();
        assert_eq!(address(&service), Some(Ipv4Addr::LOCALHOST));
        let renewed = service.renewed(handler("localhost")).unwrap();
        assert_eq!(address(&renewed), Some(Ipv4Addr::LOCALHOST));
        let other = renewed.renewed(handler("example.invalid")).unwrap();
        assert_eq!(address(&other), None);
    }
}
