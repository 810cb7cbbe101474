//! What a link tells that leads into a guarded directory, and ends there.

use super::*;

/// The same commands at a link instead of at a name, with `LINK` for it.
fn at_link(command: &str) -> String {
    let mut pieces = command.split('@');
    let mut line = pieces.next().unwrap().to_owned();
    for piece in pieces {
        line.push_str("LINK");
        line.push_str(piece.trim_start_matches(|name: char| name.is_ascii_alphanumeric()));
    }
    line
}

/// The replies to a case at a link that leads to what is below `name`, in all its ways.
fn replies(guarded: &Guarded, name: &str, commands: &[&str]) -> Vec<(u16, String)> {
    let lines: Vec<_> = commands.iter().map(|command| at_link(command)).collect();
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    // Below the link, at it, and the same by way of another link.
    let cases = [(commands, "LINK/"), (&lines, ""), (commands, "full/LINK/")];
    let run = |(commands, way): (&[&str], &str)| {
        let home = guarded.server.home();
        fill(home);
        for entry in [home.join("LINK"), home.join("é/LINK")] {
            symlink(home.join("é").join(name).join("x"), entry).unwrap();
        }
        symlink(home.join("é/LINK"), home.join("full/LINK")).unwrap();
        fs::write(home.join("é/file"), "").unwrap();
        let (code, mut text) = guarded.run(&mut guarded.client("user"), commands, way.as_bytes());
        if commands[0].starts_with("STOU") && code == 150 {
            text.truncate(text.find('.').unwrap());
        }
        (code, text)
    };
    cases.map(run).into()
}

#[test]
fn a_link_told_what_is_in_a_guarded_directory() {
    let guarded = Guarded::new(&[("user", ALL, Some(("", true)))]);
    for (letters, commands, _) in CASES {
        // A directory, a file, and nothing.
        let [empty, file, none] =
            ["empty", "file", "none"].map(|name| replies(&guarded, name, commands));
        assert_eq!(empty, none, "{commands:?}");
        assert_eq!(file, none, "{commands:?}");
        for (place, (code, text)) in none.into_iter().enumerate() {
            // The others may be about the link itself.
            let is_at_link = place == 1 && !"elr".contains(letters);
            let is_refused = (code, text.contains("privileges")) == (550, true);
            assert!(is_refused || is_at_link, "{commands:?}: {code} {text}");
        }
    }
}

#[test]
fn a_link_in_a_guarded_directory_that_leads_nowhere_was_told_to_be_there() {
    let guarded = Guarded::new(&[("user", ALL, Some(("", true)))]);
    let home = guarded.server.home();
    for (name, target) in [
        ("nowhere", "../none/x"),
        ("open", "../f/x"),
        ("up", "../.."),
    ] {
        symlink(target, home.join("é").join(name)).unwrap();
        // By a link outside, too.
        symlink(home.join("é").join(name), home.join(name)).unwrap();
    }
    symlink("é/none", home.join("none")).unwrap();
    for (_, commands, _) in CASES {
        for start in ["é/", ""] {
            let [none, others @ ..] = ["none", "nowhere", "open", "up"].map(|name| {
                let way = format!("{start}{name}/");
                guarded.run(&mut guarded.client("user"), commands, way.as_bytes())
            });
            assert!(none.1.contains("privileges"), "{commands:?}: {}", none.1);
            for other in others {
                assert_eq!(other, none, "{commands:?} at {start}");
            }
        }
    }
}

#[test]
fn elsewhere_a_link_tells_why_it_leads_nowhere() {
    let guarded = Guarded::new(&[("user", ALL, Some(("", true)))]);
    symlink("none/x", guarded.server.path("missing")).unwrap();
    symlink("f/x", guarded.server.path("file")).unwrap();
    let mut client = guarded.client("user");
    for (line, told) in [
        ("CWD missing", "No such file"),
        ("CWD file", "Not a directory"),
        ("CWD out", "outside"),
        ("STAT missing", "missing -> none/x"),
    ] {
        client.send(line);
        let reply = client.next_reply().unwrap().text();
        assert!(reply.contains(told), "{line}: {reply}");
    }
}
