use super::*;
use proptest::prelude::*;

fn parse(line: &str) -> Result<Command<'_>, CommandError> {
    let (verb, argument) = CommandLine::split(line.as_bytes()).resolve()?;
    Command::parse(verb, argument, NameEncoding::UTF_8)
}

#[track_caller]
fn check(line: &str, expected: Command<'_>) {
    assert_eq!(parse(line), Ok(expected), "{line}");
}

#[track_caller]
fn check_reply(line: &str, expected: &str) {
    let error = parse(line).expect_err(line);
    let mut wire = Vec::new();
    error.reply().encode(NameEncoding::UTF_8, &mut wire);
    assert_eq!(
        String::from_utf8(wire).unwrap().trim_end(),
        expected,
        "{line}"
    );
}

const MISSING: &str = "501 Syntax error: command needs an argument.";
const MISSING_SECOND: &str = "501 Syntax error: command needs two arguments.";
const NUMBER: &str = "501 Invalid parameter, expected a number.";
const TIME: &str = "501 Invalid time format; expected: YYYYMMDDHHMMSS.";
const UNEXPECTED: &str = "501 Syntax error: command does not accept arguments.";

fn name(text: &str) -> Cow<'_, [u8]> {
    Cow::Borrowed(text.as_bytes())
}

fn list<'a>(path: Option<&'a str>, whole: Option<&'a str>) -> ListArgument<'a> {
    ListArgument {
        path: path.map(name),
        whole: whole.map(name),
    }
}

#[test]
fn verbs_are_known_in_any_case() {
    check("NOOP", Command::Noop);
    check("noop", Command::Noop);
    check("syst", Command::Syst);
    check("XcUp", Command::Cdup);
    check("site help", Command::SiteHelp(None));
}

#[test]
fn unknown_commands_are_named() {
    check_reply("EVIL x", "500 Command \"EVIL\" not understood.");
    check_reply("evil", "500 Command \"EVIL\" not understood.");
    check_reply("", "500 Command \"\" not understood.");
    check_reply(" NOOP", "500 Command \"\" not understood.");
    check_reply(
        "\x1b\r\"é",
        "500 Command \"\\x1b\\r\\\"\\xc3\\xa9\" not understood.",
    );
    check_reply(
        &"x".repeat(99),
        &format!("500 Command \"{}\" not understood.", "X".repeat(32)),
    );
}

#[test]
fn site_is_looked_into() {
    check_reply("SITE", MISSING);
    check_reply("SITE  ", MISSING);
    check_reply(
        "SITE utimes 1 2",
        "500 Command \"SITE UTIMES\" not understood.",
    );
    check_reply("SITE chmod", MISSING);
    check(
        "SITE  HELP  chmod ",
        Command::SiteHelp(Some("chmod".into())),
    );
    let site = Command::parse(Verb::Site, b"HELP", NameEncoding::UTF_8);
    assert_eq!(site, Ok(Command::SiteHelp(None)));
}

#[test]
fn argument_rules_are_checked() {
    check_reply("RETR", MISSING);
    check_reply("RETR ", MISSING);
    check_reply("TYPE  ", MISSING);
    check_reply("PASV x", UNEXPECTED);
    check_reply("QUIT now", UNEXPECTED);
    check("PASV ", Command::Pasv);
    check("PASV  ", Command::Pasv);
}

#[test]
fn names_keep_their_blanks() {
    check("RETR a b", Command::Retr(name("a b")));
    check("RETR  a ", Command::Retr(name(" a ")));
    check("STOR  ", Command::Stor(name(" ")));
    check("DELE a\rb", Command::Dele(name("a\rb")));
    check("MKD é=x0A", Command::Mkd(name("é\n")));
    check("CWD", Command::Cwd(name("/")));
    check("XCWD ..", Command::Cwd(name("..")));
    check("STOU", Command::Stou(None));
    check("MLSD", Command::Mlsd(None));
    check("MLST x", Command::Mlst(Some(name("x"))));
}

#[test]
fn undecodable_arguments_are_refused() {
    for line in [
        &b"RETR \xff"[..],
        b"USER \xff",
        b"PASS \xff",
        b"HELP \xff",
        b"LIST -l \xff",
    ] {
        let (verb, argument) = CommandLine::split(line).resolve().unwrap();
        let error = Command::parse(verb, argument, NameEncoding::UTF_8).unwrap_err();
        assert_eq!(error, CommandError::Encoding(crate::UndecodableName));
        assert_eq!(error.reply().code().value(), 501);
    }
}

#[test]
fn a_password_keeps_every_byte() {
    check("USER  joe ", Command::User("joe".into()));
    check("PASS", Command::Pass("".into()));
    check("PASS   =x0A ", Command::Pass("  =x0A ".into()));
}

#[test]
fn switches_of_ls_are_eaten() {
    check("LIST", Command::List(list(None, None)));
    check("LIST  ", Command::List(list(None, None)));
    check("LIST a b", Command::List(list(Some("a b"), None)));
    check("LIST -la", Command::List(list(None, Some("-la"))));
    check("LIST -la ", Command::List(list(None, Some("-la "))));
    check(
        "LIST -a -l dir",
        Command::List(list(Some("dir"), Some("-a -l dir"))),
    );
    check(
        "LIST -a  dir",
        Command::List(list(Some(" dir"), Some("-a  dir"))),
    );
    check(
        "LIST -l -- -x",
        Command::List(list(Some("-x"), Some("-l -- -x"))),
    );
    check("LIST -", Command::List(list(Some("-"), None)));
    check("LIST - x", Command::List(list(Some("- x"), None)));
    check("LIST  -l", Command::List(list(Some(" -l"), None)));
    check("NLST -CF", Command::Nlst(list(None, Some("-CF"))));
    check("STAT", Command::Stat(None));
    check("STAT ", Command::Stat(None));
    check("STAT -l", Command::Stat(Some(list(None, Some("-l")))));
    check("STAT dir", Command::Stat(Some(list(Some("dir"), None))));
}

#[test]
fn types_are_ascii_or_image() {
    for text in [
        "A", "a", "A N", "A T", "a t", "AN", "L 7", "L7", "l  7", " A ",
    ] {
        check(&format!("TYPE {text}"), Command::Type(TransferType::Ascii));
    }
    for text in ["I", "i", "I N", "L 8", "L8"] {
        check(&format!("TYPE {text}"), Command::Type(TransferType::Image));
    }
    check_reply("TYPE E", "504 Unsupported type \"E\".");
    check_reply("TYPE A C", "504 Unsupported type \"A C\".");
    check_reply("TYPE L 36", "504 Unsupported type \"L 36\".");
    check_reply("TYPE L", "504 Unsupported type \"L\".");
    check_reply("TYPE IMAGE", "504 Unsupported type \"IMAGE\".");
}

#[test]
fn one_structure_and_one_mode_are_offered() {
    check("STRU F", Command::Stru);
    check("MODE s", Command::Mode);
    check_reply("STRU R", "504 Unimplemented STRU type (use F).");
    check_reply("STRU p", "504 Unimplemented STRU type (use F).");
    check_reply("MODE B", "504 Unimplemented MODE type (use S).");
    check_reply("MODE c", "504 Unimplemented MODE type (use S).");
    check_reply("STRU ?!?", "504 Unrecognized STRU type (use F).");
    check_reply("MODE Z", "504 Unrecognized MODE type (use S).");
}

#[test]
fn numbers_are_digits() {
    check("REST 0", Command::Rest(0));
    check("REST  12 ", Command::Rest(12));
    check("REST 18446744073709551615", Command::Rest(u64::MAX));
    for argument in ["18446744073709551616", "-1", "+1", "1.0", "x"] {
        check_reply(&format!("REST {argument}"), NUMBER);
    }
    for argument in ["5", "5 R 6", "5 6", "x"] {
        check(&format!("ALLO {argument}"), Command::Allo);
    }
    check_reply("ALLO", MISSING);
}

#[test]
fn data_addresses() {
    check(
        "PORT 192,0,2,7,4,1",
        Command::Port("192.0.2.7:1025".parse().unwrap()),
    );
    check_reply("PORT 192,0,2,7,4", "501 Invalid PORT format.");
    check(
        "EPRT |2|::1|1025|",
        Command::Eprt("[::1]:1025".parse().unwrap()),
    );
    check_reply("EPRT |1|::1|1025|", "501 Invalid EPRT format.");
    check_reply(
        "EPRT |3|x|1025|",
        "522 Network protocol not supported, use (1,2).",
    );
    check("EPSV", Command::Epsv(EpsvArgument::Default));
    check("EPSV 1", Command::Epsv(EpsvArgument::Ipv4));
    check("EPSV 2 ", Command::Epsv(EpsvArgument::Ipv6));
    check("EPSV all", Command::Epsv(EpsvArgument::All));
    check_reply("EPSV 3", "522 Network protocol not supported, use (1,2).");
    check_reply("EPSV x", "501 Invalid EPSV argument.");
}

#[test]
fn times_and_modes_come_before_a_name() {
    let time = CivilTime {
        year: 2024,
        month: 2,
        day: 29,
        hour: 12,
        minute: 0,
        second: 1,
    };
    check(
        "MFMT 20240229120001 a b ",
        Command::Mfmt {
            time,
            path: name("a b "),
        },
    );
    check_reply("MFMT 20240229120001", MISSING_SECOND);
    check_reply("MFMT 20240229120001 ", MISSING_SECOND);
    check_reply("MFMT 20240230120001 a", TIME);
    for (digits, mode) in [
        ("644", 0o644),
        ("0644", 0o644),
        ("7777", 0o7777),
        ("04755", 0o4755),
    ] {
        let line = format!("SITE CHMOD {digits} a b");
        check(
            &line,
            Command::SiteChmod {
                mode,
                path: name("a b"),
            },
        );
    }
    check_reply("SITE CHMOD 644", MISSING_SECOND);
    for mode in [
        "64",
        "648",
        "14755",
        "004755",
        "u+x",
        "-644",
        "000000644",
        "",
    ] {
        let line = format!("SITE CHMOD {mode} a");
        let text = "501 Invalid SITE CHMOD format, expected octal digits.";
        check_reply(&line, text);
    }
}

#[test]
fn options() {
    check("OPTS UTF8 ON", Command::OptsUtf8(true));
    check("opts utf8 on", Command::OptsUtf8(true));
    check("OPTS UTF8", Command::OptsUtf8(true));
    check("OPTS UTF8 OFF", Command::OptsUtf8(false));
    check("OPTS UTF-8", Command::OptsUtf8(true));
    check("OPTS utf-8 off", Command::OptsUtf8(false));
    check("OPTS HASH", Command::OptsHash(None));
    let md5 = Command::OptsHash(Some(HashAlgorithm::Md5));
    check("OPTS hash  md5 ", md5);
    check_reply(
        "OPTS HASH SHA-3",
        "504 Unknown algorithm, use SHA-256, SHA-512, SHA-1, MD5, CRC32.",
    );
    check("OPTS MLST", Command::OptsMlst(FactSet::parse(b"")));
    check(
        "OPTS mlst  size;type;",
        Command::OptsMlst(FactSet::parse(b"type;size;")),
    );
    for argument in ["UTF8 MAYBE", "UTF8 ON OFF", "MLSD size;", "HASHES"] {
        let text = "501 Unsupported command or options.";
        check_reply(&format!("OPTS {argument}"), text);
    }
}

#[test]
fn arguments_of_informative_commands() {
    check("HELP", Command::Help(None));
    check("HELP  retr ", Command::Help(Some("retr".into())));
    check("CLNT FileZilla", Command::Clnt);
    check("CLNT", Command::Clnt);
}

#[test]
fn parsing_a_plain_name_copies_nothing() {
    for line in [
        "RETR a b",
        "LIST -la a b",
        "MFMT 20240229120001 a b",
        "SITE CHMOD 644 a b",
    ] {
        let borrowed = match parse(line).unwrap() {
            Command::Retr(path)
            | Command::Mfmt { path, .. }
            | Command::SiteChmod { path, .. }
            | Command::List(ListArgument {
                path: Some(path), ..
            }) => {
                matches!(path, Cow::Borrowed(b"a b"))
            }
            other => panic!("{other:?}"),
        };
        assert!(borrowed, "{line}");
    }
}

#[test]
fn every_error_is_a_negative_reply() {
    for line in [
        "X", "SITE X", "RETR", "NOOP X", "TYPE X", "REST X", "OPTS X", "EPSV 9",
    ] {
        let code = parse(line).unwrap_err().reply().code();
        assert!(code.is_permanent(), "{line}");
    }
}

#[test]
fn ranges_are_inclusive_in_rang() {
    check("RANG 0 49", Command::Rang(range(0, Some(50))));
    check("RANG  5  5 ", Command::Rang(range(5, Some(6))));
    check("RANG 1 0", Command::Rang(ByteRange::default()));
    for argument in ["2 0", "5 4"] {
        check_reply(&format!("RANG {argument}"), "501 Invalid range.");
    }
    for argument in ["5", "a b", "1 2 3", "-1 5"] {
        check_reply(&format!("RANG {argument}"), NUMBER);
    }
    // A larger end cannot be represented: the reply used to name another range.
    check(
        "RANG 0 18446744073709551614",
        Command::Rang(range(0, Some(u64::MAX))),
    );
    check_reply("RANG 0 18446744073709551615", NUMBER);
}

fn range(start: u64, end: Option<u64>) -> ByteRange {
    ByteRange::new(start, end).unwrap()
}

#[track_caller]
fn check_digest(argument: &str, path: &str, range: ByteRange, whole: Option<&str>) {
    check_digest_range(argument, path, Some(range), whole);
}

#[track_caller]
fn check_digest_range(argument: &str, path: &str, range: Option<ByteRange>, whole: Option<&str>) {
    let expected = Command::Digest {
        algorithm: HashAlgorithm::Crc32,
        argument: DigestArgument {
            path: name(path),
            range,
            whole: whole.map(name),
        },
    };
    check(&format!("XCRC {argument}"), expected);
}

#[test]
fn digests_take_a_name_and_a_range() {
    let all = ByteRange::default();
    check_digest("a b", "a b", all, None);
    check_digest("a b 5", "a b", range(5, None), Some("a b 5"));
    check_digest("a 5 9", "a", range(5, Some(9)), Some("a 5 9"));
    check_digest("1 2 3", "1", range(2, Some(3)), Some("1 2 3"));
    check_digest("5", "5", all, None);
    check_digest("a 5 ", "a 5 ", all, None);
    check_digest("\"a b\"", "a b", all, None);
    check_digest(
        "\"a \"\"b\"\" 5\"  0  9 ",
        "a \"b\" 5",
        range(0, Some(9)),
        None,
    );
    check_reply("XCRC \"a\" 9 5", "501 Invalid range.");
    check_digest_range("a 9 5", "a", None, Some("a 9 5"));
    check_reply("XCRC \"a\" 5 x", NUMBER);
    check_reply("XCRC \"a\" 5 6 7", NUMBER);
    for argument in ["\"a", "\"", "\"\"", "\"a\"b"] {
        check_reply(&format!("XCRC {argument}"), "501 Invalid list of names.");
    }
    for (verb, algorithm) in [
        ("XMD5", HashAlgorithm::Md5),
        ("XSHA", HashAlgorithm::Sha1),
        ("XSHA1", HashAlgorithm::Sha1),
        ("xsha256", HashAlgorithm::Sha256),
        ("XSHA512", HashAlgorithm::Sha512),
    ] {
        let argument = DigestArgument {
            path: name("a"),
            range: Some(all),
            whole: None,
        };
        let expected = Command::Digest {
            algorithm,
            argument,
        };
        check(&format!("{verb} a"), expected);
    }
    check("HASH a 5 9", Command::Hash(name("a 5 9")));
}

#[test]
fn names_with_blanks_stand_in_quotes() {
    let comb = |target, parts: &[&'static str]| Command::Comb {
        target: name(target),
        parts: parts.iter().map(|part| name(part)).collect(),
    };
    check("COMB a b", comb("a", &["b"]));
    check("COMB \"a a\"  b \"c\"\"c\" ", comb("a a", &["b", "c\"c"]));
    for argument in ["a", " ", "\"a b\"", "a \"b"] {
        check_reply(&format!("COMB {argument}"), "501 Invalid list of names.");
    }
    let (from, to) = (name("a b"), name("c"));
    check("SITE COPY \"a b\" c", Command::SiteCopy { from, to });
    let (target, link) = (name("a"), name("b"));
    check("SITE symlink a b", Command::SiteSymlink { target, link });
    check_reply("SITE COPY a b c", "501 Invalid list of names.");
    check_reply("SITE SYMLINK a", "501 Invalid list of names.");
    check("CPFR a b ", Command::Cpfr(name("a b ")));
    check("SITE CPFR a b ", Command::Cpfr(name("a b ")));
    check("CPTO a b", Command::Cpto(name("a b")));
    check("SITE CPTO a b", Command::Cpto(name("a b")));
    check("SITE MKDIR a b", Command::SiteMkdir(name("a b")));
    check("SITE RMDIR a b", Command::SiteRmdir(name("a b")));
    check("AVBL", Command::Avbl(None));
    check("AVBL a b", Command::Avbl(Some(name("a b"))));
}

/// 2024-02-29 12:30 and this second.
fn noon(second: u8) -> CivilTime {
    CivilTime {
        year: 2024,
        month: 2,
        day: 29,
        hour: 12,
        minute: 30,
        second,
    }
}

#[test]
fn times_are_set_in_many_ways() {
    let utime = |time, utc, path| Command::SiteUtime {
        time,
        utc,
        path: name(path),
    };
    check("SITE UTIME 202402291230 a b", utime(noon(0), false, "a b"));
    check("SITE utime 20240229123007 a", utime(noon(7), false, "a"));
    check(
        "SITE UTIME a b 20230101000000 20240229123007 20250101000000 UTC",
        utime(noon(7), true, "a b"),
    );
    check(
        "SITE UTIME 202402291230 20230101000000 UTC",
        utime(noon(0), false, "20230101000000 UTC"),
    );
    check_reply(
        "SITE UTIME a 20230101000000 20240230123007 20250101000000 UTC",
        TIME,
    );
    check_reply("SITE UTIME 202402291230", MISSING_SECOND);
    let set = Command::MdtmSet {
        time: noon(7),
        path: name("a b"),
        whole: name("20240229123007 a b"),
    };
    check("MDTM 20240229123007 a b", set);
    for argument in ["20240229123007", "20240230123007 a", "a 20240229123007"] {
        check(&format!("MDTM {argument}"), Command::Mdtm(name(argument)));
    }
}

#[test]
fn facts_are_set_by_mff() {
    let mff = |modify, unix_mode| Command::Mff {
        change: FactChange { modify, unix_mode },
        path: name("a b"),
    };
    check("MFF Modify=20240229123007; a b", mff(Some(noon(7)), None));
    check(
        "mff unix.MODE=0644;modify=20240229123007; a b",
        mff(Some(noon(7)), Some(0o644)),
    );
    for facts in [
        "Create=20240229123007;",
        "Modify;",
        "UNIX.mode=644",
        ";",
        "",
    ] {
        check_reply(
            &format!("MFF {facts} a"),
            "504 Unsupported fact, use Modify and UNIX.mode.",
        );
    }
    check_reply("MFF Modify=20240229123007;", MISSING_SECOND);
    check_reply("MFF Modify=2024; a", TIME);
    check_reply(
        "MFF UNIX.mode=u+x; a",
        "501 Invalid UNIX.mode, expected octal digits.",
    );
}

#[test]
fn hosts_and_languages() {
    check(
        "HOST ftp.Example.com ",
        Command::Host("ftp.example.com".into()),
    );
    check("HOST [2001:DB8::7]", Command::Host("2001:db8::7".into()));
    check_reply("HOST", MISSING);
    for argument in ["a b", "2001:db8::7", "[]", "é", "a/b"] {
        check_reply(&format!("HOST {argument}"), "501 Invalid host name.");
    }
    check("LANG", Command::Lang);
    check("LANG en", Command::Lang);
    check("LANG EN-gb", Command::Lang);
    check_reply("LANG ENG", "504 Language not supported, use EN.");
    check_reply("LANG FR", "504 Language not supported, use EN.");
    check("CSID Name=a; Version=1;", Command::Csid);
}

/// Lines that often have a valid verb.
fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let verb = (0..crate::verbs().len()).prop_map(|row| crate::verbs()[row].name);
    let argument = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        "[-,|0-9a-z ]{0,40}".prop_map(String::into_bytes),
        "[\"a0-9 ]{0,40}".prop_map(String::into_bytes),
        "(Modify=|UNIX.mode=|2024022912300[0-9]|0644|;| |a|UTC){0,9}".prop_map(String::into_bytes),
    ];
    (verb, argument).prop_map(|(verb, argument)| [verb.as_bytes(), b" ", &argument].concat())
}

proptest! {
    #[test]
    fn no_line_makes_it_panic(
        line in prop_oneof![any_line(), prop::collection::vec(any::<u8>(), 0..40)],
    ) {
        let command = CommandLine::split(&line)
            .resolve()
            .and_then(|(verb, argument)| Command::parse(verb, argument, NameEncoding::UTF_8));
        if let Err(error) = command {
            let mut wire = Vec::new();
            error.reply().encode(NameEncoding::UTF_8, &mut wire);
            prop_assert!(wire.starts_with(b"5") && wire.ends_with(b"\r\n"));
            prop_assert!(!wire[..wire.len() - 2].contains(&b'\n'));
        }
    }

    #[test]
    fn quoted_names_round_trip(list in prop::collection::vec("[a\"=x0D \u{e9}]{1,9}", 2..5)) {
        let quoted = list.iter().map(|name| {
            let mut wire = Vec::new();
            NameEncoding::UTF_8.encode_name(name.as_bytes(), &mut wire);
            format!("\"{}\"", String::from_utf8(wire).unwrap().replace('"', "\"\""))
        });
        let line = format!("COMB {}", quoted.collect::<Vec<_>>().join(" "));
        let Ok(Command::Comb { target, parts }) = parse(&line) else {
            panic!("{line}");
        };
        let names: Vec<_> = [target].into_iter().chain(parts).collect();
        let expected: Vec<_> = list.iter().map(|name| name.as_bytes()).collect();
        prop_assert_eq!(names, expected);
    }
}
