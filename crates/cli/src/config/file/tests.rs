use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(text: &str, expected: &str) {
    let error = ConfigFile::parse(Path::new("f.toml"), text.to_owned()).unwrap_err();
    assert_eq!(error.to_string(), expected, "{text}");
}

#[test]
fn wrong_files_are_told_by_line_and_key() {
    check(
        "[server]\nlisten = 5",
        "f.toml:2: server.listen: found integer `5`, expected a list",
    );
    check(
        "[server]\nlisten = [\"x\"]",
        "f.toml:2: server.listen: found \"x\", expected ADDRESS:PORT such as 0.0.0.0:2121 \
         or [::]:2121",
    );
    check(
        "[server]\nlisten = [\n  \"0.0.0.0:21\",\n  5]",
        "f.toml:4: server.listen[1]: found integer `5`, expected a string",
    );
    check(
        "[server]\nlisten = []",
        "f.toml:2: server.listen: found no address, expected one or more",
    );
    check(
        "[server]\nlisten = [\"0.0.0.0:21\", \"0.0.0.0:21\"]",
        "f.toml:2: server.listen: found 0.0.0.0:21 twice, expected each address once",
    );
    check(
        "[server]\n\nlisen = 1",
        "f.toml:3: server.lisen: unknown key `lisen`, expected one of `listen`, \
         `concurrency`, `workers`, `threads`, `user`, `group`, `proxy_protocol_from`, \
         `backlog`, `max_cons`, `max_cons_per_ip`, `shutdown_grace`",
    );
    check(
        "[sever]\n",
        "f.toml:1: sever: unknown key `sever`, expected one of `server`, `control`, `data`, \
         `tls`, `authorizer`, `filesystem`, `log`, `users`, `anonymous`",
    );
    check(
        "server = 1",
        "f.toml:1: server: found integer, expected a table",
    );
    check(
        "[server]\nconcurrency = \"fork\"",
        "f.toml:2: server.concurrency: found `fork`, expected one of `async`, `pre-fork`, \
         `multi-thread`, `multi-proc`",
    );
    check(
        "[server]\nworkers = -1",
        "f.toml:2: server.workers: found integer `-1`, expected a whole number from 0 to 256",
    );
    check(
        "[server]\nworkers = 257",
        "f.toml:2: server.workers: found integer `257`, expected a whole number from 0 to 256",
    );
    check(
        "[server]\nworkers = 1.5",
        "f.toml:2: server.workers: found floating point `1.5`, expected a whole number from \
         0 to 256",
    );
    check(
        "[server]\nbacklog = 0",
        "f.toml:2: server.backlog: found integer `0`, expected a whole number from 1 to \
         4294967295",
    );
    check(
        "[server]\nbacklog = 99999999999",
        "f.toml:2: server.backlog: found integer `99999999999`, expected a whole number \
         from 1 to 4294967295",
    );
    check(
        "[server]\nmax_cons = \"x\"",
        "f.toml:2: server.max_cons: found string \"x\", expected a whole number from 0 to \
         4294967295",
    );
    check(
        "[server]\nshutdown_grace = -1",
        "f.toml:2: server.shutdown_grace: found integer `-1`, expected a number of seconds \
         from 0 to 1000000000",
    );
    check(
        "[server]\nshutdown_grace = nan",
        "f.toml:2: server.shutdown_grace: found floating point `NaN`, expected a number of \
         seconds from 0 to 1000000000",
    );
    check(
        "[server]\nproxy_protocol_from = [\"x\"]",
        "f.toml:2: server.proxy_protocol_from: found \"x\", expected a network such as \
         10.0.0.0/8 or fd00::/8",
    );
    check(
        "[control]\ntimeout = \"300\"",
        "f.toml:2: control.timeout: found string \"300\", expected a number of seconds from \
         0 to 1000000000",
    );
    check(
        "[control]\npassive_ports = \"9-8\"",
        "f.toml:2: control.passive_ports: found \"9-8\", expected FROM-TO with ports from 1 \
         to 65535, such as 60000-65535",
    );
    check(
        "[control]\npassive_ports = [1, 1]",
        "f.toml:2: control.passive_ports: found 1 in the list, expected different ports \
         from 1 to 65535",
    );
    check(
        "[control]\npassive_ports = [0]",
        "f.toml:2: control.passive_ports: found 0 in the list, expected different ports \
         from 1 to 65535",
    );
    check(
        "[control]\npassive_ports = [\"a\"]",
        "f.toml:2: control.passive_ports[0]: found string \"a\", expected a whole number",
    );
    check(
        "[control]\npassive_ports = 5",
        "f.toml:2: control.passive_ports: found integer `5`, expected FROM-TO with ports \
         from 1 to 65535, such as 60000-65535, or a list of ports",
    );
    check(
        "[control]\nuse_sendfile = 1",
        "f.toml:2: control.use_sendfile: found integer `1`, expected true or false",
    );
    check(
        "[control]\nencoding = \"utf-16\"",
        "f.toml:2: control.encoding: encoding \"utf-16\" cannot be used for path names, \
         expected another such as utf-8 or latin1",
    );
    check(
        "[control]\nencoding = \"klingon\"",
        "f.toml:2: control.encoding: unknown encoding \"klingon\", expected a label of the \
         WHATWG Encoding Standard such as utf-8 or latin1",
    );
    check(
        "[control]\nmasquerade_address = \"::1\"",
        "f.toml:2: control.masquerade_address: found \"::1\", expected an IPv4 address such \
         as 203.0.113.5, or a host name",
    );
    check(
        "[control]\nmasquerade_address = \"0.0.0.0\"",
        "f.toml:2: control.masquerade_address: found \"0.0.0.0\", expected an IPv4 address such \
         as 203.0.113.5, or a host name",
    );
    check(
        "[control]\nmasquerade_address_map = [\"203.0.113.5\"]",
        "f.toml:2: control.masquerade_address_map: found a list, expected a table",
    );
    check(
        "[control]\nmasquerade_address_map = { \"a\" = \"b\" }",
        "f.toml:2: control.masquerade_address_map: found \"a\", expected an IPv4 address \
         such as 203.0.113.5",
    );
    check(
        "[control]\nmasquerade_address_map = { \"10.0.0.5\" = \"0.0.0.0\" }",
        "f.toml:2: control.masquerade_address_map: found \"0.0.0.0\", expected an IPv4 address \
         such as 203.0.113.5",
    );
    check(
        "[control]\nlog_prefix = \"{x}\"",
        "f.toml:2: control.log_prefix: found \"{x}\", expected text with {remote_ip}, \
         {remote_port} and {username}",
    );
    check(
        "[control]\nhost_names = [\"a\", \"b c\"]",
        "f.toml:2: control.host_names: found \"b c\", expected a host name such as \
         ftp.example.com, or an IP address",
    );
    check(
        "[control]\nbusy_poll = 0.5",
        "f.toml:2: control.busy_poll: found 0.5, expected a number of seconds from 0 to 0.0005",
    );
    check(
        "[control]\nhash_limit = -1",
        "f.toml:2: control.hash_limit: found integer `-1`, expected a whole number from 0 to \
         9223372036854775807",
    );
    check(
        "[data]\nac_in_buffer_size = 1",
        "f.toml:2: data.ac_in_buffer_size: found integer `1`, expected a whole number from \
         512 to 16777216",
    );
    check(
        "[data]\nread_limit = -5",
        "f.toml:2: data.read_limit: found integer `-5`, expected a whole number from 0 to \
         9223372036854775807",
    );
    check(
        "[tls]\nmin_version = \"1.1\"",
        "f.toml:2: tls.min_version: found `1.1`, expected `1.2` or `1.3`",
    );
    check(
        "[tls]\nrequire_session_reuse = \"x\"",
        "f.toml:2: tls.require_session_reuse: found string \"x\", expected true, false or \
         \"prefer\"",
    );
    check(
        "[tls]\nrequire_session_reuse = 5",
        "f.toml:2: tls.require_session_reuse: found integer `5`, expected true, false or \
         \"prefer\"",
    );
    check(
        "[[tls.more_certificates]]\nkeyfile = \"x\"",
        "f.toml:1: tls.more_certificates[0]: missing key `certfile`, expected it in this table",
    );
    check(
        "[filesystem]\nkind = \"x\"",
        "f.toml:2: filesystem.kind: found `x`, expected `jailed` or `unix`",
    );
    check(
        "[authorizer]\nkind = \"x\"",
        "f.toml:2: authorizer.kind: found `x`, expected one of `dummy`, `unix`, `windows`",
    );
    check(
        "[authorizer]\nglobal_perm = \"x\"",
        "f.toml:2: authorizer.global_perm: found \"x\", expected letters of elradfmwMT",
    );
    check(
        "[[users]]\nhome = \"a\"\n",
        "f.toml:1: users[0]: missing key `name`, expected it in this table",
    );
    check(
        "[[users]]\nname = \"a\"\nhome = \"/\"\nperm = \"elx\"",
        "f.toml:4: users[0].perm: found \"elx\", expected letters of elradfmwMT",
    );
    check(
        "[[users]]\nname = \"a\"\nhome = \"/\"\n[[users.override_perm]]\nperm = \"e\"",
        "f.toml:4: users[0].override_perm[0]: missing key `directory`, expected it in this table",
    );
    check(
        "[anonymous]\nhome = 1",
        "f.toml:2: anonymous.home: found integer `1`, expected a string",
    );
    check(
        "[anonymous]\nhome = \"/\"\nhome = \"/\"",
        "f.toml:3: home: found again, expected each key once",
    );
    check(
        "server = []",
        "f.toml:1: server: found a list, expected a table",
    );
    check(
        "tls = { more_certificates = [[]] }",
        "f.toml:1: tls.more_certificates[0]: found a list, expected a table",
    );
    check(
        "users = [[]]",
        "f.toml:1: users[0]: found a list, expected a table",
    );
    check(
        "[[users]]\nname = \"a\"\nhome = \"/\"\npassword = \"x\"\noverride_perm = [1]",
        "f.toml:5: users[0].override_perm[0]: found integer, expected a table",
    );
    check(
        "[[users]]\npassword = 12345",
        "f.toml:2: users[0].password: expected a string in quotes",
    );
    check(
        "[[users]]\npassword = \"x\"\npassword = \"y\"",
        "f.toml:3: password: found again, expected each key once",
    );
    check(
        "[anonymous]\npassword = \"x\"",
        "f.toml:2: anonymous.password: unknown key `password`, expected one of `home`, `perm`, \
         `msg_login`, `msg_quit`",
    );
    check(
        "[control]\nbanner = \" \"",
        "f.toml:2: control.banner: found \" \", expected a text that is not empty",
    );
    check(
        "[[users]]\npassword = secret",
        "f.toml:2: users[0].password: expected a string in quotes",
    );
    check(
        "x = ",
        "f.toml:1: x: string values must be quoted, expected a string in quotes",
    );
    check(
        "[server]\nlisten = [1 2]",
        "f.toml:2: server.listen[0]: string values must be quoted, expected a string in \
         quotes",
    );
    check(
        "[server]\nlisten = [\n1,\n\n[server2]",
        "f.toml:5: unclosed array, expected `]`",
    );
    check(
        "[server]\nuser = 00x",
        "f.toml:2: server.user: string values must be quoted, expected a string in quotes",
    );
    check(
        "[tls]\nmin_version = 1.2",
        "f.toml:2: tls.min_version: found floating point `1.2`, expected a string",
    );
    check(
        "[server]\nuser = bob",
        "f.toml:2: server.user: string values must be quoted, expected a string in quotes",
    );
    check(
        "[[server]]",
        "f.toml:1: server: found a list, expected a table",
    );
    check(
        "users = 5",
        "f.toml:1: users: found integer `5`, expected a list",
    );
    check(
        "[users]\nname=\"x\"",
        "f.toml:1: users: found a table, expected a list",
    );
    check(
        "[anonymous]\nperm = [1]",
        "f.toml:2: anonymous.perm: found a list, expected a string",
    );
    check("[server", "f.toml:1: unclosed table, expected `]`");
    check("a b", "f.toml:1: key with no value, expected `=`");
    check(
        "[server]\nuser = \"unclosed",
        "f.toml:2: user: invalid basic string, expected `\"`",
    );
}

#[test]
fn a_wrong_value_was_told_without_what_would_be_accepted() {
    for (value, problem) in [
        ("0x", "integer number overflowed, expected a number"),
        ("0b2", "invalid binary number, expected a number"),
        ("01", "unexpected leading zero, expected a number"),
        ("1__0", "`_` may only go between digits, expected a number"),
        ("1.2.3", "invalid float, expected a number"),
        (
            "1e999",
            "floating-point number overflowed, expected a number",
        ),
    ] {
        let text = format!("[server]\nworkers = {value}");
        check(&text, &format!("f.toml:2: server.workers: {problem}"));
    }
    check(
        "[data]\nread_limit = 9223372036854775808",
        "f.toml:2: data.read_limit: found integer `9223372036854775808`, expected a whole number \
         from 0 to 9223372036854775807",
    );
    check(
        "[control]\nuse_sendfile = 18446744073709551616",
        "f.toml:2: control.use_sendfile: found integer `18446744073709551616`, expected true or \
         false",
    );
    check(
        "[control]\ntimeout = 1\ntimeout.x = 1",
        "f.toml:3: timeout.x: found again, expected each key once",
    );
}

#[test]
fn a_table_that_was_there_already_had_no_name() {
    let problem = "found again, expected each key once";
    for (text, place) in [
        (
            "[[users.override_perm]]\nperm = \"e\"\n[[users]]",
            "3: users",
        ),
        (
            "[[tls.more_certificates]]\n\n [tls.more_certificates] # ]",
            "3: tls.more_certificates",
        ),
        ("[anonymous]\n[[ anonymous ]]", "2: anonymous"),
        ("[server]\n[server]", "2: server"),
    ] {
        check(text, &format!("f.toml:{place}: {problem}"));
    }
}

#[test]
fn a_table_in_the_place_of_a_list_had_the_name_of_what_it_holds() {
    for (text, place) in [
        ("[[users.override_perm]]\nperm = \"e\"", "1: users"),
        ("[log]\n[users.alice]\nhome = \"x\"", "2: users"),
        (
            "[tls.more_certificates.a]\ncertfile = \"x\"",
            "1: tls.more_certificates",
        ),
        (
            "[[users]]\n[users.override_perm.a]",
            "2: users[0].override_perm",
        ),
    ] {
        let expected = format!("f.toml:{place}: found a table, expected a list");
        check(text, &expected);
    }
}

#[test]
fn an_empty_home_was_the_directory_of_the_file() {
    for (text, place) in [
        ("[anonymous]\nhome = \"\"", "2: anonymous.home"),
        ("[[users]]\nname = \"a\"\nhome = \"\"", "3: users[0].home"),
        (
            "[[users]]\nname = \"a\"\noverride_perm = [{ directory = \"\", perm = \"e\" }]",
            "3: users[0].override_perm[0].directory",
        ),
        ("[tls]\ncertfile = \"\"", "2: tls.certfile"),
        ("[tls]\nkeyfile = \"\"", "2: tls.keyfile"),
        (
            "[tls]\nmore_certificates = [{ certfile = \"\" }]",
            "2: tls.more_certificates[0].certfile",
        ),
        (
            "[tls]\nmore_certificates = [{ certfile = \"a\", keyfile = \"\" }]",
            "2: tls.more_certificates[0].keyfile",
        ),
    ] {
        let problem = "found \"\", expected a path that is not empty";
        check(text, &format!("f.toml:{place}: {problem}"));
    }
}

/// Every key with its default; those without a default have a value.
const EVERY_DEFAULT: &str = include_str!("../../../tests/data/every_default.toml");

#[test]
fn what_is_left_out_has_its_default() {
    let text = EVERY_DEFAULT.replace("VERSION", ftpdlib::VERSION);
    let file = ConfigFile::parse(Path::new("f.toml"), text).unwrap();
    let stated = file.config();
    assert_eq!(stated.users[0].override_perm.len(), 1);
    assert!(stated.tls.is_some() && stated.anonymous.is_some());
    // These exist only if the file has them.
    let stated = Config {
        tls: None,
        users: Vec::new(),
        anonymous: None,
        ..stated.clone()
    };
    assert_eq!(format!("{stated:?}"), format!("{:?}", Config::default()));
}

#[test]
fn a_wrong_number_of_loops_was_told_a_range_that_the_next_start_refused() {
    for threads in ["-1", "1025"] {
        check(
            &format!("[server]\nthreads = {threads}"),
            &format!(
                "f.toml:2: server.threads: found integer `{threads}`, expected a whole number \
                 from 0 to 1024"
            ),
        );
    }
}

/// Pieces that files are made of, and that break them.
const PIECES: [&str; 40] = [
    "[server]\n",
    "[control]\n",
    "[tls]\n",
    "[[users]]\n",
    "[[users.override_perm]]\n",
    "[users]\n",
    "[anonymous]\n",
    "listen = ",
    "threads = ",
    "timeout = ",
    "passive_ports = ",
    "masquerade_address_map = ",
    "more_certificates = ",
    "certificate_subject = ",
    "name = ",
    "home = ",
    "perm = ",
    "users.name.",
    "= ",
    "[",
    "]",
    "{",
    "}",
    ", ",
    "\n",
    "\"127.0.0.1:21\"",
    "\"60000-60100\"",
    "\"elr\"",
    "'\\'",
    "\"\"\"",
    "\"\\u0007\\uD800\"",
    "# \u{e9}\n",
    "\u{feff}",
    "\r",
    "0",
    "-1.5e308",
    "nan",
    "99999999999999999999",
    "1979-05-27T07:32:00Z",
    "true",
];

proptest! {
    #[test]
    fn any_text_is_taken_or_refused_in_one_line(
        pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..30),
        tail: String,
    ) {
        let text = pieces.concat() + &tail;
        if let Err(error) = ConfigFile::parse(Path::new("f.toml"), text) {
            let line = error.to_string();
            prop_assert!(line.starts_with("f.toml:"), "{line:?}");
            prop_assert!(!line.contains(char::is_control), "{line:?}");
        }
    }
}

#[test]
fn a_table_was_taken_for_the_name_in_it() {
    for (section, key, name) in [
        ("server", "concurrency", "pre-fork"),
        ("tls", "min_version", "1.3"),
        ("tls", "client_certificate", "optional"),
        ("authorizer", "kind", "unix"),
        ("filesystem", "kind", "unix"),
    ] {
        for table in [&format!("{{ {name:?} = {{}} }}"), "{}"] {
            check(
                &format!("[{section}]\n{key} = {table}"),
                &format!("f.toml:2: {section}.{key}: found a table, expected a string"),
            );
        }
        ConfigFile::parse(Path::new("f.toml"), format!("{section}.{key} = {name:?}")).unwrap();
    }
}
