use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use ftpdlib_authorizers::{DummyAuthorizer, User};
use ftpdlib_filesystems::{Entry, MemoryFs};
use ftpdlib_proto::FactSet;

use super::*;
use crate::FtpHandler;
use crate::testing::{enter_as_user, service};

fn account(home: &Path) -> Arc<Account> {
    let authorizer = DummyAuthorizer::new();
    authorizer
        .add_user(User::new("user", "12345", home))
        .unwrap();
    enter_as_user(&service(FtpHandler::new(authorizer)))
}

/// Lists `path` in turns whose time is over whenever that is asked, and counts the turns.
fn turns(account: &Arc<Account>, path: &str, format: ListFormat) -> (usize, String) {
    let (turns, out) = turns_in(NameEncoding::UTF_8, account, path, format);
    (turns, String::from_utf8(out).unwrap())
}

/// The same with names in `encoding`.
fn turns_in(
    encoding: NameEncoding,
    account: &Arc<Account>,
    path: &str,
    format: ListFormat,
) -> (usize, Vec<u8>) {
    let path = VirtualPath::new(path).unwrap();
    let mut listing = ListingStream::open(account, &path, Vec::new(), format, encoding).unwrap();
    let (mut turns, mut out) = (1, Vec::new());
    while listing.fill(128, &|| true, &mut out).unwrap() {
        turns += 1;
    }
    (turns, out)
}

#[test]
fn a_hundred_entries_that_each_took_long_were_one_turn() {
    let home = tempfile::tempdir().unwrap();
    let account = account(home.path());
    for number in 0..10 {
        fs::write(home.path().join(format!("f{number}")), "").unwrap();
        symlink(format!("f{number}"), home.path().join(format!("l{number}"))).unwrap();
    }
    let facts = ListFormat::Facts(FactSet::default());
    // The format, what is listed, the lines, and the turns it takes at least.
    for (format, path, lines, least) in [
        (facts, "/", 20, 10),
        (ListFormat::Long, "/", 20, 10),
        (ListFormat::Names, "/", 20, 2),
        (ListFormat::Names, "/*5", 2, 20),
        (ListFormat::Names, "/x*", 0, 20),
    ] {
        let (turns, out) = turns(&account, path, format);
        assert_eq!(out.lines().count(), lines, "{format:?} {path}");
        assert!(turns >= least, "{format:?} {path}: {turns}");
    }
}

/// With a prefix and names that each have to be encoded.
#[test]
fn names_that_took_long_were_shown_in_one_turn_however_many() {
    let home = tempfile::tempdir().unwrap();
    let account = account(home.path());
    for number in 0..100 {
        fs::write(home.path().join(format!("é{number}")), "").unwrap();
    }
    let path = VirtualPath::new("/*").unwrap();
    let encoding = NameEncoding::for_label("latin1").unwrap();
    let prefix = "é/../".as_bytes().to_vec();
    let mut listing =
        ListingStream::open(&account, &path, prefix, ListFormat::Names, encoding).unwrap();
    assert_eq!(listing.prefix, b"\xe9/../", "encoded once");
    let (mut shown, mut out) = (0, Vec::new());
    while listing.fill(128, &|| true, &mut out).unwrap() {
        let lines = out.split(|&byte| byte == b'\n').count() - 1;
        assert!(lines - shown <= NAMES_AT_ONCE, "{lines} after {shown}");
        shown = lines;
    }
    assert!(out.starts_with(b"\xe9/../\xe90\r\n"));
    assert_eq!(out.split(|&byte| byte == b'\n').count() - 1, 100);
}

#[test]
fn names_that_took_long_to_encode_were_listed_in_one_turn() {
    let home = tempfile::tempdir().unwrap();
    let account = account(home.path());
    for number in 0..100 {
        fs::write(home.path().join(format!("表{number}")), "").unwrap();
    }
    let formats = [
        ListFormat::Facts(FactSet::default()),
        ListFormat::Long,
        ListFormat::Names,
    ];
    // How many are shown before the time is looked at.
    for (label, at_once) in [("utf-8", NAMES_AT_ONCE), ("big5", 1)] {
        let encoding = NameEncoding::for_label(label).unwrap();
        for format in formats {
            let (turns, out) = turns_in(encoding, &account, "/", format);
            assert_eq!(out.split(|&byte| byte == b'\n').count() - 1, 100);
            assert!(turns >= 100 / at_once, "{label}, {format:?}: {turns}");
        }
    }
}

#[test]
fn entries_that_were_judged_one_by_one_were_one_turn() {
    let home = tempfile::tempdir().unwrap();
    let authorizer = DummyAuthorizer::new();
    authorizer
        .add_user(User::new("user", "12345", home.path()))
        .unwrap();
    let guarded = home.path().join("guarded");
    fs::create_dir(&guarded).unwrap();
    authorizer
        .override_perm("user", &guarded, "", true)
        .unwrap();
    let account = enter_as_user(&service(FtpHandler::new(authorizer)));
    for number in 0..20 {
        fs::write(home.path().join(format!("f{number}")), "").unwrap();
    }
    let (turns, out) = turns(&account, "/", ListFormat::Facts(FactSet::default()));
    assert_eq!(out.lines().count(), 21);
    assert!(turns > 20, "{turns}");
}

#[test]
fn a_pattern_longer_than_a_name_was_refused_as_one() {
    let home = tempfile::tempdir().unwrap();
    let account = account(home.path());
    fs::write(home.path().join("abc"), "").unwrap();
    let pattern = format!("/[{}]bc", "xyza".repeat(70));
    let (_, out) = turns(&account, &pattern, ListFormat::Names);
    assert_eq!(out, "abc\r\n");
}

#[test]
fn names_that_a_pattern_left_out_were_not_counted() {
    let home = tempfile::tempdir().unwrap();
    let account = account(home.path());
    for number in 0..=SORTED_IN_PLACE {
        fs::write(home.path().join(number.to_string()), "").unwrap();
    }
    let path = VirtualPath::new("/x*").unwrap();
    let (format, encoding) = (ListFormat::Names, NameEncoding::UTF_8);
    let mut listing = ListingStream::open(&account, &path, Vec::new(), format, encoding).unwrap();
    assert!(!listing.is_long());
    let mut out = Vec::new();
    assert!(
        listing
            .fill(SORTED_IN_PLACE + 1, &|| false, &mut out)
            .unwrap()
    );
    assert!(listing.is_long());
    listing.sort(&|| false).unwrap();
    while listing.fill(128, &|| false, &mut out).unwrap() {}
    assert_eq!(out, b"");
}

/// So many files, whose names have 250 bytes and begin with digits in another order than theirs.
struct Endless {
    files: u64,
    next: u64,
}

impl Listing for Endless {
    fn next_batch(&mut self, max: usize, out: &mut Vec<Entry>) -> Result<bool, FilesystemError> {
        let end = self.files.min(self.next + max as u64);
        out.extend((self.next..end).map(|number| {
            let place = number * 7_919 % self.files;
            let name = format!("{place:08}{:0242}", 0).into_bytes();
            Entry {
                name,
                metadata: None,
            }
        }));
        self.next = end;
        Ok(end < self.files)
    }

    fn lstat(&self, _: &[u8]) -> Result<Metadata, FilesystemError> {
        Err(ErrorKind::NotFound.into())
    }

    fn stat(&self, name: &[u8]) -> Result<Metadata, FilesystemError> {
        self.lstat(name)
    }

    fn readlink(&self, _: &[u8]) -> Result<Vec<u8>, FilesystemError> {
        Err(ErrorKind::NotFound.into())
    }
}

/// The files `a` and `b`. Those named here the system does not show, for this reason.
struct Unshown(&'static [&'static str], ErrorKind);

impl Listing for Unshown {
    fn next_batch(&mut self, _: usize, out: &mut Vec<Entry>) -> Result<bool, FilesystemError> {
        out.extend([b"a", b"b"].map(|name| Entry {
            name: name.to_vec(),
            metadata: None,
        }));
        Ok(false)
    }

    fn lstat(&self, name: &[u8]) -> Result<Metadata, FilesystemError> {
        match self.0.iter().any(|unshown| unshown.as_bytes() == name) {
            true => Err(self.1.into()),
            false => MemoryFs::new().stat(&VirtualPath::root()),
        }
    }

    fn stat(&self, name: &[u8]) -> Result<Metadata, FilesystemError> {
        self.lstat(name)
    }

    fn readlink(&self, _: &[u8]) -> Result<Vec<u8>, FilesystemError> {
        Err(ErrorKind::NotFound.into())
    }
}

/// Lists a directory: the code of a refusal or how many lines there are, and what the log is told.
fn list(
    account: &Arc<Account>,
    format: ListFormat,
    directory: Unshown,
) -> (Result<usize, u16>, Option<String>) {
    let entries = Entries::new(Box::new(directory));
    let source = match format {
        ListFormat::Facts(_) => Source::Unsorted(Unsorted {
            entries,
            place: VirtualPath::root(),
            perms: Some(EntryPerms::default()),
            upcoming: Upcoming::default(),
        }),
        ListFormat::Long | ListFormat::Names => Source::Gathering(Gathering {
            entries,
            names: Names::default(),
            pattern: None,
        }),
    };
    let mut listing = listing_of(Arc::clone(account), format, source);
    let mut out = Vec::new();
    let end = loop {
        match listing.fill(128, &|| false, &mut out) {
            Ok(true) => {}
            Ok(false) => break Ok(out.split(|&byte| byte == b'\n').count() - 1),
            Err(refusal) => break Err(refusal.code.value()),
        }
    };
    (end, listing.missing.report())
}

#[test]
fn a_directory_that_could_not_be_searched_was_listed_as_empty() {
    let home = tempfile::tempdir().unwrap();
    let account = account(home.path());
    for format in [ListFormat::Long, ListFormat::Facts(FactSet::default())] {
        let list = |denied| {
            let directory = Unshown(denied, ErrorKind::PermissionDenied);
            let (end, report) = list(&account, format, directory);
            assert_eq!(report, None, "{format:?}");
            end
        };
        assert_eq!(list(&[]), Ok(2), "{format:?}");
        assert_eq!(list(&["a", "b", "."]), Err(451), "{format:?}");
        // A mount that nobody else may look at hides nothing but itself.
        assert_eq!(list(&["a"]), Ok(1), "{format:?}");
    }
}

#[test]
fn files_of_a_failing_disk_were_missing_without_a_word() {
    let home = tempfile::tempdir().unwrap();
    let account = account(home.path());
    for format in [ListFormat::Long, ListFormat::Facts(FactSet::default())] {
        let list = |unshown, error| list(&account, format, Unshown(unshown, error));
        let report =
            |text: &str| Some(format!("missing in a listing: {text}: Input/output error."));
        let (one, both) = (report("1, first b"), report("2, first a"));
        assert_eq!(list(&["b"], ErrorKind::Other), (Ok(1), one), "{format:?}");
        assert_eq!(
            list(&["a", "b"], ErrorKind::Other),
            (Ok(0), both),
            "{format:?}"
        );
        // It was removed meanwhile.
        assert_eq!(
            list(&["a"], ErrorKind::NotFound),
            (Ok(1), None),
            "{format:?}"
        );
    }
}

fn listing_of(account: Arc<Account>, format: ListFormat, source: Source) -> ListingStream {
    ListingStream {
        account,
        format,
        encoding: NameEncoding::UTF_8,
        now: 0,
        prefix: Vec::new(),
        source,
        missing: Missing::default(),
        is_large: false,
    }
}

#[test]
fn each_session_could_have_the_server_hold_all_names_of_its_largest_directory() {
    let home = tempfile::tempdir().unwrap();
    let files = 150_000;
    let source = Source::Gathering(Gathering {
        entries: Entries::new(Box::new(Endless { files, next: 0 })),
        names: Names::default(),
        pattern: None,
    });
    let mut listing = listing_of(account(home.path()), ListFormat::Names, source);
    let (mut out, mut most) = (Vec::new(), 0);
    loop {
        if let Source::Gathering(Gathering { names, .. }) | Source::Sorted(Sorted { names, .. }) =
            &listing.source
        {
            most = most.max(names.size());
        }
        if listing.is_long() {
            listing.sort(&|| false).unwrap();
        }
        if !listing.fill(4096, &|| false, &mut out).unwrap() {
            break;
        }
    }
    assert!(most < MOST_NAMES + (2 << 20), "{most}");
    let text = String::from_utf8(out).unwrap();
    let mut shown: Vec<&str> = text.lines().map(|line| &line[..8]).collect();
    // In order, but for where the names of the next part begin.
    let breaks = shown.windows(2).filter(|pair| pair[0] > pair[1]).count();
    assert_eq!(breaks, 2);
    shown.sort_unstable();
    shown.dedup();
    assert_eq!(shown.len() as u64, files);
}
