//! Gathers lines that are written together.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most bytes that are written at a time, except for longer lines: a pipe takes 4096 bytes as a
/// whole, without lines of other processes in between. Leaves room for a notice in front.
const MOST: usize = 4096 - 256;

/// Keeps lines until they are written out. Clones share the same lines.
pub(super) struct Gathered<W>(Arc<Mutex<Lines<W>>>);

struct Lines<W> {
    out: W,
    kept: Vec<u8>,
}

impl<W: Write> Gathered<W> {
    /// Gathers lines for `out`, which is passed one or more at a time.
    pub(super) fn new(out: W) -> Self {
        let kept = Vec::with_capacity(MOST);
        Self(Arc::new(Mutex::new(Lines { out, kept })))
    }

    /// Writes out all lines kept.
    pub(super) fn write_out(&self) {
        self.lock().write_out();
    }

    fn lock(&self) -> MutexGuard<'_, Lines<W>> {
        // After a panic, the lines kept are written or were written already.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Write> Lines<W> {
    fn write_out(&mut self) {
        if self.kept.is_empty() {
            return;
        }
        let mut lines = mem::take(&mut self.kept);
        // There is nowhere else to report the error.
        let _ = self.out.write_all(&lines);
        lines.clear();
        self.kept = lines;
    }
}

/// Each call adds one line, including its line end.
impl<W: Write> Write for Gathered<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut lines = self.lock();
        if lines.kept.len() + line.len() > MOST {
            lines.write_out();
        }
        lines.kept.extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W> Clone for Gathered<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records each write separately.
    #[derive(Default)]
    struct Writes(Vec<String>);

    impl Write for &mut Writes {
        fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
            self.0.push(String::from_utf8(lines.to_vec()).unwrap());
            Ok(lines.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_written_together_and_in_their_order() {
        let long = "x".repeat(MOST) + "\n";
        let half = "y".repeat(MOST / 2) + "\n";
        let mut writes = Writes::default();
        let mut lines = Gathered::new(&mut writes);
        for line in ["one\n", "two\n", &long, "three\n", &half, &half] {
            lines.write_all(line.as_bytes()).unwrap();
        }
        lines.write_out();
        lines.write_out();
        let expected = [
            "one\ntwo\n".to_owned(),
            long,
            format!("three\n{half}"),
            half,
        ];
        drop(lines);
        assert_eq!(writes.0, expected);
    }
}
