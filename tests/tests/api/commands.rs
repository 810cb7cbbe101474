//! Commands of the server's owner.

use ftpdlib::handlers::CustomCommand;
use ftpdlib::proto::{ArgumentRule, Perm, Reply};
use ftpdlib_tests::client::Client;
use ftpdlib_tests::gate::Gate;
use ftpdlib_tests::server::TestServer;

/// Tells the size of a file, as a filesystem and a permission allow.
fn size_of() -> CustomCommand {
    CustomCommand::new("site sizeof", |cx| {
        let Some(filesystem) = cx.filesystem() else {
            return Reply::new(530, "Log in first.");
        };
        match filesystem.stat(cx.path()) {
            Ok(facts) => Reply::new(213, facts.size.to_string()),
            Err(error) => Reply::new(error.reply_code().value(), error.to_string()),
        }
    })
    .perm(Perm::Retrieve)
    .argument(ArgumentRule::Required)
    .help("Syntax: SITE SIZEOF <SP> file-name (tell its size).")
    .feature("SIZEOF")
}

fn ping() -> CustomCommand {
    CustomCommand::new("XPING", |cx| {
        let argument = String::from_utf8_lossy(cx.argument()).into_owned();
        Reply::new(
            200,
            format!("{:?} {argument}", cx.login().map(|login| &login.username)),
        )
    })
    .login_required(false)
}

#[test]
fn a_command_has_what_the_session_has() {
    let server = TestServer::with(|handler| handler.command(size_of()).command(ping()));
    std::fs::create_dir(server.path("d")).unwrap();
    server.file("d/a", "hello");
    let mut client = Client::connect(server.address());
    assert_eq!(client.expect("xping  x ", 200).argument(), "None  x ");
    client.play(&[("SITE SIZEOF", 501), ("SITE SIZEOF a", 530)]);
    client.play(&[("USER user", 331), ("PASS 12345", 230), ("CWD d", 250)]);
    assert_eq!(client.expect("SITE SIZEOF a", 213).argument(), "5");
    assert_eq!(client.expect("site sizeof /d/a", 213).argument(), "5");
    client.play(&[
        ("SITE SIZEOF b", 550),
        ("SITE SIZEOF ../../etc/passwd", 550),
    ]);
    assert_eq!(client.expect("XPING", 200).argument(), "Some(\"user\") ");
}

#[test]
fn a_command_shows_where_commands_are_listed() {
    let server = TestServer::with(|handler| handler.command(size_of()).command(ping()));
    let mut client = server.client();
    assert!(client.expect("HELP", 214).text().contains("XPING"));
    assert!(!client.expect("HELP", 214).text().contains("SIZEOF"));
    assert!(client.expect("SITE HELP", 214).text().contains("SIZEOF"));
    assert!(client.expect("FEAT", 211).text().contains(" SIZEOF\n"));
    assert_eq!(
        client.expect("SITE HELP sizeof", 214).argument(),
        "Syntax: SITE SIZEOF <SP> file-name (tell its size)."
    );
}

#[test]
fn a_permission_guards_it() {
    use ftpdlib::authorizers::{DummyAuthorizer, User};
    use ftpdlib::handlers::FtpHandler;
    use ftpdlib::servers::FtpServerBuilder;

    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("a"), "hello").unwrap();
    std::fs::create_dir(home.path().join("d")).unwrap();
    std::fs::write(home.path().join("d/b"), "hello").unwrap();
    let authorizer = DummyAuthorizer::new();
    let user = User::new("user", "12345", home.path()).perm("el");
    authorizer.add_user(user).unwrap();
    let inside = home.path().join("d");
    authorizer
        .override_perm("user", inside, "elr", true)
        .unwrap();
    let handler = FtpHandler::new(authorizer).command(size_of());
    let builder = FtpServerBuilder::new(handler).listen(([127, 0, 0, 1], 0));
    let server = TestServer::run(builder, home);
    let mut client = server.client();
    client.play(&[("SITE SIZEOF a", 550), ("SITE SIZEOF d/b", 213)]);
}

#[test]
fn a_built_in_command_is_replaced() {
    let server = TestServer::with(|handler| {
        let noop = CustomCommand::new("NOOP", |_| Reply::new(200, "Nothing done, as asked."));
        handler.command(noop)
    });
    let mut client = server.client();
    assert_eq!(
        client.expect("NOOP", 200).argument(),
        "Nothing done, as asked."
    );
}

#[test]
fn a_command_that_blocks_or_panics_harms_nobody() {
    let (gate, keeper) = Gate::closed();
    let server = TestServer::with(|handler| {
        let wait = CustomCommand::new("XWAIT", move |_| {
            gate.pass();
            Reply::new(200, "At last.")
        });
        let panic = CustomCommand::new("XPANIC", |_| panic!("as the test wants it"));
        let half = CustomCommand::new("XHALF", |_| Reply::new(150, "And then?"));
        handler.command(wait).command(panic).command(half)
    });
    let mut waiting = server.client();
    waiting.send("XWAIT");
    keeper.wait_for(1);
    let mut other = server.client();
    other.play(&[("XPANIC", 451), ("XHALF", 451), ("NOOP", 200)]);
    keeper.open();
    waiting.expect_reply(200);
}

#[test]
fn what_cannot_be_a_command_is_refused_at_the_start() {
    let home = tempfile::tempdir().unwrap();
    let done = |name: &str| CustomCommand::new(name, |_| Reply::new(200, "Done."));
    for (handler, reason) in [
        (
            ftpdlib_tests::server::handler(home.path()).command(done("QUIT")),
            "command QUIT cannot be replaced: it changes the session",
        ),
        (
            ftpdlib_tests::server::handler(home.path())
                .command(done("XA"))
                .command(done("xa")),
            "command XA is there twice",
        ),
    ] {
        assert_eq!(handler.check().unwrap_err().to_string(), reason);
    }
}

#[test]
fn a_replaced_command_was_to_be_had_by_its_other_names() {
    let mine = |name: &str| {
        let text = format!("In place of {name}.");
        CustomCommand::new(name, move |_| Reply::new(212, text.clone())).help("Mine.")
    };
    let server = TestServer::with(|handler| {
        let own = [
            "MKD",
            "CWD",
            "CDUP",
            "RMD",
            "PWD",
            "CPFR",
            "SITE CPTO",
            "XRMD",
        ];
        let commands = own.map(mine).into_iter();
        commands.fold(handler, |handler, command| handler.command(command))
    });
    let mut client = server.client();
    for (line, name) in [
        ("MKD d", "MKD"),
        ("XMKD d", "MKD"),
        ("site mkdir d", "MKD"),
        ("XCWD d", "CWD"),
        ("XCUP", "CDUP"),
        ("XPWD", "PWD"),
        ("SITE CPFR d", "CPFR"),
        ("SITE CPTO d", "SITE CPTO"),
        ("SITE RMDIR d", "RMD"),
        // Replaced by itself.
        ("XRMD d", "XRMD"),
    ] {
        let reply = client.expect(line, 212).argument();
        assert_eq!(reply, format!("In place of {name}."), "{line}");
    }
    assert_eq!(client.expect("HELP XMKD", 214).argument(), "Mine.");
    // Another name is only that.
    client.expect("CPTO d", 503);
}
