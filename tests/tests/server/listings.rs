//! Directories, large and odd.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use ftpdlib_tests::client::{Client, read_all};
use ftpdlib_tests::server::TestServer;

fn lines(listing: &[u8]) -> Vec<&[u8]> {
    let lines: Vec<&[u8]> = listing.split_inclusive(|&byte| byte == b'\n').collect();
    lines
        .into_iter()
        .map(|line| line.strip_suffix(b"\r\n").expect("a line ends with CRLF"))
        .collect()
}

/// The name at the end of a line of MLSD.
fn name_of(line: &[u8]) -> &[u8] {
    let blank = line.iter().position(|&byte| byte == b' ').unwrap();
    &line[blank + 1..]
}

#[test]
fn a_hundred_thousand_entries_are_listed_while_others_are_served() {
    const ENTRIES: usize = 100_000;
    let server = TestServer::new();
    let name_at = |number: usize| format!("{}{number:06}", "x".repeat(40));
    let first = server.file(name_at(0), "");
    for number in 1..ENTRIES {
        // A link is made faster than a file.
        let name = name_at(number);
        if fs::hard_link(&first, server.path(&name)).is_err() {
            server.file(name, "");
        }
    }
    let mut client = server.client();
    let mut other = server.client();
    for command in ["NLST", "LIST", "MLSD"] {
        // Nobody reads it so far, and it is more than sockets hold.
        let stream = client.begin(command);
        for _ in 0..20 {
            other.expect("NOOP", 200);
        }
        client.expect("NOOP", 200);
        let listing = read_all(stream);
        client.expect_reply(226);
        let lines = lines(&listing);
        let mut names: Vec<&[u8]> = lines.iter().map(|line| &line[line.len() - 6..]).collect();
        if command == "MLSD" {
            names.sort_unstable();
        }
        assert_eq!(names.len(), ENTRIES, "{command}");
        for (number, name) in names.iter().enumerate() {
            assert_eq!(*name, format!("{number:06}").as_bytes(), "{command}");
        }
    }
}

#[test]
fn a_listing_that_nobody_reads_can_be_stopped() {
    let server = TestServer::new();
    for number in 0..3000 {
        server.file(format!("{number}{}", "x".repeat(200)), "");
    }
    let mut client = server.client();
    let mut stream = client.begin("LIST");
    stream.read_exact(&mut [0; 10]).unwrap();
    client.send("ABOR");
    let first = client.next_reply().unwrap().code;
    // All of it may have gone into the system's buffers.
    assert!(first == 426 || first == 226);
    let second = client.next_reply().unwrap().code;
    assert_eq!(second, if first == 426 { 226 } else { 225 });
}

#[test]
fn every_name_can_be_fetched_as_it_is_listed() {
    let server = TestServer::new();
    let names: &[&[u8]] = &[
        b"plain",
        b" leading blank",
        b"trailing blank ",
        b"a\rb",
        b"a\nb",
        b"a\r\nb",
        b"\xff\xfe",
        b"x\xff",
        b"\xff\xf4\xff\xf2",
        b"not \xc3 UTF-8",
        "\u{fc}n\u{ef}\u{2603}".as_bytes(),
        b"%0D",
        b"back\\slash",
        b"\x7f\x01\x1b[31m",
        b"quote\"quote",
        b"-la",
        b"*?[x]",
        b"~",
        b"...",
    ];
    for name in names {
        server.file(OsStr::from_bytes(name), name);
    }
    let mut client = server.client();
    client.expect("TYPE I", 200);
    let listing = client.fetch("NLST");
    let facts = client.fetch("MLSD");
    let listed: BTreeSet<&[u8]> = lines(&listing).into_iter().collect();
    let with_facts: BTreeSet<&[u8]> = lines(&facts).into_iter().map(name_of).collect();
    assert_eq!(listed, with_facts);
    assert_eq!(listed.len(), names.len());
    assert_eq!(lines(&client.fetch("LIST")).len(), names.len());
    let mut contents = BTreeSet::new();
    for name in listed {
        let stream = client.passive();
        client.send_raw(&on_the_control_connection("RETR ", name));
        client.expect_reply(150);
        contents.insert(read_all(stream));
        client.expect_reply(226);
    }
    let expected: BTreeSet<Vec<u8>> = names.iter().map(|name| name.to_vec()).collect();
    assert_eq!(contents, expected);
}

/// A command line with IAC doubled, as Telnet wants it.
fn on_the_control_connection(verb: &str, name: &[u8]) -> Vec<u8> {
    let mut line = verb.as_bytes().to_vec();
    for &byte in name {
        line.push(byte);
        if byte == 255 {
            line.push(byte);
        }
    }
    line.extend_from_slice(b"\r\n");
    line
}

#[test]
fn odd_names_do_not_break_replies() {
    let server = TestServer::new();
    let mut client = server.client();
    for name in [&b"a\rb"[..], b"a\nb", b"\xff", b"\"", b"x\xff\xf4"] {
        fs::create_dir(server.path(OsStr::from_bytes(name))).unwrap();
    }
    let listing = client.fetch("NLST");
    for name in lines(&listing) {
        for verb in ["MLST ", "STAT ", "CWD "] {
            client.send_raw(&on_the_control_connection(verb, name));
            let reply = client.next_reply().unwrap();
            assert!([250, 213].contains(&reply.code), "{verb}: {}", reply.text());
        }
        client.play(&[("PWD", 257), ("CWD /", 250)]);
    }
}

#[test]
fn the_root_was_shown_as_one_that_can_be_renamed_and_deleted() {
    let server = TestServer::new();
    let mut client = server.client();
    let shown = client.expect("MLST /", 250).text();
    assert!(shown.contains("type=dir;perm=celmp;"), "{shown}");
    client.play(&[("RMD /", 550), ("RNFR /", 550)]);
}

#[test]
fn links_are_what_they_lead_to() {
    let server = TestServer::new();
    server.file("file", "hello");
    fs::create_dir(server.path("dir")).unwrap();
    symlink("file", server.path("to-file")).unwrap();
    symlink("dir", server.path("to-dir")).unwrap();
    symlink("nowhere", server.path("broken")).unwrap();
    symlink("/etc/passwd", server.path("outside")).unwrap();
    let mut client = server.client();
    let listing = client.fetch("MLSD");
    let text = String::from_utf8(listing).unwrap();
    let facts = |name: &str| {
        let line = text
            .lines()
            .find(|line| line.ends_with(&format!(" {name}")));
        line.unwrap_or_else(|| panic!("no {name} in {text}"))
            .to_lowercase()
    };
    assert!(facts("to-file").contains("type=file;"), "{text}");
    assert!(facts("to-file").contains("size=5;"), "{text}");
    assert!(facts("to-dir").contains("type=dir;"), "{text}");
    for name in ["broken", "outside"] {
        assert!(!facts(name).contains("type=dir;"), "{text}");
    }
    assert!(!text.contains("passwd"));
    let long = String::from_utf8(client.fetch("LIST")).unwrap();
    assert!(long.contains("to-file -> file"), "{long}");
    assert!(!long.contains("passwd"), "{long}");
    client.epsv();
    client.expect("RETR outside", 550);
}

#[test]
fn links_are_shown_as_such_where_that_was_asked_for() {
    let server = TestServer::with(|handler| handler.mlsd_shows_links(true));
    server.file("file", "hello");
    fs::create_dir(server.path("dir")).unwrap();
    for (target, name) in [
        ("file", "to-file"),
        ("dir", "to-dir"),
        ("nowhere", "broken"),
    ] {
        symlink(target, server.path(name)).unwrap();
    }
    let mut client = server.client();
    let text = String::from_utf8(client.fetch("MLSD")).unwrap();
    for (name, expected) in [
        ("file", "type=file;perm=adfrw;"),
        ("dir", "type=dir;perm=cdeflmp;"),
        ("to-file", "type=OS.unix=slink:;perm=df;"),
        ("to-dir", "type=OS.unix=slink:;perm=df;"),
        ("broken", "type=OS.unix=slink:;perm=df;"),
    ] {
        let line = text
            .lines()
            .find(|line| line.ends_with(&format!(" {name}")));
        assert!(
            line.is_some_and(|line| line.starts_with(expected)),
            "{name}: {text}"
        );
        let asked = client.expect(&format!("MLST {name}"), 250).text();
        assert!(asked.contains(expected), "{name}: {asked}");
    }
}

#[test]
fn a_file_is_listed_as_itself() {
    let server = TestServer::new();
    server.file("a", "hello");
    let mut client = server.client();
    let long = String::from_utf8(client.fetch("LIST a")).unwrap();
    assert!(long.starts_with('-') && long.ends_with(" a\r\n"), "{long}");
    assert_eq!(client.fetch("NLST a"), b"a\r\n");
    client.epsv();
    client.play(&[("MLSD a", 501), ("NOOP", 200)]);
    client.epsv();
    client.expect("LIST missing", 550);
}

#[test]
fn an_empty_directory_is_an_empty_listing() {
    let server = TestServer::new();
    let mut client = server.client();
    for command in ["LIST", "NLST", "MLSD", "LIST -la", "NLST -a"] {
        assert_eq!(client.fetch(command), b"", "{command}");
    }
    assert_eq!(client.expect("STAT /", 213).lines.len(), 2);
}

#[test]
fn a_directory_that_shrinks_meanwhile_is_listed_without_what_is_gone() {
    let server = TestServer::new();
    for number in 0..2000 {
        server.file(format!("{number:04}{}", "x".repeat(200)), "");
    }
    let mut client = server.client();
    let clean = |client: &mut Client| lines(&client.fetch("LIST")).len();
    assert_eq!(clean(&mut client), 2000);
    let stream = client.begin("LIST");
    for entry in fs::read_dir(server.home()).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let listing = read_all(stream);
    client.expect_reply(226);
    for line in lines(&listing) {
        assert!(line.ends_with(b"x"));
    }
    assert_eq!(clean(&mut client), 0);
}

#[test]
fn names_of_a_pattern_can_be_fetched_as_they_are_listed() {
    let server = TestServer::new();
    fs::create_dir(server.path("sub dir")).unwrap();
    let names: &[&[u8]] = &[b"a1", b"a 2", b"a\xff3", "a\u{fc}".as_bytes(), b"a\r4"];
    for name in names {
        let path = server.path("sub dir").join(OsStr::from_bytes(name));
        fs::write(path, name).unwrap();
    }
    symlink("sub dir", server.path("link")).unwrap();
    symlink("a1", server.path("sub dir/a-link")).unwrap();
    let mut client = server.client();
    client.expect("TYPE I", 200);
    for (pattern, count) in [("sub dir/a*", 6), ("/link/a?", 2), ("./link/a[0-9]", 1)] {
        let listing = client.fetch(&format!("NLST {pattern}"));
        let listed = lines(&listing);
        assert_eq!(listed.len(), count, "{pattern}");
        for name in listed {
            let stream = client.passive();
            client.send_raw(&on_the_control_connection("RETR ", name));
            client.expect_reply(150);
            let content = read_all(stream);
            assert!(content.starts_with(b"a"));
            client.expect_reply(226);
        }
    }
    let long = String::from_utf8_lossy(&client.fetch("LIST link/a-*")).into_owned();
    assert!(long.ends_with(" a-link -> a1\r\n"), "{long}");
}

#[test]
fn a_pattern_finds_its_names_in_a_large_directory() {
    let server = TestServer::new();
    for number in 0..6000 {
        server.file(format!("{number:04}"), "");
    }
    let mut client = server.client();
    assert_eq!(lines(&client.fetch("NLST 59*")).len(), 100);
    assert_eq!(lines(&client.fetch("LIST *")).len(), 6000);
    assert_eq!(client.fetch("NLST x*"), b"");
}
