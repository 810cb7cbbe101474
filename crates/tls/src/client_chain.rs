//! Limits on a client's certificate chain, so that it is verified quickly.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
};
use thiserror::Error;
use x509_cert::der::asn1::AnyRef;
use x509_cert::der::{self, Decode, Reader, SliceReader, Tagged};

/// Limit on the number of authorities' certificates that a client sends with its own: real chains
/// have three.
const MOST_AUTHORITIES: usize = 4;

/// Limit on the size of all certificates together: real ones have one or two KiB each.
const MOST_BYTES: usize = 32 << 10;

/// Refuses chains that take long to verify, and passes the others to another verifier.
///
/// rustls tries every path from the client's certificate to an authority, and parses all
/// certificates again at each step: nine certificates of one name lead to hundreds of thousands of
/// steps, and any stranger can make them. If each name has only one or two keys, there is only a
/// handful of paths, as no path has the same name and key twice.
#[derive(Debug)]
pub(crate) struct ShortChains(pub(crate) Arc<dyn ClientCertVerifier>);

/// Why a chain is refused without being verified.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
enum Refused {
    #[error("more than {MOST_AUTHORITIES} certificates of authorities came with it")]
    Many,
    #[error("it and those that came with it have more than {MOST_BYTES} bytes")]
    Large,
    #[error("certificates of one name and with more than two keys came with it")]
    Ambiguous,
    #[error("a certificate that came with it is damaged")]
    Damaged,
}

impl ClientCertVerifier for ShortChains {
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        check(end_entity, intermediates)
            .map_err(|refused| CertificateError::Other(OtherError(Arc::new(refused))))?;
        self.0.verify_client_cert(end_entity, intermediates, now)
    }

    fn offer_client_auth(&self) -> bool {
        self.0.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.0.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.0.requires_raw_public_keys()
    }
}

fn check(own: &CertificateDer<'_>, authorities: &[CertificateDer<'_>]) -> Result<(), Refused> {
    if authorities.len() > MOST_AUTHORITIES {
        return Err(Refused::Many);
    }
    let bytes: usize = authorities
        .iter()
        .map(|certificate| certificate.len())
        .sum();
    if own.len() + bytes > MOST_BYTES {
        return Err(Refused::Large);
    }
    let owners: Vec<_> = authorities
        .iter()
        .map(|certificate| owner(certificate).map_err(|_| Refused::Damaged))
        .collect::<Result<_, _>>()?;
    // An authority with a new key may vouch for it with the old one, whose certificate then comes
    // along.
    let is_ambiguous = |(name, key): &(AnyRef<'_>, AnyRef<'_>)| {
        let others = owners.iter().filter(|other| other.0 == *name);
        let mut keys = others.map(|other| other.1).filter(|other| other != key);
        keys.next()
            .is_some_and(|old| keys.any(|other| other != old))
    };
    match owners.iter().any(is_ambiguous) {
        true => Err(Refused::Ambiguous),
        false => Ok(()),
    }
}

/// Returns the subject and the public key of a certificate (RFC 5280 §4.1), without checking the
/// rest.
fn owner(certificate: &[u8]) -> der::Result<(AnyRef<'_>, AnyRef<'_>)> {
    let certificate = AnyRef::from_der(certificate)?;
    let signed = SliceReader::new(certificate.value())?.decode::<AnyRef<'_>>()?;
    let mut fields = SliceReader::new(signed.value())?;
    let mut field = || fields.decode::<AnyRef<'_>>();
    // A certificate of X.509 version 1 does not state its version.
    if field()?.tag().is_context_specific() {
        let _serial = field()?;
    }
    let _algorithm = field()?;
    let _issuer = field()?;
    let _validity = field()?;
    Ok((field()?, field()?))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rcgen::{
        BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair,
    };
    use rustls::RootCertStore;
    use rustls::server::WebPkiClientVerifier;

    use super::*;
    use crate::provider;

    /// A verifier that counts its calls and accepts everything.
    #[derive(Debug, Default)]
    struct Counting(AtomicUsize);

    impl ClientCertVerifier for Counting {
        fn verify_client_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: UnixTime,
        ) -> Result<ClientCertVerified, Error> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(ClientCertVerified::assertion())
        }

        fn root_hint_subjects(&self) -> &[DistinguishedName] {
            &[]
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            Vec::new()
        }
    }

    fn params(name: &str, filler: usize) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        if filler > 0 {
            let filler = CustomExtension::from_oid_content(&[1, 2, 3], vec![0; filler]);
            params.custom_extensions = vec![filler];
        }
        params
    }

    fn authority(name: &str, filler: usize) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        let made = params(name, filler).self_signed(&key).unwrap();
        made.der().clone()
    }

    #[track_caller]
    fn looked_at(authorities: &[CertificateDer<'_>], expected: Option<Refused>) {
        let counting = Arc::new(Counting::default());
        let verifier = ShortChains(Arc::clone(&counting) as _);
        let own = authority("client", 0);
        let outcome = verifier.verify_client_cert(&own, authorities, UnixTime::now());
        let expected = expected.map(|refused| refused.to_string());
        assert_eq!(
            outcome.err().map(|error| crate::error::reason(&error)),
            expected
        );
        let times = usize::from(expected.is_none());
        assert_eq!(counting.0.load(Ordering::Relaxed), times);
    }

    #[test]
    fn all_paths_through_a_strangers_certificates_were_tried() {
        let distinct = ["a", "b", "c", "d", "e"].map(|name| authority(name, 0));
        looked_at(&[], None);
        looked_at(&distinct[..4], None);
        looked_at(&distinct, Some(Refused::Many));
        let same = ["x", "x", "x"].map(|name| authority(name, 0));
        // An authority with a new key, which its old key vouches for.
        looked_at(&same[..2], None);
        looked_at(&same, Some(Refused::Ambiguous));
        // A certificate that is sent twice adds no path.
        looked_at(&[same[0].clone(), same[0].clone()], None);
    }

    #[test]
    fn large_certificates_of_a_stranger_were_read_at_each_step() {
        looked_at(&["a", "b"].map(|name| authority(name, 15_000)), None);
        let large = ["a", "b"].map(|name| authority(name, 16_200));
        looked_at(&large, Some(Refused::Large));
        let damaged = CertificateDer::from(&b"\x30\x03\x02\x01\x01"[..]);
        looked_at(&[damaged], Some(Refused::Damaged));
    }

    #[test]
    fn a_real_chain_is_verified() {
        let keys: [_; 5] = std::array::from_fn(|_| KeyPair::generate().unwrap());
        let names = ["root", "first", "second", "third", "client"];
        let root = params("root", 0).self_signed(&keys[0]).unwrap();
        let mut chain: Vec<_> = (1..5)
            .map(|at| {
                let mut own = params(names[at], 1500);
                if at == 4 {
                    own.is_ca = IsCa::NoCa;
                }
                let issuer = Issuer::new(params(names[at - 1], 0), &keys[at - 1]);
                own.signed_by(&keys[at], &issuer).unwrap().der().clone()
            })
            .collect();
        let client = chain.pop().unwrap();
        // Some clients send the root, too.
        chain.push(root.der().clone());
        let mut roots = RootCertStore::empty();
        roots.add(root.der().clone()).unwrap();
        let webpki =
            WebPkiClientVerifier::builder_with_provider(roots.into(), provider::provider());
        let verifier = ShortChains(webpki.build().unwrap());
        let now = UnixTime::now();
        assert!(verifier.verify_client_cert(&client, &chain, now).is_ok());
        assert!(verifier.verify_client_cert(&client, &[], now).is_err());
    }
}
