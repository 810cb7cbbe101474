//! Ranges of bytes in files.

/// A range of bytes of a file, from one offset up to another or to the end of the file.
///
/// The default is the whole file.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ByteRange {
    start: u64,
    end: Option<u64>,
}

impl ByteRange {
    /// Creates the range from `start` to before `end`, or to the end of the file if `end` is
    /// `None`. Returns `None` if `end` is less than `start`.
    pub const fn new(start: u64, end: Option<u64>) -> Option<Self> {
        match end {
            Some(end) if end < start => None,
            _ => Some(Self { start, end }),
        }
    }

    /// Creates the range from `start` to the end of the file.
    pub const fn starting_at(start: u64) -> Self {
        Self { start, end: None }
    }

    /// Offset of the first byte.
    pub const fn start(self) -> u64 {
        self.start
    }

    /// Offset after the last byte; `None` if the range goes to the end of the file.
    pub const fn end(self) -> Option<u64> {
        self.end
    }

    /// Number of bytes; `None` if it depends on the file.
    pub fn length(self) -> Option<u64> {
        self.end.map(|end| end - self.start)
    }

    /// Whether the range is the whole of any file.
    pub const fn is_whole(self) -> bool {
        self.start == 0 && self.end.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_do_not_end_before_they_begin() {
        assert_eq!(ByteRange::new(5, Some(4)), None);
        assert_eq!(
            ByteRange::new(5, Some(5)).and_then(ByteRange::length),
            Some(0)
        );
        assert_eq!(
            ByteRange::new(5, Some(9)).and_then(ByteRange::length),
            Some(4)
        );
        assert_eq!(ByteRange::starting_at(5).length(), None);
        assert!(ByteRange::default().is_whole() && !ByteRange::starting_at(5).is_whole());
    }
}
