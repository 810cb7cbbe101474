//! Files to send and fetch, and how to compare them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Names and sizes, in bytes, of the files that travel one by one.
pub(super) const FILES: &[(&str, usize)] = &[
    ("empty.bin", 0),
    ("one.bin", 1),
    ("page.bin", 4096),
    ("large.bin", 5 << 20),
    ("name with blanks.bin", 4097),
    ("größe ☃.bin", 4098),
    ("-dash.bin", 4099),
    ("quote\"d.bin", 4100),
];

/// Paths and sizes of the files of a tree. A size of `None` is an empty directory.
pub(super) const TREE: &[(&str, Option<usize>)] = &[
    ("top.bin", Some(70_000)),
    ("empty.bin", Some(0)),
    ("one/middle.bin", Some(1)),
    ("one/two/deep name.bin", Some(4096)),
    ("one/two/größe.bin", Some(33)),
    ("hollow", None),
];

/// The modification time that files get before they travel: [`TIME`](super::TIME).
pub(super) fn old_time() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(981_173_106)
}

/// What a directory holds: relative paths, and content for files, `None` for directories.
pub(super) type Snapshot = BTreeMap<String, Option<Vec<u8>>>;

/// `size` bytes that do not repeat, the same ones for the same `seed`.
///
/// All byte values occur, so that a transfer which translates line ends or Telnet bytes shows.
pub(super) fn content(seed: &str, size: usize) -> Vec<u8> {
    // xorshift64*: no crate is needed to be unpredictable enough for a wrong offset to show.
    let mut state = seed.bytes().fold(0x9E37_79B9_7F4A_7C15_u64, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    }) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// Writes `bytes` to `path`, dated [`old_time`], making the directories above it.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(path, bytes)?;
    File::options()
        .write(true)
        .open(path)?
        .set_modified(old_time())
}

/// Makes [`TREE`] in the directory `root`.
pub(super) fn write_tree(root: &Path) -> io::Result<()> {
    for (path, size) in TREE {
        match size {
            Some(size) => write(&root.join(path), &content(path, *size))?,
            None => fs::create_dir_all(root.join(path))?,
        }
    }
    Ok(())
}

/// Reads everything below `root`.
pub(super) fn snapshot(root: &Path) -> io::Result<Snapshot> {
    let mut found = Snapshot::new();
    let mut pending = vec![String::new()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(root.join(&directory))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if directory.is_empty() {
                name
            } else {
                format!("{directory}/{name}")
            };
            if entry.file_type()?.is_dir() {
                found.insert(path.clone(), None);
                pending.push(path);
            } else {
                found.insert(path, Some(fs::read(entry.path())?));
            }
        }
    }
    Ok(found)
}

/// Takes the directories that hold nothing out of `snapshot`.
pub(super) fn without_empty_directories(snapshot: &Snapshot) -> Snapshot {
    let holds_something = |directory: &str| {
        let prefix = format!("{directory}/");
        snapshot
            .iter()
            .any(|(path, content)| content.is_some() && path.starts_with(&prefix))
    };
    snapshot
        .iter()
        .filter(|(path, content)| content.is_some() || holds_something(path))
        .map(|(path, content)| (path.clone(), content.clone()))
        .collect()
}

/// Compares bytes that arrived with those that were sent.
///
/// # Errors
///
/// The first place where they differ.
pub(super) fn compare(arrived: &[u8], sent: &[u8]) -> Result<(), String> {
    if arrived == sent {
        return Ok(());
    }
    let common = arrived.iter().zip(sent).take_while(|(a, b)| a == b).count();
    Err(format!(
        "{} bytes instead of {}, different from byte {common} on",
        arrived.len(),
        sent.len()
    ))
}

/// Compares two directories.
///
/// # Errors
///
/// Every path that differs.
pub(super) fn compare_trees(arrived: &Snapshot, sent: &Snapshot) -> Result<(), String> {
    let mut differences = Vec::new();
    for (path, content) in sent {
        match (arrived.get(path), content) {
            (None, _) => differences.push(format!("{path} is missing")),
            (Some(None), None) => {}
            (Some(Some(arrived)), Some(sent)) => {
                if let Err(difference) = compare(arrived, sent) {
                    differences.push(format!("{path}: {difference}"));
                }
            }
            (Some(Some(_)), None) => differences.push(format!("{path} is no directory")),
            (Some(None), Some(_)) => differences.push(format!("{path} is a directory")),
        }
    }
    differences.extend(
        arrived
            .keys()
            .filter(|path| !sent.contains_key(*path))
            .map(|path| format!("{path} is new")),
    );
    if differences.is_empty() {
        Ok(())
    } else {
        Err(differences.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_depends_on_its_seed_alone() {
        assert_eq!(content("a", 100), content("a", 200)[..100]);
        assert_ne!(content("a", 100), content("b", 100));
        let all: std::collections::HashSet<u8> = content("a", 1 << 16).into_iter().collect();
        assert_eq!(all.len(), 256);
    }

    #[test]
    fn differences_are_named() {
        assert_eq!(compare(b"abc", b"abc"), Ok(()));
        assert_eq!(
            compare(b"abd", b"abcd"),
            Err("3 bytes instead of 4, different from byte 2 on".into())
        );
        let sent = Snapshot::from([("a".into(), Some(vec![1])), ("d".into(), None)]);
        let arrived = Snapshot::from([("a".into(), Some(vec![2])), ("e".into(), None)]);
        assert_eq!(compare_trees(&sent, &sent), Ok(()));
        assert_eq!(
            compare_trees(&arrived, &sent),
            Err("a: 1 bytes instead of 1, different from byte 0 on, d is missing, e is new".into())
        );
    }

    #[test]
    fn empty_directories_can_be_left_out() {
        let tree = Snapshot::from([
            ("a".into(), None),
            ("a/b".into(), Some(Vec::new())),
            ("a/c".into(), None),
        ]);
        let kept: Vec<String> = without_empty_directories(&tree).into_keys().collect();
        assert_eq!(kept, ["a", "a/b"]);
    }
}
