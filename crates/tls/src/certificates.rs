//! The choice of the certificate for a client.

use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::verify_server_name;
use rustls::pki_types::ServerName;
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Chooses a certificate by the name that the client asks for (SNI), then by the kind of key that
/// the client supports, then by order. If the client gives no name, as with an IP address, or an
/// unknown one, all certificates match, and it mostly gets the first.
#[derive(Debug)]
pub(crate) struct Certificates(Vec<Arc<CertifiedKey>>);

impl Certificates {
    pub(crate) fn new(default: Arc<CertifiedKey>, others: Vec<Arc<CertifiedKey>>) -> Self {
        Self(std::iter::once(default).chain(others).collect())
    }

    /// The certificate for a client that asks for `name` and can verify `schemes`.
    fn choose(
        &self,
        name: Option<&str>,
        schemes: &[SignatureScheme],
    ) -> Option<&Arc<CertifiedKey>> {
        let all = &self.0;
        if all.len() == 1 {
            return all.first();
        }
        let name = name.and_then(|name| ServerName::try_from(name).ok());
        let named = |certified: &&Arc<CertifiedKey>| {
            name.as_ref().is_some_and(|name| is_for(certified, name))
        };
        let mut candidates: Vec<_> = all.iter().filter(named).collect();
        if candidates.is_empty() {
            candidates.extend(all);
        }
        let suits = |certified: &&Arc<CertifiedKey>| certified.key.choose_scheme(schemes).is_some();
        let suitable = candidates.iter().copied().find(suits);
        suitable.or_else(|| candidates.first().copied())
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name(), hello.signature_schemes())
            .cloned()
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
    use rcgen::{
        CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, SignatureAlgorithm,
    };
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

    use super::*;
    use crate::provider::provider;

    fn certified(names: &[&str]) -> Arc<CertifiedKey> {
        certified_by(&PKCS_ECDSA_P256_SHA256, names)
    }

    fn certified_by(kind: &'static SignatureAlgorithm, names: &[&str]) -> Arc<CertifiedKey> {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let key = KeyPair::generate_for(kind).unwrap();
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let key = provider()
            .key_provider
            .load_private_key(PrivateKeyDer::Pkcs8(key))
            .unwrap();
        Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key))
    }

    const ANY: [SignatureScheme; 2] = [
        SignatureScheme::ECDSA_NISTP256_SHA256,
        SignatureScheme::ED25519,
    ];

    #[track_caller]
    fn check(all: &Certificates, name: Option<&str>, schemes: &[SignatureScheme], shown: usize) {
        let chosen = all.choose(name, schemes).unwrap();
        let place = all.0.iter().position(|one| Arc::ptr_eq(one, chosen));
        assert_eq!(place, Some(shown), "{name:?}, {schemes:?}");
    }

    #[test]
    fn the_certificate_is_chosen_by_name() {
        let all = Certificates::new(certified(&["a.example"]), vec![certified(&["*.b.example"])]);
        check(&all, Some("a.example"), &ANY, 0);
        check(&all, Some("ftp.b.example"), &ANY, 1);
        for unknown in [Some("c.example"), Some("not a name"), Some(""), None] {
            check(&all, unknown, &ANY, 0);
        }
    }

    #[test]
    fn a_client_that_knows_one_kind_of_key_was_shown_the_other() {
        let names = ["a.example"];
        let others = vec![
            certified(&["b.example"]),
            certified_by(&PKCS_ED25519, &names),
        ];
        let all = Certificates::new(certified(&names), others);
        let (ecdsa, ed25519) = ANY.split_at(1);
        check(&all, Some(names[0]), ecdsa, 0);
        check(&all, Some(names[0]), ed25519, 2);
        check(&all, None, ed25519, 2);
        // No certificate is suitable, which the handshake tells the client.
        check(&all, Some("b.example"), ed25519, 1);
        check(&all, None, &[], 0);
    }
}
