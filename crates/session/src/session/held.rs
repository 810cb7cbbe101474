//! Lines that wait for the end of work, or for an active data connection: replies stay in order.

use std::time::Instant;

use ftpdlib_proto::{CommandLine, Reply, Verb};

use super::Session;
use super::pending::Pending;
use crate::{Effect, RegisteredCommand};

/// What is served during a transfer and during work: it takes no time, or must not wait.
const SERVED_MEANWHILE: [Verb; 4] = [Verb::Abor, Verb::Quit, Verb::Noop, Verb::Stat];

/// What has to wait for the end of work, or for the beginning of a transfer.
#[derive(Debug)]
pub(super) enum Held {
    /// A command.
    Line(Vec<u8>),
    /// The answer to a line that is no command any more: too long, or refused by an observer.
    Reply(Reply),
}

impl<P> Session<P> {
    /// Keeps a line that has to wait, so that replies stay in order; says whether it did. ABOR and
    /// QUIT do not wait; nor do NOOP and STAT, for the end of work, which may take long.
    pub(super) fn holds_back(&mut self, line: &[u8]) -> bool {
        let at_once: &[Verb] = if self.is_working() {
            &SERVED_MEANWHILE
        } else if self.data.is_connecting() {
            &[Verb::Abor, Verb::Quit]
        } else {
            return false;
        };
        let waits = !self.is_bare(line, at_once);
        if waits {
            self.hold(Held::Line(line.to_vec()));
        }
        waits
    }

    /// Looks at a line that came behind one that is held. If it is ABOR, it takes effect at once;
    /// it is answered in its turn.
    pub(super) fn look_ahead(&mut self, line: &[u8], now: Instant) {
        if !self.holds_line() || !self.is_abor(line) {
            return;
        }
        let Pending::Work(work) = &mut self.pending else {
            return self.abort_connecting(now);
        };
        if work.interrupt() {
            self.effects.push_back(Effect::CancelWork);
        }
    }

    /// Gives a reply when its turn comes: that of a line that is not to be taken.
    pub(super) fn reply_in_turn(&mut self, reply: Reply, now: Instant) {
        if self.must_hold() {
            return self.hold(Held::Reply(reply));
        }
        self.begin_answer();
        self.reply_as_told(reply, now);
    }

    /// Answers what was held, now that its turn has come.
    pub(super) fn answer_held(&mut self, held: Held, now: Instant) {
        match held {
            Held::Line(line) if self.ending.takes_commands() => self.answer_line(&line, now),
            Held::Line(_) => {}
            Held::Reply(reply) => self.reply_in_turn(reply, now),
        }
    }

    /// Keeps something until its turn comes: only for who [must](Self::must_hold).
    pub(super) fn hold(&mut self, held: Held) {
        debug_assert!(self.must_hold(), "nothing would take it back");
        match &mut self.pending {
            Pending::Work(work) => work.hold(held),
            _ => self.data.hold(held),
        }
    }

    /// Whether a reply is owed that has to come before that to the line that came last.
    pub(super) fn must_hold(&self) -> bool {
        self.is_working() || self.data.is_connecting()
    }

    /// Whether a line is ABOR, and will be taken when its turn comes.
    pub fn is_abor(&self, line: &[u8]) -> bool {
        self.ending.takes_commands() && self.is_bare(line, &[Verb::Abor])
    }

    /// Whether a line is served during a transfer; what comes behind such a line may be, too.
    pub fn is_served_meanwhile(&self, line: &[u8]) -> bool {
        self.is_bare(line, &SERVED_MEANWHILE)
    }

    /// Whether a line is one of these commands, and takes no argument.
    fn is_bare(&self, line: &[u8], verbs: &[Verb]) -> bool {
        let command = CommandLine::split(line);
        let is_named = match command.resolve() {
            Ok((verb, argument)) => verbs.contains(&verb) && argument.trim_ascii().is_empty(),
            Err(_) => false,
        };
        is_named && RegisteredCommand::find(&self.config.commands, &command).is_none()
    }
}
