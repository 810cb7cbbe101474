//! Writing whole lines to a file, pipe or socket that may be full.

use std::borrow::Cow;
use std::io;
use std::sync::atomic::Ordering;

use ftpdlib::servers::process::SharedWords;

/// The state of the last line in a file, a pipe or a socket, shared with processes that are forked
/// later.
#[derive(Debug)]
pub(crate) struct LastLine {
    /// One word: the number of the file whose last line was cut short because the disk or the pipe
    /// was full; 0 for none.
    cut_in: SharedWords,
}

impl LastLine {
    /// Creates the state of a file whose last line is complete.
    ///
    /// # Errors
    ///
    /// No memory can be shared.
    pub(crate) fn new() -> io::Result<Self> {
        let cut_in = SharedWords::new(1)?;
        Ok(Self { cut_in })
    }

    /// Notes that the last line in `file` is cut short.
    pub(crate) fn note_cut(&self, file: u64) {
        self.cut_in[0].store(file, Ordering::Relaxed);
    }

    /// Writes one or several lines, in a single call of `write` if that accepts all of it, so that
    /// lines of several threads and processes do not mix. `write` returns how many bytes it has
    /// written to `file`, a number other than 0 that identifies the file. If the last line there
    /// was cut short, ends it first.
    ///
    /// # Errors
    ///
    /// The error of `write`. A part of the lines may have been written.
    pub(crate) fn add_next(
        &self,
        file: u64,
        line: &[u8],
        mut write: impl FnMut(&[u8]) -> io::Result<usize>,
    ) -> io::Result<()> {
        let (cut_in, order) = (&self.cut_in[0], Ordering::Relaxed);
        let after_cut =
            cut_in.load(order) == file && cut_in.compare_exchange(file, 0, order, order).is_ok();
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
            if after_cut || left.len() < line.len() {
                self.note_cut(file);
            }
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
        let last = LastLine::new().unwrap();
        let add = |line: &str| last.add_next(1, line.as_bytes(), |bytes| (&ours).write(bytes));
        let mut read = || {
            let mut text = String::new();
            assert!(reader.read_to_string(&mut text).is_err());
            text
        };
        assert!(add(&("x".repeat(8 << 20) + "\n")).is_err());
        // Nothing of this line is written.
        assert!(add("lost\n").is_err());
        read();
        add("one\n").unwrap();
        add("two\n").unwrap();
        assert_eq!(read(), "\none\ntwo\n");
    }
}
