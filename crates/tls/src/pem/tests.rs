use std::path::PathBuf;
use std::process::Command;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::provider::provider;

fn files(contents: &[(&str, &str)]) -> (TempDir, impl Fn(&str) -> PathBuf + use<>) {
    let directory = TempDir::new().unwrap();
    for (name, content) in contents {
        fs::write(directory.path().join(name), content).unwrap();
    }
    let root = directory.path().to_owned();
    (directory, move |name| root.join(name))
}

fn made() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (
        pem("CERTIFICATE", made.cert.der()),
        pem("PRIVATE KEY", &made.signing_key.serialize_der()),
    )
}

fn pem(label: &str, der: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = format!("-----BEGIN {label}-----\n");
    for (place, chunk) in der.chunks(3).enumerate() {
        let bits = chunk
            .iter()
            .chain([0, 0].iter())
            .take(3)
            .fold(0_usize, |bits, &byte| bits << 8 | usize::from(byte));
        for digit in 0..4 {
            let shown = ALPHABET[bits >> (18 - 6 * digit) & 63];
            text.push(if digit <= chunk.len() {
                shown as char
            } else {
                '='
            });
        }
        if place % 16 == 15 {
            text.push('\n');
        }
    }
    text + &format!("\n-----END {label}-----\n")
}

/// What `openssl x509 -req` makes of a request without any extensions.
const VERSION_1: &str = "\
-----BEGIN CERTIFICATE-----
MIHSMIGFAhRowGzVMEWkiQmbhv6499zdAvcd9DAFBgMrZXAwDDEKMAgGA1UEAwwB
YTAeFw0yNjExMjEwOTA3MjlaFw0zNjExMTgwOTA3MjlaMAwxCjAIBgNVBAMMAWEw
KjAFBgMrZXADIQBCplMGpQexkT1qL0ZnY6sRAqUoVKupPxQYWmAVgPekCTAFBgMr
ZXADQQAozPpXSkNLrdhEn+YSBpkqZbkT3kj1SCZ3ZEiyLovqivglxmOudzaURuPq
lYjNLJZeR4MSdWooYd3JNyxYFCEP
-----END CERTIFICATE-----
";

#[test]
fn a_key_may_stand_in_the_certificate_file() {
    let (certificate, key) = made();
    let (_directory, path) = files(&[
        ("both", &format!("{key}{certificate}")),
        ("cert", &certificate),
        ("key", &key),
    ]);
    for (cert, key) in [("both", None), ("cert", Some("key")), ("both", Some("key"))] {
        let key = key.map(&path);
        certified_key(&path(cert), key.as_deref(), &provider()).unwrap();
    }
}

#[test]
fn what_is_wrong_with_a_file_is_said() {
    let (certificate, key) = made();
    let (_, other_key) = made();
    let (_directory, path) = files(&[
        ("cert", &certificate),
        ("key", &key),
        ("other key", &other_key),
        ("empty", ""),
        ("encrypted", &pem("ENCRYPTED PRIVATE KEY", b"secret")),
        (
            "old encrypted",
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n\
             -----END RSA PRIVATE KEY-----\n",
        ),
        (
            "encrypted first",
            &format!("{}{key}", pem("ENCRYPTED PRIVATE KEY", b"secret")),
        ),
        ("cut", "-----BEGIN CERTIFICATE-----\nAAAA\n"),
        ("damaged key", &pem("PRIVATE KEY", b"no key")),
        ("damaged cert", &pem("CERTIFICATE", b"no certificate")),
        ("version 1", VERSION_1),
    ]);
    #[track_caller]
    fn check(cert: &Path, key: &Path, expected: &str) {
        let error = certified_key(cert, Some(key), &provider()).unwrap_err();
        let shown = error.to_string();
        assert!(shown.contains(expected), "{shown} instead of {expected}");
    }
    check(&path("missing"), &path("key"), "cannot read");
    check(&path("cert"), &path("missing"), "cannot read");
    check(&path("empty"), &path("key"), "holds no certificate");
    check(&path("key"), &path("key"), "holds no certificate");
    let cut = "is no PEM file: no line \"-----END CERTIFICATE-----\"";
    check(&path("cut"), &path("key"), cut);
    check(&path("cert"), &path("cert"), "holds no private key");
    check(&path("cert"), &path("encrypted"), "is encrypted");
    check(&path("cert"), &path("old encrypted"), "is encrypted");
    check(&path("cert"), &path("encrypted first"), "is encrypted");
    check(&path("cert"), &path("damaged key"), "cannot be used");
    check(&path("cert"), &path("other key"), "does not match");
    let damaged = "cannot be used: it is damaged";
    check(&path("damaged cert"), &path("key"), damaged);
    let old = "cannot be used: it is not of X.509 version 3";
    check(&path("version 1"), &path("key"), old);
}

#[test]
fn an_encrypted_key_behind_a_usable_one_had_that_refused() {
    let (certificate, key) = made();
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n\
               -----END RSA PRIVATE KEY-----\n";
    let (_directory, path) = files(&[
        ("cert", &certificate),
        (
            "keys",
            &format!("{key}{}{old}", pem("ENCRYPTED PRIVATE KEY", b"secret")),
        ),
    ]);
    certified_key(&path("cert"), Some(&path("keys")), &provider()).unwrap();
}

/// Made by `openssl genrsa 1024`, for this test only.
const SHORT_RSA: &str = "\
-----BEGIN PRIVATE KEY-----
MIICdwIBADANBgkqhkiG9w0BAQEFAASCAmEwggJdAgEAAoGBALquWRQ8iwj8DXMD
OWpTwx5ujDI1bOPHEdSCM6azQBbtuQmJX0KjkESZBiHlWTY5hB/PtOdBf4o7XAOE
Z6gjlaEQVtjScJxhVJXnit1jYyGlNqnie7tYWCAy+qcxPgkucInO6Ep3dmHUsNKG
yMXKmkfT/Jr9NuznuiQjGJE9uu6ZAgMBAAECgYAWrIZ1RsU8WiDoD0Qx/ep9D8BH
eOW45LztqsLLRIpMPqNy3RSM64DiVBPCmjCzvVim5Ht8eyAakgsjAjn02h2aNSS7
IhhcMxoPf+Ui+0GESrn5088A2ZRwtimoWl5w9Avv1cECCJDE1JTfDKzDPE1Vb63n
SOkCedsKlThV5odg4QJBAO/QiB8VmC6upKyO9wj86p3gHHhQ3rlLFRg7kKk23pco
rcOkwWBCkAE5iTTIc1ryNQcBF4ahP0c6+5dAM7BpsYcCQQDHR8kl/jDatlMxkpPA
ZbcFVeQxBeuGcEhBQ2GHjVzwZt3KZoiGhG8c/sJz1yi4tSOe0h+smvjrcmiaKMu1
BubfAkEAzKgg0q5CHmyqWhzz03bL3omYolEZkfXyfaivrskFsuhjSlh7MuP7MyBf
6Gy8jTuwZ1bWNe28K9S5Sv3eXsoEVwJBAIjky00KHM1hyiyXoF/ef6dupV73zh+A
KmKKwwi3F00dnOZZIRgnCZ1FdJbXCuY3qMyFU7TikHRNF4Yu2CD3KMkCQC1ECe5H
zO88ozbC9/CT1nOydDU1OQfCyPYNcluo9tNvGb1b0aMbi2WK2ljTkqHi+hn6MAzk
WMI/HR6ghWy99SI=
-----END PRIVATE KEY-----
";

/// The same key in the older form.
const SHORT_RSA_PKCS1: &str = "\
-----BEGIN RSA PRIVATE KEY-----
MIICXQIBAAKBgQC6rlkUPIsI/A1zAzlqU8MebowyNWzjxxHUgjOms0AW7bkJiV9C
o5BEmQYh5Vk2OYQfz7TnQX+KO1wDhGeoI5WhEFbY0nCcYVSV54rdY2MhpTap4nu7
WFggMvqnMT4JLnCJzuhKd3Zh1LDShsjFyppH0/ya/Tbs57okIxiRPbrumQIDAQAB
AoGAFqyGdUbFPFog6A9EMf3qfQ/AR3jluOS87arCy0SKTD6jct0UjOuA4lQTwpow
s71YpuR7fHsgGpILIwI59NodmjUkuyIYXDMaD3/lIvtBhEq5+dPPANmUcLYpqFpe
cPQL79XBAgiQxNSU3wyswzxNVW+t50jpAnnbCpU4VeaHYOECQQDv0IgfFZgurqSs
jvcI/Oqd4Bx4UN65SxUYO5CpNt6XKK3DpMFgQpABOYk0yHNa8jUHAReGoT9HOvuX
QDOwabGHAkEAx0fJJf4w2rZTMZKTwGW3BVXkMQXrhnBIQUNhh41c8GbdymaIhoRv
HP7Cc9couLUjntIfrJr463JomijLtQbm3wJBAMyoINKuQh5sqloc89N2y96JmKJR
GZH18n2or67JBbLoY0pYezLj+zMgX+hsvI07sGdW1jXtvCvUuUr93l7KBFcCQQCI
5MtNChzNYcosl6Bf3n+nbqVe984fgCpiisMItxdNHZzmWSEYJwmdRXSW1wrmN6jM
hVO04pB0TReGLtgg9yjJAkAtRAnuR8zvPKM2wvfwk9ZzsnQ1NTkHwsj2DXJbqPbT
bxm9W9GjG4tlitpY05Kh4voZ+jAM5FjCPx0eoIVsvfUi
-----END RSA PRIVATE KEY-----
";

#[test]
fn a_short_rsa_key_was_said_to_be_of_no_known_kind() {
    let (certificate, key) = made();
    let (_directory, path) = files(&[
        ("cert", &certificate),
        ("short", SHORT_RSA),
        ("short PKCS#1", SHORT_RSA_PKCS1),
    ]);
    for short in ["short", "short PKCS#1"] {
        let error = certified_key(&path("cert"), Some(&path(short)), &provider()).unwrap_err();
        let expected =
            "cannot be used: an RSA key of 1024 bits is too short, it needs 2048 or more";
        assert!(error.to_string().ends_with(expected), "{error}");
    }
    let ecdsa = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    assert_eq!(rsa_bits(&ecdsa), None);
}

#[test]
fn a_byte_order_mark_hid_what_a_file_holds() {
    let (certificate, key) = made();
    let (_directory, path) = files(&[
        ("cert", &certificate),
        ("key", &key),
        (
            "marked cert",
            &format!("\u{feff}{certificate}{certificate}"),
        ),
        ("marked key", &format!("\u{feff}{key}")),
        // Here the mark hides no section.
        ("commented", &format!("\u{feff}localhost\n{certificate}")),
    ]);
    for (cert, key, wrong) in [
        ("marked cert", "key", "marked cert"),
        ("cert", "marked key", "marked key"),
    ] {
        let error = certified_key(&path(cert), Some(&path(key)), &provider()).unwrap_err();
        let expected = format!(
            "{:?} is no PEM file: it begins with a byte order mark; save it without",
            path(wrong)
        );
        assert_eq!(error.to_string(), expected);
    }
    certified_key(&path("commented"), Some(&path("key")), &provider()).unwrap();
}

#[test]
fn a_trusted_certificate_was_said_to_be_none() {
    let (certificate, _) = made();
    let trusted = certificate.replace(" CERTIFICATE", " TRUSTED CERTIFICATE");
    let (_directory, path) = files(&[("trusted", &trusted)]);
    let error = certificates(&path("trusted")).unwrap_err().to_string();
    let expected = "cannot be used: it is a TRUSTED CERTIFICATE, a form of OpenSSL's";
    assert!(error.contains(expected), "{error}");
}

#[test]
fn what_never_ends_is_no_pem_file() {
    let directory = TempDir::new().unwrap();
    let fifo = directory.path().join("fifo");
    let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    let huge = directory.path().join("huge");
    fs::File::create(&huge).unwrap().set_len(1 << 40).unwrap();
    let zeros = PathBuf::from("/dev/zero");
    let special = "it is no regular file";
    for (path, expected) in [
        (fifo, special),
        (zeros, special),
        (directory.path().to_owned(), special),
        (huge, "it is larger than 16 MiB"),
    ] {
        let error = certificates(&path).unwrap_err();
        let expected = format!("cannot read {path:?}: {expected}");
        assert_eq!(error.to_string(), expected);
        assert!(matches!(error, TlsError::Unreadable { .. }));
        assert!(private_key(&path).is_err());
    }
}

proptest! {
    #[test]
    fn any_file_is_taken_or_refused_with_a_reason(
        text in ".{0,80}|(-----(BEGIN|END) (CERTIFICATE|(RSA |EC )?PRIVATE KEY)-----|[A-Za-z0-9+/=]{1,64}|\\n){0,12}",
    ) {
        let (_directory, path) = files(&[("file", &text)]);
        let file = path("file");
        let error = certified_key(&file, None, &provider()).unwrap_err();
        prop_assert_eq!(error.path(), Some(file.as_path()));
        prop_assert!(!error.to_string().is_empty());
    }

    #[test]
    fn a_damaged_pair_is_taken_or_refused_with_a_reason(
        place in any::<prop::sample::Index>(),
        byte in 0_u8..128,
    ) {
        let (certificate, key) = made();
        let mut text = (certificate + &key).into_bytes();
        let place = place.index(text.len());
        text[place] = byte;
        let text = String::from_utf8(text).unwrap();
        let (_directory, path) = files(&[("file", &text)]);
        if let Err(error) = certified_key(&path("file"), None, &provider()) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
