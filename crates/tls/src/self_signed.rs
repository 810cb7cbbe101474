//! The self-signed certificate, for settings that name no other.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, SupportedCipherSuite};

use crate::TlsError;

/// The SHA-256 digest of a certificate, by which people recognise it. It is displayed in the usual
/// form of hexadecimal pairs with colons.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Fingerprint([u8; 32]);

impl Fingerprint {
    fn of(certificate: &[u8], provider: &CryptoProvider) -> Option<Self> {
        let sha256 = provider
            .cipher_suites
            .iter()
            .find_map(|suite| match suite {
                SupportedCipherSuite::Tls13(suite)
                    if suite.common.suite == CipherSuite::TLS13_AES_128_GCM_SHA256 =>
                {
                    Some(suite.common.hash_provider)
                }
                SupportedCipherSuite::Tls13(_) | SupportedCipherSuite::Tls12(_) => None,
            })?;
        let digest = sha256.hash(certificate);
        digest.as_ref().try_into().ok().map(Self)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.0.iter().enumerate() {
            let colon = if place == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

/// Returns the process's self-signed certificate. It is made and logged on first use, and stays the
/// same from then on, so that clients which trust its fingerprint can go on doing so.
pub(crate) fn shared(provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, TlsError> {
    static MADE: Mutex<Option<Arc<CertifiedKey>>> = Mutex::new(None);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(certified) = &*made {
        return Ok(Arc::clone(certified));
    }
    let (certified, fingerprint) = make(provider)?;
    match fingerprint {
        Some(fingerprint) => {
            log::warn!("self-signed TLS certificate made, SHA-256 fingerprint {fingerprint}");
        }
        None => log::warn!("self-signed TLS certificate made"),
    }
    *made = Some(Arc::clone(&certified));
    Ok(certified)
}

fn make(provider: &CryptoProvider) -> Result<(Arc<CertifiedKey>, Option<Fingerprint>), TlsError> {
    let unavailable = |error: rcgen::Error| TlsError::Unavailable(error.to_string());
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).map_err(unavailable)?;
    let certificate = made.cert.der().clone();
    let fingerprint = Fingerprint::of(&certificate, provider);
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let key = provider
        .key_provider
        .load_private_key(PrivateKeyDer::Pkcs8(key))?;
    let certified = CertifiedKey::new(vec![certificate], key);
    Ok((Arc::new(certified), fingerprint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::provider;

    #[test]
    fn a_fingerprint_is_shown_as_openssl_does() {
        let shown = Fingerprint::of(b"", &provider()).unwrap().to_string();
        assert_eq!(
            shown,
            "E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:\
             27:AE:41:E4:64:9B:93:4C:A4:95:99:1B:78:52:B8:55"
        );
    }

    #[test]
    fn there_is_one_for_the_whole_process() {
        let provider = provider();
        let (first, second) = (shared(&provider).unwrap(), shared(&provider).unwrap());
        assert_eq!(first.cert, second.cert);
        assert!(first.keys_match().is_ok());
    }
}
