mod passwords;
mod system_users;
mod tls;
mod warnings;

use std::fs;
use std::path::Path;
use std::time::Duration;

use ftpdlib::authorizers::{Authorizer, DummyAuthorizer, LoginRequest};
use tempfile::TempDir;

use super::*;
use crate::config::Concurrency;

/// A directory with `f.toml`, the homes `pub`, `home` and `home/in`, and the files `secret` (a
/// password with its line end), `marked` (a password after a byte order mark) and `empty`.
struct Fixture(TempDir);

impl Fixture {
    fn new(toml: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["pub", "home/in"] {
            fs::create_dir_all(directory.path().join(name)).unwrap();
        }
        for (name, text) in [
            ("f.toml", toml),
            ("secret", "sesame\r\nmore\n"),
            ("empty", "\n"),
            ("marked", "\u{feff}sesame\r\n"),
        ] {
            fs::write(directory.path().join(name), text).unwrap();
        }
        Self(directory)
    }

    fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    /// Loads the settings with `options`, in which `@` stands for the directory.
    fn load(&self, options: &str) -> Result<Settings, String> {
        self.load_with(options, &Environment::default())
    }

    fn load_with(&self, options: &str, environment: &Environment) -> Result<Settings, String> {
        let options = options.replace('@', self.path());
        let line = std::iter::once("ftpdlib").chain(options.split_whitespace());
        let args = Args::read(line).expect("the options of a test are well formed");
        // Paths in errors depend on where the test runs.
        Settings::load(&args, environment)
            .map_err(|error| error.to_string().replace(self.path(), "@"))
    }
}

fn loaded(options: &str, toml: &str) -> Settings {
    Fixture::new(toml).load(options).unwrap()
}

#[track_caller]
fn refused(options: &str, toml: &str, expected: &str) {
    let error = Fixture::new(toml).load(options).unwrap_err();
    assert_eq!(error, expected, "{options} with {toml}");
}

fn users(settings: &Settings) -> &DummyAuthorizer {
    match &settings.access {
        Access::Virtual(authorizer) => authorizer,
        Access::System(authorizer) => panic!("{authorizer:?}"),
    }
}

fn lets_in(settings: &Settings, username: &str, password: &str) -> bool {
    let address = "127.0.0.1:21".parse().unwrap();
    let request = LoginRequest::new(username, password, address, address);
    users(settings).authenticate(&request).is_ok()
}

fn perms(settings: &Settings, username: &str) -> String {
    users(settings).user_perms(username).unwrap().to_string()
}

fn listen(settings: &Settings) -> Vec<String> {
    settings
        .server
        .listen
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn without_options_anyone_reads_the_current_directory() {
    let settings = loaded("", "");
    assert_eq!(listen(&settings), ["0.0.0.0:2121"]);
    assert_eq!(settings.server.concurrency, Concurrency::Async);
    assert_eq!(settings.server.max_cons, 512);
    assert_eq!(settings.server.max_cons_per_ip, 0);
    assert_eq!(settings.server.shutdown_grace, Duration::from_secs(10));
    assert_eq!(settings.control.timeout, Duration::from_secs(300));
    assert!(settings.control.banner.starts_with("ftpdlib "));
    assert!(settings.control.use_gmt_times && settings.control.use_sendfile);
    assert_eq!(settings.control.encoding.name(), "UTF-8");
    assert_eq!(settings.data.timeout, Duration::from_secs(300));
    assert_eq!(settings.filesystem, FilesystemKind::Jailed);
    assert!(lets_in(&settings, "anonymous", ""));
    assert_eq!(perms(&settings, "anonymous"), "elr");
    assert_eq!(
        users(&settings).home_dir("anonymous").unwrap(),
        Path::new(".").canonicalize().unwrap()
    );
}

#[test]
fn logs_are_named_by_options_or_the_file() {
    let toml = "[anonymous]\nhome = \"pub\"\n[log]\nxferlog = \"x\"\njson = \"j\"\n";
    let fixture = Fixture::new(toml);
    let settings = fixture.load("-c @/f.toml --json-log /tmp/k").unwrap();
    let xferlog = settings.log.xferlog.unwrap();
    assert_eq!(xferlog.path(), fixture.0.path().join("x"));
    assert_eq!(settings.log.json.unwrap().path(), Path::new("/tmp/k"));
    assert_eq!(loaded("", "").log, LogFiles::default());
}

#[test]
fn both_logs_went_to_one_file() {
    let expected = |place, path| {
        format!("{place}: found \"@/{path}\", which is the xferlog, expected another file")
    };
    for (options, toml, expected) in [
        (
            "-c @/f.toml",
            "[log]\nxferlog = \"x\"\njson = \"x\"\n",
            expected("@/f.toml:3: log.json", "x"),
        ),
        (
            "-c @/f.toml --json-log @/home/../x",
            "[log]\nxferlog = \"x\"\n",
            expected("option --json-log", "home/../x"),
        ),
        (
            "--xferlog @/secret --json-log @/pub/../secret",
            "",
            expected("option --json-log", "pub/../secret"),
        ),
    ] {
        refused(options, toml, &expected);
    }
}

#[test]
fn a_user_of_the_file_may_have_an_encoding() {
    let toml = "[[users]]\nname = \"a\"\npassword = \"b\"\nhome = \"home\"\n\
                encoding = \"latin1\"\n";
    let settings = loaded("-c @/f.toml", toml);
    let address = "127.0.0.1:21".parse().unwrap();
    let request = LoginRequest::new("a", "b", address, address);
    let login = users(&settings).authenticate(&request).unwrap();
    assert_eq!(
        login.encoding.map(|known| known.name()),
        Some("windows-1252")
    );
    let wrong = toml.replace("latin1", "utf-16");
    assert!(Fixture::new(&wrong).load("-c @/f.toml").is_err());
}

#[test]
fn a_map_in_the_file_won_over_the_nat_address() {
    let toml = "[control]\nmasquerade_address_map = { \"10.0.0.5\" = \"203.0.113.6\" }\n";
    let control = |options| loaded(options, toml).control;
    assert_eq!(control("-c @/f.toml").masquerade_address_map.len(), 1);
    let control = control("-c @/f.toml -n 203.0.113.5");
    assert_eq!(control.masquerade_address, "203.0.113.5".into());
    assert!(control.masquerade_address_map.is_empty());
}

#[test]
fn options_set_what_they_name() {
    let settings = loaded(
        "-i :: -p 0 -w -n 203.0.113.5 -r 60000-60001 --workers 3 --timeout 0 --banner Hi \
         --permit-foreign-addresses --permit-privileged-ports --encoding latin1 --use-localtime \
         --disable-sendfile --max-cons 0 --max-cons-per-ip 4 --max-login-attempts 5",
        "",
    );
    assert_eq!(listen(&settings), ["[::]:0"]);
    assert_eq!(perms(&settings, "anonymous"), "elradfmwMT");
    assert_eq!(settings.control.masquerade_address, "203.0.113.5".into());
    assert_eq!(settings.control.passive_ports, Some(vec![60000, 60001]));
    assert_eq!(settings.server.workers, 3);
    assert_eq!(
        (settings.control.timeout, settings.data.timeout),
        (Duration::ZERO, Duration::ZERO)
    );
    assert_eq!(settings.control.banner, "Hi");
    assert!(settings.control.permit_foreign_addresses);
    assert!(settings.control.permit_privileged_ports);
    assert_eq!(settings.control.encoding.name(), "windows-1252");
    assert!(!settings.control.use_gmt_times && !settings.control.use_sendfile);
    assert_eq!(settings.server.max_cons, 0);
    assert_eq!(settings.server.max_cons_per_ip, 4);
    assert_eq!(settings.control.max_login_attempts, 5);
}

#[test]
fn options_win_over_the_file() {
    const TWO: &str = "[server]\nlisten = [\"127.0.0.1:21\", \"[::1]:22\"]";
    #[track_caller]
    fn check(options: &str, expected: &[&str]) {
        assert_eq!(listen(&loaded(options, TWO)), expected, "{options}");
    }
    check("-c @/f.toml", &["127.0.0.1:21", "[::1]:22"]);
    check("-c @/f.toml -p 9", &["127.0.0.1:9", "[::1]:9"]);
    check("-c @/f.toml -i 127.0.0.2", &["127.0.0.2:21"]);
    check("-c @/f.toml -i 127.0.0.2 -p 9", &["127.0.0.2:9"]);

    let settings = loaded(
        "-c @/f.toml --timeout 5 --concurrency async",
        "[control]\ntimeout = 7\nauth_failed_timeout = 0.5\n[server]\nconcurrency = \"pre-fork\"",
    );
    assert_eq!(settings.control.timeout, Duration::from_secs(5));
    assert_eq!(
        settings.control.auth_failed_timeout,
        Duration::from_millis(500)
    );
    assert_eq!(settings.server.concurrency, Concurrency::Async);
}

#[test]
fn addresses_that_overlap_passed_the_check() {
    for (listen, options, collision) in [
        ("0.0.0.0:9 127.0.0.1:9", "", "127.0.0.1:9 beside 0.0.0.0:9"),
        ("127.0.0.1:9 0.0.0.0:9", "", "127.0.0.1:9 beside 0.0.0.0:9"),
        ("127.0.0.1:9 [::]:9", "", "127.0.0.1:9 beside [::]:9"),
        ("[::]:9 [::1]:9", "", "[::1]:9 beside [::]:9"),
        (
            "0.0.0.0:9 [::ffff:7f00:1]:9",
            "",
            "127.0.0.1:9 beside 0.0.0.0:9",
        ),
        (
            "0.0.0.0:9 127.0.0.1:8",
            "-p 7",
            "127.0.0.1:7 beside 0.0.0.0:7",
        ),
        ("0.0.0.0:9 127.0.0.1:8", "", ""),
        ("0.0.0.0:0 127.0.0.1:0", "", ""),
        ("0.0.0.0:9 [::]:9", "", ""),
        ("0.0.0.0:9 [::1]:9", "", ""),
        ("127.0.0.1:9 [::1]:9", "", ""),
        ("0.0.0.0:9 127.0.0.1:9", "-i ::", ""),
    ] {
        let addresses: Vec<_> = listen.split(' ').collect();
        let fixture = Fixture::new(&format!("[server]\nlisten = {addresses:?}\n"));
        let error = fixture.load(&format!("-c @/f.toml {options}")).err();
        let place = match options {
            "" => "@/f.toml:2: server.listen",
            _ => "option --port",
        };
        let expected =
            format!("{place}: found {collision}, which includes it, expected one of the two");
        let expected = Some(expected).filter(|_| !collision.is_empty());
        assert_eq!(error, expected, "{listen} {options}");
    }
}

#[test]
fn with_a_file_nobody_is_implied() {
    let settings = loaded("-c @/f.toml", "");
    assert!(!users(&settings).has_user("anonymous"));
    let settings = loaded("-c @/f.toml", "[anonymous]\nhome = \"pub\"\nperm = \"el\"");
    assert_eq!(perms(&settings, "anonymous"), "el");
    assert!(
        users(&settings)
            .home_dir("anonymous")
            .unwrap()
            .ends_with("pub")
    );
    let settings = loaded("-c @/f.toml -w -d @/home", "[anonymous]\nhome = \"none\"");
    assert_eq!(perms(&settings, "anonymous"), "elradfmwMT");
    assert!(
        users(&settings)
            .home_dir("anonymous")
            .unwrap()
            .ends_with("home")
    );
    let settings = loaded(
        "-c @/f.toml -u bob -P x -d @/home",
        "[anonymous]\nhome = \"pub\"",
    );
    assert!(lets_in(&settings, "bob", "x"));
    assert!(!lets_in(&settings, "anonymous", ""));
}

#[test]
fn users_of_the_file_have_their_settings() {
    let settings = loaded(
        "-c @/f.toml",
        r#"
            [[users]]
            name = "alice"
            password = "sesame"
            home = "home"
            perm = "elrw"
            msg_login = "Hello."
            write_limit = 1000
            [[users.override_perm]]
            directory = "home/in"
            perm = "w"
            recursive = true
            [[users]]
            name = "bob"
            password_hash = "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$MDEyMzQ1Njc4OWFiY2RlZg"
            home = "pub"
        "#,
    );
    assert!(lets_in(&settings, "alice", "sesame"));
    assert!(!lets_in(&settings, "alice", ""));
    assert!(!lets_in(&settings, "anonymous", ""));
    assert_eq!(perms(&settings, "alice"), "elrw");
    assert_eq!(perms(&settings, "bob"), "elr");
    assert_eq!(users(&settings).msg_login("alice").unwrap(), "Hello.");
    assert_eq!(users(&settings).msg_quit("alice").unwrap(), "Goodbye.");
}

#[test]
fn the_password_comes_from_option_file_or_environment() {
    let environment = Environment {
        password: Some("of the environment".into()),
        ..Environment::default()
    };
    #[track_caller]
    fn check(options: &str, environment: &Environment, password: &str) {
        let settings = Fixture::new("").load_with(options, environment).unwrap();
        assert!(lets_in(&settings, "bob", password), "{options}");
        assert!(!lets_in(&settings, "anonymous", ""), "{options}");
    }
    check("-u bob -P word", &environment, "word");
    check("-u bob --password-file @/secret", &environment, "sesame");
    check("-u bob --password-file @/marked", &environment, "sesame");
    check("-u bob", &environment, "of the environment");

    let settings = Fixture::new("").load_with("", &environment).unwrap();
    assert!(
        lets_in(&settings, "anonymous", ""),
        "the variable alone names no user"
    );
}

#[test]
fn wrong_access_is_refused() {
    refused(
        "-u bob",
        "",
        "option --username: found no password, expected --password, --password-file or the \
         variable FTPDLIB_PASSWORD",
    );
    refused(
        "-u bob --password-file @/empty",
        "",
        "option --password-file: found an empty password, expected at least one character",
    );
    refused(
        "-u bob --password-file @/none",
        "",
        "option --password-file: found \"@/none\", which cannot be read (No such file or directory \
         (os error 2)), expected a file that can",
    );
    refused(
        "-u anonymous -P x",
        "",
        "option --username: found \"anonymous\", expected another name; anonymous access is what \
         there is without this option",
    );
    refused(
        "-P x",
        "",
        "option --password: found without a user, expected --username beside it",
    );
    refused(
        "-d @/none",
        "",
        "option --directory: no such directory: \"@/none\", expected an existing directory",
    );
    refused(
        "-d @/secret",
        "",
        "option --directory: not a directory: \"@/secret\", expected an existing directory",
    );
    refused(
        "-c @/f.toml -u bob -P x",
        "[[users]]\nname = \"alice\"\npassword = \"x\"\nhome = \"home\"",
        "option --username: found beside [[users]] in @/f.toml, expected one of the two",
    );
    refused(
        "-c @/f.toml -w",
        "",
        "option --write: found without a user to apply to, expected --username beside it or \
         [anonymous] in @/f.toml",
    );
    refused(
        "-c @/none.toml",
        "",
        "option --config: found \"@/none.toml\", which cannot be read (No such file or directory \
         (os error 2)), expected a file that can",
    );
}

#[test]
fn wrong_users_of_the_file_are_refused() {
    #[track_caller]
    fn check(user: &str, expected: &str) {
        let toml = format!("[[users]]\nname = \"alice\"\nhome = \"home\"\n{user}");
        refused("-c @/f.toml", &toml, expected);
    }
    check(
        "",
        "@/f.toml:1: users[0]: missing key `password`, expected it, `password_hash`, `certificate_subject` \
         or `certificate_name`",
    );
    check(
        "password = \"x\"\npassword_hash = \"y\"",
        "@/f.toml:5: users[0].password_hash: found beside password, expected one of the two",
    );
    check(
        "password = \"\"",
        "@/f.toml:4: users[0].password: found an empty password, expected at least one character",
    );
    check(
        "password = \"$argon2id$v=19$m=64\"",
        "@/f.toml:4: users[0].password: password is an argon2 hash, given as a plain password, \
         expected a plain one, or password_hash in a file",
    );
    check(
        "password_hash = \"$6$salt\"",
        "@/f.toml:4: users[0].password_hash: unusable password hash: not a PHC string, expected \
         an argon2id hash such as $argon2id$v=19$m=19456,t=2,p=1$SALT$HASH",
    );
    check(
        "password = \"x\"\n[[users]]\nname = \"alice\"\npassword = \"x\"\nhome = \"home\"",
        "@/f.toml:6: users[1].name: user \"alice\" already exists, expected each name once",
    );
    check(
        "password = \"x\"\n[[users]]\nname = \"\"\npassword = \"x\"\nhome = \"home\"",
        "@/f.toml:6: users[1].name: user name is empty, expected at least one character",
    );
    check(
        "password = \"x\"\n[[users]]\nname = \"anonymous\"\npassword = \"x\"\nhome = \"home\"",
        "@/f.toml:6: users[1].name: found \"anonymous\", expected another name; the section \
         [anonymous] permits anonymous access",
    );
    check(
        "password = \"x\"\n[[users]]\nname = \"bob\"\npassword = \"x\"\nhome = \"none\"",
        "@/f.toml:8: users[1].home: no such directory: \"@/none\", expected an existing directory",
    );
    check(
        "password = \"x\"\n[[users.override_perm]]\ndirectory = \"pub\"\nperm = \"w\"",
        "@/f.toml:6: users[0].override_perm[0].directory: path escapes user home directory: \
         \"@/pub\", expected a directory below the home",
    );
    check(
        "password = \"x\"\n[[users.override_perm]]\ndirectory = \"home\"\nperm = \"w\"",
        "@/f.toml:6: users[0].override_perm[0].directory: can't override home directory \
         permissions, expected a directory below the home",
    );
    refused(
        "-c @/f.toml",
        "[anonymous]\nhome = \"none\"",
        "@/f.toml:2: anonymous.home: no such directory: \"@/none\", expected an existing directory",
    );
    refused(
        "-c @/f.toml",
        "[[users]]\nname = \"a\"\npassword = \"b\"\n",
        "@/f.toml:1: users[0]: missing key `home`, expected the directory to share",
    );
    refused(
        "-c @/f.toml",
        "\n[anonymous]\nperm = \"elr\"",
        "@/f.toml:2: anonymous: missing key `home`, expected the directory to share",
    );
    refused(
        "-c @/f.toml",
        "[authorizer]\nkind = \"dummy\"\nallowed_users = [\"bob\"]",
        "@/f.toml:3: authorizer.allowed_users: found beside kind = \"dummy\", expected with kind \
         \"unix\" or \"windows\" only",
    );
}

#[test]
fn what_is_not_built_says_so() {
    #[track_caller]
    fn check(options: &str, toml: &str, expected: &str) {
        let expected = format!(
            "{expected}, which is not available in this version, expected \"dummy\" or \"unix\""
        );
        refused(options, toml, &expected);
    }
    let keys = [(
        "[authorizer]\nkind = \"windows\"",
        "2: authorizer.kind: found \"windows\"",
    )];
    for (toml, expected) in keys {
        check("-c @/f.toml", toml, &format!("@/f.toml:{expected}"));
    }
    loaded("-c @/f.toml", "[server]\nthreads = 2\nuser = \"\"");
    loaded("--concurrency multi-thread", "");
    loaded(
        "-c @/f.toml",
        "[server]\nproxy_protocol_from = [\"10.0.0.0/8\", \"::1\"]",
    );
}

#[test]
fn loops_are_of_the_async_model_and_not_too_many() {
    for model in ["multi-thread", "pre-fork", "multi-proc"] {
        refused(
            "-c @/f.toml",
            &format!("[server]\nthreads = 2\nconcurrency = \"{model}\""),
            "@/f.toml:2: server.threads: found 2 beside another model, expected with concurrency \
             \"async\" only",
        );
    }
    for options in ["-c @/f.toml", "-c @/f.toml --concurrency pre-fork"] {
        refused(
            options,
            "[server]\nthreads = 5000",
            "@/f.toml:2: server.threads: found integer `5000`, expected a whole number from 0 to \
             1024",
        );
    }
}

#[test]
fn the_files_loops_were_an_error_beside_another_model_by_option() {
    for (options, threads) in [
        ("-c @/f.toml", 2),
        ("-c @/f.toml --concurrency async", 2),
        ("-c @/f.toml --concurrency pre-fork", 0),
        ("-c @/f.toml --concurrency multi-thread", 0),
        ("-c @/f.toml --concurrency multi-proc", 0),
    ] {
        let settings = loaded(options, "[server]\nthreads = 2");
        assert_eq!(settings.server.threads, threads, "{options}");
    }
    let toml = "[server]\nthreads = 2\nconcurrency = \"multi-proc\"";
    let settings = loaded("-c @/f.toml --concurrency async", toml);
    assert_eq!(settings.server.threads, 2);
}

#[test]
fn processes_that_cannot_be_had_are_told() {
    for (options, toml, expected) in [
        (
            "--user nosuchuser-x",
            "",
            "option --user: no user \"nosuchuser-x\", expected the name or number of another user \
             than root",
        ),
        (
            "-c @/f.toml",
            "[server]\nuser = \"root\"",
            "@/f.toml:2: server.user: user \"root\" is root, expected the name or number of another \
             user than root",
        ),
        (
            "-c @/f.toml --user nobody",
            "[server]\ngroup = \"nosuchgroup-x\"",
            "@/f.toml:2: server.group: no group \"nosuchgroup-x\", expected the name or number of a \
             group",
        ),
        (
            "--group daemon",
            "",
            "option --group: found without a user, expected server.user or --user beside it",
        ),
    ] {
        refused(options, toml, expected);
    }
    match Fixture::new("").load("--user nobody --group 12345") {
        Ok(settings) => assert!(settings.run_as.is_some()),
        Err(error) => assert_eq!(
            error,
            "option --user: found \"nobody\" in a program that is not root's, which cannot become \
             another user, expected none, or a start by root"
        ),
    }
    assert!(loaded("--workers 256", "").run_as.is_none());
}
