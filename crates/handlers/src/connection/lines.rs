//! Handing the client's lines to the session, a bounded number in a turn.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ftpdlib_ioloop::Context;
use ftpdlib_proto::Line;
use ftpdlib_session::{AdminEvent, ControlEvent, DataEvent, Session};

use super::log_lines::{self, LoggedCommand};
use super::watch::{Judgement, Watch};
use super::{Connection, ControlSocket};
use crate::Verdict;
use crate::jobs::{Account, Payload};

/// Most lines taken from one client in one turn of the loop.
const LINES: u32 = 32;

/// How long a client's lines may take in one turn. The rest waits for the next one.
const LINES_TIME: Duration = Duration::from_millis(1);

/// A client whose lines take so long in a turn is served after those whose lines take less.
const LONG: Duration = Duration::from_micros(100);

/// How much a client has used of what its lines may take in a turn. The loop may call a connection
/// twice in one turn: because a job has ended, and because lines have come.
#[derive(Default)]
pub(super) struct LineBudget {
    /// When the turn began.
    turn: Option<Instant>,
    time: Duration,
    lines: u32,
    /// Whether the lines of the last turn that had any took long.
    took_long: bool,
}

impl LineBudget {
    /// Starts to count anew if the turn that began at `turn` is a new one.
    fn begin(&mut self, turn: Instant) {
        if self.turn != Some(turn) {
            *self = Self {
                turn: Some(turn),
                took_long: self.took_long,
                ..Self::default()
            };
        }
    }

    /// Notes how long the lines of this turn have taken.
    fn note(&mut self, time: Duration) {
        self.time = time;
        self.took_long = time >= LONG;
    }

    fn is_used_up(&self) -> bool {
        self.lines >= LINES || self.time >= LINES_TIME
    }

    /// Whether the lines of the last turn that had any took long. Those that come next may do too.
    pub(super) fn took_long(&self) -> bool {
        self.took_long
    }
}

impl Connection {
    /// Takes lines and carries out their effects until no line is left or the turn is over.
    pub(super) fn hand_over_lines(&mut self, cx: &mut Context<'_>) {
        self.line_budget.begin(cx.now());
        let (before, mut began) = (self.line_budget.time, None::<Instant>);
        loop {
            self.carry_out_effects(cx);
            if let Some(began) = began {
                self.line_budget.note(before + began.elapsed());
            }
            // The end of the client's side behind the last line must be noticed now: no later event
            // would report it.
            if (self.line_budget.is_used_up() && self.may_hand_over_line())
                || !self.hand_over_line(cx)
            {
                break;
            }
            self.line_budget.lines += 1;
            began.get_or_insert_with(Instant::now);
        }
    }

    /// Whether a received line, or a part of one, could be taken at once.
    pub(super) fn may_hand_over_line(&self) -> bool {
        match &self.socket {
            ControlSocket::Open(control) => {
                control.may_take_line() && self.session.wants_input() && !is_held_up(&self.watch)
            }
            ControlSocket::Accepted(_) | ControlSocket::Lost => false,
        }
    }

    /// Whether something that the client has sent waits for observers, and the client may still be
    /// there.
    pub(super) fn waits_for_observers(&self) -> bool {
        let ControlSocket::Open(control) = &self.socket else {
            return false;
        };
        let waits = holds_line(&self.watch) || (control.may_take_line() && is_held_up(&self.watch));
        waits && !control.has_ended_its_side()
    }

    /// Tells the session what may have changed since the last line.
    pub(super) fn bring_up_to_date(&mut self, now: Instant) {
        if let Some(host) = &self.client.service.masquerade
            && host.address() != self.masquerade
        {
            self.masquerade = host.address();
            let event = AdminEvent::Masquerade(self.masquerade);
            self.session.handle_admin(event, now);
        }
        if let Some(pump) = &self.pump {
            let bytes = pump.bytes();
            let event = DataEvent::Progress { bytes };
            self.session.handle_data_event(event, now);
        }
    }

    /// Hands the next line to the session, if there is one and the session takes it.
    fn hand_over_line(&mut self, cx: &mut Context<'_>) -> bool {
        let now = cx.now();
        let ControlSocket::Open(control) = &mut self.socket else {
            return false;
        };
        if self.session.is_ending() || (self.session.is_working() && control.has_left()) {
            // Lines behind QUIT, or behind a digest, would hide that the client is gone.
            control.discard_input();
        }
        if control.has_ended() {
            // A client that ends its side after QUIT still gets its replies. After another last
            // line it gets that line's whole reply, unless files may hang. Which line is the last,
            // and that it takes effect, is known only after observers have let it pass.
            let is_local = |account: &Arc<Account>| account.lane().is_none();
            let waits = self.session.waits_after_quit()
                || (self.session.owes_reply() && self.account.as_ref().is_some_and(is_local))
                || !control.is_flushed()
                || holds_line(&self.watch);
            return (!waits || control.is_broken()) && self.lose_control(cx);
        }
        // If observers may veto commands, ABOR waits for its turn.
        if self.session.holds_line() && !self.watch.as_ref().is_some_and(|watch| watch.judges()) {
            let session = &mut self.session;
            return control.look_ahead(|line| {
                session.handle_control(ControlEvent::Ahead(line), now);
                !session.holds_line()
            });
        }
        if !self.may_hand_over_line() {
            return false;
        }
        self.bring_up_to_date(now);
        if self.take_line(now) {
            if let Some(linger) = &mut self.linger {
                // The client has sent this line without waiting for the end of its download.
                linger.release_replies();
            }
            return true;
        }
        let has_ended = matches!(&self.socket, ControlSocket::Open(it) if it.has_ended());
        has_ended && self.lose_control(cx)
    }

    /// Takes the next line from the input, for the session or first for the observers. Returns
    /// whether there was one.
    fn take_line(&mut self, now: Instant) -> bool {
        let ControlSocket::Open(control) = &mut self.socket else {
            return false;
        };
        let (session, client) = (&mut self.session, &*self.client);
        let service = &*client.service;
        let (command_log, account) = (&mut self.command_log, self.account.as_deref());
        let watch = self.watch.as_mut().filter(|watch| watch.judges());
        control.next_line(session.encoding(), |line| match line {
            Line::Complete(line) => {
                log_lines::command(&client.prefix(session.username()), line, service);
                command_log.received(LoggedCommand::of(session, account, line, service));
                match watch.map(|watch| watch.judge(line, service)) {
                    None => session.handle_control(ControlEvent::Line(line), now),
                    Some(Judgement::Passed(verdict)) => hand_over(session, line, &verdict, now),
                    Some(Judgement::Pending) => {}
                }
            }
            Line::TooLong => {
                command_log.received(None);
                session.handle_control(ControlEvent::LineTooLong, now);
            }
        })
    }
}

/// Hands a line to the session, or sends the reply that an observer gave instead.
pub(super) fn hand_over(
    session: &mut Session<Payload>,
    line: &[u8],
    verdict: &Verdict,
    now: Instant,
) {
    let event = match verdict {
        Verdict::Allow => ControlEvent::Line(line),
        Verdict::Refuse(reply) => ControlEvent::Vetoed { line, reply },
    };
    session.handle_control(event, now);
}

/// Whether a line waits for the observers' verdict.
fn holds_line(watch: &Option<Box<Watch>>) -> bool {
    watch.as_ref().is_some_and(|watch| watch.holds_line())
}

/// Whether the next command has to wait for observers.
fn is_held_up(watch: &Option<Box<Watch>>) -> bool {
    watch.as_ref().is_some_and(|watch| watch.is_busy())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use ftpdlib_authorizers::DummyAuthorizer;

    use super::*;
    use crate::testing::{alone, connection, service, sockets};
    use crate::{FtpHandler, ObservedCommand, ObservedSession, Observer};

    /// Counts commands.
    struct Counter(Arc<AtomicUsize>);

    impl Observer for Counter {
        fn is_inline(&self) -> bool {
            true
        }

        fn on_command(&self, _: &ObservedSession, _: &ObservedCommand) -> Verdict {
            self.0.fetch_add(1, Ordering::Relaxed);
            Verdict::Allow
        }
    }

    #[test]
    fn a_client_that_sent_on_was_given_several_shares_of_a_turn() {
        let share = LINES as usize;
        let taken = Arc::new(AtomicUsize::new(0));
        let counter = Counter(Arc::clone(&taken));
        let handler = FtpHandler::new(DummyAuthorizer::new()).observer(counter);
        let service = service(handler);
        let (mut client, stream) = sockets();
        let mut events = alone(connection(&service, stream));
        let (mut sent, mut done) = (0, 0);
        while done < 10 * share {
            // Some are left of each turn, and more come in the next.
            if sent < 10 * share {
                client.write_all(&b"NOOP\r\n".repeat(2 * share)).unwrap();
                sent += 2 * share;
            }
            events.turn(None).unwrap();
            let in_turn = taken.swap(0, Ordering::Relaxed);
            assert!(in_turn <= share, "{in_turn}");
            done += in_turn;
        }
    }
}
