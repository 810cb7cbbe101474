//! Downloads inside the kernel.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use ftpdlib_filesystems::ReadFile;
use ftpdlib_ioloop::{Direction, Interest, Socket, Transport};
use ftpdlib_proto::TransferEnd;

use mio::net::TcpStream;

use super::{Meter, PumpContext, Step, became_shorter};

/// What is left of a file is copied once it is no more than this: it then leaves together with the end
/// of the stream, which saves a segment and sendfile's pipe.
const SMALL: usize = 32 << 10;

/// Sends a local file with sendfile(2), up to the size it had when it was opened.
pub(super) struct SendFile {
    file: Option<Box<dyn ReadFile>>,
    offset: u64,
    size: u64,
    unsupported: bool,
}

impl SendFile {
    /// Gives `file` back if it is not a local one with a known size. 0 is none: files that the kernel
    /// makes up (procfs) tell that, whatever is in them.
    pub(super) fn new(file: Box<dyn ReadFile>) -> Result<Self, Box<dyn ReadFile>> {
        match (file.descriptor().is_some(), file.size()) {
            (true, Some(size @ 1..)) => {
                let offset = file.offset();
                Ok(Self {
                    file: Some(file),
                    offset,
                    size,
                    unsupported: false,
                })
            }
            _ => Err(file),
        }
    }

    pub(super) fn run(
        &mut self,
        stream: &dyn Transport,
        meter: &mut Meter,
        pcx: &mut PumpContext<'_, '_>,
    ) -> Step {
        let (Some(file), Some(stream)) = (
            self.file.as_deref().and_then(ReadFile::descriptor),
            stream.plain(),
        ) else {
            return Step::Ended(TransferEnd::LocalError, None);
        };
        while self.offset < self.size {
            let now = pcx.cx.now();
            let allowed = match meter.allowance(now) {
                Ok(bytes) => bytes,
                Err(step) => return step,
            };
            let rest = usize::try_from(self.size - self.offset).unwrap_or(usize::MAX);
            let sent = if rest <= SMALL.min(allowed) {
                send_last(stream, file, &mut self.offset, rest, pcx)
            } else {
                let offset = &mut self.offset;
                pcx.cx.try_io(stream, Direction::Write, |stream| {
                    stream.try_io(|| {
                        ftpdlib_sys::send_file(stream.as_fd(), file, offset, rest.min(allowed))
                    })
                })
            };
            match sent {
                // Files that the kernel makes up (sysfs) never had the size they tell.
                Ok(0) if has_size(file, self.size) => break,
                Ok(0) => {
                    return Step::Ended(TransferEnd::LocalError, Some(became_shorter()));
                }
                Ok(bytes) => meter.moved(bytes, now),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Step::Wait(Interest::WRITE),
                    io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported => {
                        self.unsupported = meter.bytes() == 0;
                        return Step::Ended(TransferEnd::LocalError, None);
                    }
                    io::ErrorKind::BrokenPipe
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::NotConnected
                    | io::ErrorKind::TimedOut => return Step::Ended(TransferEnd::Reset, None),
                    _ => {
                        log::warn!("sending a file: {error}");
                        return Step::Ended(TransferEnd::LocalError, None);
                    }
                },
            }
        }
        Step::Ended(TransferEnd::Complete, None)
    }

    /// Whether the very first call showed that this file cannot be sent this way.
    pub(super) fn is_unsupported(&self) -> bool {
        self.unsupported
    }

    pub(super) fn take_file(&mut self) -> Option<Box<dyn ReadFile>> {
        self.unsupported = false;
        self.file.take()
    }
}

fn has_size(file: BorrowedFd<'_>, size: u64) -> bool {
    ftpdlib_sys::stat_descriptor(file).is_ok_and(|facts| facts.size == size)
}

/// Sends the last `rest` bytes of `file`, with the end of the stream, which has to follow.
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
