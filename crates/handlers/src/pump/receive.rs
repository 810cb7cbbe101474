//! Uploads.

use std::io;
use std::mem;
use std::sync::Arc;

use ftpdlib_filesystems::WriteFile;
use ftpdlib_ioloop::{Interest, Lane, Task, Transport};
use ftpdlib_proto::{AsciiReceiver, TransferEnd, TransferType};
use ftpdlib_session::Refusal;

use super::splice::Splice;
use super::{Step, Turn};
use crate::DtpHandler;
use crate::jobs::{Account, finish, upload_lane, upload_size, write_all};

/// Writes what the client sends to a file.
pub(super) struct Receive {
    state: State,
    ascii: Option<AsciiReceiver>,
    splice: Splice,
    /// The size of the file when the transfer began.
    before: u64,
    /// Whether the first bytes have yet to come. They may free what the file held.
    may_remove: bool,
    /// Bytes received but not written yet. Only used if writing may block or bytes are translated.
    buffer: Vec<u8>,
    /// Most bytes read at once, if that is set.
    size: Option<usize>,
}

/// Most bytes read at once for a thread to write, if nothing is set: each upload has this memory.
const BUFFER_ON_THREADS: usize = 64 << 10;

/// How many bytes of data one byte of overhead of a TLS record counts for in a turn: a record has
/// some 22 of them, and takes as long as moving hundreds of bytes, however few it holds.
const OVERHEAD_COST: usize = 12;

enum State {
    /// The file is open, and no thread uses it.
    Open(Box<dyn WriteFile>),
    /// All data has come. The file must be finished with this end.
    AllReceived(Box<dyn WriteFile>, TransferEnd),
    /// A piece is being written on a thread. If there is an end, the upload then stops with it.
    Writing(Task<Written>, Option<TransferEnd>),
    /// The file is being finished on a thread.
    Finishing(Task<Result<(), Refusal>>, TransferEnd, Option<Refusal>),
    /// The upload is over.
    Over,
}

/// What comes back from a thread that has written a piece: the file, the buffer and the outcome.
type Written = (Box<dyn WriteFile>, Vec<u8>, Result<(), Refusal>);

/// What has come from the data connection.
pub(super) enum Received {
    Bytes(usize),
    Nothing,
    End(TransferEnd),
}

impl Receive {
    /// Creates the upload into `file`, inside the kernel if `in_kernel` and if possible.
    pub(super) fn new(
        account: &Account,
        file: Box<dyn WriteFile>,
        transfer_type: TransferType,
        in_kernel: bool,
        dtp: &DtpHandler,
    ) -> Self {
        let ascii = (transfer_type == TransferType::Ascii).then(AsciiReceiver::default);
        let as_it_is = ascii.is_none() && file.descriptor().is_some();
        let in_place = account.lane().is_none();
        Self {
            before: match in_place {
                true => upload_size(account, &*file),
                false => 0,
            },
            may_remove: in_place,
            state: State::Open(file),
            ascii,
            splice: Splice::new(in_kernel && as_it_is),
            buffer: Vec::new(),
            size: dtp.ac_in_buffer_size,
        }
    }

    pub(super) fn run(&mut self, stream: &mut dyn Transport, turn: &mut Turn<'_, '_, '_>) -> Step {
        loop {
            let went_on = match mem::replace(&mut self.state, State::Over) {
                State::Open(file) => self.take(file, stream, turn),
                State::AllReceived(file, end) => self.take_end(file, end, turn),
                State::Writing(task, stop) => self.await_written(task, stop, turn),
                State::Finishing(task, end, refusal) => {
                    return self.await_finished(task, end, refusal);
                }
                State::Over => return Step::Ended(TransferEnd::LocalError, None),
            };
            if let Err(step) = went_on {
                return step;
            }
        }
    }

    /// Takes a piece that has come and writes it to the file.
    fn take(
        &mut self,
        mut file: Box<dyn WriteFile>,
        stream: &mut dyn Transport,
        turn: &mut Turn<'_, '_, '_>,
    ) -> Result<(), Step> {
        let allowed = match turn.allowance() {
            Ok(bytes) => bytes,
            Err(step) => {
                self.state = State::Open(file);
                return Err(step);
            }
        };
        let lane = self.lane(turn.account, &*file);
        let received = match lane {
            None => self.move_piece(&mut *file, stream, allowed, turn),
            Some(_) => self.collect(stream, allowed, turn),
        };
        match received {
            Err(refusal) => {
                let end = TransferEnd::LocalError;
                Err(self.finish(file, end, Some(refusal), turn))
            }
            Ok(Received::Nothing) => {
                self.state = State::Open(file);
                Err(Step::Wait(Interest::READ))
            }
            Ok(Received::End(TransferEnd::Complete)) => {
                self.state = State::AllReceived(file, TransferEnd::Complete);
                Err(Step::AllReceived)
            }
            Ok(Received::End(end)) => self.take_end(file, end, turn),
            Ok(Received::Bytes(_)) => match lane {
                None => {
                    self.state = State::Open(file);
                    Ok(())
                }
                Some(lane) => self.write_on(lane, file, None, turn),
            },
        }
    }

    /// Writes what is left after the end of the data, and finishes the file.
    fn take_end(
        &mut self,
        mut file: Box<dyn WriteFile>,
        end: TransferEnd,
        turn: &mut Turn<'_, '_, '_>,
    ) -> Result<(), Step> {
        // From here on, the transfer waits for the disk only.
        turn.advanced();
        // After a break, a CR may be half of a CRLF. A client that resumes by SIZE sends it again.
        if let (TransferEnd::Complete, Some(ascii)) = (&end, &mut self.ascii) {
            ascii.finish(&mut self.buffer);
        }
        if self.buffer.is_empty() {
            return Err(self.finish(file, end, None, turn));
        }
        if let Some(lane) = self.lane(turn.account, &*file) {
            return self.write_on(lane, file, Some(end), turn);
        }
        let refusal = write_all(turn.account, &mut *file, &self.buffer).err();
        let end = match refusal {
            None => end,
            Some(_) => TransferEnd::LocalError,
        };
        Err(self.finish(file, end, refusal, turn))
    }

    /// Continues after a thread has written a piece, or finishes the file if the upload must
    /// `stop`.
    fn await_written(
        &mut self,
        task: Task<Written>,
        stop: Option<TransferEnd>,
        turn: &mut Turn<'_, '_, '_>,
    ) -> Result<(), Step> {
        let Some(written) = task.take() else {
            self.state = State::Writing(task, stop);
            return Err(Step::Working);
        };
        let Ok((file, buffer, outcome)) = written else {
            return Err(Step::failed(Refusal::local_error()));
        };
        // Meanwhile nothing was read, so the client is not to blame.
        turn.advanced();
        self.buffer = buffer;
        self.buffer.clear();
        match (outcome, stop) {
            (Err(refusal), _) => {
                let end = TransferEnd::LocalError;
                Err(self.finish(file, end, Some(refusal), turn))
            }
            (Ok(()), Some(end)) => Err(self.finish(file, end, None, turn)),
            (Ok(()), None) => {
                self.state = State::Open(file);
                Ok(())
            }
        }
    }

    /// Ends the upload after a thread has finished its file.
    fn await_finished(
        &mut self,
        task: Task<Result<(), Refusal>>,
        end: TransferEnd,
        refusal: Option<Refusal>,
    ) -> Step {
        match task.take() {
            None => {
                self.state = State::Finishing(task, end, refusal);
                Step::Working
            }
            Some(outcome) => {
                let outcome = outcome.unwrap_or_else(|_| Err(Refusal::local_error()));
                ended(end, refusal, outcome)
            }
        }
    }

    /// Notes that the client had aborted the upload before its end came.
    pub(super) fn note_abor(&mut self) {
        if let State::AllReceived(_, end) = &mut self.state {
            *end = TransferEnd::Aborted;
        }
    }

    /// Stops with this `end`, after what is being written. If the data connection never became
    /// secure, the file is told so, whatever the end: no new file is left behind.
    pub(super) fn abort(
        &mut self,
        end: TransferEnd,
        is_secure: bool,
        turn: &mut Turn<'_, '_, '_>,
    ) -> Step {
        match mem::replace(&mut self.state, State::Over) {
            State::Open(file) | State::AllReceived(file, _) if is_secure => {
                self.finish(file, end, None, turn)
            }
            State::Open(file) | State::AllReceived(file, _) => {
                self.finish_told(file, TransferEnd::Unsecured, end, None, turn)
            }
            State::Writing(task, stop) => {
                self.state = State::Writing(task, Some(stop.unwrap_or(end)));
                Step::Working
            }
            state @ State::Finishing(..) => {
                self.state = state;
                Step::Working
            }
            State::Over => Step::Ended(end, None),
        }
    }

    /// Whether a thread is writing a piece or finishing the file.
    pub(super) fn is_on_thread(&self) -> bool {
        matches!(self.state, State::Writing(..) | State::Finishing(..))
    }

    /// Whether nothing more will be received, and the upload waits only for a job.
    pub(super) fn is_finishing(&self) -> bool {
        match &self.state {
            State::Writing(_, stop) => stop.is_some(),
            State::Finishing(..) => true,
            State::Open(_) | State::AllReceived(..) | State::Over => false,
        }
    }

    /// Moves a piece to the file on the loop.
    fn move_piece(
        &mut self,
        file: &mut dyn WriteFile,
        stream: &mut dyn Transport,
        allowed: usize,
        turn: &mut Turn<'_, '_, '_>,
    ) -> Result<Received, Refusal> {
        if let Some(received) = self.splice.run(file, stream, allowed, turn)? {
            self.may_remove &= !matches!(received, Received::Bytes(_));
            return Ok(received);
        }
        let most = self.size.map_or(allowed, |size| size.min(allowed));
        self.read(stream, most, turn, |receive, account, bytes| {
            if receive.ascii.is_none() {
                receive.may_remove = false;
                return write_all(account, file, bytes);
            }
            receive.keep(bytes);
            let outcome = write_all(account, file, &receive.buffer);
            receive.buffer.clear();
            outcome
        })
    }

    /// Fills the buffer with what has come, for a thread to write.
    fn collect(
        &mut self,
        stream: &mut dyn Transport,
        allowed: usize,
        turn: &mut Turn<'_, '_, '_>,
    ) -> Result<Received, Refusal> {
        let most = self.size.unwrap_or(BUFFER_ON_THREADS).min(allowed);
        self.read(stream, most, turn, |receive, _, bytes| {
            receive.keep(bytes);
            Ok(())
        })
    }

    /// Reads a piece of at most `most` bytes into the loop's scratch buffer, and hands it to
    /// `take`.
    fn read(
        &mut self,
        stream: &mut dyn Transport,
        most: usize,
        turn: &mut Turn<'_, '_, '_>,
        take: impl FnOnce(&mut Self, &Account, &[u8]) -> Result<(), Refusal>,
    ) -> Result<Received, Refusal> {
        let mut scratch = turn.pcx.cx.take_scratch();
        let room = scratch.len().min(most);
        let received = receive(stream, &mut scratch[..room], turn);
        let outcome = match received {
            Received::Bytes(bytes) => take(self, turn.account, &scratch[..bytes]),
            Received::Nothing | Received::End(_) => Ok(()),
        };
        turn.pcx.cx.return_scratch(scratch);
        outcome.map(|()| received)
    }

    /// The lane for writing the next piece; `None` for the loop.
    fn lane<'a>(&self, account: &'a Account, file: &dyn WriteFile) -> Option<&'a Lane> {
        match self.may_remove {
            true => upload_lane(account, file, 0),
            false => account.lane(),
        }
    }

    /// Adds received bytes to the buffer, translated if the type is ASCII.
    fn keep(&mut self, bytes: &[u8]) {
        match &mut self.ascii {
            Some(ascii) => ascii.translate(bytes, &mut self.buffer),
            None => self.buffer.extend_from_slice(bytes),
        }
        // The translation may have kept back all of the first piece.
        self.may_remove &= self.buffer.is_empty();
    }

    /// Writes the buffer on a thread.
    fn write_on(
        &mut self,
        lane: &Lane,
        mut file: Box<dyn WriteFile>,
        stop: Option<TransferEnd>,
        turn: &mut Turn<'_, '_, '_>,
    ) -> Result<(), Step> {
        let (account, buffer) = (Arc::clone(turn.account), mem::take(&mut self.buffer));
        let task = Task::spawn(lane, &turn.pcx.cx.notifier(), move || {
            let outcome = write_all(&account, &mut *file, &buffer);
            (file, buffer, outcome)
        });
        // If there is no thread, the file was dropped with the job, unfinished.
        let task = task.map_err(|error| turn.no_thread(&error))?;
        self.state = State::Writing(task, stop);
        Ok(())
    }

    /// Finishes the file, here or on a thread.
    fn finish(
        &mut self,
        file: Box<dyn WriteFile>,
        end: TransferEnd,
        refusal: Option<Refusal>,
        turn: &mut Turn<'_, '_, '_>,
    ) -> Step {
        self.finish_told(file, end.clone(), end, refusal, turn)
    }

    /// Finishes the file, which is `told` another end than the client.
    fn finish_told(
        &mut self,
        file: Box<dyn WriteFile>,
        told: TransferEnd,
        end: TransferEnd,
        refusal: Option<Refusal>,
        turn: &mut Turn<'_, '_, '_>,
    ) -> Step {
        let least = self.before.saturating_add(turn.meter.bytes());
        let Some(lane) = upload_lane(turn.account, &*file, least) else {
            let outcome = finish(turn.account, file, &told);
            return ended(end, refusal, outcome);
        };
        let account = Arc::clone(turn.account);
        match Task::spawn(lane, &turn.pcx.cx.notifier(), move || {
            finish(&account, file, &told)
        }) {
            Ok(task) => {
                self.state = State::Finishing(task, end, refusal);
                Step::Working
            }
            Err(error) => turn.no_thread(&error),
        }
    }
}

/// The end of an upload whose file was finished with `outcome`. The first failure counts.
fn ended(end: TransferEnd, refusal: Option<Refusal>, outcome: Result<(), Refusal>) -> Step {
    match (refusal, outcome) {
        (Some(refusal), _) => Step::Ended(end, Some(refusal)),
        (None, Ok(())) => Step::Ended(end, None),
        (None, Err(refusal)) if end == TransferEnd::Complete => Step::failed(refusal),
        (None, Err(_)) => Step::Ended(end, None),
    }
}

fn receive(stream: &mut dyn Transport, buffer: &mut [u8], turn: &mut Turn<'_, '_, '_>) -> Received {
    let outcome = stream.read(turn.pcx.cx, buffer);
    // Records may have overhead without data.
    let overhead = stream.take_overhead();
    turn.meter.charge(overhead.saturating_mul(OVERHEAD_COST));
    match outcome {
        Ok(0) => Received::End(TransferEnd::Complete),
        Ok(bytes) => {
            turn.moved(bytes);
            Received::Bytes(bytes)
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Received::Nothing,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            if !turn.account.service().dtp.strict_close {
                return Received::End(TransferEnd::Complete);
            }
            turn.warn(
                "the upload ended without TLS close_notify and counts as incomplete; with \
                 strict_close off it would count as complete",
            );
            Received::End(TransferEnd::Truncated)
        }
        Err(error) => {
            if error.kind() == io::ErrorKind::InvalidData {
                // A forged record, or none at all: more than a lost connection.
                turn.warn(&error);
            }
            Received::End(turn.end_by(&error, stream))
        }
    }
}
