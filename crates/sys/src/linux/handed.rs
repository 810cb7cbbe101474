//! Passing open files to another process.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

use crate::call::check;

/// Room for the message that carries one descriptor, aligned for its header.
#[repr(C)]
union Control {
    _header: libc::cmsghdr,
    // SAFETY: the function only computes a number.
    bytes: [u8; unsafe { libc::CMSG_SPACE(DESCRIPTOR) } as usize],
}

/// The size of a descriptor in a message.
const DESCRIPTOR: u32 = size_of::<libc::c_int>() as u32;

/// Writes one byte to a Unix-domain stream, together with an open file. The reader gets its own
/// descriptor for the file, even if it has no right to open it.
///
/// # Errors
///
/// The error of `sendmsg`: `WouldBlock` if the stream is full.
pub fn write_with_file(stream: BorrowedFd<'_>, byte: u8, file: BorrowedFd<'_>) -> io::Result<()> {
    let mut bytes = [byte];
    let (mut control, mut piece) = (Control::EMPTY, piece(&mut bytes));
    let message = message(&mut control, &mut piece);
    // SAFETY: the message has a control buffer, aligned and with room for the header and one
    // descriptor, so the macros stay within it. It lives in this frame and nothing else refers to
    // it.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(DESCRIPTOR) as _;
        ptr::write_unaligned(libc::CMSG_DATA(header).cast(), file.as_raw_fd());
    }
    // SAFETY: the message points to live buffers of this frame, and both descriptors are borrowed
    // for the whole call.
    check(unsafe { libc::sendmsg(stream.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) })?;
    Ok(())
}

/// Reads from a Unix-domain stream, together with the file that comes with the bytes. Does not read
/// beyond a byte that carries a file.
///
/// # Errors
///
/// The error of `recvmsg`: `WouldBlock` if there is nothing to read.
pub fn read_with_file(
    stream: BorrowedFd<'_>,
    buffer: &mut [u8],
) -> io::Result<(usize, Option<OwnedFd>)> {
    let (mut control, mut piece) = (Control::EMPTY, piece(buffer));
    let mut message = message(&mut control, &mut piece);
    let flags = libc::MSG_CMSG_CLOEXEC;
    // SAFETY: the message points to live, writable buffers, which are borrowed for the whole call.
    let count = check(unsafe { libc::recvmsg(stream.as_raw_fd(), &raw mut message, flags) })?;
    // SAFETY: the kernel has set how much of the control buffer it filled, and the macro returns
    // null if that is no header.
    let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message).as_ref() };
    let file = header
        .filter(|header| {
            header.cmsg_level == libc::SOL_SOCKET && header.cmsg_type == libc::SCM_RIGHTS
        })
        // SAFETY: after such a header the kernel has put a descriptor that was created for this
        // process and that nothing else owns; there is room for only one.
        .map(|header| unsafe {
            let descriptor = ptr::read_unaligned(libc::CMSG_DATA(header).cast());
            OwnedFd::from_raw_fd(descriptor)
        });
    Ok((count as usize, file))
}

impl Control {
    const EMPTY: Self = Self {
        bytes: [0; size_of::<Self>()],
    };
}

fn piece(bytes: &mut [u8]) -> libc::iovec {
    libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    }
}

fn message(control: &mut Control, piece: &mut libc::iovec) -> libc::msghdr {
    // SAFETY: the structure is numbers and pointers, all of which may be zero.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = piece;
    message.msg_iovlen = 1;
    message.msg_control = ptr::from_mut(control).cast();
    // Leave out the padding of the buffer, in which a second descriptor might come.
    // SAFETY: the function only computes a number.
    message.msg_controllen = unsafe { libc::CMSG_LEN(DESCRIPTOR) } as _;
    message
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Seek, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::inherited::is_close_on_exec;

    #[test]
    fn a_file_comes_with_its_byte_and_ends_a_read() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        (&ours).write_all(b"ab").unwrap();
        write_with_file(ours.as_fd(), b'c', file.as_fd()).unwrap();
        (&ours).write_all(b"d").unwrap();
        write_with_file(ours.as_fd(), b'e', file.as_fd()).unwrap();
        let mut got = Vec::new();
        let mut files = 0;
        let mut buffer = [0; 16];
        while got.len() < 5 {
            let (count, taken) = read_with_file(theirs.as_fd(), &mut buffer).unwrap();
            got.extend_from_slice(&buffer[..count]);
            let Some(taken) = taken else { continue };
            assert!([b"abc".as_slice(), b"abcde"].contains(&&*got), "{got:?}");
            assert!(is_close_on_exec(taken.as_fd()), "no program gets it");
            File::from(taken).write_all(b"x").unwrap();
            files += 1;
        }
        assert_eq!(files, 2);
        file.rewind().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "xx");
    }

    #[test]
    fn a_read_without_a_file_is_a_read() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        let mut buffer = [0; 2];
        let nothing = read_with_file(theirs.as_fd(), &mut buffer).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        (&ours).write_all(b"abc").unwrap();
        let (count, file) = read_with_file(theirs.as_fd(), &mut buffer).unwrap();
        assert!(count == 2 && buffer == *b"ab" && file.is_none());
        drop(ours);
        assert_eq!(read_with_file(theirs.as_fd(), &mut buffer).unwrap().0, 1);
        assert_eq!(read_with_file(theirs.as_fd(), &mut buffer).unwrap().0, 0);
    }
}
