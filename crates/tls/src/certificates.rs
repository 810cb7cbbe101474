//! Which certificate a client is shown.

use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::pki_types::ServerName;
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Chooses by the name that the client asks for (SNI). A client that names nobody, or somebody
/// unknown, is shown the default: clients that connect to an IP address name nobody.
#[derive(Debug)]
pub(crate) struct Certificates {
    default: Arc<CertifiedKey>,
    others: Vec<Arc<CertifiedKey>>,
}

impl Certificates {
    pub(crate) fn new(default: Arc<CertifiedKey>, others: Vec<Arc<CertifiedKey>>) -> Self {
        Self { default, others }
    }

    fn choose(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        if self.others.is_empty() {
            return None;
        }
        let name = ServerName::try_from(name).ok()?;
        std::iter::once(&self.default)
            .chain(&self.others)
            .find(|certified| is_for(certified, &name))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let chosen = hello.server_name().and_then(|name| self.choose(name));
        Some(Arc::clone(chosen.unwrap_or(&self.default)))
    }
}

fn is_for(certified: &CertifiedKey, name: &ServerName<'_>) -> bool {
    certified
        .end_entity_cert()
        .and_then(ParsedCertificate::try_from)
        .is_ok_and(|certificate| verify_server_name(&certificate, name).is_ok())
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

    use super::*;
    use crate::provider::provider;

    fn certified(names: &[&str]) -> Arc<CertifiedKey> {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let key = provider()
            .key_provider
            .load_private_key(PrivateKeyDer::Pkcs8(key))
            .unwrap();
        Arc::new(CertifiedKey::new(vec![made.cert.der().clone()], key))
    }

    #[test]
    fn the_certificate_is_chosen_by_name() {
        let (default, other) = (certified(&["a.example"]), certified(&["*.b.example"]));
        let certificates = Certificates::new(Arc::clone(&default), vec![Arc::clone(&other)]);
        let chosen = |name| certificates.choose(name).map(|chosen| chosen.cert.clone());
        assert_eq!(chosen("a.example"), Some(default.cert.clone()));
        assert_eq!(chosen("ftp.b.example"), Some(other.cert.clone()));
        assert_eq!(chosen("c.example"), None);
        assert_eq!(chosen("not a name"), None);
    }
}
