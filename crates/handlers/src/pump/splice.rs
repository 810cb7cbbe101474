//! Uploads inside the kernel.

use std::cell::Cell;
use std::io;
use std::os::fd::AsFd;

use ftpdlib_filesystems::WriteFile;
use ftpdlib_ioloop::{Direction, Transport};
use ftpdlib_session::Refusal;
use ftpdlib_sys::Pipe;

use super::receive::Received;
use super::{Turn, is_lost};
use crate::jobs::write_piped;

/// Bytes of an upload that are copied before splicing begins: copying costs no more for a smaller
/// file or a slow client.
const FROM: u64 = 256 << 10;

thread_local! {
    /// One pipe for all uploads of a thread's loop. It is empty between two pieces; a pipe that may
    /// not be empty is dropped. A pipe for each upload would exceed what an ordinary user's pipes
    /// may hold together.
    static PIPE: Cell<Option<Pipe>> = const { Cell::new(None) };
}

/// Whether an upload moves inside the kernel: with splice(2) from its socket to its file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Splice {
    enabled: bool,
}

impl Splice {
    /// Tries splicing if `enabled`.
    pub(super) fn new(enabled: bool) -> Self {
        Self { enabled }
    }

    /// Moves what has come, up to `allowed` bytes. Returns `None` if splicing is impossible or not
    /// worth it yet; nothing was moved then.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub(super) fn run(
        &mut self,
        file: &mut dyn WriteFile,
        stream: &dyn Transport,
        allowed: usize,
        turn: &mut Turn<'_, '_, '_>,
    ) -> Result<Option<Received>, Refusal> {
        if !self.enabled || turn.meter.bytes() < FROM {
            return Ok(None);
        }
        let (Some(socket), Some(pipe)) = (stream.plain(), take_pipe()) else {
            self.enabled = false;
            return Ok(None);
        };
        let filled = turn.pcx.cx.try_io(socket, Direction::Read, |socket| {
            socket.try_io(|| pipe.fill(socket.as_fd(), allowed))
        });
        let received = match filled {
            // splice never gets past the mark of urgent data, and reports the end there once the
            // client has ended its side, whatever is behind the mark. Reading gets past it.
            Ok(0) => return Ok(self.give_up(pipe)),
            Ok(bytes) => {
                // The client has sent it, whatever the disk does with it.
                turn.moved(bytes);
                // On an error the pipe is dropped with what is left in it.
                self.enabled = write_piped(turn.account, file, &pipe, bytes)?;
                Received::Bytes(bytes)
            }
            Err(error) => match error.kind() {
                // At that mark splice also reports `WouldBlock` although there are bytes to read.
                // No event would report them again, so reading must be tried now.
                io::ErrorKind::WouldBlock if turn.pcx.cx.may_stop_short(socket.id()) => {
                    turn.pcx.cx.note_unread(socket.id());
                    return Ok(self.give_up(pipe));
                }
                io::ErrorKind::WouldBlock => Received::Nothing,
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
                    if !is_lost(&error, socket.get_ref()) =>
                {
                    return Ok(self.give_up(pipe));
                }
                _ => Received::End(turn.end_by(&error, stream)),
            },
        };
        PIPE.set(Some(pipe));
        Ok(Some(received))
    }

    /// Leaves the rest of the upload to copying. `pipe` is empty.
    fn give_up(&mut self, pipe: Pipe) -> Option<Received> {
        PIPE.set(Some(pipe));
        self.enabled = false;
        None
    }
}

/// Takes the pipe of this thread, or creates one; `None` if the system refuses.
fn take_pipe() -> Option<Pipe> {
    PIPE.take().or_else(|| {
        let made = Pipe::new();
        if let Err(error) = &made {
            log::debug!("uploads are copied: no pipe: {error}");
        }
        made.ok()
    })
}
