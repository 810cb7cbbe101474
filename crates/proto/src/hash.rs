//! The algorithms of `HASH` and its relatives.

/// An algorithm for digests of files.
///
/// The enum is complete: a driver must implement every algorithm under its own name.
///
/// # Examples
///
/// ```
/// # use ftpdlib_proto::HashAlgorithm;
/// assert_eq!(HashAlgorithm::parse(b"sha-512"), Some(HashAlgorithm::Sha512));
/// assert_eq!(HashAlgorithm::default().name(), "SHA-256");
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum HashAlgorithm {
    /// `SHA-256`, the default until `OPTS HASH` chooses another.
    #[default]
    Sha256,
    /// `SHA-512`
    Sha512,
    /// `SHA-1`
    Sha1,
    /// `MD5`
    Md5,
    /// `CRC32`, as in Ethernet and ZIP.
    Crc32,
}

impl HashAlgorithm {
    /// All algorithms, beginning with the strongest one in common use.
    pub const ALL: [Self; 5] = [
        Self::Sha256,
        Self::Sha512,
        Self::Sha1,
        Self::Md5,
        Self::Crc32,
    ];

    /// Its name in the registry that draft-bryan-ftpext-hash uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Sha512 => "SHA-512",
            Self::Sha1 => "SHA-1",
            Self::Md5 => "MD5",
            Self::Crc32 => "CRC32",
        }
    }

    /// Looks up an algorithm by its name, in any case.
    pub fn parse(name: &[u8]) -> Option<Self> {
        let is_named = |algorithm: &Self| name.eq_ignore_ascii_case(algorithm.name().as_bytes());
        Self::ALL.into_iter().find(is_named)
    }

    /// Formats all names for the line of `FEAT`, with a star at this one:
    /// `SHA-256*;SHA-512;SHA-1;MD5;CRC32`.
    pub fn format_feat(self) -> String {
        let star = |algorithm| if algorithm == self { "*" } else { "" };
        Self::ALL
            .map(|algorithm| format!("{}{}", algorithm.name(), star(algorithm)))
            .join(";")
    }

    /// Joins all names by a separator.
    pub(crate) fn names(separator: &str) -> String {
        Self::ALL.map(Self::name).join(separator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case() {
        for algorithm in HashAlgorithm::ALL {
            let name = algorithm.name();
            assert_eq!(HashAlgorithm::parse(name.as_bytes()), Some(algorithm));
            let lower = name.to_lowercase();
            assert_eq!(HashAlgorithm::parse(lower.as_bytes()), Some(algorithm));
        }
        for name in ["", "SHA", "SHA256", "SHA-256 ", "CRC-32"] {
            assert_eq!(HashAlgorithm::parse(name.as_bytes()), None, "{name:?}");
        }
    }

    #[test]
    fn feat_marks_the_chosen() {
        assert_eq!(
            HashAlgorithm::Md5.format_feat(),
            "SHA-256;SHA-512;SHA-1;MD5*;CRC32"
        );
    }
}
