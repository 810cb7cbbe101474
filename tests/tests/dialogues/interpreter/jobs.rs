//! Jobs, done at once in memory.

use ftpdlib_proto::{
    ByteRange, ListEntry, NameEncoding, NamePattern, Perm, Perms, VirtualPath, Zone, format_facts,
    format_list_line,
};
use ftpdlib_session::{
    Action, Answer, Change, Job, JobOutcome, ListFormat, LoginFacts, Refusal, WriteHow,
};

use super::tree::{Node, Tree};

/// An opened file or listing.
#[derive(Debug)]
pub(crate) enum Payload {
    Read(Vec<u8>),
    List(Vec<u8>),
    Write(Target),
}

/// A file being written.
#[derive(Debug)]
pub(crate) struct Target {
    path: VirtualPath,
    before: Vec<u8>,
    offset: usize,
}

/// Who is logged in.
pub(crate) struct User {
    perms: Perms,
}

/// 2020-06-30
const NOW: i64 = 1_593_475_200;

impl Payload {
    pub(crate) fn into_content(self) -> Vec<u8> {
        match self {
            Self::Read(content) | Self::List(content) => content,
            Self::Write(target) => target.before,
        }
    }
}

impl Target {
    /// The file and its content once `bytes` are written.
    pub(crate) fn with(self, bytes: &[u8]) -> (VirtualPath, Vec<u8>) {
        let mut content = self.before;
        let end = (self.offset + bytes.len()).min(content.len());
        content.splice(self.offset..end, bytes.iter().copied());
        (self.path, content)
    }
}

pub(crate) fn work(tree: &mut Tree, user: &mut Option<User>, job: Job) -> JobOutcome<Payload> {
    let perms = user.as_ref().map_or(Perms::NONE, |user| user.perms);
    if job.perm.is_some_and(|perm| !perms.contains(perm)) {
        return refuse(550, "Not enough privileges.");
    }
    act(tree, perms, job.action)
}

pub(crate) fn log_in(
    user: &mut Option<User>,
    username: String,
    password: &str,
) -> JobOutcome<Payload> {
    let perms = match (username.as_str(), password) {
        ("alice", "secret") => Perms::ALL,
        ("bob", "secret") => Perms::READ_ONLY,
        _ => return refuse(530, "Authentication failed."),
    };
    *user = Some(User { perms });
    Ok(Answer::Login(LoginFacts {
        username,
        msg_login: "Login successful.".to_owned(),
        msg_quit: "Goodbye.".to_owned(),
        start_dir: VirtualPath::root(),
        encoding: None,
        perms,
    }))
}

fn act(tree: &mut Tree, perms: Perms, action: Action) -> JobOutcome<Payload> {
    match action {
        Action::ChangeDirectory(path) => directory(tree, &path)?,
        Action::Stat(path) => return Ok(Answer::Metadata(node(tree, &path)?.metadata())),
        Action::FactLine { path, facts } => {
            let metadata = node(tree, &path)?.metadata();
            let mut line = Vec::new();
            format_facts(&mut line, facts, &metadata, perms.into(), Zone::Gmt);
            line.extend_from_slice(path.as_bytes());
            return Ok(Answer::Text(line));
        }
        Action::Exists(path) => drop(node(tree, &path)?),
        Action::Change(change) => apply(tree, perms, change)?,
        Action::AvailableSpace(path) => {
            node(tree, &path)?;
            return Ok(Answer::Space(1 << 30));
        }
        Action::Digest {
            path, whole, range, ..
        } => {
            return match whole.filter(|whole| tree.get(whole).is_some()) {
                Some(whole) => digest(tree, &whole, ByteRange::default()),
                None => match range {
                    Some(range) => digest(tree, &path, range),
                    None => refuse(501, "Invalid range."),
                },
            };
        }
        Action::Combine { target, parts } => {
            let mut content = file(tree, &target).unwrap_or_default();
            for part in &parts {
                content.extend(file(tree, part)?);
            }
            parts.iter().for_each(|part| tree.remove(part));
            tree.store(&target, content);
            return Ok(Answer::Combined {
                removed: (0..parts.len()).collect(),
                refusal: None,
            });
        }
        Action::OpenRead { path, range } => return open_read(tree, path, range),
        Action::OpenWrite { path, how } => return open_write(tree, path, how),
        Action::OpenList {
            path,
            whole,
            prefix,
            format,
            encoding,
        } => {
            let may_be_whole = matches!(format, ListFormat::Names) || tree.get(&path).is_none();
            let whole = whole.filter(|(whole, _)| may_be_whole && tree.get(whole).is_some());
            let (path, prefix) = whole.unwrap_or((path, prefix));
            return open_list(tree, perms, path, &prefix, format, encoding);
        }
        other => panic!("the runner does not know {other:?}"),
    }
    Ok(Answer::Done)
}

fn apply(tree: &mut Tree, perms: Perms, change: Change) -> Result<(), Refusal> {
    match change {
        Change::Rename { from, to } => {
            node(tree, &from)?;
            tree.rename(&from, &to);
        }
        Change::Remove(path) => {
            file(tree, &path)?;
            tree.remove(&path);
        }
        Change::MakeDirectory(path) => {
            if tree.get(&path).is_some() {
                return Err(Refusal::new(550, "File exists."));
            }
            tree.make_directory(&path);
        }
        Change::RemoveDirectory(path) => {
            directory(tree, &path)?;
            if !tree.entries(&path).is_empty() {
                return Err(Refusal::new(550, "Directory not empty."));
            }
            tree.remove(&path);
        }
        Change::SetFacts {
            path,
            modified,
            mode,
        } => {
            let may_set_time = modified.is_none() || perms.contains(Perm::ChangeTime);
            let may_set_mode = mode.is_none() || perms.contains(Perm::ChangeMode);
            if !may_set_time || !may_set_mode {
                return Err(Refusal::new(550, "Not enough privileges."));
            }
            let node = node_mut(tree, &path)?;
            node.mode = mode.unwrap_or(node.mode);
            node.modified = modified.unwrap_or(node.modified);
        }
        Change::Copy { from, to } => {
            let content = file(tree, &from)?;
            tree.store(&to, content);
        }
        other @ Change::Symlink { .. } => panic!("the runner does not know {other:?}"),
    }
    Ok(())
}

/// What work answers that was told to stop.
pub(crate) fn cancelled() -> JobOutcome<Payload> {
    refuse(426, "Aborted.")
}

/// The right range with a digest of no algorithm.
fn digest(tree: &Tree, path: &VirtualPath, range: ByteRange) -> JobOutcome<Payload> {
    let read = part(&file(tree, path)?, range)?.len() as u64;
    Ok(Answer::Digest {
        digest: vec![0x5a],
        range: range.start()..range.start() + read,
    })
}

fn part(content: &[u8], range: ByteRange) -> Result<&[u8], Refusal> {
    let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
    let end = range.end().map_or(content.len(), at).min(content.len());
    let start = at(range.start());
    let beyond = || Refusal::new(554, "Restart offset beyond the end.");
    let rest = content.get(start..).ok_or_else(beyond)?;
    Ok(&rest[..end.saturating_sub(start)])
}

fn open_read(tree: &Tree, path: VirtualPath, range: ByteRange) -> JobOutcome<Payload> {
    let content = file(tree, &path)?;
    let size = Some(content.len() as u64);
    let rest = part(&content, range).map_err(|beyond| beyond.with_code(550))?;
    let payload = Payload::Read(rest.to_vec());
    Ok(Answer::Opened {
        payload,
        size,
        path,
    })
}

fn open_write(tree: &mut Tree, path: VirtualPath, how: WriteHow) -> JobOutcome<Payload> {
    if tree.get(&path).is_some_and(|node| node.content.is_none()) {
        return refuse(550, "Is a directory.");
    }
    directory(tree, &path.parent().unwrap_or_else(VirtualPath::root))?;
    let old = file(tree, &path).unwrap_or_default();
    let (path, before, offset) = match how {
        WriteHow::Replace => (path, Vec::new(), 0),
        WriteHow::Append => {
            let end = old.len();
            (path, old, end)
        }
        WriteHow::At(offset) => match usize::try_from(offset) {
            Ok(offset) if offset <= old.len() => (path, old, offset),
            _ => return refuse(554, "Restart offset beyond the end."),
        },
        // No dialogue sends more than the range holds.
        WriteHow::Within(range) => match usize::try_from(range.start()) {
            Ok(offset) if offset <= old.len() => (path, old, offset),
            _ => return refuse(554, "Restart offset beyond the end."),
        },
        WriteHow::Unique => {
            let name = [path.as_bytes(), b"1"].concat();
            let path = VirtualPath::new(name).expect("a short path");
            (path, Vec::new(), 0)
        }
    };
    tree.store(&path, before.clone());
    let payload = Payload::Write(Target {
        path: path.clone(),
        before,
        offset,
    });
    Ok(Answer::Opened {
        payload,
        size: None,
        path,
    })
}

fn open_list(
    tree: &Tree,
    perms: Perms,
    path: VirtualPath,
    prefix: &[u8],
    format: ListFormat,
    encoding: NameEncoding,
) -> JobOutcome<Payload> {
    let name = path.file_name().unwrap_or_default();
    let found = tree.get(&path);
    let (entries, prefix) = match (found, format, NamePattern::new(name)) {
        (Some(Node { content: None, .. }), _, _) => (tree.entries(&path), &b""[..]),
        (Some(_), ListFormat::Facts(_), _) => return refuse(501, "Not a directory."),
        (Some(node), _, _) => (vec![(name.to_vec(), node)], prefix),
        (None, ListFormat::Long | ListFormat::Names, Some(pattern)) => {
            let place = path.parent().unwrap_or_else(VirtualPath::root);
            directory(tree, &place)?;
            let mut entries = tree.entries(&place);
            entries.retain(|(name, _)| pattern.matches(name));
            (entries, prefix)
        }
        (None, _, _) => return refuse(550, "No such file or directory."),
    };
    let mut lines = Vec::new();
    for (name, node) in entries {
        let mut wire = Vec::new();
        encoding.encode_name(&name, &mut wire);
        let metadata = node.metadata();
        match format {
            ListFormat::Long => {
                let entry = ListEntry {
                    name: &wire,
                    target: None,
                    metadata: &metadata,
                    owner: "owner",
                    group: "group",
                };
                format_list_line(&mut lines, &entry, NOW, Zone::Gmt);
                continue;
            }
            ListFormat::Names => encoding.encode_name(prefix, &mut lines),
            ListFormat::Facts(facts) => {
                format_facts(&mut lines, facts, &metadata, perms.into(), Zone::Gmt);
            }
        }
        lines.extend_from_slice(&wire);
        lines.extend_from_slice(b"\r\n");
    }
    Ok(Answer::Opened {
        payload: Payload::List(lines),
        size: None,
        path,
    })
}

fn node(tree: &Tree, path: &VirtualPath) -> Result<Node, Refusal> {
    let missing = || Refusal::new(550, "No such file or directory.");
    tree.get(path).ok_or_else(missing)
}

fn node_mut<'a>(tree: &'a mut Tree, path: &VirtualPath) -> Result<&'a mut Node, Refusal> {
    let missing = || Refusal::new(550, "No such file or directory.");
    tree.get_mut(path).ok_or_else(missing)
}

fn file(tree: &Tree, path: &VirtualPath) -> Result<Vec<u8>, Refusal> {
    let directory = || Refusal::new(550, "Is a directory.");
    node(tree, path)?.content.ok_or_else(directory)
}

fn directory(tree: &Tree, path: &VirtualPath) -> Result<(), Refusal> {
    match node(tree, path)?.content {
        None => Ok(()),
        Some(_) => Err(Refusal::new(550, "Not a directory.")),
    }
}

fn refuse(code: u16, text: &'static str) -> JobOutcome<Payload> {
    Err(Refusal::new(code, text))
}
