//! Pieces of files.

/// Bytes of a file, from an offset up to another one or to the end of the file.
///
/// The default is the whole file.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ByteRange {
    start: u64,
    end: Option<u64>,
}

impl ByteRange {
    /// The bytes from `start` on, before `end` if there is one; `None` if `end` comes first.
    pub const fn new(start: u64, end: Option<u64>) -> Option<Self> {
        match end {
            Some(end) if end < start => None,
            _ => Some(Self { start, end }),
        }
    }

    /// The bytes from `start` on.
    pub const fn starting_at(start: u64) -> Self {
        Self { start, end: None }
    }

    /// Offset of the first byte.
    pub const fn start(self) -> u64 {
        self.start
    }

    /// Offset after the last byte; `None` for the end of the file.
    pub const fn end(self) -> Option<u64> {
        self.end
    }

    /// Bytes in it; `None` if that depends on the file.
    pub fn length(self) -> Option<u64> {
        self.end.map(|end| end - self.start)
    }

    /// Whether it is every file's whole.
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
