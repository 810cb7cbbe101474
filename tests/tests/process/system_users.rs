// Long because all of it is about one `/etc`, which is made here.
//! The program for users of the system: those of an `/etc` of its own, in a mount namespace.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use ftpdlib_tests::client::Client;
use ftpdlib_tests::clients::executable;
use ftpdlib_tests::program::Program;
use ftpdlib_tests::skip::skipped;
use ftpdlib_tests::wait::wait_until;
use tempfile::TempDir;

use super::alone;
use super::programs::{MULTI_PROC, PRE_FORK, is_root};

/// A number that there is not here, and an access that is not allowed.
const EINVAL: i32 = 22;
const EPERM: i32 = 1;

const IN_ONE: &[&str] = &[];
const MULTI_THREAD: &[&str] = &["--concurrency", "multi-thread"];

/// Every model.
const MODELS: [&[&str]; 4] = [IN_ONE, PRE_FORK, MULTI_THREAD, MULTI_PROC];

/// Everybody's password, and its hashes.
const PASSWORD: &str = "sesame";
const SHA512: &str = "$6$rounds=1000$saltoftests$\
    p32he3JJOQVH4mcdoHwqZ.SAcv/RW1PrGJG93wfGBwmfZuYBsae.HfhAvqRiN85uEK8tLZ5.K2xSSVNL/Y96b/";
const YESCRYPT: &str = "$y$j75$saltoftests.$zMDqBbO/HZemqXdkxePajtyue012HrF02yaXCU4oSV0";
const BCRYPT: &str = "$2b$04$abcdefghijklmnopqrstuuinwY/tkBVrn3xrxQI/TgnMHhkvl85RW";

/// The user with this number has a group of a number 1000 higher.
const ALICE: u32 = 4_000_000_001;
const BOB: u32 = 4_000_000_002;
const CAROL: u32 = 4_000_000_003;
const GUEST: u32 = 4_000_000_004;
const OTHERS: u32 = 4_000_000_100;
const GROUPS: u32 = 1000;

/// The group `project`, which has alice as a member.
const PROJECT: u32 = 4_000_005_000;

/// Users as in the shadow file, from the hash on; the name, the number, the home and the shell.
const USERS: [(&str, u32, &str, &str, &str); 14] = [
    (
        "alice",
        ALICE,
        "alice",
        "/bin/sh",
        "SHA512:19000:0:99999:7:::",
    ),
    ("bob", BOB, "bob", "/bin/sh", "YESCRYPT:19000:0:99999:7:::"),
    ("carol", CAROL, "nowhere", "", "BCRYPT:::::::"),
    (
        "guest",
        GUEST,
        "guest",
        "/usr/sbin/nologin",
        "*:19000::::::",
    ),
    // Whose home is alice's, and closed to all but her.
    ("mallory", OTHERS, "alice", "/bin/sh", "SHA512:::::::"),
    ("rejected", OTHERS + 1, "bob", "/bin/sh", "SHA512:::::::"),
    ("expired", OTHERS + 2, "bob", "/bin/sh", "SHA512::::::1:"),
    (
        "stale",
        OTHERS + 3,
        "bob",
        "/bin/sh",
        "SHA512:10000:0:90:7:::",
    ),
    (
        "locked",
        OTHERS + 4,
        "bob",
        "/bin/sh",
        "!SHA512:19000::::::",
    ),
    ("empty", OTHERS + 5, "bob", "/bin/sh", ":19000::::::"),
    (
        "shellless",
        OTHERS + 6,
        "bob",
        "/usr/sbin/nologin",
        "SHA512:::::::",
    ),
    // Whose home is a link, if there is any.
    ("linked", OTHERS + 7, "linked", "/bin/sh", "SHA512:::::::"),
    // Whose password takes minutes to check.
    (
        "costly",
        OTHERS + 8,
        "bob",
        "/bin/sh",
        "$6$rounds=999999999$salt$hash:::::::",
    ),
    // Root by another name.
    ("toor", 0, "bob", "/bin/sh", "SHA512:::::::"),
];

/// The directory of a program: its configuration, an `etc`, and homes.
struct System(TempDir);

impl System {
    fn new(section: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let system = Self(directory);
        open_to_all(system.0.path());
        for name in ["etc", "homes"] {
            fs::create_dir(system.path(name)).unwrap();
            open_to_all(&system.path(name));
        }
        system.write_etc();
        for (name, uid) in [
            ("alice", ALICE),
            ("bob", BOB),
            ("carol", CAROL),
            ("guest", GUEST),
        ] {
            let home = system.home(name);
            fs::create_dir(&home).unwrap();
            chown(&home, Some(uid), Some(uid + GROUPS)).unwrap();
            fs::set_permissions(&home, Permissions::from_mode(0o700)).unwrap();
        }
        system.configure(section);
        system
    }

    fn write_etc(&self) {
        let mut passwd = "root:x:0:0::/root:/bin/sh\n".to_owned();
        let mut shadow = "root:*:19000:0:99999:7:::\n".to_owned();
        let mut group = format!("root:x:0:\nproject:x:{PROJECT}:alice\n");
        for (name, uid, home, shell, rest) in USERS {
            let (gid, home) = (uid + GROUPS, self.home(home));
            let home = home.display();
            passwd += &format!("{name}:x:{uid}:{gid}::{home}:{shell}\n");
            group += &format!("{name}:x:{gid}:\n");
            shadow += &format!("{name}:{rest}\n")
                .replace("SHA512", SHA512)
                .replace("YESCRYPT", YESCRYPT)
                .replace("BCRYPT", BCRYPT);
        }
        for (name, text) in [
            ("passwd", &*passwd),
            ("shadow", &shadow),
            ("group", &group),
            ("shells", "# Those that are valid.\n/bin/sh\n"),
            (
                "nsswitch.conf",
                "passwd: files\ngroup: files\nshadow: files\n",
            ),
        ] {
            fs::write(self.path("etc").join(name), text).unwrap();
        }
        let secret = Permissions::from_mode(0o600);
        fs::set_permissions(self.path("etc/shadow"), secret).unwrap();
    }

    /// Writes the configuration; `section` are the lines of `[authorizer]` and what follows.
    fn configure(&self, section: &str) {
        let homes = self.path("homes");
        let section = section.replace("HOMES", homes.to_str().unwrap());
        let text = format!(
            "[server]\nlisten = [\"127.0.0.1:0\"]\nshutdown_grace = 600\n\
             [control]\nbanner = \"Ready.\"\nauth_failed_timeout = 0.001\n\
             max_login_attempts = 100\n\
             [authorizer]\nkind = \"unix\"\n{section}\n"
        );
        fs::write(self.path("f.toml"), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn home(&self, name: &str) -> PathBuf {
        self.path("homes").join(name)
    }

    /// A command in a namespace in which `/etc` is ours.
    fn command(&self, program: &Path) -> Command {
        let script = "mount --bind \"$1\" /etc && shift && exec \"$@\"";
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c", script, "sh"])
            .arg(self.path("etc"))
            .arg(program);
        command
    }

    fn start(self, model: &[&str]) -> Program {
        Program::launch(self.command(executable()), model, self.0)
    }
}

fn open_to_all(path: &Path) {
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

/// Whether files can be the users': not in a user namespace where their numbers are not mapped,
/// even by root; tells if not.
fn are_users_possible() -> bool {
    if !is_root() {
        skipped("only root can act as other users");
        return false;
    }
    let directory = tempfile::tempdir().unwrap();
    match chown(directory.path(), Some(ALICE), Some(PROJECT)) {
        Ok(()) => true,
        Err(error) if [Some(EINVAL), Some(EPERM)].contains(&error.raw_os_error()) => {
            skipped(format_args!("there are no other users here: {error}"));
            false
        }
        Err(error) => panic!("{error}"),
    }
}

/// Whether such a namespace can be had; tells if not.
fn is_possible() -> bool {
    if !are_users_possible() {
        return false;
    }
    let system = System::new("");
    let possible = system.command(Path::new("true")).output();
    let possible = possible.is_ok_and(|output| output.status.success());
    if !possible {
        skipped("there can be no mount namespace");
    }
    possible
}

/// Whether somebody is let in; the client goes on.
fn is_let_in(client: &mut Client, name: &str, password: &str) -> bool {
    client.expect(&format!("USER {name}"), 331);
    client.send(&format!("PASS {password}"));
    let reply = client.next_reply().unwrap();
    let refusal = match name {
        "anonymous" => "Anonymous access not allowed.",
        _ => "Authentication failed.",
    };
    assert!(
        reply.code == 230 || reply.argument() == refusal,
        "{name}: {reply:?}"
    );
    reply.code == 230
}

/// What the system does not let the user do is answered 550, without or with a data connection.
#[track_caller]
fn check_refused(client: &mut Client, commands: &[&str]) {
    for command in commands {
        // A refused transfer takes it along.
        client.epsv();
        client.expect(command, 550);
    }
}

#[track_caller]
fn check_owner(path: &Path, uid: u32) {
    let made = fs::symlink_metadata(path).unwrap();
    let expected = (uid, uid + GROUPS);
    assert_eq!((made.uid(), made.gid()), expected, "{}", path.display());
}

/// Every thread of the processes is root's, as it was at the start.
fn check_is_roots(program: &Program) {
    for process in program.children().into_iter().chain([program.id()]) {
        let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else {
            // One that a child was forked for may have ended.
            assert_ne!(process, program.id());
            continue;
        };
        for thread in threads {
            let status = thread.unwrap().path().join("status");
            // It may have ended.
            let status = fs::read_to_string(status).unwrap_or_default();
            for line in status.lines() {
                if line.starts_with("Uid:") || line.starts_with("Gid:") {
                    let ids: Vec<_> = line.split_whitespace().skip(1).collect();
                    assert_eq!(ids, ["0"; 4], "{line}");
                }
            }
        }
    }
}

#[test]
fn who_has_a_password_of_the_system_is_let_in() {
    let _alone = alone();
    if !is_possible() {
        return;
    }
    for model in MODELS {
        let system = System::new(
            "rejected_users = [\"rejected\"]\n\
             [[users]]\nname = \"carol\"\nhome = \"HOMES/carol\"\nperm = \"elr\"\n\
             msg_login = \"Hello, Carol.\"\n",
        );
        let program = system.start(model);
        let mut client = Client::connect(program.address());
        for name in ["alice", "bob"] {
            for wrong in ["", "Sesame", "sesame2", "x", SHA512, "*"] {
                assert!(!is_let_in(&mut client, name, wrong), "{name} {wrong}");
            }
            assert!(is_let_in(&mut client, name, PASSWORD), "{name}");
            client.expect("REIN", 220);
        }
        for name in [
            "rejected",
            "expired",
            "stale",
            "locked",
            "empty",
            "shellless",
            "guest",
            "root",
            "nosuchuser-x",
            "Alice",
            "4000000001",
        ] {
            for password in [PASSWORD, "*", "!", "x"] {
                assert!(!is_let_in(&mut client, name, password), "{name}");
            }
        }
        for name in ["expired", "stale", "locked", "empty", "anonymous"] {
            client.expect(&format!("USER {name}"), 331);
            client.expect("PASS", 530);
        }
        client.expect("USER carol", 331);
        let reply = client.expect(&format!("PASS {PASSWORD}"), 230);
        assert_eq!(reply.argument(), "Hello, Carol.");
        check_refused(&mut client, &["STOR a"]);
        client.expect("QUIT", 221);
        check_is_roots(&program);
        program.wait_for("user \"rejected\" is not let in: not an allowed user");
        program.wait_for("user \"expired\" is not let in: the account has expired");
        program.wait_for("user \"stale\" is not let in: the password has to be changed");
        program.wait_for("user \"shellless\" is not let in: the shell is not in /etc/shells");
    }
}

#[test]
fn everything_is_done_with_the_users_own_rights() {
    let _alone = alone();
    if !is_possible() {
        return;
    }
    for model in MODELS {
        let system = System::new("");
        let (home, homes) = (system.home("alice"), system.path("homes"));
        fs::write(home.join("secret"), "root's").unwrap();
        fs::set_permissions(home.join("secret"), Permissions::from_mode(0o600)).unwrap();
        fs::write(home.join("projects"), "hello").unwrap();
        fs::set_permissions(home.join("projects"), Permissions::from_mode(0o640)).unwrap();
        chown(home.join("projects"), Some(0), Some(PROJECT)).unwrap();
        for (name, mode) in [("roots", 0o755), ("hidden", 0o700)] {
            fs::create_dir(home.join(name)).unwrap();
            fs::set_permissions(home.join(name), Permissions::from_mode(mode)).unwrap();
            fs::write(home.join(name).join("file"), "root's").unwrap();
        }
        let program = system.start(model);
        let mut alice = Client::login_as("alice", PASSWORD, program.address());

        // Large enough to go through the kernel.
        let large = vec![b'x'; 3 << 20];
        alice.put("STOR stored", &large);
        alice.put("APPE stored", b"more");
        alice.put("APPE appended", b"hello");
        assert_eq!(alice.fetch("RETR stored").len(), large.len() + 4);
        alice.play(&[
            ("MKD made", 257),
            ("RNFR appended", 350),
            ("RNTO made/renamed", 250),
            ("SITE CPFR stored", 350),
            ("SITE CPTO made/copy", 250),
            ("SITE CHMOD 600 stored", 200),
            ("MFMT 20200101000000 stored", 213),
        ]);
        alice.put("STOU", b"hello");
        for entry in ["stored", "made", "made/renamed", "made/copy"] {
            check_owner(&home.join(entry), ALICE);
        }
        let stored = fs::metadata(home.join("stored")).unwrap();
        assert_eq!(stored.mode() & 0o7777, 0o600);
        assert_eq!(stored.mtime(), 1_577_836_800);

        // Root could do all of this.
        check_refused(
            &mut alice,
            &[
                "RETR secret",
                "STOR secret",
                "APPE roots/file",
                "DELE roots/file",
                "STOR roots/new",
                "MKD roots/new",
                "RMD hidden",
                "SITE CHMOD 777 secret",
                "MFMT 20200101000000 secret",
                "RETR hidden/file",
                "SIZE hidden/file",
                "CWD hidden",
                "MLSD hidden",
                "XMD5 secret",
            ],
        );
        assert_eq!(alice.fetch("RETR projects"), b"hello");
        assert_eq!(alice.fetch("RETR roots/file"), b"root's");

        // There is no home for Carol to begin in.
        let mut carol = Client::connect(program.address());
        carol.expect("USER carol", 331);
        let reply = carol.expect(&format!("PASS {PASSWORD}"), 530);
        assert_eq!(reply.argument(), "Home directory cannot be used.");

        // Others work beside her, in a home of their own or in hers, which she closes again.
        let mut bob = Client::login_as("bob", PASSWORD, program.address());
        let close = |mode: u32| {
            fs::set_permissions(homes.join("alice"), Permissions::from_mode(mode)).unwrap();
        };
        close(0o711);
        let mut mallory = Client::login_as("mallory", PASSWORD, program.address());
        close(0o700);
        let mut streams = Vec::new();
        for _ in 0..3 {
            streams = vec![alice.begin("STOR both"), bob.begin("STOR both")];
            for stream in &mut streams {
                stream.write_all(&large[..1 << 20]).unwrap();
            }
            check_refused(
                &mut mallory,
                &[
                    "RETR stored",
                    "RETR projects",
                    "SIZE stored",
                    "MLST stored",
                    "STOR new",
                    "DELE stored",
                    "CWD made",
                    "CWD /",
                    "LIST",
                    "NLST made",
                ],
            );
            for stream in &mut streams {
                stream.write_all(&large[..1 << 20]).unwrap();
            }
            streams.clear();
            alice.expect_reply(226);
            bob.expect_reply(226);
        }
        drop(streams);
        check_owner(&homes.join("alice/both"), ALICE);
        check_owner(&homes.join("bob/both"), BOB);
        for client in [&mut alice, &mut bob, &mut mallory] {
            client.expect("QUIT", 221);
        }
        check_is_roots(&program);
    }
}

#[test]
fn users_who_may_not_enter_their_home_were_let_in() {
    let _alone = alone();
    if !is_possible() {
        return;
    }
    let system = System::new("[[users]]\nname = \"mallory\"\nhome = \"HOMES/alice\"");
    let home = system.home("alice");
    for options in [&["-c", "f.toml"][..], &["-c", "f.toml", "--check-config"]] {
        let mut command = system.command(executable());
        let output = command.args(options).current_dir(system.0.path()).output();
        let output = output.unwrap();
        let expected = format!(
            "ftpdlib: f.toml:12: users[0].home: cannot use directory {home:?}: Permission denied \
             (os error 13), expected an existing directory that the user can enter\n"
        );
        let said = String::from_utf8(output.stderr).unwrap();
        // Before it, the log tells of users whose passwords take too long to check.
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.ends_with(&expected), "{said}");
    }
    // That of a home of the system's is seen at the login.
    for model in MODELS {
        let program = System::new("").start(model);
        let mut mallory = Client::connect(program.address());
        mallory.expect("USER mallory", 331);
        let reply = mallory.expect(&format!("PASS {PASSWORD}"), 530);
        assert_eq!(reply.argument(), "Home directory cannot be used.");
        program.wait_for("no filesystem at the home");
    }
}

#[test]
fn a_link_in_the_place_of_a_home_of_the_settings_was_followed() {
    let _alone = alone();
    if !is_possible() {
        return;
    }
    let system = System::new("[[users]]\nname = \"alice\"\nhome = \"HOMES/bob\"\n");
    let home = system.home("bob");
    open_to_all(&home);
    let program = system.start(IN_ONE);
    let _before = Client::login_as("alice", PASSWORD, program.address());
    fs::rename(&home, home.with_file_name("old")).unwrap();
    symlink("alice", &home).unwrap();
    let mut client = Client::connect(program.address());
    client.expect("USER alice", 331);
    let reply = client.expect(&format!("PASS {PASSWORD}"), 530);
    assert_eq!(reply.argument(), "Home directory cannot be used.");
    program.wait_for("by a link that was not there when the home was set");
}

#[test]
fn anonymous_clients_act_as_the_user_who_stands_for_them() {
    let _alone = alone();
    if !is_possible() {
        return;
    }
    for model in MODELS {
        let system = System::new("anonymous_user = \"guest\"\nallowed_users = [\"bob\"]\n");
        let home = system.home("guest");
        fs::write(home.join("public"), "hello").unwrap();
        fs::write(home.join("private"), "hello").unwrap();
        fs::set_permissions(home.join("private"), Permissions::from_mode(0o600)).unwrap();
        let program = system.start(model);
        let mut client = Client::connect(program.address());
        assert!(!is_let_in(&mut client, "guest", PASSWORD));
        assert!(!is_let_in(&mut client, "alice", PASSWORD));
        assert!(is_let_in(&mut client, "anonymous", "me@example.com"));
        assert_eq!(client.fetch("RETR public"), b"hello");
        check_refused(&mut client, &["RETR private", "STOR new"]);
        client.expect("QUIT", 221);
    }
    let system = System::new(
        "anonymous_user = \"guest\"\n[[users]]\nname = \"anonymous\"\nperm = \"elrw\"\n",
    );
    let home = system.home("guest");
    let program = system.start(IN_ONE);
    let mut client = Client::login_as("anonymous", "", program.address());
    client.put("STOR new", b"hello");
    client.expect("DELE new", 550);
    check_owner(&home.join("new"), GUEST);
}

#[test]
fn permissions_below_a_home_that_is_a_link_are_those_of_the_directory() {
    let _alone = alone();
    if !is_possible() {
        return;
    }
    for kind in ["jailed", "unix"] {
        let system = System::new(&format!(
            "[filesystem]\nkind = \"{kind}\"\n\
             [[users]]\nname = \"linked\"\nperm = \"elrw\"\n\
             [[users.override_perm]]\ndirectory = \"HOMES/linked/archive\"\nperm = \"el\"\n\
             recursive = true\n",
        ));
        let home = system.home("alice");
        open_to_all(&home);
        fs::create_dir(home.join("archive")).unwrap();
        for name in ["archive/old", "new"] {
            fs::write(home.join(name), "hello").unwrap();
        }
        symlink(&home, system.home("linked")).unwrap();
        let program = system.start(IN_ONE);
        let mut client = Client::login_as("linked", PASSWORD, program.address());
        let place = client.expect("PWD", 257);
        let home = home.to_str().unwrap();
        assert_eq!(place.text().contains(home), kind == "unix", "{place:?}");
        assert_eq!(client.fetch("RETR new"), b"hello");
        check_refused(&mut client, &["RETR archive/old"]);
    }
}

#[test]
fn the_whole_disk_is_seen_with_the_users_eyes() {
    let _alone = alone();
    if !is_possible() {
        return;
    }
    for model in MODELS {
        let system = System::new(
            "[filesystem]\nkind = \"unix\"\n\
             [[users]]\nname = \"alice\"\n\
             [[users.override_perm]]\ndirectory = \"HOMES/alice/archive\"\nperm = \"el\"\n\
             recursive = true\n",
        );
        let (home, other) = (system.home("alice"), system.home("bob"));
        fs::create_dir(home.join("archive")).unwrap();
        fs::write(home.join("archive/old"), "hello").unwrap();
        open_to_all(&home.join("archive"));
        let other = other.display();
        let program = system.start(model);
        let mut alice = Client::login_as("alice", PASSWORD, program.address());
        let place = alice.expect("PWD", 257);
        assert!(place.text().contains(home.to_str().unwrap()), "{place:?}");
        alice.put("STOR new", b"hello");
        check_owner(&home.join("new"), ALICE);
        let passwd = alice.fetch("RETR /etc/passwd");
        assert!(passwd.starts_with(b"root:"));
        let listing = String::from_utf8(alice.fetch("LIST")).unwrap();
        assert!(
            listing.contains(" alice ") || listing.contains(" alice"),
            "{listing}"
        );
        let beyond = [
            "RETR /etc/shadow".into(),
            "STOR /etc/new".into(),
            "DELE /etc/passwd".into(),
            format!("CWD {other}"),
            format!("LIST {other}"),
            // The letters say no.
            "RETR archive/old".into(),
        ];
        check_refused(&mut alice, &beyond.each_ref().map(|command| &**command));
        alice.play(&[("CWD archive", 250), ("DELE old", 550)]);
    }
}

/// A thread that acts as a user is one of root's process, to which `/proc` shows that process: its
/// descriptors could be listed, its memory map fetched.
#[test]
fn the_servers_own_process_was_shown_to_its_users() {
    let _alone = alone();
    if !is_possible() {
        return;
    }
    for kind in ["jailed", "unix"] {
        let system = System::new(&format!(
            "anonymous_user = \"guest\"\n[filesystem]\nkind = \"{kind}\"\n\
             [[users]]\nname = \"anonymous\"\nhome = \"/\"\nperm = \"elrw\"\n"
        ));
        let program = system.start(IN_ONE);
        let mut client = Client::login_as("anonymous", "", program.address());
        let process = program.id();
        let of_process = format!("/proc/{process}");
        for place in ["/proc/self", "/proc/thread-self", &of_process] {
            check_refused(
                &mut client,
                &[
                    &format!("CWD {place}"),
                    &format!("LIST {place}/fd"),
                    &format!("MLSD {place}/fd"),
                    &format!("NLST {place}/task"),
                    &format!("LIST {place}/fd/1"),
                    &format!("MLST {place}/fd/1"),
                    &format!("MLST {place}/exe"),
                    &format!("LIST {place}/exe"),
                    &format!("RETR {place}/maps"),
                    &format!("RETR {place}/task/{process}/maps"),
                    &format!("RETR {place}/root/etc/passwd"),
                    &format!("XMD5 {place}/maps"),
                    &format!("SITE CPFR {place}/maps"),
                    &format!("APPE {place}/comm"),
                ],
            );
        }
        client.expect("TYPE A", 200);
        check_refused(&mut client, &["RETR /proc/self/maps", "LIST /proc"]);
        let listing = String::from_utf8(client.fetch("LIST /")).unwrap();
        assert!(listing.contains(" proc\r\n"), "{listing}");
        assert!(client.fetch("RETR /etc/passwd").starts_with(b"root:"));
    }
}

#[test]
fn a_reload_reads_who_may_log_in() {
    let _alone = alone();
    if !is_possible() {
        return;
    }
    for model in MODELS {
        let system = System::new("");
        let place = system.0.path().to_owned();
        let program = system.start(model);
        let mut before = Client::login_as("alice", PASSWORD, program.address());
        let file = place.join("f.toml");
        let text = fs::read_to_string(&file).unwrap();
        let broken = text.replace("kind =", "allowed_users = [\"nosuchuser-x\"]\nkind =");
        fs::write(&file, broken).unwrap();
        program.signal("HUP");
        program.wait_for("no such user: \"nosuchuser-x\"");
        let other = text.replace("kind =", "rejected_users = [\"alice\"]\nkind =");
        fs::write(&file, other).unwrap();
        program.signal("HUP");
        program.wait_for("configuration read again");
        // Workers from before may still accept.
        wait_until("she is rejected", || {
            let mut client = Client::connect(program.address());
            !is_let_in(&mut client, "alice", PASSWORD)
        });
        let mut client = Client::connect(program.address());
        assert!(is_let_in(&mut client, "bob", PASSWORD));
        before.put("STOR still", b"hello");
        check_owner(&place.join("homes/alice/still"), ALICE);
    }
}

/// The log said no more than that a login had failed, of everybody.
#[test]
fn why_the_databases_of_users_could_not_be_asked_was_not_told() {
    let _alone = alone();
    if !is_possible() {
        return;
    }
    let system = System::new("");
    let etc = system.path("etc");
    let program = system.start(IN_ONE);
    for (file, expected) in [
        ("shadow", "user \"alice\" is not let in: shadow database: "),
        (
            "passwd",
            "user \"alice\" is not let in: cannot look up user",
        ),
    ] {
        let mut client = Client::connect(program.address());
        assert!(is_let_in(&mut client, "alice", PASSWORD));
        // A link to itself, which not even root can open.
        let (file, aside) = (etc.join(file), etc.join("aside"));
        fs::rename(&file, &aside).unwrap();
        symlink(&file, &file).unwrap();
        client.expect("REIN", 220);
        assert!(!is_let_in(&mut client, "alice", PASSWORD));
        program.wait_for(expected);
        fs::rename(&aside, &file).unwrap();
    }
}

/// Attempts to log in as that user took all turns at checking passwords, for as long as one takes.
#[test]
fn one_enormous_hash_kept_everybody_waiting() {
    let _alone = alone();
    if !is_possible() {
        return;
    }
    let program = System::new("").start(IN_ONE);
    let mut client = Client::connect(program.address());
    assert!(!is_let_in(&mut client, "costly", PASSWORD));
    assert!(is_let_in(&mut client, "bob", PASSWORD));
    program.wait_for("user \"costly\" is not let in by password: its hash takes too long to check");
}

#[test]
fn who_is_root_by_another_name_is_rejected_along_with_root() {
    let _alone = alone();
    if !is_possible() {
        return;
    }
    let program = System::new("rejected_users = [\"root\"]\n").start(IN_ONE);
    let mut client = Client::connect(program.address());
    assert!(!is_let_in(&mut client, "toor", PASSWORD));
    assert!(is_let_in(&mut client, "bob", PASSWORD));
    program.wait_for("user \"toor\" is not let in: not an allowed user");
}

#[test]
fn a_reload_does_not_bring_back_root() {
    let _alone = alone();
    if !is_possible() {
        return;
    }
    let system = System::new("");
    let file = system.path("f.toml");
    let later = fs::read_to_string(&file).unwrap();
    let first = "[server]\nlisten = [\"127.0.0.1:0\"]\nuser = \"bob\"\n\
                 [anonymous]\nhome = \"homes\"\n";
    fs::write(&file, first).unwrap();
    let program = system.start(IN_ONE);
    fs::write(&file, later).unwrap();
    program.signal("HUP");
    program.wait_for("needs root, which was given up for user \"bob\" at the start");
    Client::login_as("anonymous", "", program.address()).expect("QUIT", 221);
}

#[test]
fn who_is_not_root_cannot_serve_users_of_the_system() {
    let _alone = alone();
    if !are_users_possible() {
        return;
    }
    let system = System::new("");
    open_to_all(&system.path("f.toml"));
    for options in [&["-c", "f.toml"][..], &["-c", "f.toml", "--check-config"]] {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=4000000123", "--regid=4000000124", "--clear-groups"])
            .arg(executable())
            .args(options)
            .current_dir(system.0.path());
        let Ok(output) = command.output() else {
            return skipped("there is no setpriv");
        };
        let said = String::from_utf8(output.stderr).unwrap();
        if output.status.code() == Some(127) {
            return skipped("the program cannot be started as somebody else");
        }
        let expected = "ftpdlib: f.toml:9: authorizer.kind: root privileges are required, expected \
                        a program that root has started\n";
        assert_eq!((output.status.code(), &*said), (Some(2), expected));
    }
}
