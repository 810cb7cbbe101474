//! Commands beyond the RFCs' own, on a real disk.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ftpdlib::authorizers::{DummyAuthorizer, User};
use ftpdlib::filesystems::{MemoryFs, UnixFilesystem};
use ftpdlib::handlers::FtpHandler;
use ftpdlib::servers::FtpServerBuilder;
use ftpdlib_tests::client::{Client, USER};
use ftpdlib_tests::hooked::Hooked;
use ftpdlib_tests::server::TestServer;
use ftpdlib_tests::wait::wait_until;
use tempfile::TempDir;

/// What a program prints about a file.
fn output(program: &str, arguments: &[&str], path: &Path) -> Vec<u8> {
    let output = Command::new(program).args(arguments).arg(path).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program}");
    output.stdout
}

/// The digest that coreutils' program prints first.
fn sum(program: &str, path: &Path) -> String {
    let text = String::from_utf8(output(program, &[], path)).unwrap();
    text.split_whitespace().next().unwrap().to_owned()
}

/// The CRC-32 that gzip writes behind what it compressed.
fn crc32(path: &Path) -> String {
    let compressed = output("gzip", &["-c"], path);
    let (_, trailer) = compressed.split_last_chunk::<8>().unwrap();
    let [a, b, c, d, ..] = *trailer;
    format!("{:08x}", u32::from_le_bytes([a, b, c, d]))
}

#[test]
fn digests_are_those_of_coreutils() {
    let server = TestServer::new();
    let mut client = server.client();
    // Around the block sizes of the algorithms, and around the pieces that files are read in.
    for size in [
        0, 1, 55, 56, 63, 64, 65, 111, 112, 128, 262_143, 262_144, 262_145, 1_000_003,
    ] {
        let content: Vec<u8> = (0..size).map(|at: usize| ((at * at) >> 3) as u8).collect();
        let path = server.file("a b", content);
        let last = size.max(1) - 1;
        for (verb, algorithm, expected) in [
            ("XCRC", "CRC32", crc32(&path)),
            ("XMD5", "MD5", sum("md5sum", &path)),
            ("XSHA", "SHA-1", sum("sha1sum", &path)),
            ("XSHA1", "SHA-1", sum("sha1sum", &path)),
            ("XSHA256", "SHA-256", sum("sha256sum", &path)),
            ("XSHA512", "SHA-512", sum("sha512sum", &path)),
        ] {
            let told = client.expect(&format!("{verb} \"a b\""), 250).argument();
            assert_eq!(told, expected, "{verb} of {size} bytes");
            client.expect(&format!("OPTS HASH {algorithm}"), 200);
            let told = client.expect("HASH a b", 213).argument();
            assert_eq!(told, format!("{algorithm} 0-{last} {expected} a b"));
        }
    }
}

#[test]
fn digests_of_a_range_are_those_of_the_piece() {
    for server in [
        TestServer::new(),
        TestServer::showing(Hooked::new(MemoryFs::new(), |_| Ok(()))),
    ] {
        let mut client = server.client();
        client.expect("TYPE I", 200);
        let content: Vec<u8> = (0..600_000_u32).map(|at| (at >> 7) as u8).collect();
        client.put("STOR all", &content);
        for (start, end) in [(0, 1), (1, 262_144), (262_144, 600_000), (599_999, 600_000)] {
            client.put("STOR piece", &content[start..end]);
            let expected = client.expect("XSHA256 piece", 250).argument();
            let told = client.expect(&format!("XSHA256 all {start} {end}"), 250);
            assert_eq!(told.argument(), expected);
            client.expect(&format!("RANG {start} {}", end - 1), 350);
            let told = client.expect("HASH all", 213).argument();
            let range = format!("{start}-{}", end - 1);
            assert_eq!(told, format!("SHA-256 {range} {expected} all"));
        }
    }
}

#[test]
fn a_digest_has_a_limit() {
    let server = TestServer::set(&[("control.hash_limit", "10")]);
    server.file("ten", "0123456789");
    server.file("eleven", "0123456789a");
    let mut client = server.client();
    client.play(&[
        ("HASH ten", 213),
        ("HASH eleven", 550),
        ("XCRC eleven", 550),
        ("XCRC eleven 1 11", 250),
        ("RANG 0 9", 350),
        ("HASH eleven", 213),
    ]);
}

#[test]
fn what_takes_long_is_stopped_by_abor() {
    let server = TestServer::new();
    // Nothing of it is on the disk, but reading it to the end takes minutes.
    let big = File::create(server.path("big")).unwrap();
    big.set_len(1 << 40).unwrap();
    server.file("part", "part");
    let mut client = server.client();
    for command in [
        "HASH big",
        "XMD5 big",
        "SITE COPY big copy",
        "SITE COPY big part",
        "COMB part big",
        "COMB big part",
    ] {
        client.send(command);
        client.expect("NOOP", 200);
        let status = client.expect("STAT", 211);
        assert!(status.text().contains("in progress"), "{}", status.text());
        client.send("ABOR");
        client.expect_reply(426);
        client.expect_reply(226);
        client.expect("PWD", 257);
    }
    assert_eq!(server.content("part"), b"part");
    assert_eq!(names(server.home()), ["big", "part"]);

    // Whoever goes leaves nothing behind either.
    client.send("SITE COPY big copy");
    client.expect("NOOP", 200);
    client.reset();
    drop(server);
}

#[test]
fn a_line_that_was_held_made_abor_wait_for_the_digest() {
    let server = TestServer::new();
    let big = File::create(server.path("big")).unwrap();
    big.set_len(1 << 40).unwrap();
    let ways: [&[&[u8]]; 5] = [
        &[b"HASH big\r\nPWD\r\nCWD /\r\nABOR\r\n"],
        &[b"HASH big\r\nPWD\r\n", b"CWD /\r\nabor\n"],
        &[b"HASH big\r\nPWD\r\nCW", b"D /\r\nAB", b"OR\r\n"],
        &[b"HASH big\r\nPWD\r\nCWD /\r\n", b"\xff\xf4\xff\xf2ABOR\r\n"],
        &[b"HASH big\r\nPWD\r\nCWD /\r\n\xff\xf4\xff", b"\xf2ABOR\r\n"],
    ];
    let mut client = server.client();
    for pieces in ways {
        let (last, first) = pieces.split_last().unwrap();
        for piece in first {
            client.send_raw(piece);
            // A turn for each of them.
            thread::sleep(Duration::from_millis(20));
        }
        client.send_raw(last);
        for code in [426, 257, 250, 226] {
            client.expect_reply(code);
        }
        client.expect("ABOR", 225);
    }
}

/// It has stopped the digest; and nothing of it is left for the next user.
#[test]
fn an_abor_that_took_effect_ahead_was_refused_behind_a_logout() {
    let server = TestServer::new();
    let big = File::create(server.path("big")).unwrap();
    big.set_len(1 << 40).unwrap();
    let (user, pass) = (format!("USER {}", USER.0), format!("PASS {}", USER.1));
    let mut client = server.client();
    client.send_raw(b"HASH big\r\nREIN\r\nABOR\r\n");
    for code in [426, 220, 226] {
        client.expect_reply(code);
    }
    client.play(&[("ABOR", 530), (&user, 331), (&pass, 230), ("ABOR", 225)]);
    client.send_raw(format!("HASH big\r\n{user}\r\nABOR\r\n{pass}\r\n").as_bytes());
    for code in [426, 331, 226, 230] {
        client.expect_reply(code);
    }
    client.expect("ABOR", 225);
}

#[test]
fn lines_sent_ahead_do_not_hide_that_the_client_has_left() {
    let server = TestServer::new();
    let big = File::create(server.path("big")).unwrap();
    big.set_len(1 << 40).unwrap();
    server.file("small", "small");
    let mut client = server.client();
    client.send("SITE COPY big copy");
    client.expect("NOOP", 200);
    client.send_raw(b"PWD\r\nPWD\r\nPWD\r\n");
    client.end_sending();
    // The copy is given up and leaves nothing.
    wait_until("the copy is given up", || {
        names(server.home()) == ["big", "small"]
    });
    // Nor do so many that they are not all read.
    let mut client = server.client();
    client.send("SITE COPY big copy");
    client.expect("NOOP", 200);
    client.send_raw(&b"PWD\r\n".repeat(MANY_LINES));
    client.end_sending();
    wait_until("the copy is given up", || {
        names(server.home()) == ["big", "small"]
    });
    // Whoever says QUIT before it ends its side is there for the answers.
    let mut client = server.client();
    client.send_raw(b"HASH small\r\nPWD\r\nquit\r\n");
    client.end_sending();
    for code in [213, 257, 221] {
        client.expect_reply(code);
    }
    client.expect_end();
}

/// More of them than a server reads ahead, and not more than sockets hold.
const MANY_LINES: usize = 10_000;

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A server whose user may do everything, but only enter and list in `/guarded`, and not even that
/// in `/closed`.
fn guarded_server() -> TestServer {
    let home = TempDir::new().unwrap();
    for directory in ["guarded", "closed"] {
        fs::create_dir(home.path().join(directory)).unwrap();
        fs::write(home.path().join(directory).join("f"), directory).unwrap();
    }
    fs::write(home.path().join("f"), "open").unwrap();
    std::os::unix::fs::symlink("guarded/f", home.path().join("link")).unwrap();
    std::os::unix::fs::symlink("guarded", home.path().join("links")).unwrap();
    let authorizer = DummyAuthorizer::new();
    let user = User::new(USER.0, USER.1, home.path()).perm("elradfmwMT");
    authorizer.add_user(user).unwrap();
    for (directory, perm) in [("guarded", "el"), ("closed", "")] {
        let directory = home.path().join(directory);
        authorizer
            .override_perm(USER.0, directory, perm, true)
            .unwrap();
    }
    let handler = FtpHandler::new(authorizer);
    let address = (std::net::Ipv4Addr::LOCALHOST, 0);
    TestServer::run(FtpServerBuilder::new(handler).listen(address), home)
}

#[test]
fn every_path_of_a_command_is_checked() {
    let server = guarded_server();
    let mut client = Client::login(server.address());
    for refused in [
        "HASH guarded/f",
        "HASH link",
        "HASH links/f",
        "XCRC guarded/f",
        "XSHA256 link 0 1",
        "CPFR guarded/f",
        "SITE CPFR link",
        "SITE COPY guarded/f new",
        "SITE COPY link new",
        "SITE COPY f guarded/new",
        "SITE COPY f guarded/f",
        "SITE COPY f link",
        "SITE COPY f links/new",
        "COMB new guarded/f",
        "COMB new f link",
        "COMB guarded/new f",
        "COMB link f",
        "SITE SYMLINK f guarded/new",
        "SITE SYMLINK f links/new",
        "SITE SYMLINK closed/f new",
        "SITE SYMLINK closed/none/f new",
        "SITE SYMLINK closed/f/f new",
        "SITE MKDIR guarded/new",
        "SITE RMDIR guarded/new",
        "SITE UTIME 202001010000 guarded/f",
        "SITE UTIME link 20200101000000 20200101000000 20200101000000 UTC",
        "MDTM 20200101000000 guarded/f",
        "MFF Modify=20200101000000; link",
        "MFF UNIX.mode=600; guarded/f",
        "AVBL closed",
        "STAT closed",
        "STAT closed/*",
        "STAT -la closed/f*",
    ] {
        let reply = client.expect(refused, 550);
        assert!(
            reply.text().contains("privileges"),
            "{refused}: {}",
            reply.text()
        );
    }
    client.play(&[
        ("CPFR f", 350),
        ("CPTO guarded/f", 550),
        ("AVBL guarded", 213),
        ("SITE SYMLINK guarded/f way", 200),
        ("HASH way", 550),
        ("COMB f way", 550),
    ]);
    assert_eq!(server.content("guarded/f"), b"guarded");
    assert_eq!(server.content("f"), b"open");
    assert_eq!(names(&server.path("guarded")), ["f"]);
}

#[test]
fn copies_of_private_files_were_open_to_everybody() {
    let server = TestServer::new();
    let mode = |name: &str| {
        fs::metadata(server.path(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777
    };
    let file = |name: &str, mode: u32| {
        let path = server.file(name, name);
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    file("private", 0o600);
    file("shared", 0o640);
    file("public", 0o644);
    file("program", 0o751);
    let mut client = server.client();
    client.play(&[
        ("SITE COPY private new", 250),
        ("COMB both shared public", 250),
        ("SITE COPY private program", 250),
    ]);
    assert_eq!((mode("new"), mode("both")), (0o600, 0o640));
    assert_eq!(server.content("both"), b"sharedpublic");
    // What is replaced was open to whom it was open to.
    assert_eq!(mode("program"), 0o751);
}

#[test]
fn overrides_hold_where_the_whole_disk_is_shown() {
    let home = TempDir::new().unwrap();
    let real = home.path().canonicalize().unwrap();
    let place = real.to_str().unwrap().to_owned();
    let outside = TempDir::new().unwrap();
    fs::create_dir_all(real.join("guarded/below")).unwrap();
    fs::write(real.join("guarded/f"), "guarded").unwrap();
    fs::write(real.join("f"), "open").unwrap();
    std::os::unix::fs::symlink(real.join("guarded"), outside.path().join("way")).unwrap();
    let authorizer = DummyAuthorizer::new();
    let user = User::new(USER.0, USER.1, home.path()).perm("elradfmwMT");
    authorizer.add_user(user).unwrap();
    authorizer
        .override_perm(USER.0, real.join("guarded"), "el", false)
        .unwrap();
    let handler = FtpHandler::new(authorizer)
        .abstracted_fs(|login| Ok(Arc::new(UnixFilesystem::new(&login.home)?)));
    let address = (std::net::Ipv4Addr::LOCALHOST, 0);
    let server = TestServer::run(FtpServerBuilder::new(handler).listen(address), home);
    let mut client = Client::login(server.address());
    let pwd = client.expect("PWD", 257).text();
    assert!(pwd.contains(&format!("\"{place}\"")), "{pwd}");
    let way = outside.path().join("way/f");
    for refused in [
        "DELE guarded/f".to_owned(),
        format!("DELE {place}/guarded/f"),
        format!("DELE {}", way.display()),
        "RMD guarded".to_owned(),
        "RNFR guarded".to_owned(),
        format!("RNFR {place}"),
        format!("SITE CHMOD 600 {place}/guarded/below"),
    ] {
        let text = client.expect(&refused, 550).text();
        assert!(text.contains("privileges"), "{refused}: {text}");
    }
    client.play(&[
        ("CWD guarded", 250),
        ("CWD below", 250),
        ("MKD made", 257),
        ("RMD made", 250),
    ]);
    client.expect(&format!("SITE CHMOD 600 {place}/f"), 200);
    let elsewhere = outside.path().join("new");
    client.expect(&format!("MKD {}", elsewhere.display()), 257);
}

#[test]
fn links_are_made_inside() {
    let server = TestServer::new();
    fs::create_dir(server.path("d")).unwrap();
    server.file("f", "in f");
    std::os::unix::fs::symlink("/etc", server.path("etc")).unwrap();
    let mut client = server.client();
    client.expect("TYPE I", 200);
    client.play(&[
        ("SITE SYMLINK f d/link", 200),
        ("SITE SYMLINK f d/link", 550),
        ("SITE SYMLINK etc/passwd d/passwd", 550),
        ("SITE SYMLINK etc d/etc", 550),
        ("SITE SYMLINK /../../../etc/passwd d/passwd", 550),
        ("SITE SYMLINK f etc/link", 550),
        ("SITE SYMLINK \"f\"", 501),
    ]);
    assert_eq!(client.fetch("RETR d/link"), b"in f");
    // Nothing but the link itself is removed.
    client.play(&[("DELE d/link", 250), ("SIZE f", 213)]);
}

#[test]
fn what_a_filesystem_lacks_is_refused() {
    let server = TestServer::showing(MemoryFs::new());
    let mut client = server.client();
    client.put("STOR f", b"in f");
    client.play(&[
        ("AVBL", 550),
        ("SITE SYMLINK f link", 550),
        ("SITE COPY f g", 250),
        ("COMB h f g", 250),
        ("HASH h", 213),
        ("NOOP", 200),
    ]);
}

#[test]
fn what_was_stored_to_a_file_while_it_was_combined_was_lost() {
    let rows = [("/all", "/all"), ("/all", "/part"), ("/new", "/new")];
    let meanwhile = |moment| rows.map(|(target, stored)| (moment, target, stored));
    for (moment, target, stored) in ["write", "finish"].into_iter().flat_map(meanwhile) {
        let files = MemoryFs::new();
        for name in ["/all", "/part"] {
            files.insert(name, "old").unwrap();
        }
        let shared = files.clone();
        let server = TestServer::showing(Hooked::new(files.clone(), move |call: &str| {
            match call == moment {
                true => shared.insert(stored, "stored meanwhile"),
                false => Ok(()),
            }
        }));
        let mut client = server.client();
        client.expect(&format!("COMB {target} /part"), 450);
        for name in ["/all", "/part", "/new"] {
            let expected = match name {
                _ if name == stored => Some("stored meanwhile"),
                "/new" => None,
                _ => Some("old"),
            };
            let held = files.contents(name);
            assert_eq!(held.as_deref(), expected.map(str::as_bytes), "{name}");
        }
        let names = String::from_utf8(client.fetch("NLST")).unwrap();
        assert!(!names.contains(".ftpdlib"), "{names}");
    }
}

#[test]
fn more_than_a_range_holds_is_refused() {
    let server = TestServer::new();
    server.file("f", "0123456789");
    let mut client = server.client();
    client.play(&[("TYPE I", 200), ("RANG 2 4", 350)]);
    let mut stream = client.begin("STOR f");
    std::io::Write::write_all(&mut stream, b"abcd").unwrap();
    drop(stream);
    client.expect_reply(552);
    assert_eq!(server.content("f"), b"01abc56789");
}

#[test]
fn names_that_are_too_long_were_refused_with_a_code_that_most_commands_do_not_have() {
    let server = TestServer::new();
    server.file("f", "x");
    let long = "n".repeat(256);
    let mut client = server.client();
    client.expect("TYPE I", 200);
    for command in [
        "CWD",
        "SIZE",
        "MDTM",
        "MFMT 20200101000000",
        "MLST",
        "STAT",
        "MKD",
        "RMD",
        "DELE",
        "RNFR",
        "SITE CHMOD 644",
        "HASH",
    ] {
        client.expect(&format!("{command} {long}"), 550);
    }
    client.expect("PASV", 227);
    for command in ["RETR", "LIST", "NLST", "MLSD"] {
        client.expect(&format!("{command} {long}"), 550);
    }
    client.expect("PASV", 227);
    client.expect(&format!("STOR {long}"), 553);
    client.expect("RNFR f", 350);
    client.expect(&format!("RNTO {long}"), 553);
}

#[test]
fn what_lies_past_the_end_was_refused_in_words_unlike_pyftpdlibs() {
    let server = TestServer::new();
    server.file("f", "x");
    let mut client = server.client();
    client.expect("TYPE I", 200);
    for (command, code) in [("RETR f", 550), ("STOR f", 554)] {
        client.play(&[("PASV", 227), ("REST 11", 350)]);
        let reply = client.expect(command, code);
        assert_eq!(reply.argument(), "Restart position (11) > file size.");
    }
}

#[test]
fn a_missing_file_was_told_in_words_unlike_pyftpdlibs() {
    let server = TestServer::new();
    let mut client = server.client();
    client.expect("TYPE I", 200);
    for command in ["SIZE none", "MDTM none", "MDTM none/f"] {
        let reply = client.expect(command, 550);
        let text = "File is not retrievable: No such file or directory.";
        assert_eq!(reply.argument(), text, "{command}");
    }
}
