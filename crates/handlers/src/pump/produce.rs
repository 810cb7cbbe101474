//! Downloads and listings: files inside the kernel if possible, otherwise bytes that are read,
//! translated or formatted here.

use std::io;
use std::mem;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ftpdlib_filesystems::ReadFile;
use ftpdlib_ioloop::{Interest, Lane, Task, Transport};
use ftpdlib_proto::{AsciiSender, Reply, TransferEnd, TransferType};
use ftpdlib_session::Refusal;

use super::send_file::{Outcome, SendFile};
use super::{REPLIES_WAITING, Step, TURN_BYTES, Turn, became_shorter};
use crate::DtpHandler;
use crate::jobs::{Account, ListingStream, OpenedRead, ended_early, read_chunk};

/// The longest time of a piece of work. Entries may take longer than usual, such as links that lead
/// through many directories; the rest is left for the next turn.
const ENTRIES_TIME: Duration = Duration::from_millis(1);

/// How long a listing may use a thread while others wait for one.
const THREAD_TIME: Duration = Duration::from_millis(50);

/// What a piece of a listing counts for in a turn, unless it is the last one: the whole turn, so
/// that others wait no longer.
const ENTRIES_COST: usize = TURN_BYTES;

/// Sends the bytes of a source, a buffer at a time.
pub(super) struct Produce {
    state: State,
    /// The bytes being sent, from `sent` on.
    buffer: Vec<u8>,
    sent: usize,
}

enum State {
    /// The source may have more.
    Source(Source),
    /// More is being made on a thread, which closes a source that has ended.
    Working(Task<(Vec<u8>, Filled)>),
    /// The source has no more.
    Exhausted,
}

/// The source after more was made, unless it has ended or failed.
type Filled = Result<Option<Source>, Refusal>;

/// Where the bytes come from.
enum Source {
    File {
        file: OpenedRead,
        ascii: Option<AsciiSender>,
        chunk: usize,
        /// Sends the file inside the kernel, as long as that works.
        send_file: Option<SendFile>,
    },
    Listing(Box<ListingStream>),
}

impl Source {
    /// [Fills](Self::fill) the buffer, and closes what has ended or failed. May block.
    fn filled(mut self, account: &Account, time: Duration, buffer: &mut Vec<u8>) -> Filled {
        Ok(self.fill(account, time, buffer)?.then_some(self))
    }

    /// Puts the next bytes into `buffer`; or none, while a listing prepares them. A listing stops
    /// after about this `time`. Returns `false` at the end. May block.
    fn fill(
        &mut self,
        account: &Account,
        time: Duration,
        buffer: &mut Vec<u8>,
    ) -> Result<bool, Refusal> {
        match self {
            Self::Listing(listing) => {
                buffer.clear();
                listing.next_piece(time, buffer)
            }
            Self::File {
                file,
                ascii: None,
                chunk,
                ..
            } => read_on(account, file, *chunk, buffer),
            Self::File {
                file,
                ascii: Some(ascii),
                chunk,
                ..
            } => {
                buffer.clear();
                let mut raw = Vec::new();
                let more = read_on(account, file, *chunk, &mut raw)?;
                ascii.translate(&raw, buffer);
                Ok(more)
            }
        }
    }
}

/// What is to be done if `stream` takes nothing.
fn or_step<T>(
    outcome: io::Result<T>,
    stream: &dyn Transport,
    turn: &Turn<'_, '_, '_>,
) -> Result<T, Step> {
    outcome.map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => Step::Wait(Interest::WRITE),
        _ => Step::Ended(turn.end_by(&error, stream), None),
    })
}

/// Puts the next bytes of a file, at most a `chunk`, into `buffer`. Returns whether there may be
/// more.
///
/// If the size that the file had when it was opened is known, the file must not end before it, and
/// what is added later is not sent, as with sendfile. At that size, a local file is not read again;
/// any other is read to its end, which may still fail.
fn read_on(
    account: &Account,
    file: &mut dyn ReadFile,
    chunk: usize,
    buffer: &mut Vec<u8>,
) -> Result<bool, Refusal> {
    let rest = rest_of(file).unwrap_or(usize::MAX);
    buffer.resize(rest.min(chunk).max(1), 0);
    let read = read_chunk(account, file, buffer);
    buffer.truncate(read.as_ref().map_or(0, |&bytes| bytes.min(rest)));
    if read? == 0 && ended_early(file) {
        return Err(became_shorter());
    }
    let is_asked = file.descriptor().is_none();
    Ok(!buffer.is_empty() && (buffer.len() < rest || is_asked))
}

/// How many bytes are left up to the size that a file had when it was opened. `None` also for a
/// size of 0, which generated files (procfs) report.
fn rest_of(file: &dyn ReadFile) -> Option<usize> {
    let size = file.size().filter(|&size| size > 0)?;
    let rest = size.saturating_sub(file.offset());
    Some(usize::try_from(rest).unwrap_or(usize::MAX))
}

impl Produce {
    /// Creates the download of `file`, inside the kernel if `in_kernel` and if possible.
    pub(super) fn file(
        file: OpenedRead,
        transfer_type: TransferType,
        in_kernel: bool,
        dtp: &DtpHandler,
    ) -> Self {
        let send_file = (in_kernel && transfer_type == TransferType::Image)
            .then(|| SendFile::new(&file))
            .flatten();
        Self::new(Source::File {
            file,
            ascii: (transfer_type == TransferType::Ascii).then(AsciiSender::default),
            chunk: dtp.ac_out_buffer_size,
            send_file,
        })
    }

    pub(super) fn listing(listing: Box<ListingStream>) -> Self {
        Self::new(Source::Listing(listing))
    }

    fn new(source: Source) -> Self {
        Self {
            state: State::Source(source),
            buffer: Vec::new(),
            sent: 0,
        }
    }

    pub(super) fn run(&mut self, stream: &mut dyn Transport, turn: &mut Turn<'_, '_, '_>) -> Step {
        if let State::Source(Source::File {
            file, send_file, ..
        }) = &mut self.state
            && let Some(in_kernel) = send_file
        {
            match in_kernel.run(file, stream, turn) {
                Outcome::Step(step) => return step,
                // The whole file is copied instead.
                Outcome::Unsupported => *send_file = None,
            }
        }
        let step = loop {
            if let Err(step) = self.send(stream, turn) {
                break step;
            }
            if let Err(step) = self.refill(turn) {
                break step;
            }
        };
        // What was encrypted must not wait for a thread or for the rate, or get lost if the source
        // fails. At the end of the data it leaves with the end of the stream.
        if !matches!(step, Step::Ended(_, None))
            && let Err(lost @ Step::Ended(..)) = or_step(stream.flush(turn.pcx.cx), stream, turn)
        {
            return lost;
        }
        step
    }

    /// Runs a listing sent as a reply: each of its lines follows a blank.
    pub(super) fn run_to_replies(&mut self, turn: &mut Turn<'_, '_, '_>) -> Step {
        loop {
            let rest = &self.buffer[self.sent..];
            if !rest.is_empty() {
                Reply::encode_inner(rest, turn.pcx.replies);
                turn.moved(rest.len());
                self.sent = self.buffer.len();
            }
            if turn.pcx.replies.len() > REPLIES_WAITING {
                return Step::Wait(Interest::NONE);
            }
            if let Err(step) = self.refill(turn) {
                return step;
            }
        }
    }

    /// Sends the whole buffer.
    fn send(
        &mut self,
        stream: &mut dyn Transport,
        turn: &mut Turn<'_, '_, '_>,
    ) -> Result<(), Step> {
        while self.sent < self.buffer.len() {
            let rest = &self.buffer[self.sent..];
            let allowed = turn.allowance()?.min(rest.len());
            let bytes = or_step(stream.write(turn.pcx.cx, &rest[..allowed]), stream, turn)?;
            self.sent += bytes;
            turn.moved(bytes);
        }
        Ok(())
    }

    /// Whether a thread is filling the buffer.
    pub(super) fn is_on_thread(&self) -> bool {
        matches!(self.state, State::Working(_))
    }

    /// Fills the buffer again after all of it is sent, here or on a thread.
    ///
    /// This counts as progress even if there is nothing to send yet, while names are collected: a
    /// client cannot take what the disk has not given.
    fn refill(&mut self, turn: &mut Turn<'_, '_, '_>) -> Result<(), Step> {
        match mem::replace(&mut self.state, State::Exhausted) {
            State::Exhausted => Err(Step::Ended(TransferEnd::Complete, None)),
            State::Working(task) => match task.take() {
                None => {
                    self.state = State::Working(task);
                    Err(Step::Working)
                }
                Some(Err(_)) => Err(Step::failed(Refusal::local_error())),
                Some(Ok((buffer, filled))) => {
                    self.buffer = buffer;
                    self.take_filled(filled, turn)
                }
            },
            State::Source(source) => {
                let account: &Account = turn.account;
                let lane = match (account.lane(), &source) {
                    (Some(lane), _) => Some((lane, None)),
                    (None, Source::Listing(listing)) => listing.lane(account),
                    (None, Source::File { .. }) => None,
                };
                if let Some((lane, client)) = lane {
                    return Err(self.fill_on(lane, client, source, turn));
                }
                let is_listing = matches!(source, Source::Listing(_));
                if is_listing && turn.meter.is_used_up() {
                    self.state = State::Source(source);
                    return Err(Step::Yield);
                }
                let filled = source.filled(turn.account, ENTRIES_TIME, &mut self.buffer);
                // The last piece is sent in this turn, and the transfer ends with it.
                if is_listing && matches!(filled, Ok(Some(_))) {
                    turn.meter.charge(ENTRIES_COST);
                }
                self.take_filled(filled, turn)
            }
        }
    }

    /// Fills the buffer from `source` on a thread; with a `client`, in its turns. Nobody needs that
    /// any more once this has ended. What waits for a turn is dropped here then, so a lane with
    /// turns is for sources that the loop may close; any other is closed on a thread.
    fn fill_on(
        &mut self,
        lane: &Lane,
        client: Option<IpAddr>,
        source: Source,
        turn: &mut Turn<'_, '_, '_>,
    ) -> Step {
        let (account, mut buffer) = (Arc::clone(turn.account), mem::take(&mut self.buffer));
        self.sent = 0;
        let fill = move || {
            let filled = source.filled(&account, THREAD_TIME, &mut buffer);
            (buffer, filled)
        };
        let task = match client {
            Some(client) => Task::spawn_for(lane, client, &turn.pcx.cx.notifier(), fill),
            None => Task::spawn_while_wanted(lane, &turn.pcx.cx.notifier(), fill),
        };
        match task {
            Ok(task) => {
                self.state = State::Working(task);
                Step::Working
            }
            Err(error) => turn.no_thread(&error),
        }
    }

    /// Goes on after the buffer was filled.
    fn take_filled(&mut self, filled: Filled, turn: &mut Turn<'_, '_, '_>) -> Result<(), Step> {
        self.sent = 0;
        if let Some(source) = filled.map_err(Step::failed)? {
            self.state = State::Source(source);
            turn.advanced();
        }
        Ok(())
    }
}
