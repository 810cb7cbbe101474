//! Overrides guard what they name by every way to name it, and nothing else.

mod failing_links;
mod replaced;
mod unique_names;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use ftpdlib::authorizers::{DummyAuthorizer, User};
use ftpdlib::handlers::FtpHandler;
use ftpdlib::servers::FtpServerBuilder;
use ftpdlib_tests::client::{Client, read_to_any_end};
use ftpdlib_tests::server::TestServer;
use tempfile::TempDir;

pub(super) const ALL: &str = "elradfmwMT";

/// Letters that guard it, the commands, and what the last one is answered. `@` stands for a way
/// into the directory.
const CASES: [(&str, &[&str], u16); 63] = [
    ("e", &["CWD @full"], 250),
    ("e", &["XCWD @full"], 250),
    ("l", &["LIST @full"], 150),
    ("l", &["LIST -la @f"], 150),
    ("l", &["NLST @full"], 150),
    ("l", &["NLST -1 @full"], 150),
    ("l", &["MLSD @full"], 150),
    ("l", &["MLST @f"], 250),
    ("l", &["STAT @full"], 213),
    ("l", &["STAT -l @f"], 213),
    ("l", &["SIZE @f"], 213),
    ("l", &["MDTM @f"], 213),
    ("l", &["AVBL @full"], 213),
    ("r", &["RETR @f"], 150),
    ("r", &["REST 3", "RETR @f"], 150),
    ("r", &["RANG 0 1", "RETR @f"], 150),
    ("r", &["HASH @f"], 213),
    ("r", &["RANG 0 1", "HASH @f"], 213),
    ("r", &["XCRC @f"], 250),
    ("r", &["XMD5 \"@f\""], 250),
    ("r", &["XSHA @f"], 250),
    ("r", &["XSHA1 @f"], 250),
    ("r", &["XSHA256 \"@f\" 1 3"], 250),
    ("r", &["XSHA512 @f 1 3"], 250),
    ("r", &["CPFR @f"], 350),
    ("r", &["SITE CPFR @f"], 350),
    ("a", &["APPE @f"], 150),
    ("a", &["APPE @new"], 150),
    ("w", &["STOR @f"], 150),
    ("w", &["STOR @new"], 150),
    ("w", &["REST 3", "STOR @f"], 150),
    ("w", &["RANG 0 1", "STOR @f"], 150),
    ("w", &["STOU @new"], 150),
    ("w", &["SITE SYMLINK /f @link"], 200),
    ("d", &["DELE @f"], 250),
    ("d", &["RMD @empty"], 250),
    ("d", &["RMD @empty/"], 250),
    ("d", &["XRMD @empty"], 250),
    ("d", &["SITE RMDIR @empty"], 200),
    ("f", &["RNFR @f", "RNTO @new"], 250),
    ("f", &["RNFR @full/", "RNTO @new"], 250),
    ("m", &["MKD @new"], 257),
    ("m", &["MKD @new/"], 257),
    ("m", &["XMKD @new"], 257),
    ("m", &["SITE MKDIR @new"], 200),
    ("M", &["SITE CHMOD 600 @f"], 200),
    ("M", &["MFF UNIX.mode=600; @f"], 213),
    ("MT", &["MFF UNIX.mode=600;Modify=20200101000000; @f"], 213),
    ("T", &["MFF Modify=20200101000000; @f"], 213),
    ("T", &["MFMT 20200101000000 @f"], 213),
    ("T", &["SITE UTIME 20200101000000 @f"], 200),
    (
        "T",
        &["SITE UTIME @f 20200101000000 20200101000000 20200101000000 UTC"],
        200,
    ),
    ("T", &["MDTM 20200101000000 @f"], 213),
    ("wrd", &["COMB @f @g"], 250),
    ("wrd", &["COMB @new @f @g"], 250),
    ("wr", &["SITE COPY @f @new"], 250),
    ("wr", &["SITE COPY \"@f\" \"@g\""], 250),
    ("wr", &["CPFR @f", "CPTO @new"], 250),
    ("wr", &["CPFR @f", "CPTO @g"], 250),
    ("wr", &["SITE CPFR @f", "SITE CPTO @new"], 250),
    ("d", &["DELE @out"], 250),
    ("l", &["MLST @out"], 250),
    ("f", &["RNFR @out", "RNTO @new"], 250),
];

/// Ways into the directory `é`, for which there is an override, before and after `OPTS UTF8 OFF`.
const OVERRIDDEN: [(bool, &[u8]); 13] = [
    (true, b"\xc3\xa9/"),
    (true, b"//\xc3\xa9//"),
    (true, b"/\xc3\xa9/empty/../"),
    (true, b"../\xc3\xa9/./"),
    (true, b"/../../\xc3\xa9/"),
    (true, b"\xc3\xa9/none/../"),
    (true, b"absolute/"),
    (true, b"full/indirect/"),
    (true, b"way/"),
    (true, b"way/empty/.././"),
    (true, b"back/\xc3\xa9/"),
    (true, b"=xC3=xA9/"),
    (false, b"\xe9/"),
];

/// Ways into a directory in it.
const BELOW: [&[u8]; 3] = [b"\xc3\xa9/deep/", b"way/deep/", b"back/way/deep/"];

/// A user's name and letters, and those of the override, if there is one, and whether it is
/// recursive.
type UserRow<'a> = (&'a str, &'a str, Option<(&'a str, bool)>);

/// Several users with one home directory.
struct Guarded {
    server: TestServer,
}

impl Guarded {
    fn new(users: &[UserRow<'_>]) -> Self {
        Self::by("é", users)
    }

    /// With `way` as what the settings call the directory.
    fn by(way: &str, users: &[UserRow<'_>]) -> Self {
        let home = TempDir::new().unwrap();
        fill(home.path());
        let authorizer = DummyAuthorizer::new();
        for &(name, perm, overridden) in users {
            let user = User::new(name, "secret", home.path()).perm(perm);
            authorizer.add_user(user).unwrap();
            if let Some((perm, recursive)) = overridden {
                let directory = home.path().join(way);
                authorizer
                    .override_perm(name, directory, perm, recursive)
                    .unwrap();
            }
        }
        let builder = FtpServerBuilder::new(FtpHandler::new(authorizer));
        let server = TestServer::run(builder.listen((Ipv4Addr::LOCALHOST, 0)), home);
        Self { server }
    }

    fn client(&self, user: &str) -> Client {
        let mut client = Client::login_as(user, "secret", self.server.address());
        client.expect("TYPE I", 200);
        client
    }

    /// Runs the commands of a case; the reply that ended it.
    fn run(&self, client: &mut Client, commands: &[&str], way: &[u8]) -> (u16, String) {
        let moves_data = |line: &&str| {
            let verbs = ["LIST", "NLST", "MLSD", "RETR", "STOR", "APPE", "STOU"];
            verbs.iter().any(|verb| line.starts_with(verb))
        };
        let stream = commands.iter().any(moves_data).then(|| client.passive());
        let mut ended = (0, String::new());
        for command in commands {
            let mut pieces = command.split('@');
            let mut line = pieces.next().unwrap().as_bytes().to_vec();
            for piece in pieces {
                line.extend_from_slice(way);
                line.extend_from_slice(piece.as_bytes());
            }
            client.send_raw(&[&line[..], b"\r\n"].concat());
            let reply = client.next_reply().expect("the session goes on");
            ended = (reply.code, reply.text());
            if ended.0 >= 400 {
                return ended;
            }
        }
        if let Some(stream) = stream {
            finish(stream, client);
        }
        ended
    }

    #[track_caller]
    fn check_allowed(&self, user: &str, utf8: bool, ways: &[&[u8]], missing: Option<char>) {
        let mut client = self.client(user);
        if !utf8 {
            client.expect("OPTS UTF8 OFF", 200);
        }
        for (letters, commands, code) in CASES {
            if missing.is_some_and(|letter| !letters.contains(letter)) {
                continue;
            }
            for way in ways {
                client.expect("CWD /", 250);
                let got = self.run(&mut client, commands, way);
                let shown = String::from_utf8_lossy(way);
                assert_eq!(got.0, code, "{user}: {commands:?} at {shown}: {}", got.1);
                fill(self.server.home());
            }
        }
    }

    /// Whatever `missing` guards is refused and changes nothing.
    #[track_caller]
    fn check_refused(&self, user: &str, utf8: bool, ways: &[&[u8]], missing: char) {
        let before = state(self.server.home());
        let mut client = self.client(user);
        if !utf8 {
            client.expect("OPTS UTF8 OFF", 200);
        }
        for (letters, commands, _) in CASES {
            if !letters.contains(missing) {
                continue;
            }
            for way in ways {
                let got = self.run(&mut client, commands, way);
                let shown = String::from_utf8_lossy(way);
                assert_eq!(got.0, 550, "{user}: {commands:?} at {shown}: {}", got.1);
                assert!(
                    got.1.contains("privileges"),
                    "{user}: {commands:?} at {shown}: {}",
                    got.1
                );
            }
        }
        assert_eq!(state(self.server.home()), before, "{user}");
    }
}

/// Ends a transfer from both sides.
fn finish(mut stream: TcpStream, client: &mut Client) {
    // A download takes nothing, and may have ended before.
    let _ = stream.write_all(b"zz");
    let _ = stream.shutdown(Shutdown::Write);
    read_to_any_end(stream);
    client.next_reply().expect("a transfer has a second reply");
}

/// Puts the home directory into the state each case begins with.
fn fill(home: &Path) {
    for entry in fs::read_dir(home).unwrap() {
        let path = entry.unwrap().path();
        // Overrides hold for the name; the directory may be another one.
        if path.is_dir() && !path.is_symlink() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for directory in ["", "é", "é/deep"] {
        let directory = home.join(directory);
        fs::create_dir_all(directory.join("empty")).unwrap();
        fs::create_dir_all(directory.join("full")).unwrap();
        fs::write(directory.join("full/x"), "x").unwrap();
        for name in ["f", "g"] {
            let path = directory.join(name);
            fs::write(&path, format!("content of {name}")).unwrap();
            let file = fs::File::options().write(true).open(path).unwrap();
            file.set_modified(long_ago).unwrap();
        }
        symlink("/nowhere", directory.join("out")).unwrap();
    }
    symlink("é", home.join("way")).unwrap();
    symlink(".", home.join("back")).unwrap();
    symlink(home.join("é"), home.join("absolute")).unwrap();
    symlink("../way", home.join("full/indirect")).unwrap();
}

/// Everything below a directory: names, modes, times of files, contents.
pub(super) fn state(directory: &Path) -> BTreeMap<Vec<u8>, (u32, Option<SystemTime>, Vec<u8>)> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let facts = fs::symlink_metadata(&path).unwrap();
        let mut modified = facts.modified().ok();
        let mut content = Vec::new();
        if facts.is_symlink() {
            content = fs::read_link(&path)
                .unwrap()
                .into_os_string()
                .into_encoded_bytes();
        } else if facts.is_dir() {
            modified = None;
            all.extend(state(&path));
        } else {
            content = fs::read(&path).unwrap();
        }
        let name = OsStr::as_bytes(path.as_os_str()).to_vec();
        all.insert(name, (facts.permissions().mode(), modified, content));
    }
    all
}

/// The letters without one of them.
fn without(missing: char) -> String {
    ALL.chars().filter(|&letter| letter != missing).collect()
}

#[test]
fn no_way_leads_around_an_override() {
    for recursive in [true, false] {
        let users: Vec<_> = ALL
            .chars()
            .map(|letter| (letter.to_string(), without(letter)))
            .collect();
        let users: Vec<_> = users
            .iter()
            .map(|(name, perm)| (name.as_str(), ALL, Some((perm.as_str(), recursive))))
            .collect();
        let guarded = Guarded::new(&users);
        for missing in ALL.chars() {
            let user = missing.to_string();
            for (utf8, way) in OVERRIDDEN {
                guarded.check_refused(&user, utf8, &[way], missing);
            }
            if recursive {
                guarded.check_refused(&user, true, &BELOW, missing);
            } else {
                guarded.check_allowed(&user, true, &BELOW, Some(missing));
            }
            guarded.check_allowed(&user, true, &[b""], Some(missing));
        }
    }
}

#[test]
fn every_way_leads_to_what_an_override_allows() {
    let guarded = Guarded::new(&[("user", "el", Some((ALL, true)))]);
    for (utf8, way) in OVERRIDDEN {
        guarded.check_allowed("user", utf8, &[way], None);
    }
    guarded.check_allowed("user", true, &BELOW, None);
}

#[test]
fn names_seen_from_inside_an_override_are_guarded() {
    let users: Vec<_> = "lradfmwMT"
        .chars()
        .map(|letter| (letter.to_string(), without(letter)))
        .collect();
    let users: Vec<_> = users
        .iter()
        .map(|(name, perm)| (name.as_str(), ALL, Some((perm.as_str(), false))))
        .collect();
    let guarded = Guarded::new(&users);
    for (name, ..) in &users {
        let before = state(guarded.server.home());
        for directory in ["é", "way", "back/é"] {
            let mut client = guarded.client(name);
            client.expect(&format!("CWD {directory}"), 250);
            for (letters, commands, _) in CASES {
                if !letters.contains(name) {
                    continue;
                }
                for way in [&b""[..], b"./", b"../\xc3\xa9/", b"x/../"] {
                    let got = guarded.run(&mut client, commands, way);
                    let shown = String::from_utf8_lossy(way);
                    assert_eq!(got.0, 550, "{name}: {commands:?} at {shown}: {}", got.1);
                }
            }
        }
        assert_eq!(state(guarded.server.home()), before, "{name}");
    }
}

#[test]
fn nothing_is_carried_over_the_border_of_an_override() {
    let guarded = Guarded::new(&[
        ("in", ALL, Some(("el", true))),
        ("out", "el", Some((ALL, true))),
    ]);
    fs::create_dir(guarded.server.path("é/parent")).unwrap();
    let before = state(guarded.server.home());
    for (user, commands) in [
        ("in", &["RNFR f", "RNTO é/new"][..]),
        ("in", &["RNFR é/f"]),
        ("in", &["RNFR full", "RNTO é/new"]),
        ("in", &["RNFR é"]),
        ("in", &["RNFR way/f"]),
        ("in", &["RNFR f", "RNTO way/new"]),
        ("in", &["CPFR f", "CPTO é/new"]),
        ("in", &["SITE COPY f way/g"]),
        ("in", &["SITE COPY é/f new"]),
        ("in", &["COMB f way/g"]),
        ("in", &["COMB é/f g"]),
        ("in", &["SITE SYMLINK f é/link"]),
        ("out", &["RNFR f"]),
        ("out", &["RNFR é/f", "RNTO new"]),
        ("out", &["RNFR é/f", "RNTO é/../new"]),
        ("out", &["RNFR é/full", "RNTO /full/x"]),
        ("out", &["SITE COPY f é/new"]),
        ("out", &["SITE COPY é/f new"]),
        ("out", &["COMB é/f f"]),
        ("out", &["COMB new é/f"]),
        ("out", &["SITE SYMLINK é/f link"]),
        ("out", &["DELE way"]),
        ("out", &["RNFR way"]),
    ] {
        let mut client = guarded.client(user);
        let got = guarded.run(&mut client, commands, b"");
        assert_eq!(got.0, 550, "{user}: {commands:?}: {}", got.1);
        assert!(
            got.1.contains("privileges"),
            "{user}: {commands:?}: {}",
            got.1
        );
    }
    assert_eq!(state(guarded.server.home()), before);
    // A link made inside leads out of the override, and what it leads to is judged by where it is.
    let mut client = guarded.client("out");
    client.play(&[
        ("SITE SYMLINK f é/link", 200),
        ("HASH é/link", 550),
        ("SITE CHMOD 600 é/link", 550),
        ("DELE é/link", 250),
    ]);
}

#[test]
fn what_is_below_a_guarded_directory_is_not_told_to_be_there() {
    let guarded = Guarded::new(&[("user", ALL, Some(("", true)))]);
    // A directory whose path is too long once its links are resolved, and a link in it that leads
    // to a short one: as clients make them, who may rename what is above the link.
    let (home, long) = (guarded.server.home(), "x".repeat(255));
    let deep = home.join(format!("{long}/").repeat(15));
    fs::create_dir_all(&deep).unwrap();
    symlink(&deep, home.join("l")).unwrap();
    fs::create_dir_all(home.join("d").join(&long)).unwrap();
    symlink(home.join("é"), home.join("d").join(&long).join("back")).unwrap();
    fs::rename(home.join("d"), deep.join("d")).unwrap();
    let around = ["full", "none"].map(|name| format!("l/d/{long}/back/{name}/x/"));

    let mut client = guarded.client("user");
    for (_, commands, _) in CASES {
        for ways in [
            ["é/full/", "é/none/"],
            ["é/f/", "é/none/"],
            ["way/full/", "way/none/"],
            ["back/é/deep/full/", "back/é/deep/none/"],
            [&*around[0], &*around[1]],
        ] {
            let [there, missing] =
                ways.map(|way| guarded.run(&mut client, commands, way.as_bytes()));
            assert_eq!(there, missing, "{commands:?} at {ways:?}");
            assert!(there.1.contains("privileges"), "{commands:?}: {}", there.1);
        }
    }
    // Elsewhere the reason is told.
    let reply = client.expect("SIZE none/f", 550).text();
    assert!(reply.contains("No such file"), "{reply}");
}

#[test]
fn a_name_like_switches_told_what_is_below_a_guarded_directory() {
    let guarded = Guarded::new(&[("user", ALL, Some(("", true)))]);
    let path = |name: &str| guarded.server.path(name);
    symlink(path("é"), path("full/l")).unwrap();
    for name in ["full", "none"] {
        fs::create_dir_all(path("full/-a /é").join(name)).unwrap();
    }
    let mut client = guarded.client("user");
    client.expect("CWD full", 250);
    for command in ["STAT", "LIST", "NLST"] {
        for (way, told) in [("/é/", "privileges"), ("/../l/", "No such file")] {
            let lines = ["full", "none"].map(|name| format!("{command} -a {way}{name}"));
            let [there, missing] = lines.map(|line| guarded.run(&mut client, &[&line], b""));
            assert_eq!(there, missing, "{command} {way}");
            // NLST lists what has the name.
            let is_told = command == "NLST" || there.1.contains(told);
            assert!(is_told, "{command} {way}: {}", there.1);
        }
    }
}

#[test]
fn facts_of_a_link_told_what_a_guarded_file_is_like() {
    let guarded = Guarded::new(&[("user", ALL, Some(("", true))), ("free", ALL, None)]);
    let home = guarded.server.home();
    fs::write(home.join("é/f"), [0; 7777]).unwrap();
    symlink("é/f", home.join("to guarded")).unwrap();
    symlink("f", home.join("to open")).unwrap();
    let facts = |user: &str, name: &str| {
        let listing = guarded.client(user).fetch("MLSD");
        let listing = String::from_utf8(listing).unwrap();
        let line = listing.lines().find(|line| line.ends_with(name));
        line.unwrap_or_else(|| panic!("{name} in {listing}"))
            .to_owned()
    };
    assert!(facts("free", "to guarded").contains("size=7777;"));
    let hidden = facts("user", "to guarded");
    assert!(!hidden.contains("size=7777;"), "{hidden}");
    assert_eq!(facts("user", "to open"), facts("free", "to open"));
}

#[test]
fn a_link_in_a_guarded_directory_was_shown() {
    let guarded = Guarded::new(&[("user", ALL, Some(("", true))), ("free", ALL, None)]);
    symlink("../f", guarded.server.path("é/link")).unwrap();
    let shown = |user: &str| guarded.client(user).expect("STAT é/link", 213).text();
    assert!(shown("free").contains("link -> ../f"));
    // What it leads to may be looked at.
    let seen = shown("user");
    assert!(seen.contains(" link") && !seen.contains("->"), "{seen}");
    let missing = guarded.client("user").expect("STAT é/none", 550).text();
    assert!(missing.contains("privileges"), "{missing}");
}

#[test]
fn the_perm_fact_of_an_entry_was_that_of_its_directory() {
    let guarded = Guarded::new(&[
        ("in", ALL, Some(("el", true))),
        ("out", "el", Some((ALL, true))),
        ("shallow", ALL, Some(("elr", false))),
    ]);
    symlink("é/f", guarded.server.path("to guarded")).unwrap();
    for (user, path, perm) in [
        ("in", "/é", "el"),
        ("in", "/f", "adfrw"),
        ("in", "/empty", "cdeflmp"),
        ("in", "/é/f", ""),
        ("in", "/é/deep", "el"),
        // A link is renamed and deleted where it stands.
        ("in", "/way", "defl"),
        ("in", "/to guarded", "df"),
        ("in", "/out", "df"),
        ("out", "/é", "celmp"),
        ("out", "/f", ""),
        ("out", "/empty", "el"),
        ("out", "/é/f", "adfrw"),
        ("out", "/é/deep", "cdeflmp"),
        ("out", "/way", "celmp"),
        ("out", "/to guarded", "arw"),
        ("shallow", "/é", "el"),
        ("shallow", "/way", "defl"),
        ("shallow", "/é/f", "r"),
        ("shallow", "/é/deep", "celmp"),
    ] {
        let mut client = guarded.client(user);
        let (directory, name) = path.rsplit_once('/').unwrap();
        let listing = String::from_utf8(client.fetch(&format!("MLSD {directory}/"))).unwrap();
        let listed = listing
            .lines()
            .find_map(|line| line.strip_suffix(&format!(" {name}")));
        let asked = client.expect(&format!("MLST {path}"), 250).text();
        let expected = format!(";perm={perm};");
        assert!(
            listed.is_some_and(|facts| facts.contains(&expected)),
            "{user}: {path} in {listing}"
        );
        assert!(asked.contains(&expected), "{user}: {path}: {asked}");
    }
}

#[test]
fn features_told_a_user_with_overrides_of_what_works_nowhere() {
    let guarded = Guarded::new(&[
        ("reader", "elr", Some(("el", true))),
        ("writer", "elr", Some(("elw", true))),
    ]);
    for (user, may_write) in [("reader", false), ("writer", true)] {
        let features = guarded.client(user).expect("FEAT", 211).text();
        for (feature, needs_write) in [("XCRC", false), ("SITE SYMLINK", true), ("CPTO", true)] {
            let told = features.lines().any(|line| line.trim() == feature);
            assert_eq!(told, !needs_write || may_write, "{user}: {feature}");
        }
        // Nobody may.
        assert!(!features.contains("MFMT"), "{user}: {features}");
    }
}

/// Whoever may write there can make such a link.
#[test]
fn a_link_with_the_start_of_a_unique_name_led_the_upload_out_of_the_override() {
    let guarded = Guarded::new(&[("user", "el", Some((ALL, true)))]);
    let names = |directory: &str| {
        let entries = fs::read_dir(guarded.server.path(directory)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect::<BTreeSet<_>>()
    };
    let mut client = guarded.client("user");
    client.expect("SITE SYMLINK /é é/x.", 200);
    symlink("/nowhere", guarded.server.path("é/ftpd.")).unwrap();
    for (command, start) in [("STOU é/x", "x."), ("STOU", "ftpd.")] {
        let (above, before) = (names(""), names("é"));
        client.put(command, b"content");
        assert_eq!(names(""), above, "{command}");
        let after = names("é");
        let new: Vec<_> = after.difference(&before).collect();
        assert!(new.len() == 1 && new[0].starts_with(start), "{new:?}");
        client.expect("CWD /é", 250);
    }
}
