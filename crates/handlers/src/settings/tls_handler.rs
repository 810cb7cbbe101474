//! Settings of TLS.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ftpdlib_session::TlsRules;
use ftpdlib_tls::rustls::ServerConfig;
use ftpdlib_tls::{
    ClientCertificate, ReloadingConfig, SessionReuse, TlsError, TlsSettings, TlsVersion,
};

use super::ftp_handler::unless_zero;
use crate::{DtpHandler, FtpHandler, SettingsError};

/// An [`FtpHandler`] that offers TLS (pyftpdlib: `TLS_FTPHandler`; RFC 4217).
///
/// # Examples
///
/// ```
/// use ftpdlib_authorizers::DummyAuthorizer;
/// use ftpdlib_handlers::{FtpHandler, TlsFtpHandler};
///
/// // No certificate named: a self-signed one is made, and its fingerprint logged.
/// let handler = TlsFtpHandler::new(FtpHandler::new(DummyAuthorizer::new()))
///     .tls_control_required(true)
///     .tls_data_required(true);
/// let handler = FtpHandler::from(handler);
/// handler.check()?;
/// # Ok::<(), ftpdlib_handlers::SettingsError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "it has to be given to a server"]
pub struct TlsFtpHandler {
    handler: FtpHandler,
    tls: OfferedTls,
}

/// The TLS settings of an [`FtpHandler`].
#[derive(Clone, Debug, Default)]
pub(crate) struct OfferedTls {
    pub(crate) rules: TlsRules,
    pub(crate) settings: TlsSettings,
    pub(crate) reload_interval: Option<Duration>,
}

impl OfferedTls {
    /// Reads the files of certificates, but creates no certificate.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        self.settings.check().map_err(unusable)
    }

    /// Reads the certificates, or creates one, for use.
    pub(crate) fn into_config(self) -> Result<ReloadingConfig, SettingsError> {
        ReloadingConfig::new(self.settings).map_err(unusable)
    }
}

fn unusable(error: TlsError) -> SettingsError {
    SettingsError::new("tls", format!("cannot be offered: {error}"))
}

impl TlsFtpHandler {
    /// Offers TLS beside what `handler` says; as it does already if it was
    /// [made](FtpHandler#impl-From<TlsFtpHandler>-for-FtpHandler) of another.
    pub fn new(mut handler: FtpHandler) -> Self {
        let tls = handler.tls.take().unwrap_or_default();
        Self { handler, tls }
    }

    /// Sets everything about certificates and versions at once.
    pub fn settings(mut self, settings: TlsSettings) -> Self {
        self.tls.settings = settings;
        self
    }

    /// Sets the PEM file with the certificate chain, which may hold the private key too; by default
    /// a self-signed certificate is made in memory.
    pub fn certfile(mut self, path: impl Into<PathBuf>) -> Self {
        self.tls.settings = self.tls.settings.certfile(path);
        self
    }

    /// Sets the PEM file with the private key, if it is not in the certificate's file.
    pub fn keyfile(mut self, path: impl Into<PathBuf>) -> Self {
        self.tls.settings = self.tls.settings.keyfile(path);
        self
    }

    /// Adds a certificate for clients that ask for one of its names (SNI). Clients that ask for no
    /// name, or another one, usually get that of [`certfile`](Self::certfile). `keyfile` is as in
    /// [`keyfile`](Self::keyfile).
    ///
    /// # Examples
    ///
    /// ```
    /// use ftpdlib_authorizers::DummyAuthorizer;
    /// use ftpdlib_handlers::{FtpHandler, TlsFtpHandler};
    ///
    /// let handler = TlsFtpHandler::new(FtpHandler::new(DummyAuthorizer::new()))
    ///     .certfile("/etc/ssl/ftp.example.com.pem")
    ///     .add_certificate("/etc/ssl/ftp.example.org.pem", None);
    /// ```
    pub fn add_certificate(
        mut self,
        certfile: impl Into<PathBuf>,
        keyfile: Option<PathBuf>,
    ) -> Self {
        self.tls.settings = self.tls.settings.add_certificate(certfile, keyfile);
        self
    }

    /// Sets the oldest accepted version (pyftpdlib: `ssl_protocol`, `ssl_options`); TLS 1.2 by
    /// default. Nothing older is supported, nor compression. The newest version can be set only by
    /// [`server_config`](Self::server_config), and this cannot be set beside it.
    pub fn min_version(mut self, version: TlsVersion) -> Self {
        self.tls.settings = self.tls.settings.min_version(version);
        self
    }

    /// Sets a complete configuration instead of certificates and versions (pyftpdlib:
    /// `ssl_context`). Settings that ask more of clients are refused beside it:
    /// [`min_version`](Self::min_version), [`client_ca`](Self::client_ca) and
    /// [`client_certificate`](Self::client_certificate).
    pub fn server_config(mut self, config: impl Into<Arc<ServerConfig>>) -> Self {
        self.tls.settings = self.tls.settings.server_config(config);
        self
    }

    /// Refuses logins in the clear; off by default.
    pub fn tls_control_required(mut self, required: bool) -> Self {
        self.tls.rules.control_required = required;
        self
    }

    /// Refuses data connections in the clear; off by default.
    pub fn tls_data_required(mut self, required: bool) -> Self {
        self.tls.rules.data_required = required;
        self
    }

    /// Uses TLS from the first byte, with protected data connections from the start, as usual on
    /// port 990; off by default.
    pub fn implicit(mut self, implicit: bool) -> Self {
        self.tls.rules.implicit = implicit;
        self
    }

    /// Sets how long a handshake may take, on control and data connections; `None` or zero for no
    /// limit, 30 seconds by default.
    pub fn handshake_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.tls.rules.handshake_timeout = unless_zero(timeout);
        self
    }

    /// Sets how often the files of certificates and keys are checked. When one has changed, all are
    /// read again for new clients; connected ones keep what they have. Files that cannot be used
    /// are logged and change nothing. `None`, the default, or zero for never: then give the server
    /// a new handler after renewing a certificate, or send SIGHUP to the program.
    pub fn reload_interval(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.tls.reload_interval = unless_zero(interval);
        self
    }

    /// Sets whether data connections must resume the TLS session of their control connection, so
    /// that nobody else can take them; off by default.
    pub fn require_session_reuse(mut self, reuse: SessionReuse) -> Self {
        self.tls.settings = self.tls.settings.require_session_reuse(reuse);
        self
    }

    /// Sets the PEM file with the authorities that must have signed the clients' certificates; none
    /// by default, so no certificate is asked for. It cannot be set beside
    /// [`server_config`](Self::server_config), whose own verifier asks for certificates.
    pub fn client_ca(mut self, path: impl Into<PathBuf>) -> Self {
        self.tls.settings = self.tls.settings.client_ca(path);
        self
    }

    /// Sets whether clients must present such a certificate, or only may; they must by default. It
    /// cannot be set beside [`server_config`](Self::server_config).
    pub fn client_certificate(mut self, certificate: ClientCertificate) -> Self {
        self.tls.settings = self.tls.settings.client_certificate(certificate);
        self
    }
}

impl From<TlsFtpHandler> for FtpHandler {
    fn from(tls: TlsFtpHandler) -> Self {
        let mut handler = tls.handler;
        handler.tls = Some(tls.tls);
        handler
    }
}

/// A [`DtpHandler`] with settings for TLS (pyftpdlib: `TLS_DTPHandler`).
///
/// # Examples
///
/// ```
/// use ftpdlib_handlers::TlsDtpHandler;
///
/// // For clients that end their uploads without saying so.
/// let dtp = TlsDtpHandler::default().strict_close(false);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "it has to be given to a handler"]
pub struct TlsDtpHandler(DtpHandler);

impl TlsDtpHandler {
    /// Adds settings for TLS to those of `dtp`.
    pub fn new(dtp: impl Into<DtpHandler>) -> Self {
        Self(dtp.into())
    }

    /// Sets whether an upload without close_notify at its end counts as incomplete, since an
    /// attacker may have cut it off; on by default.
    pub fn strict_close(mut self, strict: bool) -> Self {
        self.0.strict_close = strict;
        self
    }
}

impl From<TlsDtpHandler> for DtpHandler {
    fn from(tls: TlsDtpHandler) -> Self {
        tls.0
    }
}

#[cfg(test)]
mod tests {
    use ftpdlib_authorizers::DummyAuthorizer;

    use super::*;

    #[test]
    fn a_handler_that_offered_tls_lost_its_certificate_when_more_was_set() {
        let handler = TlsFtpHandler::new(FtpHandler::new(DummyAuthorizer::new()))
            .certfile("/nowhere/first.pem");
        let handler = TlsFtpHandler::new(handler.into()).tls_data_required(true);
        let error = FtpHandler::from(handler).check().unwrap_err().to_string();
        assert!(error.contains("/nowhere/first.pem"), "{error}");
    }

    #[test]
    fn a_further_certificate_is_read() {
        let handler = TlsFtpHandler::new(FtpHandler::new(DummyAuthorizer::new()))
            .add_certificate("/nowhere/second.pem", None);
        let error = FtpHandler::from(handler).check().unwrap_err().to_string();
        assert!(error.contains("/nowhere/second.pem"), "{error}");
    }
}
