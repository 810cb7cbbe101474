//! Permission letters `elradfmwMT`.

use std::fmt::{self, Display, Write};
use std::str::FromStr;

use thiserror::Error;

/// One permission. The letters are pyftpdlib's.
///
/// [`VerbInfo`](crate::VerbInfo) has the permissions of each command.
///
/// The enum is complete: configuration files use these letters as a fixed alphabet.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u8)]
pub enum Perm {
    /// `e`: change directory (`CWD`, `CDUP`).
    ChangeDir,
    /// `l`: list files and see their size and time, and the free space (`LIST`, `MLSD`, `SIZE`,
    /// `MDTM`, `AVBL`, …).
    List,
    /// `r`: retrieve a file or its digest (`RETR`, `HASH`, …); with `w`, copy it.
    Retrieve,
    /// `a`: append to a file that exists (`APPE`).
    Append,
    /// `d`: delete a file or directory (`DELE`, `RMD`).
    Delete,
    /// `f`: rename a file or directory (`RNFR`, `RNTO`).
    Rename,
    /// `m`: create a directory (`MKD`).
    MakeDir,
    /// `w`: store a file (`STOR`, `STOU`), or make a symbolic link (`SITE SYMLINK`); with `r`, copy
    /// a file (`SITE COPY`, `CPTO`), or with `r` and `d` join some (`COMB`).
    Store,
    /// `M`: change a file's mode (`SITE CHMOD`, `MFF`).
    ChangeMode,
    /// `T`: change a file's modification time (`MFMT`, `MFF`, `SITE UTIME`, `MDTM` with a time).
    ChangeTime,
}

impl Perm {
    /// All permissions, in the order in which their letters are written.
    pub const ALL: [Self; 10] = [
        Self::ChangeDir,
        Self::List,
        Self::Retrieve,
        Self::Append,
        Self::Delete,
        Self::Rename,
        Self::MakeDir,
        Self::Store,
        Self::ChangeMode,
        Self::ChangeTime,
    ];

    /// The letter that stands for it.
    pub const fn letter(self) -> char {
        match self {
            Self::ChangeDir => 'e',
            Self::List => 'l',
            Self::Retrieve => 'r',
            Self::Append => 'a',
            Self::Delete => 'd',
            Self::Rename => 'f',
            Self::MakeDir => 'm',
            Self::Store => 'w',
            Self::ChangeMode => 'M',
            Self::ChangeTime => 'T',
        }
    }

    /// Whether it lets the user change something.
    pub const fn is_write(self) -> bool {
        !Perms::READ_ONLY.contains(self)
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// A set of permissions, written as their letters.
///
/// Letters may come in any order and more than once; they are printed in the order `elradfmwMT`.
///
/// # Examples
///
/// ```
/// # use ftpdlib_proto::{Perm, Perms};
/// let perms: Perms = "lew".parse()?;
/// assert!(perms.contains(Perm::Store));
/// assert_eq!(perms.to_string(), "elw");
/// assert_eq!(perms.write_letters().to_string(), "w");
/// assert_eq!(perms.union("rw".parse()?).to_string(), "elrw");
/// assert_eq!(perms.intersection(Perms::READ_ONLY).to_string(), "el");
/// assert_eq!(perms.without(Perms::of(&[Perm::List, Perm::Retrieve])).to_string(), "ew");
/// assert!(perms.contains_all("ew".parse()?) && !perms.contains_all("er".parse()?));
/// # Ok::<(), ftpdlib_proto::PermsError>(())
/// ```
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq)]
pub struct Perms(u16);

impl Perms {
    /// No permission.
    pub const NONE: Self = Self(0);

    /// `elr`: pyftpdlib's default for a new user.
    pub const READ_ONLY: Self =
        Self(Perm::ChangeDir.bit() | Perm::List.bit() | Perm::Retrieve.bit());

    /// `elradfmwMT`
    pub const ALL: Self = Self((1 << Perm::ALL.len()) - 1);

    /// Creates the set of these permissions.
    pub const fn of(perms: &[Perm]) -> Self {
        let mut set = Self::NONE;
        let mut rest = perms;
        while let [perm, after @ ..] = rest {
            set.0 |= perm.bit();
            rest = after;
        }
        set
    }

    /// Whether `perm` is in the set.
    pub const fn contains(self, perm: Perm) -> bool {
        self.0 & perm.bit() != 0
    }

    /// Whether all of `others` are in the set.
    pub const fn contains_all(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// The permissions of either set.
    pub const fn union(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// The permissions that are in both sets.
    pub const fn intersection(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    /// The set without `others`.
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// The permissions of the set that let the user change something: `adfmwMT`.
    pub const fn write_letters(self) -> Self {
        self.without(Self::READ_ONLY)
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromStr for Perms {
    type Err = PermsError;

    fn from_str(letters: &str) -> Result<Self, PermsError> {
        letters
            .chars()
            .map(|letter| {
                let known = Perm::ALL.into_iter().find(|perm| perm.letter() == letter);
                known.ok_or(PermsError { letter })
            })
            .collect()
    }
}

impl FromIterator<Perm> for Perms {
    fn from_iter<I: IntoIterator<Item = Perm>>(perms: I) -> Self {
        Self(perms.into_iter().fold(0, |bits, perm| bits | perm.bit()))
    }
}

impl fmt::Debug for Perms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Perms({self})")
    }
}

impl Display for Perms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Perm::ALL
            .into_iter()
            .filter(|&perm| self.contains(perm))
            .try_for_each(|perm| f.write_char(perm.letter()))
    }
}

/// Error for a letter that stands for no permission.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("no such permission {letter:?} (known: elradfmwMT)")]
pub struct PermsError {
    /// The first such letter.
    pub letter: char,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_constants_are_their_letters() {
        assert_eq!(Perms::NONE.to_string(), "");
        assert_eq!(Perms::READ_ONLY.to_string(), "elr");
        assert_eq!(Perms::ALL.to_string(), "elradfmwMT");
        assert_eq!(Perms::ALL.write_letters().to_string(), "adfmwMT");
    }

    #[test]
    fn an_unknown_letter_is_named() {
        assert_eq!("elR".parse::<Perms>(), Err(PermsError { letter: 'R' }));
    }

    #[test]
    fn a_permission_is_in_the_set_of_itself_only() {
        for perm in Perm::ALL {
            let set: Perms = [perm].into_iter().collect();
            assert_eq!(set.to_string(), perm.letter().to_string());
            assert_eq!(perm.is_write(), !set.write_letters().is_empty(), "{perm:?}");
        }
    }

    proptest! {
        #[test]
        fn letters_round_trip(bits in 0..1u16 << 10) {
            let set = Perms(bits);
            prop_assert_eq!(set.to_string().parse(), Ok(set));
        }

        #[test]
        fn parsing_never_panics(letters: String) {
            let _ = letters.parse::<Perms>();
        }
    }
}
