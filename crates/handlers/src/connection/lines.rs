//! The lines of a client, and how many of them are taken in a turn.

use std::time::{Duration, Instant};

use ftpdlib_ioloop::Context;
use ftpdlib_proto::Line;
use ftpdlib_session::{AdminEvent, ControlEvent, DataEvent, Session};

use super::log_lines::{self, LoggedCommand};
use super::watch::Judgement;
use super::{Connection, ControlSocket, is_held_up};
use crate::Verdict;
use crate::jobs::Payload;

/// Lines taken from one client in one turn of the loop.
const LINES: usize = 32;

/// The same of lines whose jobs take longer: after so long the rest is for the next turn.
const LINES_TIME: Duration = Duration::from_millis(1);

impl Connection {
    /// Takes lines, and does what they lead to, until there is none or the turn is over.
    pub(super) fn take_lines(&mut self, cx: &mut Context<'_>) {
        let (mut lines, mut began) = (0, None::<Instant>);
        loop {
            self.perform_effects(cx);
            let had_its_turn =
                lines >= LINES || began.is_some_and(|began| began.elapsed() >= LINES_TIME);
            // That the client has ended its side behind the last line is not left for later: nothing
            // would tell of it again.
            if (had_its_turn && self.has_input()) || !self.take_line(cx) {
                break;
            }
            lines += 1;
            began.get_or_insert_with(Instant::now);
        }
    }

    fn has_input(&self) -> bool {
        match &self.socket {
            ControlSocket::Open(control) => control.has_input(),
            ControlSocket::Accepted(_) | ControlSocket::Lost => false,
        }
    }

    /// Hands the next line to the session, if it wants one and there is one.
    fn take_line(&mut self, cx: &mut Context<'_>) -> bool {
        let now = cx.now();
        let ControlSocket::Open(control) = &mut self.socket else {
            return false;
        };
        if self.session.is_ending() || (self.session.is_working() && control.has_left()) {
            // Or lines behind QUIT, or behind a digest, would hide that the client is gone.
            control.discard_input();
        }
        if control.has_ended() {
            // Who has said QUIT may go on to end its side, and still gets what it waits for.
            let waits = self.session.has_quit() && !control.is_broken();
            return !waits && self.lose_control(cx);
        }
        if !control.has_input() || !self.session.wants_input() || is_held_up(&self.watch) {
            return false;
        }
        if let Some(host) = &self.service.masquerade
            && host.address() != self.masquerade
        {
            self.masquerade = host.address();
            let event = AdminEvent::Masquerade(self.masquerade);
            self.session.handle_admin(event, now);
        }
        if let Some(pump) = &self.pump {
            self.session.handle_data_event(
                DataEvent::Progress {
                    bytes: pump.bytes(),
                },
                now,
            );
        }
        let (session, peer, service) = (&mut self.session, self.peer, &self.service);
        let logged = &mut self.logged;
        let watch = self.watch.as_mut().filter(|watch| watch.judges());
        let taken = control.next_line(|line| match line {
            Line::Complete(line) => {
                log_lines::command(service, peer, session.username(), line);
                *logged = LoggedCommand::of(line);
                match watch.map(|watch| watch.judge(line)) {
                    None => session.handle_control(ControlEvent::Line(line), now),
                    Some(Judgement::Passed(verdict)) => follow(session, line, &verdict, now),
                    Some(Judgement::Pending) => {}
                }
            }
            Line::TooLong => session.handle_control(ControlEvent::LineTooLong, now),
        });
        if !taken && control.has_ended() {
            return self.lose_control(cx);
        }
        taken
    }
}

/// Hands a line to the session, or what was said to it instead.
pub(super) fn follow(session: &mut Session<Payload>, line: &[u8], verdict: &Verdict, now: Instant) {
    let event = match verdict {
        Verdict::Allow => ControlEvent::Line(line),
        Verdict::Refuse(reply) => ControlEvent::Vetoed(reply),
    };
    session.handle_control(event, now);
}
