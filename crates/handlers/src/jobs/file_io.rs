//! Reading and writing the file of a transfer, as the user it belongs to.

use std::io;

use ftpdlib_filesystems::{ErrorKind, ReadFile, WriteFile};
use ftpdlib_proto::TransferEnd;
use ftpdlib_session::Refusal;
use ftpdlib_sys::Pipe;

use super::{Account, broken_off, reply_of};
use crate::owners_code;

/// Reads the next bytes of a download; 0 at its end. May block.
pub(crate) fn read_chunk(
    account: &Account,
    file: &mut dyn ReadFile,
    buffer: &mut [u8],
) -> Result<usize, Refusal> {
    owners_code::call_or_refuse(account, || {
        let _guard = account.impersonate()?;
        read_some(file, buffer)
    })
}

/// Writes all of `bytes` to an upload. May block.
pub(crate) fn write_all(
    account: &Account,
    file: &mut dyn WriteFile,
    bytes: &[u8],
) -> Result<(), Refusal> {
    owners_code::call_or_refuse(account, || {
        let _guard = account.impersonate()?;
        write_everything(file, bytes).map_err(cut_off)
    })
}

/// Writes the `count` bytes in `pipe`, all that it holds, to an upload with a descriptor. Returns
/// `false` if they had to be copied, as the next ones would. May block.
///
/// After an error, some may be left in the pipe.
pub(crate) fn write_piped(
    account: &Account,
    file: &mut dyn WriteFile,
    pipe: &Pipe,
    count: usize,
) -> Result<bool, Refusal> {
    owners_code::call_or_refuse(account, || {
        let _guard = account.impersonate()?;
        drain(pipe, file, count).map_err(cut_off)
    })
}

fn drain(pipe: &Pipe, file: &mut dyn WriteFile, count: usize) -> Result<bool, Refusal> {
    let mut left = count;
    while left > 0 {
        let Some(descriptor) = file.descriptor() else {
            return copy_piped(file, pipe, left).map(|()| false);
        };
        match pipe.drain(descriptor, left) {
            Ok(0) => return Err(broken_off(io::Error::from(io::ErrorKind::WriteZero).into())),
            Ok(bytes) => left -= bytes,
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported => {
                    return copy_piped(file, pipe, left).map(|()| false);
                }
                _ => return Err(broken_off(error.into())),
            },
        }
    }
    Ok(true)
}

fn copy_piped(file: &mut dyn WriteFile, pipe: &Pipe, count: usize) -> Result<(), Refusal> {
    let mut buffer = vec![0; count];
    let mut filled = 0;
    while filled < count {
        match pipe.read(&mut buffer[filled..]) {
            Ok(0) => {
                return Err(broken_off(
                    io::Error::from(io::ErrorKind::UnexpectedEof).into(),
                ));
            }
            Ok(bytes) => filled += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(broken_off(error.into())),
        }
    }
    write_everything(file, &buffer)
}

/// Reads the next bytes, on a thread that acts as the user already; 0 at the end.
pub(super) fn read_some(file: &mut dyn ReadFile, buffer: &mut [u8]) -> Result<usize, Refusal> {
    loop {
        match file.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => {
                let read = read.and_then(|bytes| within(bytes, buffer.len()));
                return read.map_err(|error| broken_off(error.into()));
            }
        }
    }
}

/// Whether `file`, which was read to its end, has become shorter than it was when it was opened.
pub(crate) fn ended_early(file: &dyn ReadFile) -> bool {
    file.size().is_some_and(|size| file.offset() < size)
}

/// Writes all of `bytes`, on a thread that acts as the user already.
pub(super) fn write_everything(file: &mut dyn WriteFile, mut bytes: &[u8]) -> Result<(), Refusal> {
    while !bytes.is_empty() {
        match file
            .write(bytes)
            .and_then(|count| within(count, bytes.len()))
        {
            Ok(0) => return Err(broken_off(io::Error::from(io::ErrorKind::WriteZero).into())),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(broken_off(error.into())),
        }
    }
    Ok(())
}

/// Checks how many bytes a file claims to have read or written: no more than it had `room` for.
///
/// # Errors
///
/// It claims more, so it is unknown what was read or written.
pub(super) fn within(bytes: usize, room: usize) -> io::Result<usize> {
    if bytes > room {
        log::error!("a file of the filesystem claims {bytes} bytes of at most {room}");
        return Err(io::Error::other("more bytes than there was room for"));
    }
    Ok(bytes)
}

/// Ends an upload: closes its file, and tells it how the transfer has ended. May block.
pub(crate) fn finish(
    account: &Account,
    file: Box<dyn WriteFile>,
    end: &TransferEnd,
) -> Result<(), Refusal> {
    owners_code::call_or_refuse(account, || {
        let _guard = account.impersonate()?;
        file.finish(end).map_err(|error| match error.kind() {
            // An error of a disk on closing concerns the transfer. A filesystem's own verdict on a
            // complete upload is told as it is.
            ErrorKind::Other => broken_off(error),
            _ => cut_off(reply_of(error)),
        })
    })
}

/// The refusal to send for an upload that has begun and fails with `refusal`. For a full disk it is
/// 552: 452 would say that nothing was done, and clients would begin again (RFC 959 §4.2, §5.4).
fn cut_off(refusal: Refusal) -> Refusal {
    match refusal.code.value() {
        452 => refusal.with_code(552),
        _ => refusal,
    }
}

#[cfg(test)]
mod tests {
    use ftpdlib_filesystems::FilesystemError;
    use ftpdlib_proto::VirtualPath;

    use super::*;

    /// Claims one byte more than it was given room for.
    struct Boaster(VirtualPath);

    impl ReadFile for Boaster {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            Ok(buffer.len() + 1)
        }

        fn size(&self) -> Option<u64> {
            None
        }

        fn offset(&self) -> u64 {
            0
        }
    }

    impl WriteFile for Boaster {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len() + 1)
        }

        fn finish(self: Box<Self>, _: &TransferEnd) -> Result<(), FilesystemError> {
            Ok(())
        }

        fn size(&self) -> Option<u64> {
            None
        }

        fn may_wait(&self) -> bool {
            false
        }

        fn path(&self) -> &VirtualPath {
            &self.0
        }
    }

    #[test]
    fn a_file_that_claimed_too_much_was_read_to_its_end() {
        let mut file = Boaster(VirtualPath::root());
        let code = |refusal: Refusal| refusal.code.value();
        assert_eq!(read_some(&mut file, &mut [0; 3]).map_err(code), Err(451));
        let written = write_everything(&mut file, &[0; 3]);
        assert_eq!(written.map_err(code), Err(451));
    }
}
