//! Uploads.

use std::io;
use std::mem;
use std::sync::Arc;

use ftpdlib_filesystems::WriteFile;
use ftpdlib_ioloop::{Interest, Lane, Task, Transport};
use ftpdlib_proto::{AsciiReceiver, TransferEnd, TransferType};
use ftpdlib_session::Refusal;

use super::splice::Splice;
use super::{Meter, PumpContext, Step};
use crate::DtpHandler;
use crate::jobs::{Account, finish, write_all};

/// Writes what the client sends.
pub(super) struct Receive {
    state: State,
    ascii: Option<AsciiReceiver>,
    splice: Splice,
    /// Received and not written yet; only used where writing may block, or bytes are translated.
    buffer: Vec<u8>,
    /// The most that is read at once, if it is set.
    size: Option<usize>,
}

/// What is read at once for a thread to write, where nothing is set: each upload has that memory.
const BUFFER_ON_THREADS: usize = 64 << 10;

enum State {
    /// The file is here.
    Open(Box<dyn WriteFile>),
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
        file: Box<dyn WriteFile>,
        transfer_type: TransferType,
        in_kernel: bool,
        dtp: &DtpHandler,
    ) -> Self {
        let ascii = (transfer_type == TransferType::Ascii).then(AsciiReceiver::default);
        let as_it_is = ascii.is_none() && file.descriptor().is_some();
        Self {
            state: State::Open(file),
            ascii,
            splice: Splice::new(in_kernel && as_it_is),
            buffer: Vec::new(),
            size: dtp.ac_in_buffer_size,
        }
    }

    pub(super) fn run(
        &mut self,
        stream: &mut dyn Transport,
        account: &Arc<Account>,
        meter: &mut Meter,
        pcx: &mut PumpContext<'_, '_>,
    ) -> Step {
        loop {
            match mem::replace(&mut self.state, State::Over) {
                State::Over => return Step::Ended(TransferEnd::LocalError, None),
                State::Finishing(task, end, refusal) => match task.take() {
                    None => {
                        self.state = State::Finishing(task, end, refusal);
                        return Step::Working;
                    }
                    Some(outcome) => {
                        let outcome = outcome.unwrap_or_else(|_| Err(Refusal::local_error()));
                        return ended(end, refusal, outcome);
                    }
                },
                State::Writing(task, stop) => match task.take() {
                    None => {
                        self.state = State::Writing(task, stop);
                        return Step::Working;
                    }
                    Some(Err(_)) => {
                        return Step::Ended(TransferEnd::LocalError, Some(Refusal::local_error()));
                    }
                    Some(Ok((file, buffer, outcome))) => {
                        // The client could send nothing meanwhile.
                        meter.advanced(pcx.cx.now());
                        self.buffer = buffer;
                        self.buffer.clear();
                        match (outcome, stop) {
                            (Err(refusal), _) => {
                                let end = TransferEnd::LocalError;
                                return self.finish(file, end, Some(refusal), account, pcx);
                            }
                            (Ok(()), Some(end)) => {
                                return self.finish(file, end, None, account, pcx);
                            }
                            (Ok(()), None) => self.state = State::Open(file),
                        }
                    }
                },
                State::Open(mut file) => {
                    let allowed = match meter.allowance(pcx.cx.now()) {
                        Ok(bytes) => bytes,
                        Err(step) => {
                            self.state = State::Open(file);
                            return step;
                        }
                    };
                    let step = match account.lane() {
                        None => self.take(&mut *file, stream, allowed, account, meter, pcx),
                        Some(_) => Ok(self.collect(stream, allowed, account, meter, pcx)),
                    };
                    match (step, account.lane()) {
                        (Err(refusal), _) => {
                            let end = TransferEnd::LocalError;
                            return self.finish(file, end, Some(refusal), account, pcx);
                        }
                        (Ok(Received::Bytes(_)), None) => self.state = State::Open(file),
                        (Ok(Received::Bytes(_)), Some(lane)) => {
                            self.write_on(lane, file, None, account, pcx);
                        }
                        (Ok(Received::Nothing), _) => {
                            self.state = State::Open(file);
                            return Step::Wait(Interest::READ);
                        }
                        (Ok(Received::End(end)), lane) => {
                            // From here on it is the disk that is waited for.
                            meter.advanced(pcx.cx.now());
                            if let Some(ascii) = &mut self.ascii {
                                ascii.finish(&mut self.buffer);
                            }
                            if self.buffer.is_empty() {
                                return self.finish(file, end, None, account, pcx);
                            }
                            match lane {
                                Some(lane) => self.write_on(lane, file, Some(end), account, pcx),
                                None => {
                                    let outcome = write_all(account, &mut *file, &self.buffer);
                                    let end = if outcome.is_ok() {
                                        end
                                    } else {
                                        TransferEnd::LocalError
                                    };
                                    return self.finish(file, end, outcome.err(), account, pcx);
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// Stops as `end` says, once what is being written is written. A connection that never became
    /// secure has replaced nothing, whatever ended it: so the file is told.
    pub(super) fn abort(
        &mut self,
        end: TransferEnd,
        is_secure: bool,
        account: &Arc<Account>,
        pcx: &mut PumpContext<'_, '_>,
    ) -> Step {
        match mem::replace(&mut self.state, State::Over) {
            State::Open(file) if is_secure => self.finish(file, end, None, account, pcx),
            State::Open(file) => {
                self.finish_told(file, TransferEnd::Unsecured, end, None, account, pcx)
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
    pub(super) fn is_at_work(&self) -> bool {
        matches!(self.state, State::Writing(..) | State::Finishing(..))
    }

    /// Whether nothing more will be received, and only a job is waited for.
    pub(super) fn is_finishing(&self) -> bool {
        match &self.state {
            State::Writing(_, stop) => stop.is_some(),
            State::Finishing(..) => true,
            State::Open(_) | State::Over => false,
        }
    }

    /// Moves a piece into the file, here.
    fn take(
        &mut self,
        file: &mut dyn WriteFile,
        stream: &mut dyn Transport,
        allowed: usize,
        account: &Account,
        meter: &mut Meter,
        pcx: &mut PumpContext<'_, '_>,
    ) -> Result<Received, Refusal> {
        let spliced = self
            .splice
            .run(file, stream, allowed, account, meter, pcx)?;
        match spliced {
            Some(received) => Ok(received),
            None => self.copy(file, stream, allowed, account, meter, pcx),
        }
    }

    /// Reads and writes a piece.
    fn copy(
        &mut self,
        file: &mut dyn WriteFile,
        stream: &mut dyn Transport,
        allowed: usize,
        account: &Account,
        meter: &mut Meter,
        pcx: &mut PumpContext<'_, '_>,
    ) -> Result<Received, Refusal> {
        let mut scratch = pcx.cx.take_scratch();
        let size = self.size.unwrap_or(scratch.len());
        let room = scratch.len().min(allowed).min(size);
        let received = receive(stream, &mut scratch[..room], account, meter, pcx);
        let outcome = match (&received, &mut self.ascii) {
            (Received::Bytes(bytes), None) => write_all(account, file, &scratch[..*bytes]),
            (Received::Bytes(bytes), Some(ascii)) => {
                ascii.translate(&scratch[..*bytes], &mut self.buffer);
                let outcome = write_all(account, file, &self.buffer);
                self.buffer.clear();
                outcome
            }
            (Received::Nothing | Received::End(_), _) => Ok(()),
        };
        pcx.cx.return_scratch(scratch);
        outcome.map(|()| received)
    }

    /// Reads a buffer full, or as much as there is.
    fn collect(
        &mut self,
        stream: &mut dyn Transport,
        allowed: usize,
        account: &Account,
        meter: &mut Meter,
        pcx: &mut PumpContext<'_, '_>,
    ) -> Received {
        let mut scratch = pcx.cx.take_scratch();
        let size = self.size.unwrap_or(BUFFER_ON_THREADS);
        let room = scratch.len().min(allowed).min(size);
        let received = receive(stream, &mut scratch[..room], account, meter, pcx);
        if let Received::Bytes(bytes) = received {
            match &mut self.ascii {
                Some(ascii) => ascii.translate(&scratch[..bytes], &mut self.buffer),
                None => self.buffer.extend_from_slice(&scratch[..bytes]),
            }
        }
        pcx.cx.return_scratch(scratch);
        received
    }

    /// Writes the buffer on a thread.
    fn write_on(
        &mut self,
        lane: &Lane,
        mut file: Box<dyn WriteFile>,
        stop: Option<TransferEnd>,
        account: &Arc<Account>,
        pcx: &mut PumpContext<'_, '_>,
    ) {
        let (account, buffer) = (Arc::clone(account), mem::take(&mut self.buffer));
        let task = Task::spawn(lane, pcx.notifier, move || {
            let outcome = write_all(&account, &mut *file, &buffer);
            (file, buffer, outcome)
        });
        match task {
            Ok(task) => self.state = State::Writing(task, stop),
            // The file went with the job, unfinished: the upload ends as a local error.
            Err(error) => log::error!("no thread for a job: {error}"),
        }
    }

    /// Finishes the file, here or on a thread.
    fn finish(
        &mut self,
        file: Box<dyn WriteFile>,
        end: TransferEnd,
        refusal: Option<Refusal>,
        account: &Arc<Account>,
        pcx: &mut PumpContext<'_, '_>,
    ) -> Step {
        self.finish_told(file, end.clone(), end, refusal, account, pcx)
    }

    /// The same, where the file is `told` of another end than the client.
    fn finish_told(
        &mut self,
        file: Box<dyn WriteFile>,
        told: TransferEnd,
        end: TransferEnd,
        refusal: Option<Refusal>,
        account: &Arc<Account>,
        pcx: &mut PumpContext<'_, '_>,
    ) -> Step {
        let Some(lane) = account.lane() else {
            let outcome = finish(account, file, &told);
            return ended(end, refusal, outcome);
        };
        let account = Arc::clone(account);
        match Task::spawn(lane, pcx.notifier, move || finish(&account, file, &told)) {
            Ok(task) => {
                self.state = State::Finishing(task, end, refusal);
                Step::Working
            }
            Err(error) => {
                log::error!("no thread for a job: {error}");
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

fn receive(
    stream: &mut dyn Transport,
    buffer: &mut [u8],
    account: &Account,
    meter: &mut Meter,
    pcx: &mut PumpContext<'_, '_>,
) -> Received {
    match stream.read(pcx.cx, buffer) {
        Ok(0) => Received::End(TransferEnd::Complete),
        Ok(bytes) => {
            meter.moved(bytes, pcx.cx.now());
            Received::Bytes(bytes)
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Received::Nothing,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            if !pcx.service.dtp.strict_close {
                return Received::End(TransferEnd::Complete);
            }
            pcx.warn(
                account,
                "the upload ended without TLS close_notify and counts as incomplete; with \
                 strict_close off it would count as complete",
            );
            Received::End(TransferEnd::Truncated)
        }
        Err(error) => {
            if error.kind() == io::ErrorKind::InvalidData {
                // A record that was changed on its way, or no record: no mere loss.
                pcx.warn(account, error);
            }
            Received::End(TransferEnd::Reset)
        }
    }
}
