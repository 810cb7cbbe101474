//! MLST and MLSD facts (RFC 3659 §7.5).
use crate::{Metadata, Perms, Zone};

/// A fact this server knows. Order here is the order on the wire.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Fact {
    /// `type`
    Type,
    /// `perm`
    Perm,
    /// `size`
    Size,
    /// `modify`
    Modify,
    /// `unique`
    Unique,
    /// `unix.mode`
    UnixMode,
    /// `unix.uid`
    UnixUid,
    /// `unix.gid`
    UnixGid,
}

/// The facts chosen by OPTS MLST.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FactSet(u8);
impl FactSet {
    /// Parses OPTS MLST's list: `type;size;` - unknown facts are dropped, case-insensitive.
    pub fn parse(_arg: &[u8]) -> Self {
        todo!()
    }
    /// Whether it holds `fact`.
    pub fn contains(self, _fact: Fact) -> bool {
        todo!()
    }
    /// `type*;perm*;size*;modify;…;` for FEAT: a star marks the chosen ones.
    pub fn format_feat(self) -> String {
        todo!()
    }
    /// `type;size;` of the chosen ones, for the OPTS reply.
    pub fn format_chosen(self) -> String {
        todo!()
    }
}
// Default: type perm size modify unique unix.mode unix.uid unix.gid? -> as pyftpdlib's default set
// (type, perm, size, modify, unique) plus unix.mode.

/// What an entry is to the listing that shows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EntryRole {
    /// A plain entry, or MLST's subject.
    Entry,
    /// `type=cdir`
    Current,
    /// `type=pdir`
    Parent,
}

/// Appends `type=file;size=5;…; ` (with the final blank) for one entry; `perms` are the user's for
/// its directory and become the `perm` fact by pyftpdlib's rules (`adfrw` for files, `elmcpd`-style
/// for directories). A symlink is `type=OS.unix=slink:`? -> metadata given is the target's when it
/// can be had; otherwise `OS.unix=slink:`.
pub fn format_facts(
    _out: &mut Vec<u8>,
    _facts: FactSet,
    _metadata: &Metadata,
    _role: EntryRole,
    _perms: Perms,
    _zone: Zone,
) {
    todo!()
}
