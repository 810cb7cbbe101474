//! REST and RANG apply to the next transfer or HASH, whether or not it succeeds.

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use ftpdlib_proto::{ArgumentRule, Perm, Reply, TransferEnd, Verb, verbs};
use ftpdlib_session::{
    Action, Answer, ControlEvent, DataEvent, Effect, Over, Refusal, RegisteredCommand, Session,
    SessionConfig, WriteHow,
};

use support::facts;

/// The commands that use up or replace a restart.
const ENDS_RESTART: [Verb; 10] = [
    Verb::Retr,
    Verb::Stor,
    Verb::Appe,
    Verb::Stou,
    Verb::List,
    Verb::Nlst,
    Verb::Mlsd,
    Verb::Hash,
    Verb::Rest,
    Verb::Rang,
];

/// A client, and the driver that runs the session's jobs.
struct Client {
    session: Session<()>,
    now: Instant,
    /// The code of each reply.
    replies: Vec<u16>,
    /// The actions of all jobs.
    asked: Vec<Action>,
    /// Whether jobs find what they look for.
    found: bool,
    /// Whether jobs have to wait for [`answer`](Self::answer).
    slow: bool,
    waiting: Option<Action>,
}

impl Client {
    fn new(commands: Vec<RegisteredCommand>) -> Self {
        let config = SessionConfig {
            commands,
            ..SessionConfig::default()
        };
        let address: SocketAddr = "192.0.2.7:50000".parse().unwrap();
        let now = Instant::now();
        let mut client = Self {
            session: Session::new(Arc::new(config), address, address, now),
            now,
            replies: Vec::new(),
            asked: Vec::new(),
            found: true,
            slow: false,
            waiting: None,
        };
        for line in ["USER u", "PASS p", "TYPE I"] {
            client.line(line);
        }
        assert_eq!(client.replies, [220, 331, 230, 200]);
        client
    }

    fn line(&mut self, line: impl AsRef<[u8]>) {
        self.control(ControlEvent::Line(line.as_ref()));
    }

    fn control(&mut self, event: ControlEvent<'_>) {
        self.session.handle_control(event, self.now);
        self.settle();
    }

    fn data(&mut self, event: DataEvent) {
        self.session.handle_data_event(event, self.now);
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(effect) = self.session.poll_effect() {
            match effect {
                Effect::Reply(reply) | Effect::TransferReply(reply) => {
                    self.replies.push(reply.code().value());
                }
                Effect::LogIn { .. } => {
                    let answer = Ok(Answer::Login(facts()));
                    self.session.handle_job(answer, self.now);
                }
                Effect::Job(job) | Effect::StartWork(job) => {
                    self.asked.push(job.action.clone());
                    self.waiting = Some(job.action);
                    if !self.slow {
                        self.answer();
                    }
                }
                Effect::Listen => {
                    let event = DataEvent::Listening { port: 2000 };
                    self.session.handle_data_event(event, self.now);
                }
                // STAT with a path.
                Effect::StartTransfer(transfer) if transfer.over == Over::Control => {
                    let event = DataEvent::Ended {
                        end: TransferEnd::Complete,
                        bytes: 0,
                        refusal: None,
                    };
                    self.session.handle_data_event(event, self.now);
                }
                _ => {}
            }
        }
    }

    fn answer(&mut self) {
        let Some(action) = self.waiting.take() else {
            return;
        };
        let refusal = Err(Refusal::local_error());
        let outcome = match action {
            _ if !self.found => refusal,
            Action::OpenRead { path, .. }
            | Action::OpenWrite { path, .. }
            | Action::OpenList { path, .. } => Ok(Answer::Opened {
                payload: (),
                size: None,
                path,
            }),
            Action::ChangeDirectory(_) => Ok(Answer::Done),
            _ => refusal,
        };
        self.session.handle_job(outcome, self.now);
        self.settle();
    }

    /// Ends whatever is in progress.
    fn recover(&mut self) {
        (self.found, self.slow) = (true, false);
        self.answer();
        self.line("ABOR");
        self.line("TYPE I");
        assert!(self.session.wants_input());
    }

    /// Starts an upload, and returns how it treats its file.
    fn upload(&mut self) -> WriteHow {
        self.line("PASV");
        self.asked.clear();
        self.line("STOR next");
        match self.asked.as_slice() {
            [Action::OpenWrite { how, .. }] => *how,
            other => panic!("{other:?} {:?}", self.replies),
        }
    }
}

/// A way to have a command refused: its name, what brings the client into the state, and how the
/// command is sent then.
type Way = (&'static str, fn(&mut Client), Sent);

/// How a command reaches the session.
#[derive(Clone, Copy)]
enum Sent {
    With(&'static [u8]),
    Vetoed,
}

const NAME: Sent = Sent::With(b" a");

const WAYS: [Way; 11] = [
    ("no argument", |_| {}, Sent::With(b"")),
    ("another encoding", |_| {}, Sent::With(b" caf\xe9.txt")),
    ("no name", |_| {}, Sent::With(b" a=x00b")),
    ("no data connection", |_| {}, NAME),
    ("another type", |client| client.line("TYPE A"), NAME),
    (
        "a refused job",
        |client| {
            client.found = false;
            client.line("PASV");
        },
        NAME,
    ),
    ("vetoed", |_| {}, Sent::Vetoed),
    (
        "vetoed during work",
        |client| {
            client.slow = true;
            client.line("XCRC big");
        },
        Sent::Vetoed,
    ),
    (
        "during work",
        |client| {
            client.slow = true;
            client.line("XCRC big");
        },
        NAME,
    ),
    (
        "a lost data connection",
        |client| {
            client.line("PASV");
            client.data(DataEvent::Failed);
        },
        NAME,
    ),
    (
        "an active port",
        |client| client.line("PORT 192,0,2,7,200,10"),
        NAME,
    ),
];

fn replaced(verb: Verb) -> RegisteredCommand {
    RegisteredCommand {
        name: verb.info().name.to_owned(),
        login_required: true,
        perm: Some(Perm::Store),
        argument: ArgumentRule::Optional,
        help: "Syntax: none".to_owned(),
        feature: None,
    }
}

fn send(client: &mut Client, verb: Verb, sent: Sent) {
    let name = verb.info().name.as_bytes();
    match sent {
        Sent::With(rest) => client.line([name, rest].concat()),
        Sent::Vetoed => client.control(ControlEvent::Vetoed {
            line: &[name, b" a"].concat(),
            reply: &Reply::new(550, "No."),
        }),
    }
}

#[test]
fn a_restart_outlived_the_command_that_it_was_for() {
    for restart in ["REST 5", "RANG 5 9"] {
        for (way, prepare, sent) in WAYS {
            for verb in ENDS_RESTART {
                let mut client = Client::new(Vec::new());
                client.line(restart);
                assert_eq!(client.replies.last(), Some(&350));
                prepare(&mut client);
                send(&mut client, verb, sent);
                client.recover();
                let how = client.upload();
                assert_eq!(how, WriteHow::Replace, "{restart}, {verb:?}: {way}");
            }
        }
    }
}

#[test]
fn a_restart_outlived_a_command_in_place_of_the_one_it_was_for() {
    for verb in ENDS_RESTART
        .into_iter()
        .filter(|verb| !matches!(verb, Verb::Stor | Verb::Rest))
    {
        let mut client = Client::new(vec![replaced(verb)]);
        client.line("REST 5");
        send(&mut client, verb, NAME);
        assert_eq!(client.upload(), WriteHow::Replace, "{verb:?}");
    }
}

#[test]
fn a_restart_outlived_a_line_that_was_too_long() {
    for work in [false, true] {
        let mut client = Client::new(Vec::new());
        client.line("REST 5");
        if work {
            client.slow = true;
            client.line("XCRC big");
        }
        client.control(ControlEvent::LineTooLong);
        client.recover();
        assert_eq!(client.upload(), WriteHow::Replace);
    }
}

/// Clients send many commands between REST and the transfer, some of which may be refused.
#[test]
fn a_restart_waits_for_the_command_that_it_is_for() {
    let others = verbs().iter().map(|info| info.verb);
    let others = others.filter(|verb| !ENDS_RESTART.contains(verb));
    // These commands reset everything.
    let ends = |verb: &Verb| matches!(verb, Verb::User | Verb::Rein | Verb::Quit);
    for verb in others.filter(|verb| !ends(verb)) {
        for sent in [Sent::With(b""), NAME, Sent::With(b" \xe9"), Sent::Vetoed] {
            let mut client = Client::new(Vec::new());
            client.line("REST 5");
            send(&mut client, verb, sent);
            client.recover();
            assert_eq!(client.upload(), WriteHow::At(5), "{verb:?}");
        }
    }
    for line in [
        "PASV",
        "EPSV",
        "PORT 192,0,2,7,200,10",
        "EPRT |1|192.0.2.7|51210|",
        "TYPE I",
        "MODE S",
        "STRU F",
        "ALLO 9",
        "SIZE a",
        "MDTM a",
        "NOOP",
        "OPTS UTF8 ON",
        "CWD a",
        "FOO",
        "",
    ] {
        let mut client = Client::new(Vec::new());
        client.line("REST 5");
        client.line(line);
        assert_eq!(client.upload(), WriteHow::At(5), "{line}");
    }
}

#[test]
fn a_restart_is_used_once() {
    let mut client = Client::new(Vec::new());
    client.line("REST 5");
    assert_eq!(client.upload(), WriteHow::At(5));
    client.recover();
    assert_eq!(client.upload(), WriteHow::Replace);
}
