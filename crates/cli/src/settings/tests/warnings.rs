use ftpdlib::servers::process::lowest_port;

use super::*;

/// Checks the warnings, in which `@` stands for the fixture's directory.
#[track_caller]
fn check_warned(options: &str, toml: &str, expected: &[&str]) {
    check_warned_in(&Fixture::new(toml), options, toml, expected);
}

#[track_caller]
fn check_warned_in(fixture: &Fixture, options: &str, toml: &str, expected: &[&str]) {
    let settings = fixture.load(options).unwrap();
    let real = fixture.0.path().canonicalize().unwrap();
    let told = settings.warnings.0.iter();
    let told = told.map(|warning| warning.replace(real.to_str().unwrap(), "@"));
    assert_eq!(told.collect::<Vec<_>>(), expected, "{options} with {toml}");
}

#[test]
fn a_key_was_shared_without_a_word() {
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let pem = certificate.cert.pem() + &certificate.signing_key.serialize_pem();
    let toml = "[tls]\ncertfile = \"pub/pem\"\n[anonymous]\nhome = \"pub\"\n";
    let fixture = Fixture::new(toml);
    fs::write(fixture.0.path().join("pub/pem"), pem).unwrap();
    let settings = fixture.load("-c @/f.toml").unwrap();
    let [warning] = &settings.warnings.0[..] else {
        panic!("{:?}", settings.warnings);
    };
    let place = format!("{}/f.toml:2: tls.certfile: found ", fixture.path());
    assert!(warning.starts_with(&place), "{warning}");
    let problem = "in the home of user \"anonymous\", who may read it, expected a place outside of \
                   all homes";
    assert!(warning.ends_with(problem), "{warning}");
}

#[test]
fn what_sets_the_program_up_is_better_not_shared() {
    let expected = |option: &str, name: &str, user: &str, access: &str| {
        format!(
            "option {option}: found \"@/{name}\" in the home of user \"{user}\", who may {access} \
             it, expected a place outside of all homes"
        )
    };
    let word = expected("--password-file", "secret", "bob", "read");
    check_warned("-u bob --password-file @/secret -d @", "", &[&word]);
    check_warned("-u bob --password-file @/secret -d @/pub", "", &[]);
    let user = |home: &str, perm: &str| {
        format!("[[users]]\nname = \"a\"\npassword = \"b\"\nhome = \"{home}\"\nperm = \"{perm}\"\n")
    };
    let file = |access| expected("--config", "f.toml", "a", access);
    for (home, perm, expected) in [
        (".", "elr", &[&*file("read")][..]),
        (".", "elw", &[&*file("change")]),
        (".", "elradfmwMT", &[&*file("read and change")]),
        (".", "elmMT", &[]),
        ("pub", "elradfmwMT", &[]),
    ] {
        check_warned("-c @/f.toml", &user(home, perm), expected);
    }
    let below = user(".", "el")
        + "[[users.override_perm]]\ndirectory = \"pub\"\nperm = \"r\"\nrecursive = true\n";
    check_warned("-c @/f.toml", &below, &[]);
}

#[cfg(unix)]
#[test]
fn a_link_to_the_configuration_could_be_replaced_without_a_word() {
    for (perm, expected) in [("elradfmwMT", true), ("elr", false)] {
        let fixture = Fixture::new("");
        let path = |name: &str| fixture.0.path().join(name);
        let user = format!(
            "[[users]]\nname = \"a\"\npassword = \"b\"\nhome = {:?}\nperm = {perm:?}\n",
            path("pub")
        );
        fs::write(path("home/f.toml"), user).unwrap();
        std::os::unix::fs::symlink("../home", path("pub/current")).unwrap();
        let settings = fixture.load("-c @/pub/current/f.toml").unwrap();
        let place = fixture.0.path().canonicalize().unwrap();
        let warning = format!(
            "option --config: found {:?} in the home of user \"a\", who may replace it, expected a \
             place outside of all homes",
            place.join("pub/current")
        );
        let told = settings.warnings.0.into_iter();
        assert!(told.eq(expected.then_some(warning)), "{perm}");
    }
}

#[test]
fn a_log_that_clients_could_forge_was_in_a_home_without_a_word() {
    let toml = "[log]\nxferlog = \"pub/x.log\"\njson = \"home/j.log\"\n\
                [anonymous]\nhome = \"pub\"\nperm = \"elw\"\n";
    let warning = "@/f.toml:2: log.xferlog: found \"@/pub/x.log\" in the home of user \
                   \"anonymous\", who may change it, expected a place outside of all homes";
    check_warned("-c @/f.toml", toml, &[warning]);
}

#[cfg(unix)]
#[test]
fn users_of_the_system_could_redirect_a_log_of_roots_without_a_word() {
    for users in [
        "[authorizer]\nkind = \"unix\"",
        "[anonymous]\nhome = \"/usr\"",
    ] {
        let logs = "[log]\nxferlog = \"pub/x.log\"\njson = \"home/j.log\"";
        let fixture = Fixture::new(&format!("{users}\n{logs}\n"));
        match fixture.load("-c @/f.toml") {
            Ok(settings) if is_root() => {
                assert_eq!(settings.warnings.0, [""; 0], "in root's directories");
            }
            Ok(_) => return eprintln!("not tested: for root only"),
            Err(error) => return eprintln!("not tested: {error}"),
        }
        let owner = Identity::find("4000000123", None).unwrap().uid();
        std::os::unix::fs::chown(fixture.0.path().join("pub"), Some(owner), None).unwrap();
        let settings = fixture.load("-c @/f.toml").unwrap();
        let path = fixture.path();
        let expected = format!(
            "{path}/f.toml:4: log.xferlog: found \"{path}/pub/x.log\", which others than root can \
             make lead to any file of root's, expected a place where only root can"
        );
        assert_eq!(settings.warnings.0, [expected]);
    }
}

#[cfg(unix)]
#[test]
fn a_log_that_a_third_user_could_redirect_passed_the_check_beside_a_user_that_serves() {
    if !is_root() {
        return eprintln!("not tested: for root only");
    }
    let fixture = Fixture::new("[log]\nxferlog = \"pub/x.log\"\njson = \"home/j.log\"\n");
    let warnings = |owner: &str| {
        let owner = Identity::find(owner, None).unwrap().uid();
        std::os::unix::fs::chown(fixture.0.path().join("pub"), Some(owner), None).unwrap();
        let settings = fixture.load("-c @/f.toml --user 4000000123").unwrap();
        let mut lines = settings.warnings.0;
        lines.retain(|line| line.contains("log.xferlog"));
        lines
    };
    assert_eq!(warnings("4000000123"), [""; 0], "its own directory");
    let path = fixture.path();
    let expected = format!(
        "{path}/f.toml:2: log.xferlog: found \"{path}/pub/x.log\", which others than root and \
         server.user can make lead to any file of that user's, expected a place where only root can"
    );
    assert_eq!(warnings("4000000124"), [expected]);
}

#[test]
fn workers_of_another_model_were_ignored_without_a_word() {
    let problem = "without effect, expected with concurrency \"pre-fork\" only";
    let option = format!("option --workers: found 3 {problem}");
    check_warned("--workers 3", "", &[&option]);
    check_warned("--workers 3 --concurrency pre-fork", "", &[]);
    let key = format!("@/f.toml:3: server.workers: found 2 {problem}");
    let toml = "[server]\nconcurrency = \"multi-proc\"\nworkers = 2\n";
    check_warned("-c @/f.toml", toml, &[&key]);
    check_warned("-c @/f.toml --concurrency pre-fork", toml, &[]);
}

#[test]
fn passive_ports_that_the_server_could_not_have_passed_the_check() {
    let (user, options) = match is_root() {
        true => (Identity::find("4000000123", None).ok(), "--user 4000000123"),
        false => (None, ""),
    };
    let lowest = lowest_port(user.as_ref());
    if lowest < 10 {
        return eprintln!("not tested: all ports are for all users");
    }
    let warning = |place: &str| {
        format!(
            "{place}: found 9, on which the server's user may not listen, expected ports from \
             {lowest} on"
        )
    };
    let option = warning("option --range");
    check_warned(&format!("{options} -d / -r 9-2000"), "", &[&option]);
    check_warned(&format!("{options} -d / -r {lowest}-60000"), "", &[]);
    let toml = "[control]\npassive_ports = [2000, 9]\n";
    let key = warning("@/f.toml:2: control.passive_ports");
    check_warned(&format!("{options} -c @/f.toml"), toml, &[&key]);
    if is_root() && lowest_port(None) == 1 {
        check_warned("-r 9-2000", "", &[]);
    }
}

#[cfg(unix)]
#[test]
fn a_home_that_the_server_could_not_enter_passed_the_check() {
    use std::os::unix::fs::PermissionsExt;

    if Identity::may_be_assumed().is_err() {
        return eprintln!("not tested: only root can become another user");
    }
    let user = |name: &str, home: &str| {
        format!("[[users]]\nname = \"{name}\"\npassword = \"b\"\nhome = \"{home}\"\n")
    };
    let toml = user("a", "home") + &user("b", "home/in") + &user("c", "pub");
    let fixture = Fixture::new(&toml);
    let path = fixture.0.path();
    for (name, mode) in [("", 0o755), ("home", 0o700), ("pub", 0o711)] {
        fs::set_permissions(path.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    let settings = fixture
        .load("-c @/f.toml --user 4000000123 --group 4000000123")
        .unwrap();
    let real = path.canonicalize().unwrap();
    let expected = format!(
        "option --user: found a user who cannot enter {:?}, the home of \"a\" (Permission denied \
         (os error 13)), nor those of 1 more, expected one who can",
        real.join("home")
    );
    assert_eq!(settings.warnings.0, [expected]);
    let settings = fixture.load("-c @/f.toml").unwrap();
    assert_eq!(settings.warnings.0, [""; 0]);
}

#[test]
fn the_program_was_in_a_home_without_a_word() {
    let upgrade = Upgrade::to_this_program().unwrap();
    let program = upgrade.program();
    let home = program.parent().unwrap().to_str().unwrap();
    let fixture = Fixture::new("");
    for (options, expected) in [("-w", true), ("", false)] {
        let settings = fixture.load(&format!("-d {home} {options}")).unwrap();
        let told = settings.warnings.0;
        assert_eq!(told.len(), usize::from(expected), "{told:?}");
        let start = format!("this program is {program:?}, in the home of user \"anonymous\", who");
        assert!(told.iter().all(|line| line.starts_with(&start)), "{told:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_link_to_the_program_was_in_a_home_without_a_word() {
    let fixture = Fixture::new("[anonymous]\nhome = \"pub\"\nperm = \"elw\"\n");
    let settings = fixture.load("-c @/f.toml").unwrap();
    let Access::Virtual(authorizer) = &settings.access else {
        panic!("{:?}", settings.access);
    };
    let path = |name: &str| fixture.0.path().join(name);
    fs::write(path("home/program"), "").unwrap();
    std::os::unix::fs::symlink("../home", path("pub/current")).unwrap();
    std::os::unix::fs::symlink("home", path("current")).unwrap();
    std::os::unix::fs::symlink("pub/current", path("way")).unwrap();
    let args = Args::read(["ftpdlib"]).unwrap();
    let shares = exposure::shares(authorizer, virtual_users::named(&args, None));
    for (program, is_told) in [
        ("home/program", false),
        ("current/program", false),
        ("pub/current/program", true),
        ("way/program", true),
        ("pub/../home/program", false),
    ] {
        let told = exposure::of_program(&shares, &path(program));
        assert_eq!(told.is_some(), is_told, "{program}: {told:?}");
    }
}

#[test]
fn the_whole_disk_was_shared_without_a_word() {
    let whose = match ftpdlib::servers::process::is_root() {
        true => "with the rights of root: /etc/shadow, too",
        false => "with the rights of the server, whatever they may log in as",
    };
    let disk = "[filesystem]\nkind = \"unix\"\n";
    let toml = format!("{disk}[anonymous]\nhome = \"pub\"\n");
    let expected = format!(
        "@/f.toml:2: filesystem.kind: found \"unix\" beside virtual users: \"anonymous\" and all \
         others reach the whole disk, {whose}; expected \"jailed\", or authorizer.kind = \"unix\""
    );
    check_warned("-c @/f.toml", &toml, &[&expected]);
    check_warned("-c @/f.toml", disk, &[]);
    let jailed = toml.replace("unix", "jailed");
    check_warned("-c @/f.toml", &jailed, &[]);
}

#[test]
fn a_required_certificate_was_silently_asked_of_nobody() {
    let expected = "@/f.toml:2: tls.client_certificate: found \"required\" without tls.client_ca, so \
                    that nobody is asked for a certificate, expected the authority of such \
                    certificates there";
    let toml = "[tls]\nclient_certificate = \"required\"\n";
    check_warned("-c @/f.toml", toml, &[expected]);
    // Stating both shows that it is intended.
    let both = format!("{toml}client_ca = \"\"\n");
    check_warned("-c @/f.toml", &both, &[]);
}

#[test]
fn who_came_in_the_clear_was_silently_asked_for_no_certificate() {
    let authority = rcgen::generate_simple_self_signed(["authority".to_owned()]).unwrap();
    let toml = "[tls]\nclient_ca = \"ca.pem\"\n";
    let fixture = Fixture::new(toml);
    let path = fixture.0.path();
    fs::write(path.join("ca.pem"), authority.cert.pem()).unwrap();
    for (options, more, is_warned) in [
        ("", "", true),
        ("", "client_certificate = \"required\"\n", true),
        ("", "tls_data_required = true\n", true),
        ("", "client_certificate = \"optional\"\n", false),
        ("", "tls_control_required = true\n", false),
        ("", "implicit = true\n", false),
        ("--tls-control-required", "", false),
    ] {
        fs::write(path.join("f.toml"), format!("{toml}{more}")).unwrap();
        let settings = fixture.load(&format!("-c @/f.toml {options}")).unwrap();
        let told = &settings.warnings.0;
        assert_eq!(
            told.len(),
            usize::from(is_warned),
            "{options} {more}: {told:?}"
        );
        for warning in told {
            assert!(
                warning.contains("f.toml:2: tls.client_ca: found"),
                "{warning}"
            );
        }
    }
}

/// The tables of users, each with a name, home, permissions, and a directory with other
/// permissions.
fn tables(rows: &[(&str, &str, &str, Option<&str>)]) -> String {
    let table = |&(name, home, perm, directory): &(&str, &str, &str, Option<&str>)| {
        let user = format!(
            "[[users]]\nname = {name:?}\npassword = \"b\"\nhome = {home:?}\nperm = {perm:?}\n"
        );
        let other = directory.map(|directory| {
            format!(
                "[[users.override_perm]]\ndirectory = {directory:?}\nperm = \"elradfmwMT\"\n\
                 recursive = true\n"
            )
        });
        user + &other.unwrap_or_default()
    };
    rows.iter().map(table).collect()
}

/// The warning about what a user finds by way of a place in the home of `a`.
fn movable(found: &str, way: &str) -> String {
    format!(
        "found {found} by way of \"@/{way}\" in the home of user \"a\", who may move or remove it, \
         expected a place outside of that home"
    )
}

const OR_OVERRIDE: &str = ", or permissions of its own for \"a\" there";

#[test]
fn a_home_in_that_of_another_who_may_move_it_went_without_a_word() {
    let warning = movable("home \"@/home/in\" of user \"b\"", "home/in") + OR_OVERRIDE;
    for (perm, home, is_told) in [
        ("elf", "home/in", true),
        ("eld", "home/in", true),
        ("elrawmMT", "home/in", false),
        ("elradfmwMT", "home", false),
        ("elradfmwMT", "pub", false),
    ] {
        let (outer, inner) = (("a", "home", perm, None), ("b", home, "elr", None));
        for rows in [[outer, inner], [inner, outer]] {
            let expected = is_told.then_some(&*warning);
            check_warned("-c @/f.toml", &tables(&rows), expected.as_slice());
        }
    }
    // In this case the directory stays in its place.
    let rows = [
        ("a", "home", "elradfmwMT", Some("home/in")),
        ("b", "home/in", "elr", None),
    ];
    check_warned("-c @/f.toml", &tables(&rows), &[]);
}

#[test]
fn of_users_who_share_a_home_only_one_was_told_to_be_able_to_move_another() {
    let warning = movable("home \"@/home/in\" of user \"b\"", "home/in") + OR_OVERRIDE;
    let rows = [
        ("a", "home", "elrf", None),
        ("c", "home", "elrd", None),
        ("b", "home/in", "elr", None),
    ];
    let warnings = [warning.clone(), warning.replace("\"a\"", "\"c\"")];
    check_warned(
        "-c @/f.toml",
        &tables(&rows),
        &warnings.each_ref().map(|text| &**text),
    );
}

#[test]
fn an_overridden_directory_that_another_may_move_went_without_a_word() {
    let found = "overridden directory \"@/home/in\" of user \"b\"";
    let warning = movable(found, "home/in") + OR_OVERRIDE;
    for (perm, directory, is_told) in [
        ("elradfmwMT", "home/in", true),
        ("elrawmMT", "home/in", false),
        ("elradfmwMT", "pub", false),
    ] {
        let rows = [("a", "home", perm, None), ("b", ".", "el", Some(directory))];
        let expected = is_told.then_some(&*warning);
        check_warned("-c @/f.toml", &tables(&rows), expected.as_slice());
    }
}

#[cfg(unix)]
#[test]
fn a_link_to_a_home_could_be_replaced_without_a_word() {
    let found = "home \"@/home/link\" of user \"b\"";
    for (perm, target, home, warning) in [
        // Also if the user has put the link there.
        (
            "elf",
            "../pub",
            "home/link",
            Some(movable(found, "home/link")),
        ),
        ("eld", "in", "home/link", Some(movable(found, "home/link"))),
        ("elrawmMT", "../pub", "home/link", None),
        ("elradfmwMT", "../pub", "pub", None),
    ] {
        let rows = [("a", "home", perm, None), ("b", home, "elr", None)];
        let toml = tables(&rows);
        let fixture = Fixture::new(&toml);
        std::os::unix::fs::symlink(target, fixture.0.path().join("home/link")).unwrap();
        let expected = warning.as_deref();
        check_warned_in(&fixture, "-c @/f.toml", &toml, expected.as_slice());
    }
}

#[cfg(unix)]
#[test]
fn nobody_is_said_to_move_a_link_to_a_directory_of_their_own_override() {
    for directory in ["home/link", "home/in"] {
        let toml = tables(&[("a", "home", "elradfmwMT", Some(directory))]);
        let fixture = Fixture::new(&toml);
        std::os::unix::fs::symlink("in", fixture.0.path().join("home/link")).unwrap();
        check_warned_in(&fixture, "-c @/f.toml", &toml, &[]);
    }
}

#[test]
fn an_administrator_above_all_homes_got_a_line_for_each() {
    let names = ["b", "c", "d", "e"].map(|name| (name, format!("home/{name}")));
    let inner = names
        .iter()
        .map(|(name, home)| (*name, &**home, "elradfmwMT", None));
    let rows: Vec<_> = inner.chain([("a", "home", "elradfmwMT", None)]).collect();
    let toml = tables(&rows);
    let fixture = Fixture::new(&toml);
    for (_, home) in &names {
        fs::create_dir(fixture.0.path().join(home)).unwrap();
    }
    let warning = movable("home \"@/home/b\" of user \"b\" (and 3 more)", "home/b") + OR_OVERRIDE;
    check_warned_in(&fixture, "-c @/f.toml", &toml, &[&warning]);
}
