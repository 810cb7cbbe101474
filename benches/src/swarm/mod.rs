//! Many clients at once, on one thread.

mod member;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use crate::{Site, Target, TlsStart};
use member::{Member, Progress};

/// Nothing happening for so long means that the server is stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// One thing that every client does.
#[derive(Clone, Debug)]
pub enum Act {
    /// Waits for the greeting of the server.
    Greeting,
    /// Begins TLS and waits for the end of the handshake.
    Secure,
    /// Sends a command and waits for the reply with this code.
    Command(String, u16),
    /// Downloads by this command, over a passive connection, and throws the bytes away.
    Download(String),
    /// Uploads so many bytes by this command, over a passive connection; `{}` in it becomes the
    /// client's number.
    Upload(String, u64),
    /// Says goodbye and waits for the end.
    Quit,
}

/// How many reasons are told: they may quote what is different for each client.
const REASONS: usize = 3;

/// How it went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// From the start of the first to the end of the last.
    pub elapsed: Duration,
    /// Clients that did everything.
    pub done: usize,
    /// Clients that the server turned away, left or answered otherwise.
    pub failed: usize,
}

/// Clients of one server, each idle between the calls of [`perform`](Self::perform).
#[derive(Debug)]
pub struct Swarm<'a> {
    target: &'a Target,
    site: &'a Site,
    poll: Poll,
    members: Vec<Option<Member>>,
    /// Why clients failed, and how many.
    reasons: BTreeMap<String, usize>,
}

impl<'a> Swarm<'a> {
    /// No clients yet.
    ///
    /// # Errors
    ///
    /// No descriptor for a poll.
    pub fn new(target: &'a Target, site: &'a Site) -> io::Result<Self> {
        Ok(Self {
            target,
            site,
            poll: Poll::new()?,
            members: Vec::new(),
            reasons: BTreeMap::new(),
        })
    }

    /// The acts that connect and log in, over TLS if the server speaks it.
    pub fn login_acts(&self) -> Vec<Act> {
        let Target {
            username,
            password,
            tls,
            ..
        } = self.target;
        let mut acts = match tls.as_ref().map(|tls| tls.start) {
            None => vec![Act::Greeting],
            Some(TlsStart::Implicit) => vec![Act::Secure, Act::Greeting],
            Some(TlsStart::Explicit) => vec![
                Act::Greeting,
                Act::Command("AUTH TLS".into(), 234),
                Act::Secure,
            ],
        };
        acts.push(Act::Command(format!("USER {username}"), 331));
        acts.push(Act::Command(format!("PASS {password}"), 230));
        acts
    }

    /// Adds `count` clients, `at_once` of them in progress at a time, each of which does `acts`.
    /// Those that did not quit stay.
    ///
    /// # Errors
    ///
    /// The poll fails, or nothing happens for a minute.
    pub fn add(&mut self, count: usize, at_once: usize, acts: &[Act]) -> io::Result<Outcome> {
        self.drive(acts, at_once, Work::New(count))
    }

    /// Has all clients do `acts` at the same time.
    ///
    /// # Errors
    ///
    /// The poll fails, or nothing happens for a minute.
    pub fn perform(&mut self, acts: &[Act]) -> io::Result<Outcome> {
        let all: Vec<usize> = (0..self.members.len())
            .filter(|&index| self.members[index].is_some())
            .collect();
        self.drive(acts, all.len(), Work::Members(all))
    }

    /// How many clients there are.
    pub fn len(&self) -> usize {
        self.members.iter().flatten().count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Why clients failed, the most frequent reasons first: an error of the system with its number,
    /// or the reply that was another one; `None` if none did.
    pub(crate) fn reasons(&self) -> Option<String> {
        let mut reasons: Vec<_> = self.reasons.iter().collect();
        reasons.sort_by_key(|&(_, &count)| std::cmp::Reverse(count));
        let told = reasons
            .iter()
            .take(REASONS)
            .map(|(reason, count)| format!("{count} × {reason}"));
        let more = (reasons.len() > REASONS).then(|| "…".to_owned());
        (!reasons.is_empty()).then(|| told.chain(more).collect::<Vec<_>>().join("; "))
    }

    /// The error for an outcome that will not do, with the reasons.
    pub(crate) fn failure(&self, outcome: Outcome) -> io::Error {
        let Outcome { done, failed, .. } = outcome;
        let reasons = self.reasons().unwrap_or_default();
        io::Error::other(format!(
            "{failed} of {} clients failed: {reasons}",
            done + failed
        ))
    }

    fn drive(&mut self, acts: &[Act], at_once: usize, mut work: Work) -> io::Result<Outcome> {
        let acts: Arc<[Act]> = acts.into();
        let mut events = Events::with_capacity(1024);
        let (mut running, mut done, mut failed) = (0, 0, 0);
        let start = Instant::now();
        loop {
            while running < at_once
                && let Some(index) = self.start_next(&mut work, &acts)?
            {
                running += 1;
                self.advance(index, &mut running, &mut done, &mut failed);
            }
            if running == 0 {
                break;
            }
            self.poll.poll(&mut events, Some(PATIENCE))?;
            if events.is_empty() {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("{running} clients are stuck"),
                ));
            }
            for event in &events {
                let Token(token) = event.token();
                let index = token / 2;
                if self.members[index].as_ref().is_some_and(Member::is_busy) {
                    self.advance(index, &mut running, &mut done, &mut failed);
                }
            }
        }
        Ok(Outcome {
            elapsed: start.elapsed(),
            done,
            failed,
        })
    }

    fn start_next(&mut self, work: &mut Work, acts: &Arc<[Act]>) -> io::Result<Option<usize>> {
        let index = match work {
            Work::New(0) => return Ok(None),
            Work::New(left) => {
                *left -= 1;
                let index = self.members.len();
                let token = Token(index * 2);
                let member = Member::connect(self.target, token, self.poll.registry())?;
                self.members.push(Some(member));
                index
            }
            Work::Members(indexes) => match indexes.pop() {
                Some(index) => index,
                None => return Ok(None),
            },
        };
        if let Some(member) = &mut self.members[index] {
            member.start(Arc::clone(acts));
        }
        Ok(Some(index))
    }

    fn advance(&mut self, index: usize, running: &mut usize, done: &mut usize, failed: &mut usize) {
        let Some(member) = &mut self.members[index] else {
            return;
        };
        let gone = match member.advance(self.site, self.poll.registry()) {
            Ok(Progress::Pending) => return,
            Ok(Progress::Idle) => {
                *done += 1;
                false
            }
            Ok(Progress::Gone) => {
                *done += 1;
                true
            }
            Err(error) => {
                let stage = self.members[index].as_ref().map(Member::stage);
                let stage = stage.unwrap_or_default();
                *self.reasons.entry(format!("{stage}: {error}")).or_default() += 1;
                *failed += 1;
                true
            }
        };
        *running -= 1;
        if gone {
            self.members[index] = None;
        }
    }
}

/// Who is still to begin.
enum Work {
    /// So many clients that do not exist yet.
    New(usize),
    /// Clients there are, by index.
    Members(Vec<usize>),
}
