//! Every letter guards what it says.

use std::fs;
use std::path::Path;

use ftpdlib::authorizers::{DummyAuthorizer, User};
use ftpdlib::handlers::FtpHandler;
use ftpdlib::proto::{Perms, verbs};
use ftpdlib::servers::FtpServerBuilder;
use ftpdlib_tests::client::{Client, USER};
use ftpdlib_tests::server::TestServer;
use tempfile::TempDir;

/// A command as its last line, with what has to come before it, and the letters it takes. `@` is
/// the name of a file, `%` that of a directory that is empty.
type Row = (&'static str, &'static [&'static str], &'static str);

const ROWS: &[Row] = &[
    ("CWD", &["CWD %"], "e"),
    ("XCWD", &["XCWD %"], "e"),
    ("CDUP", &["CDUP"], "e"),
    ("XCUP", &["XCUP"], "e"),
    ("RETR", &["EPSV", "RETR @"], "r"),
    ("STOR", &["EPSV", "STOR @"], "w"),
    ("STOU", &["EPSV", "STOU @"], "w"),
    ("APPE", &["EPSV", "APPE @"], "a"),
    ("RNFR", &["RNFR @"], "f"),
    ("RNTO", &["RNFR @", "RNTO @2"], "f"),
    ("DELE", &["DELE @"], "d"),
    ("RMD", &["RMD %"], "d"),
    ("XRMD", &["XRMD %"], "d"),
    ("MKD", &["MKD @2"], "m"),
    ("XMKD", &["XMKD @2"], "m"),
    ("LIST", &["EPSV", "LIST %"], "l"),
    ("NLST", &["EPSV", "NLST %"], "l"),
    ("NLST", &["EPSV", "NLST @*"], "l"),
    ("MLSD", &["EPSV", "MLSD %"], "l"),
    ("MLST", &["MLST @"], "l"),
    ("STAT", &["STAT %"], "l"),
    ("SIZE", &["TYPE I", "SIZE @"], "l"),
    ("MDTM", &["MDTM @"], "l"),
    ("MDTM", &["MDTM 20200101000000 @"], "T"),
    ("MFMT", &["MFMT 20200101000000 @"], "T"),
    ("MFF", &["MFF Modify=20200101000000; @"], "T"),
    ("MFF", &["MFF UNIX.mode=600; @"], "M"),
    ("MFF", &["MFF Modify=20200101000000;UNIX.mode=600; @"], "TM"),
    ("AVBL", &["AVBL %"], "l"),
    ("HASH", &["HASH @"], "r"),
    ("XCRC", &["XCRC @"], "r"),
    ("XMD5", &["XMD5 @"], "r"),
    ("XSHA", &["XSHA @"], "r"),
    ("XSHA1", &["XSHA1 @"], "r"),
    ("XSHA256", &["XSHA256 @"], "r"),
    ("XSHA512", &["XSHA512 @"], "r"),
    ("COMB", &["COMB @2 @"], "wrd"),
    ("CPFR", &["CPFR @"], "r"),
    ("CPTO", &["CPFR @", "CPTO @2"], "wr"),
    ("SITE CPFR", &["SITE CPFR @"], "r"),
    ("SITE CPTO", &["SITE CPFR @", "SITE CPTO @2"], "wr"),
    ("SITE COPY", &["SITE COPY @ @2"], "wr"),
    ("SITE CHMOD", &["SITE CHMOD 600 @"], "M"),
    ("SITE UTIME", &["SITE UTIME 202001010000 @"], "T"),
    ("SITE SYMLINK", &["SITE SYMLINK @ @2"], "w"),
    ("SITE MKDIR", &["SITE MKDIR @2"], "m"),
    ("SITE RMDIR", &["SITE RMDIR %"], "d"),
];

const ALL: &str = "elradfmwMT";

fn without(letter: char) -> String {
    ALL.chars().filter(|&other| other != letter).collect()
}

/// Makes a file and a directory with nothing in it.
fn fill(directory: &Path) {
    fs::write(directory.join("f"), "content").unwrap();
    fs::create_dir_all(directory.join("d")).unwrap();
}

/// Says the lines of a row up to the first that is not accepted; tells whether that was for want of
/// privileges.
fn is_refused(client: &mut Client, lines: &[&str]) -> bool {
    for line in lines {
        client.send(&line.replace('@', "f").replace('%', "d"));
        let reply = client.next_reply().unwrap();
        if reply.code >= 400 {
            return reply.code == 550 && reply.text().contains("privileges");
        }
    }
    false
}

#[test]
fn the_table_has_every_letter_of_every_command() {
    for info in verbs() {
        let needed: String = info.perm.iter().map(|perm| perm.letter()).collect();
        let needed: Perms = format!("{needed}{}", info.more_perms).parse().unwrap();
        let rows = ROWS.iter().filter(|(verb, ..)| *verb == info.name);
        let letters: String = rows.map(|(_, _, letters)| *letters).collect();
        assert_eq!(letters.parse::<Perms>().unwrap(), needed, "{}", info.name);
    }
}

#[test]
fn each_command_takes_its_letters_and_no_others() {
    let home = TempDir::new().unwrap();
    let authorizer = DummyAuthorizer::new();
    let add = |perm: &str| {
        if !authorizer.has_user(&format!("user-{perm}")) {
            let user = User::new(format!("user-{perm}"), USER.1, home.path()).perm(perm);
            authorizer.add_user(user).unwrap();
        }
    };
    ALL.chars().for_each(|letter| add(&without(letter)));
    ROWS.iter().for_each(|(_, _, letters)| add(letters));
    let builder = FtpServerBuilder::new(FtpHandler::new(authorizer));
    let directory = home.path().to_owned();
    let server = TestServer::run(builder.listen(([127, 0, 0, 1], 0)), home);
    let refused = |perm: &str, lines: &[&str]| {
        for name in ["f", "f2"] {
            // It may be a file, a directory, or not there.
            let _ = fs::remove_file(directory.join(name));
            let _ = fs::remove_dir(directory.join(name));
        }
        fill(&directory);
        let mut client = Client::login_as(&format!("user-{perm}"), USER.1, server.address());
        is_refused(&mut client, lines)
    };
    for (_, lines, letters) in ROWS {
        assert!(!refused(letters, lines), "{lines:?} with {letters}");
        for letter in letters.chars() {
            let perm = without(letter);
            assert!(refused(&perm, lines), "{lines:?} without {letter}");
        }
    }
}
