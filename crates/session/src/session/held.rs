//! Lines that are held until work ends or an active data connection is made, so that replies stay
//! in order.

use std::time::Instant;

use ftpdlib_proto::{CommandLine, Reply, Verb};

use super::Session;
use super::pending::Pending;
use crate::{Effect, RegisteredCommand};

/// Commands served during a transfer and during work: they take no time, or must not wait.
pub(super) const SERVED_MEANWHILE: [Verb; 4] = [Verb::Abor, Verb::Quit, Verb::Noop, Verb::Stat];

/// What is held until work ends or a transfer begins.
#[derive(Debug)]
pub(super) enum Held {
    /// A command.
    Line(Vec<u8>),
    /// The answer to a line that needs no processing: it was too long, or an observer vetoed it.
    Reply(Reply),
}

impl<P> Session<P> {
    /// Holds a line that has to wait, so that replies stay in order; returns whether it did. ABOR
    /// and QUIT never wait; NOOP and STAT do not wait for work either, as it may take long.
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

    /// Looks at a line that came behind the one that is held. An ABOR takes effect at once, and is
    /// answered in its turn.
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

    /// Gives the reply to a line that is not to be processed, when its turn comes.
    pub(super) fn reply_in_turn(&mut self, reply: Reply, now: Instant) {
        if self.must_hold() {
            return self.hold(Held::Reply(reply));
        }
        self.begin_answer();
        self.reply_as_told(reply, now);
    }

    /// Processes what was held, now that its turn has come.
    pub(super) fn answer_held(&mut self, held: Held, now: Instant) {
        match held {
            Held::Line(line) if self.ending.takes_commands() => self.answer_line(&line, now),
            Held::Line(_) => {}
            Held::Reply(reply) => self.reply_in_turn(reply, now),
        }
    }

    /// Holds something until its turn comes. The caller has checked [`must_hold`](Self::must_hold).
    pub(super) fn hold(&mut self, held: Held) {
        debug_assert!(self.must_hold(), "nothing would take it back");
        if let Pending::Work(work) = &mut self.pending {
            work.hold(held);
        } else {
            self.data.hold(held);
        }
    }

    /// Whether another reply has to come before the reply to the latest line.
    pub(super) fn must_hold(&self) -> bool {
        self.is_working() || self.data.is_connecting()
    }

    /// Whether a line is one of these commands, without an argument, and not a registered command.
    pub(super) fn is_bare(&self, line: &[u8], verbs: &[Verb]) -> bool {
        let command = CommandLine::split(line);
        let is_named = match command.resolve() {
            Ok((verb, argument)) => verbs.contains(&verb) && argument.trim_ascii().is_empty(),
            Err(_) => false,
        };
        is_named && RegisteredCommand::find(&self.config.commands, &command).is_none()
    }
}
