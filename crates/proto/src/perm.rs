//! Permission letters `elradfmwMT`.

/// One permission. The letters are pyftpdlib's.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u8)]
pub enum Perm {
    /// `e`
    ChangeDir,
    /// `l`
    List,
    /// `r`
    Retrieve,
    /// `a`
    Append,
    /// `d`
    Delete,
    /// `f`
    Rename,
    /// `m`
    MakeDir,
    /// `w`
    Store,
    /// `M`
    ChangeMode,
    /// `T`
    ChangeTime,
}
// impl Perm: ALL: [Perm; 10], letter(self) -> char, is_write(self) -> bool

/// A set of permissions; parsed from its letters (`FromStr`), printed as them.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Perms(u16);
impl Perms {
    /// `elr`
    pub const READ_ONLY: Self = Self(0);
    /// `elradfmwMT`
    pub const ALL: Self = Self(0);
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Whether `perm` is in the set.
    pub const fn contains(self, _perm: Perm) -> bool {
        todo!()
    }
    /// The write letters `adfmwMT` of the set.
    pub fn write_letters(self) -> Self {
        todo!()
    }
    /// Whether it is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}
// also: FromStr<Err = PermsError>, Display, FromIterator<Perm>

/// A letter that is no permission.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no such permission {letter:?} (known: elradfmwMT)")]
pub struct PermsError {
    /// The letter.
    pub letter: char,
}
