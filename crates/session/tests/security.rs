//! TLS as the client sees it: AUTH, PBSZ, PROT, CCC, and what is refused in the clear.

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ftpdlib_proto::{Reply, TransferEnd};
use ftpdlib_session::{
    Action, Answer, ControlEvent, DataEvent, Effect, Refusal, Session, SessionConfig, TlsRules,
};

use support::facts;

/// Returns the codes of all replies; handshakes and logins succeed, and ports open.
fn codes(tls: Option<TlsRules>, lines: &[&str]) -> Vec<u16> {
    let mut client = Client::new(tls);
    client.say_all(lines);
    client.codes
}

#[track_caller]
fn check(tls: Option<TlsRules>, lines: &[&str], expected: &[u16]) {
    assert_eq!(codes(tls, lines), expected, "{lines:?}");
}

struct Client {
    session: Session<()>,
    now: Instant,
    codes: Vec<u16>,
    texts: Vec<String>,
    handshakes: usize,
    closed: bool,
    completes_handshakes: bool,
    /// The user whose certificate the client presents.
    certificate: Option<&'static str>,
}

impl Client {
    fn new(tls: Option<TlsRules>) -> Self {
        Self::with(tls, true)
    }

    fn with(tls: Option<TlsRules>, completes_handshakes: bool) -> Self {
        Self::greeted(tls, completes_handshakes, Reply::new(220, "Hello."))
    }

    fn greeted(tls: Option<TlsRules>, completes_handshakes: bool, greeting: Reply) -> Self {
        let now = Instant::now();
        let config = SessionConfig {
            tls,
            ..SessionConfig::default()
        };
        let (peer, local) = ("192.0.2.7:50000", "192.0.2.1:21");
        let (peer, local) = (peer.parse().unwrap(), local.parse().unwrap());
        let mut client = Self {
            session: Session::with_greeting(Arc::new(config), peer, local, now, greeting),
            now,
            codes: Vec::new(),
            texts: Vec::new(),
            handshakes: 0,
            closed: false,
            completes_handshakes,
            certificate: None,
        };
        client.follow();
        client
    }

    fn say(&mut self, line: &str) {
        let line = ControlEvent::Line(line.as_bytes());
        self.session.handle_control(line, self.now);
        self.follow();
    }

    fn say_all(&mut self, lines: &[&str]) {
        for line in lines {
            self.say(line);
        }
    }

    fn follow(&mut self) {
        while let Some(effect) = self.session.poll_effect() {
            match effect {
                Effect::Reply(reply) | Effect::TransferReply(reply) => {
                    let mut text = Vec::new();
                    reply.encode(self.session.encoding(), &mut text);
                    self.codes.push(reply.code().value());
                    self.texts.push(String::from_utf8(text).unwrap());
                }
                Effect::Secure => {
                    self.handshakes += 1;
                    assert!(!self.session.wants_input());
                    if self.completes_handshakes {
                        let certificate = self.certificate.is_some();
                        let event = ControlEvent::Secured { certificate };
                        self.session.handle_control(event, self.now);
                    }
                }
                Effect::Listen => {
                    let port = DataEvent::Listening { port: 50_001 };
                    self.session.handle_data_event(port, self.now);
                }
                Effect::LogIn { username, password } => {
                    let answer = match (password, self.certificate) {
                        (None, Some(owner)) if username != owner => Answer::PasswordNeeded,
                        _ => Answer::Login(facts()),
                    };
                    self.session.handle_job(Ok(answer), self.now);
                }
                Effect::Job(job) => {
                    let Action::OpenRead { path, .. } = job.action else {
                        panic!("{:?} was not expected", job.action);
                    };
                    let answer = Answer::Opened {
                        payload: (),
                        size: None,
                        path,
                    };
                    self.session.handle_job(Ok(answer), self.now);
                }
                Effect::Close => self.closed = true,
                _ => {}
            }
        }
    }
}

fn offered() -> Option<TlsRules> {
    Some(TlsRules::default())
}

#[test]
fn without_tls_its_commands_are_not_implemented() {
    let lines = ["AUTH TLS", "PBSZ 0", "PROT P", "CCC"];
    check(None, &lines, &[220, 502, 502, 502, 502]);
    let mut client = Client::new(None);
    client.say("FEAT");
    assert!(!client.texts[1].contains("AUTH"), "{}", client.texts[1]);
}

#[test]
fn a_session_is_secured_under_every_name_of_tls() {
    for (mechanism, private) in [
        ("TLS", false),
        ("tls-c", false),
        ("SSL", true),
        ("TLS-P", true),
    ] {
        let mut client = Client::new(offered());
        client.say(&format!("AUTH {mechanism}"));
        assert_eq!(
            (client.handshakes, client.codes[1]),
            (1, 234),
            "{mechanism}"
        );
        assert!(client.session.is_secure() && client.session.wants_input());
        assert_eq!(client.session.protects_data(), private, "{mechanism}");
    }
    check(offered(), &["AUTH GSSAPI"], &[220, 504]);
    check(offered(), &["AUTH TLS", "AUTH TLS"], &[220, 234, 503]);
}

#[test]
fn prot_comes_after_pbsz_and_that_after_auth() {
    let lines = ["PBSZ 0", "PROT P", "AUTH TLS", "PROT P", "PBSZ 0", "PROT P"];
    check(offered(), &lines, &[220, 503, 503, 234, 503, 200, 200]);
    let lines = [
        "AUTH TLS",
        "PBSZ x",
        "PBSZ 16384",
        "PROT C",
        "PROT S",
        "PROT E",
        "PROT X",
        "CCC",
    ];
    check(
        offered(),
        &lines,
        &[220, 234, 501, 200, 200, 536, 536, 504, 534],
    );
}

#[test]
fn a_connection_in_the_clear_was_said_to_stay_under_tls() {
    check(
        offered(),
        &["CCC", "AUTH TLS", "CCC"],
        &[220, 533, 234, 534],
    );
}

#[test]
fn an_abor_seen_ahead_in_the_clear_does_not_count_under_tls() {
    let mut client = Client::new(offered());
    client.say_all(&["USER u", "PASS p", "HASH a", "AUTH TLS"]);
    let ahead = ControlEvent::Ahead(b"ABOR");
    client.session.handle_control(ahead, client.now);
    let stopped = Err(Refusal::local_error());
    client.session.handle_job(stopped, client.now);
    client.follow();
    client.say("ABOR");
    // The work, AUTH, and what a client without login is told.
    assert_eq!(client.codes, [220, 331, 230, 426, 234, 530]);
}

#[test]
fn protection_is_what_was_said_last() {
    let mut client = Client::new(offered());
    let lines = ["AUTH TLS", "PBSZ 0", "PROT P", "USER u", "PASS p"];
    client.say_all(&lines);
    assert!(client.session.protects_data());
    client.say("PROT C");
    assert!(!client.session.protects_data());
}

#[test]
fn rein_made_data_connections_clear_under_tls() {
    for again in ["REIN", "USER u"] {
        let mut client = Client::new(offered());
        client.say_all(&["AUTH TLS", "PBSZ 0", "PROT P", "USER u", "PASS p"]);
        client.say(again);
        assert!(client.session.is_secure() && client.session.protects_data());
        client.say_all(&["USER u", "PASS p", "PROT C"]);
        assert_eq!(client.codes.last(), Some(&200), "PBSZ");
        client.say(again);
        assert!(!client.session.protects_data());
    }
}

#[test]
fn a_port_opened_for_another_protection_is_closed() {
    let mut client = Client::new(offered());
    let lines = [
        "AUTH TLS", "PBSZ 0", "USER u", "PASS p", "PASV", "PROT P", "LIST",
    ];
    client.say_all(&lines);
    assert_eq!(client.codes, [220, 234, 200, 331, 230, 227, 200, 425]);
}

#[test]
fn a_port_of_the_client_was_forgotten_with_another_protection() {
    let mut client = Client::new(offered());
    client.say_all(&["AUTH TLS", "PBSZ 0", "USER u", "PASS p"]);
    client.say_all(&["PORT 192,0,2,7,200,10", "PROT P", "RETR a"]);
    assert_eq!(client.codes, [220, 234, 200, 331, 230, 200, 200]);
    assert!(client.session.is_transferring());
    assert!(client.session.protects_data());
}

#[test]
fn prot_and_auth_do_not_take_tls_from_a_transfer_that_waits_for_its_connection() {
    let mut client = Client::new(offered());
    client.say_all(&["AUTH TLS", "PBSZ 0", "PROT P", "USER u", "PASS p", "PASV"]);
    client.say_all(&["RETR a", "PROT C", "AUTH TLS"]);
    let refused = &client.codes[client.codes.len() - 3..];
    assert_eq!(refused, [150, 425, 503]);
    assert!(client.session.protects_data());
}

#[test]
fn rein_does_not_take_tls_from_a_transfer_that_waits_for_its_connection() {
    let mut client = Client::new(offered());
    let lines = ["AUTH TLS", "PBSZ 0", "PROT P", "USER u", "PASS p", "PASV"];
    client.say_all(&lines);
    client.say_all(&["RETR a", "REIN"]);
    assert!(client.session.protects_data());
    let peer = "192.0.2.7:50002".parse().unwrap();
    let accepted = DataEvent::Accepted { peer };
    client.session.handle_data_event(accepted, client.now);
    assert!(client.session.protects_data(), "the connection accepted");
    client.follow();
    let ended = DataEvent::Ended {
        end: TransferEnd::Complete,
        bytes: 0,
        refusal: None,
    };
    client.session.handle_data_event(ended, client.now);
    client.follow();
    assert!(client.session.protects_data(), "what comes next");
    assert_eq!(client.codes[6..], [227, 150, 220, 226]);
}

#[test]
fn features_are_told_in_order() {
    let mut client = Client::new(offered());
    client.say("FEAT");
    let lines: Vec<_> = client.texts[1].lines().collect();
    let features = &lines[1..lines.len() - 1];
    assert!(features.is_sorted(), "{features:?}");
    for feature in [" AUTH TLS", " PBSZ", " PROT"] {
        assert!(features.contains(&feature), "{feature} in {features:?}");
    }
}

#[test]
fn auth_forgets_who_was_named_or_logged_in() {
    check(
        offered(),
        &["USER u", "AUTH TLS", "PASS p"],
        &[220, 331, 234, 503],
    );
    check(
        offered(),
        &["USER u", "PASS p", "AUTH TLS", "PWD"],
        &[220, 331, 230, 234, 530],
    );
}

#[test]
fn what_has_to_be_secure_is_refused_in_the_clear() {
    let control = TlsRules {
        control_required: true,
        ..TlsRules::default()
    };
    let lines = ["USER u", "PASS p", "FEAT", "AUTH TLS", "USER u", "PASS p"];
    check(Some(control), &lines, &[220, 550, 550, 211, 234, 331, 230]);
    let data = TlsRules {
        data_required: true,
        ..TlsRules::default()
    };
    let lines = [
        "USER u",
        "PASS p",
        "PASV",
        "EPSV",
        "PORT 192,0,2,7,200,1",
        "EPRT |1|192.0.2.7|51201|",
    ];
    check(Some(data), &lines, &[220, 331, 230, 521, 521, 521, 521]);
    let lines = [
        "AUTH TLS", "USER u", "PASS p", "PASV", "PBSZ 0", "PROT P", "PROT C", "PASV",
    ];
    check(
        Some(data),
        &lines,
        &[220, 234, 331, 230, 521, 200, 200, 534, 227],
    );
}

#[test]
fn implicit_tls_comes_before_the_greeting() {
    let rules = TlsRules {
        implicit: true,
        ..TlsRules::default()
    };
    let client = Client::with(Some(rules), false);
    assert_eq!((client.codes.as_slice(), client.handshakes), (&[][..], 1));
    let mut client = Client::new(Some(rules));
    assert_eq!(client.codes, [220]);
    assert!(client.session.is_secure() && client.session.protects_data());
    let lines = [
        "AUTH TLS", "PBSZ 0", "PROT P", "REIN", "USER u", "PASS p", "REIN",
    ];
    client.say_all(&lines);
    assert!(client.session.protects_data());
}

#[test]
fn a_session_that_was_greeted_with_421_went_on() {
    let rules = TlsRules {
        implicit: true,
        ..TlsRules::default()
    };
    for tls in [None, Some(rules)] {
        let greeting = Reply::new(421, "Service not available.");
        let client = Client::greeted(tls, true, greeting);
        assert_eq!((client.codes.as_slice(), client.closed), (&[421][..], true));
    }
}

#[test]
fn a_handshake_that_does_not_end_ends_the_session() {
    let mut client = Client::with(offered(), false);
    client.say("AUTH TLS");
    client.say("NOOP");
    assert_eq!(client.codes, [220, 234], "nothing is read in the clear");
    let deadline = client.session.poll_timeout().unwrap();
    assert_eq!(deadline - client.now, Duration::from_secs(30));
    client.session.handle_timeout(deadline);
    client.follow();
    assert!(client.closed);
    assert_eq!(client.codes, [220, 234], "and nothing is said");
}

#[test]
fn a_certificate_lets_its_user_in_and_nobody_else() {
    let check = |certificate, lines: &[&str], expected: &[u16]| {
        let mut client = Client::new(offered());
        client.certificate = certificate;
        client.say_all(lines);
        assert_eq!(client.codes[1..], *expected, "{certificate:?} {lines:?}");
    };
    let alice = Some("alice");
    check(alice, &["AUTH TLS", "USER alice", "PWD"], &[234, 232, 257]);
    check(alice, &["AUTH TLS", "USER bob", "PWD"], &[234, 331, 530]);
    check(alice, &["AUTH TLS", "USER bob", "PASS p"], &[234, 331, 230]);
    check(None, &["AUTH TLS", "USER alice", "PWD"], &[234, 331, 530]);
    // The certificate counts only once it has been presented.
    check(alice, &["USER alice", "PWD"], &[331, 530]);
    // A client that sends a password all the same is not told of a failure.
    let lines = ["AUTH TLS", "USER alice", "PASS p", "PWD"];
    check(alice, &lines, &[234, 232, 202, 257]);
    // The certificate belongs to the connection, and stays in effect.
    let lines = ["AUTH TLS", "USER alice", "REIN", "PWD", "USER alice", "PWD"];
    check(alice, &lines, &[234, 232, 220, 530, 232, 257]);
    let lines = ["AUTH TLS", "USER alice", "USER bob", "PWD", "PASS p"];
    check(alice, &lines, &[234, 232, 331, 530, 230]);
}
