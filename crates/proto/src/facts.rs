//! The facts of `MLST` and `MLSD` (RFC 3659 §7.5).

use crate::digits::{push_decimal, push_hex, push_mode};
use crate::{FileKind, Metadata, Perm, Perms, Zone};

/// A fact that this server knows, in the order on the wire.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
#[repr(u8)]
pub enum Fact {
    /// `type`: what the entry is.
    Type,
    /// `perm`: what this user may do with the entry.
    Perm,
    /// `size`: in bytes; directories have none.
    Size,
    /// `modify`: modification time.
    Modify,
    /// `unique`: the same for all names of one file, and different for any other file.
    Unique,
    /// `unix.mode`: permission bits in octal.
    UnixMode,
    /// `unix.uid`: owner's id.
    UnixUid,
    /// `unix.gid`: group's id.
    UnixGid,
}

impl Fact {
    const ALL: [Self; 8] = [
        Self::Type,
        Self::Perm,
        Self::Size,
        Self::Modify,
        Self::Unique,
        Self::UnixMode,
        Self::UnixUid,
        Self::UnixGid,
    ];

    /// The name on the wire. It is in lower case, though case does not matter (RFC 3659 §7.5):
    /// several clients compare bytes.
    const fn name(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Perm => "perm",
            Self::Size => "size",
            Self::Modify => "modify",
            Self::Unique => "unique",
            Self::UnixMode => "unix.mode",
            Self::UnixUid => "unix.uid",
            Self::UnixGid => "unix.gid",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The facts chosen by `OPTS MLST` (RFC 3659 §7.9).
///
/// The default is pyftpdlib's (type, perm, size, modify and unique) plus `unix.mode`, which
/// FileZilla shows and would spend a round trip to ask for.
///
/// # Examples
///
/// ```
/// # use ftpdlib_proto::{Fact, FactSet};
/// let facts = FactSet::parse(b"Size;type;x.unheard-of;");
/// assert!(facts.contains(Fact::Size));
/// assert_eq!(facts.format_chosen(), "type;size;");
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FactSet(u8);

impl FactSet {
    /// Parses the list of `OPTS MLST`, such as `type;size;`, in any case and order.
    ///
    /// Unknown facts are dropped, as RFC 3659 §7.9 requires; so a list that is empty, or has only
    /// unknown facts, gives the empty set, and listings of bare names.
    pub fn parse(arg: &[u8]) -> Self {
        let bits = arg.split(|&byte| byte == b';').filter_map(|name| {
            let name = name.trim_ascii();
            Fact::ALL
                .into_iter()
                .find(|fact| name.eq_ignore_ascii_case(fact.name().as_bytes()))
        });
        Self(bits.fold(0, |set, fact| set | fact.bit()))
    }

    /// Whether the set contains `fact`.
    pub const fn contains(self, fact: Fact) -> bool {
        self.0 & fact.bit() != 0
    }

    /// Formats all facts for the line of `FEAT`, the chosen ones with a star (RFC 3659 §7.8):
    /// `type*;perm*;size*;modify*;unique*;unix.mode*;unix.uid;unix.gid;`.
    pub fn format_feat(self) -> String {
        let mut text = String::new();
        for fact in Fact::ALL {
            text.push_str(fact.name());
            text.push_str(if self.contains(fact) { "*;" } else { ";" });
        }
        text
    }

    /// Formats the chosen facts for the reply to `OPTS MLST`: `type;size;`, or empty.
    pub fn format_chosen(self) -> String {
        let mut text = String::new();
        for fact in Fact::ALL.into_iter().filter(|&fact| self.contains(fact)) {
            text.push_str(fact.name());
            text.push(';');
        }
        text
    }
}

impl Default for FactSet {
    fn default() -> Self {
        Self(!(Fact::UnixUid.bit() | Fact::UnixGid.bit()))
    }
}

/// What a user may do with an entry, for the `perm` fact. If permissions do not depend on the path,
/// use `perms.into()`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct EntryPerms {
    /// Permissions on the entry itself: to read, enter or delete it.
    pub own: Perms,
    /// Permissions on the entries of a directory: to store, make directories or delete there.
    pub inside: Perms,
}

impl From<Perms> for EntryPerms {
    fn from(perms: Perms) -> Self {
        Self {
            own: perms,
            inside: perms,
        }
    }
}

/// Appends the facts of one entry, `type=file;size=5;…; `, up to and including the blank before the
/// name. The name itself is the caller's to add.
///
/// `perms` are the user's permissions. For a symbolic link, `metadata` should be that of its
/// target, if available.
///
/// - `type`: `file`, `dir`; `OS.unix=slink:` for a link that is passed as such, which FileZilla
///   understands; `OS.unix=other` for a FIFO, socket or device, so that a client that mirrors a
///   tree leaves it alone. pyftpdlib says `file` for these.
/// - `perm`: by the user's permissions, as in pyftpdlib, and not by the mode bits. `adfrw` for a
///   file; `cdeflmp` for a directory, where `c` is the right to store, and `p` the right to delete;
///   `df` for any other entry.
/// - `size`: omitted for directories, to which RFC 3659 §7.5.7 does not apply it; pyftpdlib has it.
/// - `modify`: in `zone`. RFC 3659 §2.3 requires GMT; `use_gmt_times` may be off.
/// - `unique`: device and inode in hexadecimal with a `g` between them.
/// - `unix.mode`: four octal digits, as in `0644`.
pub fn format_facts(
    out: &mut Vec<u8>,
    facts: FactSet,
    metadata: &Metadata,
    perms: EntryPerms,
    zone: Zone,
) {
    for fact in Fact::ALL.into_iter().filter(|&fact| facts.contains(fact)) {
        if fact == Fact::Size && metadata.kind == FileKind::Directory {
            continue;
        }
        out.extend_from_slice(fact.name().as_bytes());
        out.push(b'=');
        match fact {
            Fact::Type => out.extend_from_slice(type_name(metadata.kind)),
            Fact::Perm => push_perm(out, perms, metadata.kind),
            Fact::Size => push_decimal(out, metadata.size),
            Fact::Modify => zone.civil(metadata.modified).format_compact(out),
            Fact::Unique => {
                push_hex(out, metadata.device);
                out.push(b'g');
                push_hex(out, metadata.inode);
            }
            Fact::UnixMode => push_mode(out, metadata.mode),
            Fact::UnixUid => push_decimal(out, metadata.uid.into()),
            Fact::UnixGid => push_decimal(out, metadata.gid.into()),
        }
        out.push(b';');
    }
    out.push(b' ');
}

/// The letters of the `perm` fact (RFC 3659 §7.5.5) and the permission behind each.
const FILE_LETTERS: [(u8, Perm); 5] = [
    (b'a', Perm::Append),
    (b'd', Perm::Delete),
    (b'f', Perm::Rename),
    (b'r', Perm::Retrieve),
    (b'w', Perm::Store),
];
const DIRECTORY_LETTERS: [(u8, Perm); 7] = [
    (b'c', Perm::Store),
    (b'd', Perm::Delete),
    (b'e', Perm::ChangeDir),
    (b'f', Perm::Rename),
    (b'l', Perm::List),
    (b'm', Perm::MakeDir),
    (b'p', Perm::Delete),
];
const OTHER_LETTERS: [(u8, Perm); 2] = [(b'd', Perm::Delete), (b'f', Perm::Rename)];

/// The letters of a directory that concern its entries.
const INSIDE: [u8; 3] = [b'c', b'm', b'p'];

fn push_perm(out: &mut Vec<u8>, perms: EntryPerms, kind: FileKind) {
    let letters: &[(u8, Perm)] = match kind {
        FileKind::Directory => &DIRECTORY_LETTERS,
        FileKind::File => &FILE_LETTERS,
        FileKind::Symlink | FileKind::Other => &OTHER_LETTERS,
    };
    for &(letter, perm) in letters {
        let perms = match INSIDE.contains(&letter) {
            true => perms.inside,
            false => perms.own,
        };
        if perms.contains(perm) {
            out.push(letter);
        }
    }
}

fn type_name(kind: FileKind) -> &'static [u8] {
    match kind {
        FileKind::File => b"file",
        FileKind::Directory => b"dir",
        FileKind::Symlink => b"OS.unix=slink:",
        FileKind::Other => b"OS.unix=other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn metadata(kind: FileKind) -> Metadata {
        Metadata {
            kind,
            size: 5,
            modified: 951_782_400,
            mode: 0o100_644,
            links: 1,
            uid: 1000,
            gid: 100,
            device: 0x801,
            inode: 0xbeef,
            unwritten: false,
        }
    }

    fn facts(set: &str, kind: FileKind, perms: &str) -> String {
        let perms: Perms = perms.parse().unwrap();
        facts_for(set, kind, perms.into())
    }

    fn facts_for(set: &str, kind: FileKind, perms: EntryPerms) -> String {
        let (set, mut out) = (FactSet::parse(set.as_bytes()), Vec::new());
        format_facts(&mut out, set, &metadata(kind), perms, Zone::Gmt);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn all_facts_of_a_file() {
        let all = "type;perm;size;modify;unique;unix.mode;unix.uid;unix.gid;";
        assert_eq!(
            facts(all, FileKind::File, "elradfmwMT"),
            "type=file;perm=adfrw;size=5;modify=20000229000000;unique=801gbeef;unix.mode=0644;\
             unix.uid=1000;unix.gid=100; "
        );
    }

    #[track_caller]
    fn check(kind: FileKind, perms: &str, expected: &str) {
        assert_eq!(facts("type;perm;size", kind, perms), expected, "{kind:?}");
    }

    #[test]
    fn modes_had_as_many_digits_as_they_needed() {
        for (mode, expected) in [
            (0, "0000"),
            (0o7, "0007"),
            (0o644, "0644"),
            (0o1777, "1777"),
            (0o104_755, "4755"),
        ] {
            let metadata = Metadata {
                mode,
                ..metadata(FileKind::File)
            };
            let (set, mut out) = (FactSet::parse(b"unix.mode;"), Vec::new());
            format_facts(&mut out, set, &metadata, Perms::ALL.into(), Zone::Gmt);
            assert_eq!(out, format!("unix.mode={expected}; ").as_bytes());
        }
    }

    #[test]
    fn perm_follows_the_users_letters() {
        check(FileKind::File, "elr", "type=file;perm=r;size=5; ");
        check(FileKind::File, "", "type=file;perm=;size=5; ");
        check(FileKind::Directory, "elr", "type=dir;perm=el; ");
        check(FileKind::Directory, "elradfmwMT", "type=dir;perm=cdeflmp; ");
        check(
            FileKind::Other,
            "elradfmwMT",
            "type=OS.unix=other;perm=df;size=5; ",
        );
    }

    #[test]
    fn perm_of_a_directory_tells_what_may_be_done_in_it() {
        let (own, inside) = ("elradfmw".parse().unwrap(), Perms::READ_ONLY);
        for (kind, perms, expected) in [
            (
                FileKind::Directory,
                EntryPerms { own, inside },
                "perm=defl; ",
            ),
            (
                FileKind::Directory,
                EntryPerms {
                    own: inside,
                    inside: own,
                },
                "perm=celmp; ",
            ),
            (FileKind::File, EntryPerms { own, inside }, "perm=adfrw; "),
        ] {
            let facts = facts_for("perm", kind, perms);
            assert_eq!(facts, expected, "{kind:?} {perms:?}");
        }
    }

    #[test]
    fn a_link_is_named_as_such() {
        check(
            FileKind::Symlink,
            "el",
            "type=OS.unix=slink:;perm=;size=5; ",
        );
    }

    #[test]
    fn no_fact_chosen_leaves_the_blank() {
        assert_eq!(facts("", FileKind::File, "r"), " ");
    }

    #[test]
    fn feat_marks_the_chosen() {
        assert_eq!(
            FactSet::default().format_feat(),
            "type*;perm*;size*;modify*;unique*;unix.mode*;unix.uid;unix.gid;"
        );
    }

    proptest! {
        #[test]
        fn chosen_facts_round_trip(bits: u8) {
            let set = FactSet(bits);
            prop_assert_eq!(FactSet::parse(set.format_chosen().as_bytes()), set);
            prop_assert_eq!(FactSet::parse(set.format_chosen().to_uppercase().as_bytes()), set);
        }

        #[test]
        fn parsing_never_panics(arg: Vec<u8>) {
            FactSet::parse(&arg);
        }
    }
}
