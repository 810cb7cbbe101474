//! The settings of TLS.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

use crate::certificates::Certificates;
use crate::client_chain::ShortChains;
use crate::config::SuiteOrder;
use crate::error::reason;
use crate::{TlsConfig, TlsError, pem, provider, self_signed};

/// The oldest version of TLS that is accepted. The newest cannot be set.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.2 and 1.3.
    #[default]
    V1_2,
    /// TLS 1.3 only.
    V1_3,
}

/// Whether a data connection has to resume the TLS session of its control connection.
///
/// The enum is complete.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SessionReuse {
    /// It need not, as some clients cannot.
    #[default]
    Free,
    /// It need not, but it is logged if it does not.
    Preferred,
    /// It is refused if it does not, so that nobody else can take the client's data.
    Required,
}

/// Whether a client has to present a certificate, if authorities for them are set.
///
/// The enum is complete.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ClientCertificate {
    /// A client without one is refused.
    #[default]
    Required,
    /// A client may do without one; an invalid one is still refused.
    Optional,
}

/// Settings of TLS; each method sets one.
///
/// # Examples
///
/// ```
/// use ftpdlib_tls::{TlsError, TlsSettings};
///
/// let missing = TlsSettings::default().certfile("/nonexistent.pem").build();
/// assert!(matches!(missing, Err(TlsError::Unreadable { .. })));
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "it has to be built"]
pub struct TlsSettings {
    certfile: Option<PathBuf>,
    keyfile: Option<PathBuf>,
    more_certificates: Vec<(PathBuf, Option<PathBuf>)>,
    server_config: Option<Arc<ServerConfig>>,
    min_version: Option<TlsVersion>,
    session_reuse: SessionReuse,
    client_ca: Option<PathBuf>,
    client_certificate: Option<ClientCertificate>,
}

impl TlsSettings {
    /// Sets the PEM file with the certificate chain, leaf first; it may contain the private key,
    /// too. By default, a self-signed certificate is made in memory.
    pub fn certfile(mut self, path: impl Into<PathBuf>) -> Self {
        self.certfile = Some(path.into());
        self
    }

    /// Sets the PEM file with the private key (PKCS#8, PKCS#1 or SEC1), if it is not in the file of
    /// the certificate.
    pub fn keyfile(mut self, path: impl Into<PathBuf>) -> Self {
        self.keyfile = Some(path.into());
        self
    }

    /// Adds a certificate for clients that ask for one of its names (SNI); `keyfile` as in
    /// [`keyfile`](Self::keyfile).
    pub fn add_certificate(
        mut self,
        certfile: impl Into<PathBuf>,
        keyfile: Option<PathBuf>,
    ) -> Self {
        self.more_certificates.push((certfile.into(), keyfile));
        self
    }

    /// Sets a ready-made configuration, in place of all settings about certificates and versions.
    /// Resumption and the protocols offered (ALPN) are still decided by this crate.
    ///
    /// What asks more of clients is refused beside it, rather than ignored:
    /// [`min_version`](Self::min_version), [`client_ca`](Self::client_ca) and
    /// [`client_certificate`](Self::client_certificate). Set them in the configuration.
    pub fn server_config(mut self, config: impl Into<Arc<ServerConfig>>) -> Self {
        self.server_config = Some(config.into());
        self
    }

    /// Sets the oldest version accepted; TLS 1.2 by default. It cannot be set beside
    /// [`server_config`](Self::server_config).
    pub fn min_version(mut self, version: TlsVersion) -> Self {
        self.min_version = Some(version);
        self
    }

    /// Sets whether data connections have to resume their control connection's session. By default
    /// they need not, since some clients, such as Python's ftplib, cannot.
    pub fn require_session_reuse(mut self, reuse: SessionReuse) -> Self {
        self.session_reuse = reuse;
        self
    }

    /// Sets the PEM file with the authorities that sign the certificates of clients; by default,
    /// clients are not asked for any. A client may send up to four certificates of authorities with
    /// its own, of at most 32 KiB together, and with at most two keys for any one name. It cannot
    /// be set beside [`server_config`](Self::server_config).
    pub fn client_ca(mut self, path: impl Into<PathBuf>) -> Self {
        self.client_ca = Some(path.into());
        self
    }

    /// Sets whether clients have to present a certificate if there is a
    /// [`client_ca`](Self::client_ca); by default they have to. It cannot be set beside
    /// [`server_config`](Self::server_config).
    pub fn client_certificate(mut self, certificate: ClientCertificate) -> Self {
        self.client_certificate = Some(certificate);
        self
    }

    /// Reads all files and checks that they fit together.
    ///
    /// # Errors
    ///
    /// A [`TlsError`] that names the first file that cannot be used, and says why, or the setting
    /// that cannot be set beside [`server_config`](Self::server_config).
    pub fn build(&self) -> Result<TlsConfig, TlsError> {
        let (base, suites) = match &self.server_config {
            Some(config) => {
                self.check_replaced()?;
                (ServerConfig::clone(config), SuiteOrder::Callers)
            }
            None => (self.base()?, SuiteOrder::Ours),
        };
        Ok(TlsConfig::new(base, suites, self.session_reuse))
    }

    /// Reads all files and checks that they fit together, as [`build`](Self::build) does, but
    /// builds nothing: so it neither makes nor logs a self-signed certificate if none is set.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build), except for errors in making the self-signed certificate.
    pub fn check(&self) -> Result<(), TlsError> {
        match &self.server_config {
            Some(_) => self.build().map(drop),
            None => self.parts(&provider::provider()).map(drop),
        }
    }

    /// The files that [`build`](Self::build) reads.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        let own = self.certfile.iter().chain(&self.keyfile);
        let more = self.more_certificates.iter();
        let more = more.flat_map(|(certificate, key)| std::iter::once(certificate).chain(key));
        let all = own.chain(more).chain(&self.client_ca);
        // A ready-made configuration replaces all of them.
        let is_read = self.server_config.is_none();
        all.filter(move |_| is_read).map(PathBuf::as_path)
    }

    /// The files among them that contain certificates of the server.
    pub(crate) fn certificate_files(&self) -> impl Iterator<Item = PathBuf> {
        let more = self
            .more_certificates
            .iter()
            .map(|(certificate, _)| certificate);
        let is_read = self.server_config.is_none();
        self.certfile
            .iter()
            .chain(more)
            .filter(move |_| is_read)
            .cloned()
    }

    /// Checks that a ready-made configuration replaces nothing that protects the server.
    fn check_replaced(&self) -> Result<(), TlsError> {
        let replaced = [
            ("min_version", self.min_version.is_some()),
            ("client_ca", self.client_ca.is_some()),
            ("client_certificate", self.client_certificate.is_some()),
        ];
        match replaced.into_iter().find(|(_, is_set)| *is_set) {
            Some((setting, _)) => Err(TlsError::Replaced { setting }),
            None => Ok(()),
        }
    }

    fn base(&self) -> Result<ServerConfig, TlsError> {
        const BOTH: &[&SupportedProtocolVersion] =
            &[&rustls::version::TLS12, &rustls::version::TLS13];
        let provider = provider::provider();
        let versions = match self.min_version.unwrap_or_default() {
            TlsVersion::V1_2 => BOTH,
            TlsVersion::V1_3 => &BOTH[1..],
        };
        let Parts {
            default,
            others,
            verifier,
        } = self.parts(&provider)?;
        let default = match default {
            Some(default) => default,
            None => self_signed::shared(&provider)?,
        };
        let config =
            ServerConfig::builder_with_provider(provider).with_protocol_versions(versions)?;
        let config = match verifier {
            Some(verifier) => config.with_client_cert_verifier(verifier),
            None => config.with_no_client_auth(),
        };
        Ok(config.with_cert_resolver(Arc::new(Certificates::new(default, others))))
    }

    fn parts(&self, provider: &Arc<CryptoProvider>) -> Result<Parts, TlsError> {
        let key = |certificate: &Path, key: &Option<PathBuf>| {
            pem::certified_key(certificate, key.as_deref(), provider)
        };
        let default = match (&self.certfile, &self.keyfile) {
            (Some(certificate), own) => Some(key(certificate, own)?),
            (None, Some(_)) => return Err(TlsError::KeyWithoutCertificate),
            (None, None) => None,
        };
        let more = self.more_certificates.iter();
        Ok(Parts {
            default,
            others: more
                .map(|(certificate, own)| key(certificate, own))
                .collect::<Result<_, _>>()?,
            verifier: self.client_verifier(provider)?,
        })
    }

    fn client_verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
        let Some(path) = &self.client_ca else {
            return Ok(None);
        };
        let unusable = |reason: String| TlsError::UnusableCertificate {
            path: path.clone(),
            reason,
        };
        let mut roots = RootCertStore::empty();
        for certificate in pem::certificates(path)? {
            roots
                .add(certificate)
                .map_err(|error| unusable(reason(&error)))?;
        }
        let builder =
            WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(provider));
        let builder = match self.client_certificate.unwrap_or_default() {
            ClientCertificate::Required => builder,
            ClientCertificate::Optional => builder.allow_unauthenticated(),
        };
        let verifier = builder
            .build()
            .map_err(|error| unusable(error.to_string()))?;
        Ok(Some(Arc::new(ShortChains(verifier))))
    }
}

/// The contents of the files.
struct Parts {
    /// `None` if a self-signed one is to be made.
    default: Option<Arc<CertifiedKey>>,
    others: Vec<Arc<CertifiedKey>>,
    verifier: Option<Arc<dyn ClientCertVerifier>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_finds_what_building_would() {
        let none = TlsSettings::default;
        assert!(none().check().is_ok());
        for wrong in [
            none().certfile("/nonexistent.pem"),
            none().keyfile("/nonexistent.pem"),
            none().add_certificate("/nonexistent.pem", None::<PathBuf>),
            none().client_ca("/nonexistent.pem"),
        ] {
            let (checked, built) = (wrong.check().unwrap_err(), wrong.build().unwrap_err());
            assert_eq!(checked.to_string(), built.to_string());
        }
    }

    #[test]
    fn a_ready_configuration_let_in_clients_that_other_settings_kept_out() {
        let provider = provider::provider();
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(rustls::server::ResolvesServerCertUsingSni::new()));
        let ready = || TlsSettings::default().server_config(config.clone());
        assert!(ready().check().is_ok());
        for (setting, wrong) in [
            ("min_version", ready().min_version(TlsVersion::V1_3)),
            ("client_ca", ready().client_ca("ca.pem")),
            (
                "client_certificate",
                ready().client_certificate(ClientCertificate::Required),
            ),
        ] {
            let expected = TlsError::Replaced { setting }.to_string();
            assert_eq!(wrong.check().unwrap_err().to_string(), expected);
            assert_eq!(wrong.build().unwrap_err().to_string(), expected);
        }
    }
}
