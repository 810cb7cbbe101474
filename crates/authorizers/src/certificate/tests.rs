use proptest::prelude::*;
use rcgen::{CertificateParams, DnType, DnValue, KeyPair, SanType};

use super::*;

fn subject(text: &str) -> CertificateSubject {
    text.parse().unwrap()
}

/// The DER form of a certificate with this subject, least specific part first.
fn certificate(parts: &[(DnType, DnValue)], alternatives: Vec<SanType>) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.distinguished_name = Default::default();
    for (kind, value) in parts {
        params.distinguished_name.push(kind.clone(), value.clone());
    }
    params.subject_alt_names = alternatives;
    let key = KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().der().to_vec()
}

pub(crate) fn alice() -> VerifiedCertificate {
    let der = certificate(
        &[
            (DnType::OrganizationName, "Ex, ample".into()),
            (
                DnType::CommonName,
                DnValue::PrintableString("alice".try_into().unwrap()),
            ),
        ],
        vec![
            SanType::Rfc822Name("alice@example.org".try_into().unwrap()),
            SanType::DnsName("laptop.example.org".try_into().unwrap()),
            SanType::URI("urn:user:Alice".try_into().unwrap()),
        ],
    );
    VerifiedCertificate::from_der(der).unwrap()
}

#[test]
fn a_certificate_tells_whose_it_is() {
    let alice = alice();
    assert_eq!(alice.subject().to_string(), r"CN=alice,O=Ex\, ample");
    assert_eq!(alice.common_names(), ["alice"]);
    let others = ["alice@example.org", "laptop.example.org", "urn:user:Alice"];
    assert_eq!(alice.alternative_names(), others);
}

#[test]
fn the_whole_subject_has_to_be_the_same() {
    let alice = alice();
    let check = |text, expected| {
        assert_eq!(alice.has_subject(&subject(text)), expected, "{text}");
    };
    check(r"CN=alice,O=Ex\, ample", true);
    check(r"cn=alice,2.5.4.10=Ex\2c ample", true);
    check(r"CN=Alice,O=Ex\, ample", false);
    check(r"O=Ex\, ample,CN=alice", false);
    check("CN=alice", false);
    check(r"CN=alice,OU=Ex\, ample", false);
    check(r"CN=alice+O=Ex\, ample", false);
    check(r"CN=alice,O=Ex\, ample,C=IT", false);
}

#[test]
fn one_name_of_several_will_do() {
    let alice = alice();
    let check = |name, expected| assert_eq!(alice.has_name(name), expected, "{name}");
    check("alice", true);
    check("Alice", false);
    check("alice@example.org", true);
    check("Alice@Example.org", true);
    check("laptop.example.org", true);
    check("urn:user:Alice", true);
    check("urn:user:alice", false);
    check("Ex, ample", false);
    check("", false);
}

#[test]
fn what_is_no_subject_is_refused() {
    for text in ["", "alice", "CN = alice", "CN=alice, O=x", "NOBODY=x"] {
        assert!(text.parse::<CertificateSubject>().is_err(), "{text:?}");
    }
}

#[test]
fn the_same_text_in_another_encoding_is_the_same_subject() {
    let der = certificate(
        &[(
            DnType::CommonName,
            DnValue::TeletexString("alice".try_into().unwrap()),
        )],
        Vec::new(),
    );
    let teletex = VerifiedCertificate::from_der(der).unwrap();
    assert!(teletex.has_subject(&subject("CN=alice")) && teletex.has_name("alice"));
    // Text in an unknown encoding, which no name matches.
    let der = certificate(
        &[(
            DnType::CommonName,
            DnValue::BmpString("alice".try_into().unwrap()),
        )],
        Vec::new(),
    );
    let wide = VerifiedCertificate::from_der(der).unwrap();
    assert!(!wide.has_subject(&subject("CN=alice")) && !wide.has_name("alice"));
}

proptest! {
    #[test]
    fn bytes_that_are_no_certificate_are_an_error(der: Vec<u8>) {
        prop_assert!(VerifiedCertificate::from_der(der).is_err());
    }

    #[test]
    fn a_damaged_certificate_never_panics(
        place in any::<prop::sample::Index>(),
        byte: u8,
        end in any::<prop::sample::Index>(),
    ) {
        let mut der = alice().der().to_vec();
        let place = place.index(der.len());
        der[place] = byte;
        if let Ok(read) = VerifiedCertificate::from_der(der.clone()) {
            let shown = format!("{read:?} {}", read.subject());
            prop_assert!(!shown.is_empty());
        }
        der.truncate(end.index(der.len()));
        prop_assert!(VerifiedCertificate::from_der(der).is_err());
    }

    #[test]
    fn any_text_is_a_subject_or_an_error(text in "[A-Za-z0-9=,+\\\\#\" ]{0,40}|.{0,20}") {
        if let Ok(parsed) = text.parse::<CertificateSubject>() {
            prop_assert_eq!(&parsed, &parsed.clone());
        }
    }
}
