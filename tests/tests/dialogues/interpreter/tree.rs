//! Files and directories in memory.

use std::collections::BTreeMap;

use ftpdlib_proto::{FileKind, Metadata, VirtualPath};

/// What is there, by path. The root is not in it.
#[derive(Default)]
pub(crate) struct Tree(BTreeMap<VirtualPath, Node>);

#[derive(Clone)]
pub(crate) struct Node {
    /// `None` for a directory.
    pub(crate) content: Option<Vec<u8>>,
    pub(crate) modified: i64,
    pub(crate) mode: u32,
}

/// 2020-01-01 00:00:00
const NEW_YEAR: i64 = 1_577_836_800;

impl Tree {
    pub(crate) fn add_file(&mut self, path: &str, content: &[u8]) {
        self.store(&parse(path), content.to_vec());
    }

    pub(crate) fn add_directory(&mut self, path: &str) {
        self.make_directory(&parse(path));
    }

    pub(crate) fn store(&mut self, path: &VirtualPath, content: Vec<u8>) {
        let node = self.0.entry(path.clone()).or_insert(Node {
            content: None,
            modified: NEW_YEAR,
            mode: 0o644,
        });
        node.content = Some(content);
    }

    pub(crate) fn make_directory(&mut self, path: &VirtualPath) {
        let node = Node {
            content: None,
            modified: NEW_YEAR,
            mode: 0o755,
        };
        self.0.insert(path.clone(), node);
    }

    pub(crate) fn remove(&mut self, path: &VirtualPath) {
        self.0.remove(path);
    }

    /// Moves an entry and what is below it.
    pub(crate) fn rename(&mut self, from: &VirtualPath, to: &VirtualPath) {
        let moved: Vec<_> = self
            .0
            .keys()
            .filter(|path| path.starts_with(from))
            .cloned()
            .collect();
        for path in moved {
            let below = &path.as_bytes()[from.as_bytes().len()..];
            let new = VirtualPath::new([to.as_bytes(), below].concat()).expect("a short path");
            if let Some(node) = self.0.remove(&path) {
                self.0.insert(new, node);
            }
        }
    }

    pub(crate) fn get_mut(&mut self, path: &VirtualPath) -> Option<&mut Node> {
        self.0.get_mut(path)
    }

    pub(crate) fn get(&self, path: &VirtualPath) -> Option<Node> {
        let root = || Node {
            content: None,
            modified: NEW_YEAR,
            mode: 0o755,
        };
        match path.is_root() {
            true => Some(root()),
            false => self.0.get(path).cloned(),
        }
    }

    /// The entries of a directory.
    pub(crate) fn entries(&self, directory: &VirtualPath) -> Vec<(Vec<u8>, Node)> {
        let is_entry = |path: &&VirtualPath| path.parent().as_ref() == Some(directory);
        let names = self.0.keys().filter(is_entry);
        names
            .filter_map(|path| Some((path.file_name()?.to_vec(), self.get(path)?)))
            .collect()
    }

    /// Compares a file with what a dialogue says; `None` if there is to be none.
    pub(crate) fn check(&self, path: &str, expected: Option<&[u8]>) -> Result<(), String> {
        let found = self.0.get(&parse(path)).map(|node| &node.content);
        match (found, expected) {
            (Some(Some(content)), Some(expected)) if content == expected => Ok(()),
            (None, None) => Ok(()),
            (found, _) => Err(format!("{path} is {found:?}")),
        }
    }
}

impl Node {
    pub(crate) fn metadata(&self) -> Metadata {
        Metadata {
            kind: match self.content {
                Some(_) => FileKind::File,
                None => FileKind::Directory,
            },
            size: self.content.as_ref().map_or(0, Vec::len) as u64,
            modified: self.modified,
            mode: self.mode,
            links: 1,
            uid: 1000,
            gid: 1000,
            device: 1,
            inode: 7,
            unwritten: false,
        }
    }
}

fn parse(path: &str) -> VirtualPath {
    VirtualPath::new(path).expect("a path of a dialogue")
}
