//! Downloads inside the kernel.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use ftpdlib_filesystems::ReadFile;
use ftpdlib_ioloop::{Direction, Interest, Socket, Transport};
use ftpdlib_proto::TransferEnd;

use mio::net::TcpStream;

use super::{PumpContext, Step, Turn, became_shorter, is_lost};
use crate::jobs::broken_off;

/// The last bytes of a file, up to this many, are copied: they leave together with the end of the
/// stream, which saves a segment and sendfile's pipe.
const SMALL: usize = 32 << 10;

/// Sends a local file with sendfile(2), up to the size it had when it was opened.
pub(super) struct SendFile {
    offset: u64,
    size: u64,
}

/// The outcome of sendfile.
pub(super) enum Outcome {
    Step(Step),
    /// The very first call showed that the file cannot be sent this way; nothing was sent.
    Unsupported,
}

impl SendFile {
    /// Returns `None` unless `file` is local and has a known size. A size of 0 counts as unknown:
    /// generated files (procfs) report it, whatever they hold.
    pub(super) fn new(file: &dyn ReadFile) -> Option<Self> {
        file.descriptor()?;
        let size = file.size().filter(|&size| size > 0)?;
        Some(Self {
            offset: file.offset(),
            size,
        })
    }

    /// Sends as much of `file` as this turn allows. Always called with the same file.
    pub(super) fn run(
        &mut self,
        file: &dyn ReadFile,
        stream: &dyn Transport,
        turn: &mut Turn<'_, '_, '_>,
    ) -> Outcome {
        while self.offset < self.size {
            let allowed = match turn.allowance() {
                Ok(bytes) => bytes,
                Err(step) => return Outcome::Step(step),
            };
            match self.send(file, stream, allowed, turn.pcx) {
                // A generated file never had the size that it reports. The current size of other
                // files proves nothing: they may have been emptied before the read and written
                // again since.
                Ok(0) if file.descriptor().is_some_and(ftpdlib_sys::is_made_up) => break,
                Ok(0) => {
                    return Outcome::Step(Step::failed(became_shorter()));
                }
                Ok(bytes) => turn.moved(bytes),
                Err(error) => {
                    let stream = stream.socket().get_ref();
                    return outcome_of(error, turn.meter.bytes(), stream);
                }
            }
        }
        Outcome::Step(Step::Ended(TransferEnd::Complete, None))
    }

    /// Sends a piece.
    fn send(
        &mut self,
        file: &dyn ReadFile,
        stream: &dyn Transport,
        allowed: usize,
        pcx: &mut PumpContext<'_, '_>,
    ) -> io::Result<usize> {
        let (Some(file), Some(stream)) = (file.descriptor(), stream.plain()) else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let rest = usize::try_from(self.size - self.offset).unwrap_or(usize::MAX);
        let offset = &mut self.offset;
        if rest <= SMALL.min(allowed) {
            return send_last(stream, file, offset, rest, pcx);
        }
        pcx.cx.try_io(stream, Direction::Write, |stream| {
            stream
                .try_io(|| ftpdlib_sys::send_file(stream.as_fd(), file, offset, rest.min(allowed)))
        })
    }
}

/// What follows from an error after `sent` bytes on `stream`.
fn outcome_of(error: io::Error, sent: u64, stream: &TcpStream) -> Outcome {
    Outcome::Step(match error.kind() {
        io::ErrorKind::WouldBlock => Step::Wait(Interest::WRITE),
        io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported if sent == 0 => {
            return Outcome::Unsupported;
        }
        _ if is_lost(&error, stream) => Step::Ended(TransferEnd::Reset, None),
        _ => Step::failed(broken_off(error.into())),
    })
}

/// Sends the last `rest` bytes of `file`. The end of the stream must follow.
fn send_last(
    stream: &Socket<TcpStream>,
    file: BorrowedFd<'_>,
    offset: &mut u64,
    rest: usize,
    pcx: &mut PumpContext<'_, '_>,
) -> io::Result<usize> {
    let mut scratch = pcx.cx.take_scratch();
    let size = rest.min(scratch.len());
    let sent = pcx.cx.try_io(stream, Direction::Write, |stream| {
        stream
            .try_io(|| ftpdlib_sys::send_last(stream.as_fd(), file, *offset, &mut scratch[..size]))
    });
    pcx.cx.return_scratch(scratch);
    *offset += *sent.as_ref().unwrap_or(&0) as u64;
    sent
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{lost_socket, sockets};

    #[track_caller]
    fn check(
        kind: io::ErrorKind,
        sent: u64,
        stream: &TcpStream,
        expected: Option<(TransferEnd, Option<&str>)>,
    ) {
        match (outcome_of(kind.into(), sent, stream), expected) {
            (Outcome::Unsupported, None) => {}
            (Outcome::Step(Step::Ended(end, refusal)), Some(expected)) => {
                let text = refusal.as_ref().map(|refusal| &*refusal.text);
                assert_eq!((end, text), expected, "{kind:?} after {sent}");
            }
            _ => panic!("{kind:?} after {sent}"),
        }
    }

    #[test]
    fn nobody_was_told_why_a_download_failed() {
        let (_client, stream) = sockets();
        let broken = TransferEnd::LocalError;
        for sent in [0, 1] {
            let text = Some("Input/output error.");
            let other = Some((broken.clone(), text));
            check(io::ErrorKind::Other, sent, &stream, other);
            let reset = Some((TransferEnd::Reset, None));
            check(io::ErrorKind::ConnectionReset, sent, &stream, reset);
        }
        check(io::ErrorKind::Unsupported, 0, &stream, None);
        let text = Some("Operation not supported.");
        check(io::ErrorKind::Unsupported, 1, &stream, Some((broken, text)));
    }

    #[test]
    fn sendfile_took_a_firewalls_refusal_for_its_own() {
        let reset = Some((TransferEnd::Reset, None));
        check(io::ErrorKind::Unsupported, 1, &lost_socket(), reset);
    }
}
