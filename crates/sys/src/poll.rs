//! Waiting for a few descriptors, without an event loop.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use crate::call::check;

/// What a descriptor is ready for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Readiness {
    /// There is something to read or to accept.
    pub readable: bool,
    /// Nobody is left at the other end.
    pub ended: bool,
}

/// Waits until one of `descriptors` is readable or has lost its other end, for `timeout` at most,
/// and tells of each what it is. A caught signal ends the waiting too.
///
/// # Errors
///
/// What `poll` answers.
pub fn wait_readable(
    descriptors: &[BorrowedFd<'_>],
    timeout: Option<Duration>,
) -> io::Result<Vec<Readiness>> {
    let mut asked: Vec<_> = descriptors
        .iter()
        .map(|descriptor| libc::pollfd {
            fd: descriptor.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        })
        .collect();
    // Rounded up: who waits for a time must not find himself early again and again.
    let millis = timeout.map_or(-1, |timeout| {
        i32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
    });
    let count = asked.len() as libc::nfds_t;
    // SAFETY: `asked` holds `count` live, writable entries; the descriptors in them are borrowed
    // for the whole call.
    match check(unsafe { libc::poll(asked.as_mut_ptr(), count, millis) }) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        Err(error) => return Err(error),
    }
    Ok(asked.iter().map(readiness).collect())
}

/// How many bytes wait in a pipe or socket.
///
/// # Errors
///
/// What `ioctl` answers for a descriptor that is neither.
pub fn waiting_bytes(descriptor: BorrowedFd<'_>) -> io::Result<usize> {
    let mut bytes: libc::c_int = 0;
    let place = &raw mut bytes;
    // SAFETY: `FIONREAD` writes one `int`, which is live, writable and owned by this frame; the
    // descriptor is borrowed for the whole call.
    check(unsafe { libc::ioctl(descriptor.as_raw_fd(), libc::FIONREAD, place) })?;
    Ok(usize::try_from(bytes).unwrap_or(0))
}

fn readiness(asked: &libc::pollfd) -> Readiness {
    Readiness {
        readable: asked.revents & libc::POLLIN != 0,
        ended: asked.revents & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Write, pipe};
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn bytes_and_the_end_are_told_apart() {
        let (reader, mut writer) = pipe().unwrap();
        let look = || {
            let ready = wait_readable(&[reader.as_fd()], Some(Duration::ZERO)).unwrap();
            let bytes = waiting_bytes(reader.as_fd()).unwrap();
            (ready[0].readable, ready[0].ended, bytes)
        };
        assert_eq!(look(), (false, false, 0));
        writer.write_all(b"a").unwrap();
        assert_eq!(look(), (true, false, 1));
        writer.write_all(b"b").unwrap();
        // Looking takes nothing out.
        assert_eq!(look(), (true, false, 2));
        drop(writer);
        assert_eq!(look(), (true, true, 2));
    }

    #[test]
    fn each_descriptor_is_told_of() {
        let (quiet, _quiet_writer) = pipe().unwrap();
        let (ready, mut writer) = pipe().unwrap();
        writer.write_all(b"a").unwrap();
        let told = wait_readable(&[quiet.as_fd(), ready.as_fd()], None).unwrap();
        assert_eq!(told[0], Readiness::default());
        assert!(told[1].readable);
    }
}
