//! Reads certificates and keys from PEM files.

use std::fs::{self, File};
use std::io::{self, Read};
use std::iter;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use x509_cert::der::asn1::{AnyRef, UintRef};
use x509_cert::der::{self, Decode, Reader, SliceReader, Tag, Tagged};

use crate::TlsError;
use crate::error::reason;

/// Length of the shortest RSA key that providers sign with, in bits.
const LEAST_RSA_BITS: usize = 2048;

/// Limit on the size of a file: more than all authorities of the world need.
const MOST_BYTES: u64 = 16 << 20;

/// Reads a certificate chain, leaf first, and its private key; without `key`, the key has to be in
/// the file of the certificate.
pub(crate) fn certified_key(
    certificate: &Path,
    key: Option<&Path>,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = certificates(certificate)?;
    let key_path = key.unwrap_or(certificate);
    let private_key = private_key(key_path)?;
    // Providers only say that they cannot use such a key.
    let short = rsa_bits(&private_key).filter(|&bits| bits < LEAST_RSA_BITS);
    let key = provider
        .key_provider
        .load_private_key(private_key)
        .map_err(|error| TlsError::UnusableKey {
            path: key_path.to_owned(),
            reason: match short {
                Some(bits) => format!(
                    "an RSA key of {bits} bits is too short, it needs {LEAST_RSA_BITS} or more"
                ),
                None => reason(&error),
            },
        })?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        // If the provider cannot tell, the files are trusted.
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(Arc::new(certified)),
        Err(Error::InconsistentKeys(_)) => Err(TlsError::KeyMismatch {
            certificate: certificate.to_owned(),
            key: key_path.to_owned(),
        }),
        Err(error) => Err(TlsError::UnusableCertificate {
            path: certificate.to_owned(),
            reason: reason(&error),
        }),
    }
}

/// Reads all certificates of a file, at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(path)?;
    let certificates = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| malformed(path, error))?;
    if certificates.is_empty() {
        if contains(&text, b"BEGIN TRUSTED CERTIFICATE") {
            return Err(TlsError::UnusableCertificate {
                path: path.to_owned(),
                reason:
                    "it is a TRUSTED CERTIFICATE, a form of OpenSSL's; `openssl x509 -in FILE` \
                         prints it as a CERTIFICATE"
                        .to_owned(),
            });
        }
        return Err(TlsError::NoCertificate {
            path: path.to_owned(),
        });
    }
    Ok(certificates)
}

/// Reads the first private key of a file: PKCS#8, PKCS#1 or SEC1.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read(path)?;
    let mut rest = text.as_slice();
    let key = iter::from_fn(|| pem::from_buf(&mut rest).transpose()).find_map(|section| {
        section
            .map(|(kind, der)| PrivateKeyDer::from_pem(kind, der))
            .transpose()
    });
    // Text after that key does not matter.
    let looked_at = &text[..text.len() - rest.len()];
    match key {
        // The lines that mark older forms as encrypted are headers within the section.
        _ if is_encrypted(looked_at) => Err(TlsError::EncryptedKey {
            path: path.to_owned(),
        }),
        Some(Ok(key)) => Ok(key),
        None => Err(TlsError::NoKey {
            path: path.to_owned(),
        }),
        Some(Err(error)) => Err(malformed(path, error)),
    }
}

fn is_encrypted(text: &[u8]) -> bool {
    const MARKS: [&[u8]; 2] = [b"BEGIN ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED"];
    MARKS.iter().any(|mark| contains(text, mark))
}

fn contains(text: &[u8], mark: &[u8]) -> bool {
    text.windows(mark.len()).any(|window| window == mark)
}

/// Returns the length of the modulus in bits, if this is an RSA key.
fn rsa_bits(key: &PrivateKeyDer<'_>) -> Option<usize> {
    let modulus = match key {
        PrivateKeyDer::Pkcs1(key) => modulus(key.secret_pkcs1_der()),
        PrivateKeyDer::Pkcs8(key) => modulus_within(key.secret_pkcs8_der()),
        _ => return None,
    };
    let modulus = modulus.ok()?.as_bytes();
    let unused = modulus.first()?.leading_zeros() as usize;
    Some(modulus.len() * 8 - unused)
}

/// Finds the modulus in a `PrivateKeyInfo` (RFC 5208 §5): version, algorithm, and the key in the
/// algorithm's own form.
fn modulus_within(key: &[u8]) -> der::Result<UintRef<'_>> {
    let mut fields = fields(key)?;
    fields.decode::<UintRef<'_>>()?;
    fields.decode::<AnyRef<'_>>()?;
    modulus(fields.decode::<AnyRef<'_>>()?.value())
}

/// Finds the modulus in an `RSAPrivateKey` (RFC 8017 §A.1.2): version, modulus, and fields that are
/// not needed here. The key of another algorithm has no second number.
fn modulus(key: &[u8]) -> der::Result<UintRef<'_>> {
    let mut fields = fields(key)?;
    fields.decode::<UintRef<'_>>()?;
    fields.decode()
}

fn fields(sequence: &[u8]) -> der::Result<SliceReader<'_>> {
    let sequence = AnyRef::from_der(sequence)?;
    sequence.tag().assert_eq(Tag::Sequence)?;
    SliceReader::new(sequence.value())
}

/// Reads a file. Refuses one with a byte order mark before the first section, as editors on Windows
/// write it, because that section would be overlooked.
fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let text = read_regular(path).map_err(|source| TlsError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    if text.starts_with(b"\xef\xbb\xbf-----BEGIN") {
        return Err(TlsError::Malformed {
            path: path.to_owned(),
            reason: "it begins with a byte order mark; save it without".to_owned(),
        });
    }
    Ok(text)
}

/// Reads a file, and refuses any that is not regular: opening a FIFO would wait, and a device need
/// not end.
fn read_regular(path: &Path) -> io::Result<Vec<u8>> {
    let unsuitable = |text: &str| io::Error::new(io::ErrorKind::InvalidInput, text);
    let kind = fs::metadata(path)?.file_type();
    if !kind.is_file() {
        return Err(unsuitable("it is no regular file"));
    }
    let mut text = Vec::new();
    File::open(path)?
        .take(MOST_BYTES + 1)
        .read_to_end(&mut text)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(unsuitable("it is larger than 16 MiB"));
    }
    Ok(text)
}

fn malformed(path: &Path, error: pem::Error) -> TlsError {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes.trim_ascii_end()).into_owned();
    let reason = match &error {
        pem::Error::MissingSectionEnd { end_marker } => {
            format!("no line \"-----END {}-----\"", text(end_marker))
        }
        pem::Error::IllegalSectionStart { line } => format!("wrong line {:?}", text(line)),
        error => error.to_string(),
    };
    TlsError::Malformed {
        path: path.to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests;
