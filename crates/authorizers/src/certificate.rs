//! Client certificates, and the names in them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use x509_cert::der::asn1::{
    Any, Ia5StringRef, ObjectIdentifier, PrintableStringRef, TeletexStringRef, Utf8StringRef,
};
use x509_cert::der::oid::db::rfc4519::COMMON_NAME;
use x509_cert::der::{Decode, Tag, Tagged};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;
use x509_cert::{Certificate, der};

/// The certificate by which a client was authenticated in the TLS handshake of its control
/// connection.
///
/// The code that creates this value has verified the certificate: an authority that the server
/// trusts has signed it, it is valid now, and the client has its private key.
///
/// # Examples
///
/// An authorizer that requires a certificate in addition to the password:
///
/// ```
/// use ftpdlib_authorizers::{
///     AuthenticationFailed, Authorizer, DummyAuthorizer, Login, LoginRequest,
/// };
/// use ftpdlib_proto::{Perm, VirtualPath};
///
/// struct Both(DummyAuthorizer);
///
/// impl Authorizer for Both {
///     fn authenticate(&self, request: &LoginRequest<'_>) -> Result<Login, AuthenticationFailed> {
///         let certificate = request.certificate.ok_or(AuthenticationFailed)?;
///         if !certificate.has_name(request.username) {
///             return Err(AuthenticationFailed);
///         }
///         self.0.authenticate(request)
///     }
///
///     fn has_perm(&self, login: &Login, perm: Perm, path: &VirtualPath) -> bool {
///         self.0.has_perm(login, perm, path)
///     }
///
///     fn is_local(&self) -> bool {
///         self.0.is_local()
///     }
/// }
/// ```
#[derive(Clone)]
pub struct VerifiedCertificate {
    der: Vec<u8>,
    subject: CertificateSubject,
    common_names: Vec<String>,
    alternative_names: Vec<String>,
}

impl VerifiedCertificate {
    /// Reads a certificate in DER form (RFC 5280).
    ///
    /// # Errors
    ///
    /// [`CertificateError`] if this is not a certificate, or its names cannot be read.
    pub fn from_der(der: impl Into<Vec<u8>>) -> Result<Self, CertificateError> {
        let der = der.into();
        let certificate = Certificate::from_der(&der)?;
        let certificate = certificate.tbs_certificate();
        let names = certificate.get_extension::<SubjectAltName>()?;
        let alternative_names = names
            .iter()
            .flat_map(|(_, names)| names.0.iter().filter_map(alternative_name))
            .collect();
        let subject = certificate.subject();
        let common_names = subject
            .iter()
            .filter(|attribute| attribute.oid == COMMON_NAME)
            .filter_map(|attribute| text(&attribute.value).map(str::to_owned))
            .collect();
        let subject = CertificateSubject(subject.clone());
        Ok(Self {
            der,
            subject,
            common_names,
            alternative_names,
        })
    }

    /// Whether `subject` is the owner's whole name.
    pub fn has_subject(&self, subject: &CertificateSubject) -> bool {
        self.subject == *subject
    }

    /// Whether `name` is one of the owner's names: a common name (CN) of the subject, or a mail
    /// address, DNS name or URI among the alternative names. Case is ignored in mail addresses and
    /// DNS names.
    pub fn has_name(&self, name: &str) -> bool {
        let is_it = |own: &String| own.eq_ignore_ascii_case(name) && (own == name || !is_uri(own));
        self.common_names.iter().any(|own| own == name) || self.alternative_names.iter().any(is_it)
    }

    /// The owner's whole name.
    pub fn subject(&self) -> &CertificateSubject {
        &self.subject
    }

    /// The common names (CN) of the subject; usually there is one.
    pub fn common_names(&self) -> &[String] {
        &self.common_names
    }

    /// The alternative names (`subjectAltName`): mail addresses, DNS names and URIs.
    pub fn alternative_names(&self) -> &[String] {
        &self.alternative_names
    }

    /// The certificate itself, in DER form.
    pub fn der(&self) -> &[u8] {
        &self.der
    }
}

/// Shows the names, without the bytes.
impl fmt::Debug for VerifiedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedCertificate")
            .field("subject", &self.subject.to_string())
            .field("alternative_names", &self.alternative_names)
            .finish_non_exhaustive()
    }
}

/// The owner of a certificate, or its subject: a distinguished name.
///
/// As text, it has the form of RFC 4514, most specific part first, as printed by
/// `openssl x509 -noout -subject -nameopt RFC2253`. Two subjects are equal if they have the same
/// parts in the same order, with the same text. The encoding of the text does not matter, but its
/// case does.
///
/// # Examples
///
/// ```
/// use ftpdlib_authorizers::CertificateSubject;
///
/// let subject: CertificateSubject = "CN=Alice Smith,OU=Sales,O=Example".parse()?;
/// assert_eq!(subject.to_string(), "CN=Alice Smith,OU=Sales,O=Example");
/// assert!("Alice Smith".parse::<CertificateSubject>().is_err());
/// # Ok::<(), ftpdlib_authorizers::CertificateError>(())
/// ```
#[derive(Clone)]
pub struct CertificateSubject(Name);

impl CertificateSubject {
    /// The parts of the name. Each is an unordered set of attributes with their types.
    fn parts(&self) -> impl Iterator<Item = BTreeSet<(ObjectIdentifier, Value<'_>)>> {
        self.0.iter_rdn().map(|part| {
            part.iter()
                .map(|attribute| (attribute.oid, Value::of(&attribute.value)))
                .collect()
        })
    }
}

impl FromStr for CertificateSubject {
    type Err = CertificateError;

    fn from_str(text: &str) -> Result<Self, CertificateError> {
        let name = Name::from_str(text)?;
        if name.is_empty() {
            // An empty name would match every certificate without a subject.
            return Err(CertificateError("empty name".into()));
        }
        Ok(Self(name))
    }
}

impl fmt::Display for CertificateSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CertificateSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertificateSubject({self})")
    }
}

impl PartialEq for CertificateSubject {
    fn eq(&self, other: &Self) -> bool {
        self.parts().eq(other.parts())
    }
}

impl Eq for CertificateSubject {}

/// The value of an attribute, as text if it is text.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
enum Value<'a> {
    Text(&'a str),
    Other(Tag, &'a [u8]),
}

impl<'a> Value<'a> {
    fn of(value: &'a Any) -> Self {
        match text(value) {
            Some(text) => Self::Text(text),
            None => Self::Other(value.tag(), value.value()),
        }
    }
}

fn text(value: &Any) -> Option<&str> {
    match value.tag() {
        Tag::Utf8String => Some(Utf8StringRef::try_from(value).ok()?.as_str()),
        Tag::PrintableString => Some(PrintableStringRef::try_from(value).ok()?.as_str()),
        Tag::Ia5String => Some(Ia5StringRef::try_from(value).ok()?.as_str()),
        Tag::TeletexString => Some(TeletexStringRef::try_from(value).ok()?.as_str()),
        _ => None,
    }
}

fn alternative_name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::Rfc822Name(name)
        | GeneralName::DnsName(name)
        | GeneralName::UniformResourceIdentifier(name) => Some(name.as_str().to_owned()),
        _ => None,
    }
}

fn is_uri(name: &str) -> bool {
    name.contains(':')
}

/// A certificate or a subject that cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct CertificateError(String);

impl From<der::Error> for CertificateError {
    fn from(error: der::Error) -> Self {
        Self(error.to_string())
    }
}

#[cfg(test)]
pub(crate) mod tests;
