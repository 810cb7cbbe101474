//! Finds certificates that are served before or after their time.

use std::fmt;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use x509_cert::Certificate;
use x509_cert::der::Decode;

use crate::{TlsSettings, pem};

/// A certificate that is not valid at the time. Clients that check the validity refuse it.
///
/// Its `Display` output is a sentence without a full stop.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UntimelyCertificate {
    /// File that contains it.
    pub path: PathBuf,
    /// Since when, or until when, it is not valid, as it follows `a certificate that`.
    pub problem: String,
}

impl fmt::Display for UntimelyCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, problem } = self;
        write!(f, "{path:?} holds a certificate that {problem}")
    }
}

impl TlsSettings {
    /// Returns the certificates of the server that are not valid at `now`. Clients may still accept
    /// them, so they are no error; a [`ReloadingConfig`](crate::ReloadingConfig) logs them as
    /// warnings.
    ///
    /// Reads their files, and ignores those that cannot be used: [`check`](Self::check) reports
    /// them.
    pub fn untimely_certificates(&self, now: SystemTime) -> Vec<UntimelyCertificate> {
        let untimely = |path: PathBuf| {
            let chain = pem::certificates(&path).ok()?;
            // Only the server's own: a chain may well end with more certificates than needed.
            let problem = problem(chain.first()?, now)?;
            Some(UntimelyCertificate { path, problem })
        };
        self.certificate_files().filter_map(untimely).collect()
    }

    /// Logs the certificates that are not valid now.
    pub(crate) fn warn_of_untimely_certificates(&self) {
        for certificate in self.untimely_certificates(SystemTime::now()) {
            log::warn!("{certificate}");
        }
    }
}

/// Describes why a certificate is not valid at `now`; returns `None` if it is valid.
fn problem(certificate: &[u8], now: SystemTime) -> Option<String> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let validity = certificate.tbs_certificate().validity();
    let (from, until) = (validity.not_before, validity.not_after);
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    if now > until.to_unix_duration() {
        Some(format!("expired at {until}"))
    } else if now < from.to_unix_duration() {
        Some(format!("is not valid before {from}"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn an_expired_certificate_was_served_without_a_word() {
        let directory = TempDir::new().unwrap();
        let file = |name: &str, from, until| {
            let mut params = CertificateParams::new([name.to_owned()]).unwrap();
            (params.not_before, params.not_after) = (from, until);
            let key = KeyPair::generate().unwrap();
            let pem = params.self_signed(&key).unwrap().pem() + &key.serialize_pem();
            let path = directory.path().join(name);
            fs::write(&path, pem).unwrap();
            path
        };
        let first = file("a", date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        let second = file("b", date_time_ymd(2021, 1, 1), date_time_ymd(2060, 1, 1));
        let settings = TlsSettings::default()
            .certfile(&first)
            .add_certificate(&second, None);
        let check = |unix: u64, expected: &[String]| {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(unix);
            let found = settings.untimely_certificates(now);
            let shown: Vec<_> = found.iter().map(ToString::to_string).collect();
            assert_eq!(shown, expected);
        };
        let expired = format!("{first:?} holds a certificate that expired at 2021-01-01T00:00:00Z");
        let early = |path: &PathBuf, date: &str| {
            format!("{path:?} holds a certificate that is not valid before {date}T00:00:00Z")
        };
        let second_early = early(&second, "2021-01-01");
        let first_early = early(&first, "2020-01-01");
        check(1_577_836_799, &[first_early, second_early.clone()]);
        check(1_577_836_800, std::slice::from_ref(&second_early));
        // The last second of the first one is the first second of the second.
        check(1_609_459_200, &[]);
        check(1_609_459_201, &[expired]);
        assert_eq!(
            TlsSettings::default().untimely_certificates(SystemTime::now()),
            []
        );
    }
}
