//! TLS: applies options over the section `[tls]`, and checks certificates and keys.

use std::path::Path;
use std::time::{Duration, SystemTime};

use ftpdlib::tls::{self, TlsError, TlsSettings};

use super::given;
use super::named::NamedFile;
use crate::args::Args;
use crate::config::{ClientCertificate, ConfigFile, SessionReuse, Tls, TlsVersion};
use crate::error::ConfigError;

/// The TLS settings of the server.
#[derive(Clone, Debug)]
pub(crate) struct TlsOffer {
    pub(crate) settings: TlsSettings,
    /// The files that the settings name.
    pub(super) files: Vec<NamedFile>,
    pub(crate) control_required: bool,
    pub(crate) data_required: bool,
    pub(crate) implicit: bool,
    pub(crate) strict_close: bool,
    /// `None` = the library's.
    pub(crate) handshake_timeout: Option<Duration>,
    pub(crate) reload_interval: Duration,
}

impl TlsOffer {
    /// Returns the TLS settings from the options and the file; `None` if neither mentions TLS.
    ///
    /// # Errors
    ///
    /// A certificate or key cannot be used; the error names its option or key.
    pub(super) fn load(
        args: &Args,
        file: Option<&ConfigFile>,
    ) -> Result<Option<Self>, ConfigError> {
        let section = file.and_then(|file| Some((file, file.config().tls.as_ref()?)));
        if section.is_none() && !is_wanted(args) {
            return Ok(None);
        }
        let mut named = Vec::new();
        let (certificate, key) = pair(args, section);
        if let (None, Some(key)) = (&certificate, &key) {
            let problem = "found a private key without a certificate, expected certfile beside it";
            return Err(key.error(problem));
        }
        let mut settings = TlsSettings::default();
        if let Some(certificate) = certificate {
            check_pair(&certificate, key.as_ref())?;
            settings = settings.certfile(certificate.path());
            named.push(certificate);
        }
        if let Some(key) = key {
            settings = settings.keyfile(key.path());
            named.push(key);
        }
        if let Some((file, section)) = section {
            check_client_certificate(file, section)?;
            settings = from_section(settings, file, section, &mut named)?;
        }
        let default = Tls::default();
        let section = section.map_or(&default, |(_, section)| section);
        Ok(Some(Self {
            settings,
            files: named,
            control_required: section.tls_control_required || args.tls_control_required,
            data_required: section.tls_data_required || args.tls_data_required,
            implicit: section.implicit || args.tls_implicit,
            strict_close: section.strict_close.unwrap_or(true),
            handshake_timeout: section.handshake_timeout,
            reload_interval: section.reload_interval,
        }))
    }
}

impl TlsOffer {
    /// Returns one line for each certificate that is not valid now.
    pub(super) fn untimely_certificates(&self) -> Vec<String> {
        let untimely = self.settings.untimely_certificates(SystemTime::now());
        let lines = untimely.iter().filter_map(|certificate| {
            let named = self
                .files
                .iter()
                .find(|file| file.path() == certificate.path)?;
            let problem = format!("{certificate}, expected one that is valid now");
            Some(named.error(problem).to_string())
        });
        lines.collect()
    }
}

/// Each of these options turns TLS on, since none makes sense without it.
fn is_wanted(args: &Args) -> bool {
    args.tls
        || args.certfile.is_some()
        || args.keyfile.is_some()
        || args.tls_control_required
        || args.tls_data_required
        || args.tls_implicit
}

/// Returns the certificate and its key. A key belongs to the certificate that is named with it.
fn pair(
    args: &Args,
    section: Option<(&ConfigFile, &Tls)>,
) -> (Option<NamedFile>, Option<NamedFile>) {
    let option = |path: &Option<_>, name| Some(NamedFile::by_option(path.as_deref()?, name));
    let key = |path: &Option<_>, name, file| Some(NamedFile::by_key(path.as_deref()?, name, file));
    let (certfile, keyfile) = (
        option(&args.certfile, "--certfile"),
        option(&args.keyfile, "--keyfile"),
    );
    match (certfile, section) {
        (None, Some((file, section))) => (
            key(&section.certfile, "tls.certfile", file),
            keyfile.or_else(|| key(&section.keyfile, "tls.keyfile", file)),
        ),
        (certfile, _) => (certfile, keyfile),
    }
}

/// Adds the settings that only the file has.
fn from_section(
    mut settings: TlsSettings,
    file: &ConfigFile,
    section: &Tls,
    named: &mut Vec<NamedFile>,
) -> Result<TlsSettings, ConfigError> {
    for (index, pair) in section.more_certificates.iter().enumerate() {
        let key = format!("tls.more_certificates[{index}]");
        let certificate = NamedFile::by_key(&pair.certfile, &format!("{key}.certfile"), file);
        let keyfile = pair.keyfile.as_deref();
        let key = keyfile.map(|path| NamedFile::by_key(path, &format!("{key}.keyfile"), file));
        check_pair(&certificate, key.as_ref())?;
        let keyfile = key.as_ref().map(|key| key.path().to_owned());
        settings = settings.add_certificate(certificate.path(), keyfile);
        named.push(certificate);
        named.extend(key);
    }
    if let Some(authority) = section.authority() {
        let authority = NamedFile::by_key(authority, "tls.client_ca", file);
        let alone = TlsSettings::default().client_ca(authority.path());
        alone.check().map_err(|error| explain(&error, &authority))?;
        settings = settings.client_ca(authority.path());
        named.push(authority);
    }
    let settings = settings
        .min_version(match section.min_version {
            TlsVersion::V1_2 => tls::TlsVersion::V1_2,
            TlsVersion::V1_3 => tls::TlsVersion::V1_3,
        })
        .require_session_reuse(match section.require_session_reuse {
            SessionReuse::Free => tls::SessionReuse::Free,
            SessionReuse::Preferred => tls::SessionReuse::Preferred,
            SessionReuse::Required => tls::SessionReuse::Required,
        })
        .client_certificate(match section.client_certificate {
            None | Some(ClientCertificate::Required) => tls::ClientCertificate::Required,
            Some(ClientCertificate::Optional) => tls::ClientCertificate::Optional,
        });
    Ok(settings)
}

/// Checks a certificate and its key, separately from all others: several settings may name the same
/// file, of which only one is wrong.
fn check_pair(certificate: &NamedFile, key: Option<&NamedFile>) -> Result<(), ConfigError> {
    let alone = TlsSettings::default().certfile(certificate.path());
    let alone = given(alone, key.map(NamedFile::path), TlsSettings::keyfile);
    alone.check().map_err(|error| {
        let named = match key {
            Some(key) if is_about_key(&error, certificate.path()) => key,
            _ => certificate,
        };
        explain(&error, named)
    })
}

/// Whether the key is wrong, rather than the certificate, which may be in the same file.
fn is_about_key(error: &TlsError, certificate: &Path) -> bool {
    match error {
        TlsError::NoKey { .. }
        | TlsError::EncryptedKey { .. }
        | TlsError::UnusableKey { .. }
        | TlsError::KeyMismatch { .. } => true,
        error => error.path().is_some_and(|path| path != certificate),
    }
}

/// Refuses settings for client certificates if clients are not asked for any.
fn check_client_certificate(file: &ConfigFile, section: &Tls) -> Result<(), ConfigError> {
    match (section.client_certificate, section.authority()) {
        (Some(ClientCertificate::Optional), None) => {
            let problem = "found \"optional\" without tls.client_ca, expected the authority of \
                           such certificates there";
            Err(file.error("tls.client_certificate", problem))
        }
        _ => Ok(()),
    }
}

/// Returns the warning if client certificates are configured but not asked for: `required`, the
/// default, has no effect without an authority.
pub(super) fn idle_requirement(file: &ConfigFile) -> Option<String> {
    let section = file.config().tls.as_ref()?;
    if section.client_certificate.is_none() || section.client_ca.is_some() {
        return None;
    }
    let problem = "found \"required\" without tls.client_ca, so that nobody is asked for a \
                   certificate, expected the authority of such certificates there";
    let warning = file.error("tls.client_certificate", problem);
    Some(warning.to_string())
}

/// Returns the warning if client certificates are required, but not from clients without TLS.
pub(super) fn open_door(file: &ConfigFile, offer: &TlsOffer) -> Option<String> {
    let section = file.config().tls.as_ref()?;
    section.authority()?;
    if matches!(
        section.client_certificate,
        Some(ClientCertificate::Optional)
    ) || offer.control_required
        || offer.implicit
    {
        return None;
    }
    let problem = "found an authority for certificates of clients, of which nobody is asked who \
                   logs in without TLS, expected tls_control_required or implicit beside it";
    Some(file.error("tls.client_ca", problem).to_string())
}

/// Returns the error with the option or key that names the file in question.
fn explain(error: &TlsError, named: &NamedFile) -> ConfigError {
    match error.path() {
        Some(_) => named.error(format!("{error}, expected {}", accepted(error))),
        None => ConfigError::usage(error.to_string()),
    }
}

fn accepted(error: &TlsError) -> &'static str {
    match error {
        TlsError::Unreadable { .. } => "a file that can be read",
        TlsError::NoCertificate { .. } => "one in PEM",
        TlsError::NoKey { .. } => "one in PEM, here or in a keyfile",
        TlsError::EncryptedKey { .. } => "one in the clear",
        TlsError::UnusableKey { .. } if cfg!(feature = "aws-lc-rs") => {
            "one of RSA, Ed25519, or ECDSA on P-256, P-384 or P-521"
        }
        TlsError::UnusableKey { .. } => "one of RSA, Ed25519, or ECDSA on P-256 or P-384",
        TlsError::KeyMismatch { .. } => "the key of that certificate",
        TlsError::UnusableCertificate { .. } => "a whole one of X.509 version 3",
        _ => "a PEM file",
    }
}
