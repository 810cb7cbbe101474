//! Writing whole lines to a file, pipe or socket that may be full.

use std::borrow::Cow;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// The state of the last line in a file, a pipe or a socket.
#[derive(Debug, Default)]
pub(crate) struct LastLine {
    /// It has no end: the disk or the pipe was full.
    is_cut: AtomicBool,
}

impl LastLine {
    /// Writes the next line, or several, in one call of `write` if that accepts all of it, so that
    /// lines of several threads and processes do not mix. `write` gives how much it has written.
    ///
    /// # Errors
    ///
    /// The error of `write`. A part of it (which includes its line end) may have been written.
    pub(crate) fn add_next(
        &self,
        line: &[u8],
        mut write: impl FnMut(&[u8]) -> io::Result<usize>,
    ) -> io::Result<()> {
        let after_cut = self.is_cut.swap(false, Ordering::Relaxed);
        let line = match after_cut {
            true => Cow::Owned([b"\n", line].concat()),
            false => Cow::Borrowed(line),
        };
        let mut left = &line[..];
        while !left.is_empty() {
            let error = match write(left) {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(count) => {
                    left = &left[count..];
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            let is_cut = after_cut || left.len() < line.len();
            self.is_cut.fetch_or(is_cut, Ordering::Relaxed);
            return Err(error);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_line_that_a_full_pipe_cut_had_the_next_glued_to_it() {
        let (ours, mut reader) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        reader.set_nonblocking(true).unwrap();
        let last = LastLine::default();
        let add = |line: &str| last.add_next(line.as_bytes(), |bytes| (&ours).write(bytes));
        let mut read = || {
            let mut text = String::new();
            assert!(reader.read_to_string(&mut text).is_err());
            text
        };
        assert!(add(&("x".repeat(8 << 20) + "\n")).is_err());
        // Nothing of it is written.
        assert!(add("lost\n").is_err());
        read();
        add("one\n").unwrap();
        add("two\n").unwrap();
        assert_eq!(read(), "\none\ntwo\n");
    }
}
