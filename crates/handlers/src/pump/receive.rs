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

/// Writes what the client sends.
pub(super) struct Receive {
    state: State,
    ascii: Option<AsciiReceiver>,
    splice: Splice,
    /// How large the file was when the transfer began.
    before: u64,
    /// The first bytes, which may remove much from the file, have not come yet.
    may_remove: bool,
    /// Received and not written yet; only used where writing may block, or bytes are translated.
    buffer: Vec<u8>,
    /// The most that is read at once, if it is set.
    size: Option<usize>,
}

/// What is read at once for a thread to write, where nothing is set: each upload has that memory.
const BUFFER_ON_THREADS: usize = 64 << 10;

/// By how much a byte around those of a TLS record counts for more in a turn than one of these: a
/// record has some 22, and takes as long as moving hundreds of bytes, however few it holds.
const OVERHEAD_COST: usize = 12;

enum State {
    /// The file is here.
    Open(Box<dyn WriteFile>),
    /// All has come, and the file is to be finished with this end.
    AllReceived(Box<dyn WriteFile>, TransferEnd),
    /// A piece is being written on a thread; then the upload may have to end.
    Writing(Task<Written>, Option<TransferEnd>),
    /// The file is being finished on a thread.
    Finishing(Task<Result<(), Refusal>>, TransferEnd, Option<Refusal>),
    /// It is over.
    Over,
}

/// A piece that was written: the file and the buffer come back.
type Written = (Box<dyn WriteFile>, Vec<u8>, Result<(), Refusal>);

/// What came from the data connection.
pub(super) enum Received {
    Bytes(usize),
    Nothing,
    End(TransferEnd),
}

impl Receive {
    /// An upload into `file`, inside the kernel if `in_kernel` and where that can be done.
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

    /// Takes a piece that has come, and writes it into the file.
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
                return Err(self.finish(file, end, Some(refusal), turn));
            }
            Ok(Received::Nothing) => {
                self.state = State::Open(file);
                return Err(Step::Wait(Interest::READ));
            }
            Ok(Received::End(TransferEnd::Complete)) => {
                self.state = State::AllReceived(file, TransferEnd::Complete);
                return Err(Step::AllReceived);
            }
            Ok(Received::End(end)) => return self.take_end(file, end, turn),
            Ok(Received::Bytes(_)) => match lane {
                None => self.state = State::Open(file),
                Some(lane) => self.write_on(lane, file, None, turn),
            },
        }
        Ok(())
    }

    /// Writes what is left, now that nothing more comes, and finishes the file.
    fn take_end(
        &mut self,
        mut file: Box<dyn WriteFile>,
        end: TransferEnd,
        turn: &mut Turn<'_, '_, '_>,
    ) -> Result<(), Step> {
        // From here on it is the disk that is waited for.
        turn.advanced();
        // A CR at a break may be half of a CRLF. A client that resumes by SIZE sends it again.
        if let (TransferEnd::Complete, Some(ascii)) = (&end, &mut self.ascii) {
            ascii.finish(&mut self.buffer);
        }
        if self.buffer.is_empty() {
            return Err(self.finish(file, end, None, turn));
        }
        if let Some(lane) = self.lane(turn.account, &*file) {
            self.write_on(lane, file, Some(end), turn);
            return Ok(());
        }
        let refusal = write_all(turn.account, &mut *file, &self.buffer).err();
        let end = match refusal {
            None => end,
            Some(_) => TransferEnd::LocalError,
        };
        Err(self.finish(file, end, refusal, turn))
    }

    /// Goes on once a piece has been written on a thread; or finishes the file, if the upload is to
    /// `stop` there.
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
            let refusal = Refusal::local_error();
            return Err(Step::Ended(TransferEnd::LocalError, Some(refusal)));
        };
        // The client could send nothing meanwhile.
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

    /// Ends the upload once its file has been finished on a thread.
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

    /// Notes that the client had given the upload up before its end came.
    pub(super) fn note_abor(&mut self) {
        if let State::AllReceived(_, end) = &mut self.state {
            *end = TransferEnd::Aborted;
        }
    }

    /// Stops as `end` says, once what is being written is written. A connection that never became
    /// secure leaves no new file behind, whatever ended it: so the file is told.
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

    /// Whether a piece is being written on a thread, or the file finished.
    pub(super) fn is_on_thread(&self) -> bool {
        matches!(self.state, State::Writing(..) | State::Finishing(..))
    }

    /// Whether nothing more will be received, and only a job is waited for.
    pub(super) fn is_finishing(&self) -> bool {
        match &self.state {
            State::Writing(_, stop) => stop.is_some(),
            State::Finishing(..) => true,
            State::Open(_) | State::AllReceived(..) | State::Over => false,
        }
    }

    /// Moves a piece into the file, here.
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

    /// Reads a buffer full, or as much as there is, for a thread to write.
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

    /// Reads a piece of at most `most` bytes into the loop's buffer, and has `take` take it.
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

    /// Where the next piece is written; `None` for here.
    fn lane<'a>(&self, account: &'a Account, file: &dyn WriteFile) -> Option<&'a Lane> {
        match self.may_remove {
            true => upload_lane(account, file, 0),
            false => account.lane(),
        }
    }

    /// Adds what was received to the buffer, translated where it is to be.
    fn keep(&mut self, bytes: &[u8]) {
        match &mut self.ascii {
            Some(ascii) => ascii.translate(bytes, &mut self.buffer),
            None => self.buffer.extend_from_slice(bytes),
        }
        // Of a first piece that was translated, all may have been kept back.
        self.may_remove &= self.buffer.is_empty();
    }

    /// Writes the buffer on a thread.
    fn write_on(
        &mut self,
        lane: &Lane,
        mut file: Box<dyn WriteFile>,
        stop: Option<TransferEnd>,
        turn: &mut Turn<'_, '_, '_>,
    ) {
        let (account, buffer) = (Arc::clone(turn.account), mem::take(&mut self.buffer));
        let task = Task::spawn(lane, &turn.pcx.cx.notifier(), move || {
            let outcome = write_all(&account, &mut *file, &buffer);
            (file, buffer, outcome)
        });
        match task {
            Ok(task) => self.state = State::Writing(task, stop),
            // The file went with the job, unfinished: the upload ends as a local error.
            Err(error) => turn.no_thread(&error),
        }
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

    /// The same, where the file is `told` of another end than the client.
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
            Err(error) => {
                turn.no_thread(&error);
                Step::Ended(TransferEnd::LocalError, Some(Refusal::local_error()))
            }
        }
    }
}

/// The end of an upload whose file was finished with `outcome`: the first failure counts.
fn ended(end: TransferEnd, refusal: Option<Refusal>, outcome: Result<(), Refusal>) -> Step {
    match (refusal, outcome) {
        (Some(refusal), _) => Step::Ended(end, Some(refusal)),
        (None, Ok(())) => Step::Ended(end, None),
        (None, Err(refusal)) if end == TransferEnd::Complete => {
            Step::Ended(TransferEnd::LocalError, Some(refusal))
        }
        (None, Err(_)) => Step::Ended(end, None),
    }
}

fn receive(stream: &mut dyn Transport, buffer: &mut [u8], turn: &mut Turn<'_, '_, '_>) -> Received {
    let outcome = stream.read(turn.pcx.cx, buffer);
    // There may be much of it though nothing came.
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
                // A record that was changed on its way, or no record: no mere loss.
                turn.warn(&error);
            }
            Received::End(turn.failed(&error, stream))
        }
    }
}
