//! Work: jobs that may take long, during which the session still takes lines. HASH, XCRC and its
//! relatives, COMB, CPFR, CPTO, SITE COPY.

use std::fmt::Write;
use std::ops::Range;
use std::time::Instant;

use ftpdlib_proto::{DigestArgument, FileKind, HashAlgorithm, Metadata, Reply, Verb, VirtualPath};

use super::Session;
use super::files::Selected;
use super::held::Held;
use super::parameters::Restart;
use super::pending::{Pending, Purpose};
use crate::{Action, Change, Effect, Job, JobOutcome, Refusal, SessionEvent};

/// Limit of the paths of the parts of one COMB together, in bytes. Each name of the line is joined
/// with the working directory: without a limit, a line of 2 KB in a deep directory would take up
/// megabytes for as long as the work lasts.
const MOST_PARTS: usize = 256 << 10;

/// Work in progress.
#[derive(Debug)]
pub(super) struct Work {
    purpose: Purpose,
    state: State,
}

/// What the client has said since the work began.
///
/// ```text
///             another line            ABOR behind it
///   Running ──────────────► Holding ──────────────────┐
///      │ ABOR                  │ client gone,         ▼
///      ▼                       ▼ or told 421     Interrupted
///   Aborting ─────────────► Abandoned ◄───────────────┘
/// ```
///
/// The client may go in state `Running`, too. The answer of the job ends the work in every state.
#[derive(Debug)]
enum State {
    /// Nothing that has to wait.
    Running,
    /// A line that has to wait: it is answered after the work, so that replies stay in order.
    Holding(Held),
    /// A line that has to wait, and ABOR behind it, which has stopped the work and is answered
    /// after the line.
    Interrupted(Held),
    /// ABOR, which has stopped the work and is answered after it.
    Aborting,
    /// Nothing more to wait for: the client is gone, or has had its last reply.
    Abandoned,
}

impl Work {
    /// Whether the next line may be handed over.
    pub(super) fn takes_commands(&self) -> bool {
        match self.state {
            State::Running => true,
            State::Holding(_) | State::Interrupted(_) | State::Aborting | State::Abandoned => false,
        }
    }

    /// Whether a line is held, and no ABOR has stopped the work yet.
    pub(super) fn holds_line(&self) -> bool {
        matches!(self.state, State::Holding(_))
    }

    /// Holds something until the work ends.
    pub(super) fn hold(&mut self, held: Held) {
        self.state = State::Holding(held);
    }

    /// Takes note of an ABOR behind the line that is held. Returns whether the work is to be
    /// stopped now, which happens once.
    pub(super) fn interrupt(&mut self) -> bool {
        match std::mem::replace(&mut self.state, State::Abandoned) {
            State::Holding(held) => {
                self.state = State::Interrupted(held);
                true
            }
            other @ (State::Running
            | State::Interrupted(_)
            | State::Aborting
            | State::Abandoned) => {
                self.state = other;
                false
            }
        }
    }
}

impl<P> Session<P> {
    /// HASH: of the file, or of the range that RANG or REST chose.
    pub(super) fn hash(&mut self, restart: Restart, name: Vec<u8>) -> Result<(), Reply> {
        let path = self.resolve(&name)?;
        let algorithm = self.parameters.hash;
        let action = Action::Digest {
            path,
            whole: None,
            range: Some(restart.range),
            algorithm,
        };
        self.work(Verb::Hash, action, Purpose::Hash(algorithm, name))
    }

    /// Answers HASH with the algorithm, the offsets of the first byte and the last, the digest, and
    /// the name as given. A range past the last byte has no such offsets, and is refused; an empty
    /// file has `0-0`.
    pub(super) fn hash_done(
        &mut self,
        algorithm: HashAlgorithm,
        digest: &[u8],
        range: &Range<u64>,
        name: &[u8],
    ) {
        if range.is_empty() && range.start > 0 {
            let text = "No byte of the file is in that range.";
            return self.reply(Reply::new(554, text));
        }
        let (first, last) = (range.start, range.end.saturating_sub(1));
        let (algorithm, digest) = (algorithm.name(), hexadecimal(digest));
        let text = format!("{algorithm} {first}-{last} {digest} ");
        self.reply(Reply::bytes(213, [text.as_bytes(), name].concat()));
    }

    /// XCRC and its relatives.
    pub(super) fn digest(
        &mut self,
        verb: Verb,
        algorithm: HashAlgorithm,
        argument: &DigestArgument<'_>,
    ) -> Result<(), Reply> {
        let path = self.resolve(&argument.path)?;
        let whole = argument.whole.as_deref();
        let whole = whole.map(|whole| self.resolve(whole)).transpose()?;
        let action = Action::Digest {
            path,
            whole,
            range: argument.range,
            algorithm,
        };
        self.work(verb, action, Purpose::Digest)
    }

    /// Answers XCRC and its relatives.
    pub(super) fn digest_done(&mut self, digest: &[u8]) {
        self.reply(Reply::new(250, hexadecimal(digest)));
    }

    /// COMB.
    pub(super) fn comb(&mut self, target: &[u8], parts: &[impl AsRef<[u8]>]) -> Result<(), Reply> {
        let target = self.resolve(target)?;
        let mut paths = Vec::with_capacity(parts.len());
        let mut bytes = 0;
        for part in parts {
            let part = self.resolve(part.as_ref())?;
            bytes += part.as_bytes().len();
            if bytes > MOST_PARTS {
                return Err(Reply::new(501, "The paths of the parts are too long."));
            }
            paths.push(part);
        }
        let purpose = Purpose::Combine {
            target: target.clone(),
            parts: paths.clone(),
        };
        let parts = paths;
        self.work(Verb::Comb, Action::Combine { target, parts }, purpose)
    }

    /// COMB is done: the target has changed, whether or not all parts could be removed.
    pub(super) fn combined(
        &mut self,
        target: VirtualPath,
        parts: &[VirtualPath],
        removed: &[usize],
        refusal: Option<Refusal>,
    ) {
        self.reply(match refusal {
            None => Reply::new(250, "COMB successful."),
            Some(refusal) => refusal.into_reply(),
        });
        let removed = removed.iter().filter_map(|&place| parts.get(place));
        let removed = removed.cloned().collect();
        self.tell(SessionEvent::Combined { target, removed });
    }

    /// CPFR.
    pub(super) fn cpfr(&mut self, name: &[u8]) -> Result<(), Reply> {
        let path = self.resolve(name)?;
        let action = Action::Stat(path.clone());
        self.ask(Verb::Cpfr, action, Purpose::CopyFrom(path));
        Ok(())
    }

    /// The path that CPFR named exists.
    pub(super) fn copy_selected(&mut self, path: VirtualPath, metadata: &Metadata) {
        let reply = match metadata.kind {
            FileKind::File => {
                self.selected = Some(Selected::Copy(path));
                Reply::new(350, "Ready for destination name.")
            }
            FileKind::Directory | FileKind::Symlink | FileKind::Other => {
                Reply::new(550, "Not a regular file.")
            }
        };
        self.reply(reply);
    }

    /// CPTO: has to follow CPFR at once, apart from NOOP.
    pub(super) fn cpto(&mut self, selected: Option<Selected>, name: &[u8]) -> Result<(), Reply> {
        let Some(Selected::Copy(from)) = selected else {
            let text = "Bad sequence of commands: use CPFR first.";
            return Err(Reply::new(503, text));
        };
        let to = self.resolve(name)?;
        self.copy(Verb::Cpto, from, to)
    }

    /// SITE COPY.
    pub(super) fn site_copy(&mut self, from: &[u8], to: &[u8]) -> Result<(), Reply> {
        let from = self.resolve(from)?;
        let to = self.resolve(to)?;
        self.copy(Verb::SiteCopy, from, to)
    }

    /// ABOR during work.
    pub(super) fn abort_work(&mut self) {
        if let Pending::Work(work) = &mut self.pending {
            work.state = State::Aborting;
            self.effects.push_back(Effect::CancelWork);
        }
    }

    /// Stops work that the client no longer waits for.
    pub(super) fn cancel_work(&mut self) {
        let Pending::Work(work) = &mut self.pending else {
            return;
        };
        match std::mem::replace(&mut work.state, State::Abandoned) {
            State::Running | State::Holding(_) => self.effects.push_back(Effect::CancelWork),
            State::Interrupted(_) | State::Aborting | State::Abandoned => {}
        }
    }

    /// The work is over: gives its reply, then processes what was held.
    pub(super) fn work_ended(&mut self, work: Work, outcome: JobOutcome<P>, now: Instant) {
        let Work { purpose, state } = work;
        match (outcome, &state) {
            (Err(_), State::Aborting | State::Interrupted(_)) => {
                self.aborted_ahead = matches!(state, State::Interrupted(_));
                self.reply(Reply::new(426, "Aborted via ABOR."));
            }
            (Err(refusal), _) => self.act_on_refusal(purpose, refusal, now),
            (Ok(answer), _) => self.act_on_answer(purpose, answer, now),
        }
        match state {
            State::Aborting => self.reply(Reply::new(226, "ABOR command successful.")),
            State::Holding(held) | State::Interrupted(held) => self.answer_held(held, now),
            State::Running | State::Abandoned => {}
        }
    }

    fn copy(&mut self, verb: Verb, from: VirtualPath, to: VirtualPath) -> Result<(), Reply> {
        let change = Change::Copy { from, to };
        let action = Action::Change(change.clone());
        let purpose = Purpose::Change {
            verb,
            change,
            reply: Reply::new(250, "Copy successful."),
        };
        self.work(verb, action, purpose)
    }

    /// Asks for work with the permission that `verb` needs. Refused during a transfer: otherwise
    /// ABOR would be ambiguous.
    fn work(&mut self, verb: Verb, action: Action, purpose: Purpose) -> Result<(), Reply> {
        if self.is_transferring() {
            return Err(Reply::new(450, "A transfer is in progress."));
        }
        let perm = verb.info().perm;
        let state = State::Running;
        self.pending = Pending::Work(Box::new(Work { purpose, state }));
        self.effects
            .push_back(Effect::StartWork(Job { perm, action }));
        Ok(())
    }
}

/// Formats bytes in lower-case hexadecimal, as coreutils do.
fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
