//! Memory shared with forked children.

use std::fmt;
use std::io;
use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::AtomicU64;

/// Words shared by this process and every child that it forks later, initially 0.
///
/// Pages that no process has touched use no memory.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::Ordering;
///
/// use ftpdlib_sys::SharedWords;
///
/// let words = SharedWords::new(1000)?;
/// words[7].store(5, Ordering::Relaxed);
/// assert_eq!(words.len(), 1000);
/// assert_eq!(words[7].load(Ordering::Relaxed), 5);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct SharedWords {
    start: NonNull<AtomicU64>,
    count: usize,
}

impl SharedWords {
    /// Allocates `count` words.
    ///
    /// # Errors
    ///
    /// The error of `mmap`; `InvalidInput` for zero words, or more than the address space holds.
    pub fn new(count: usize) -> io::Result<Self> {
        let bytes = count
            .checked_mul(size_of::<AtomicU64>())
            .filter(|&bytes| bytes > 0 && isize::try_from(bytes).is_ok())
            .ok_or(io::ErrorKind::InvalidInput)?;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        // SAFETY: asks for new pages wherever the system likes, backed by no file: no memory in use
        // is touched.
        let start = unsafe { libc::mmap(ptr::null_mut(), bytes, access, kind, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, count })
    }
}

impl Deref for SharedWords {
    type Target = [AtomicU64];

    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: the pages stay mapped, readable and writable until this value is dropped, and the
        // borrow ends before that. A page's start is aligned for a word; every bit pattern, zeros
        // included, is a valid word; `new` checked that the size is within `isize`. Threads and
        // processes change words only through the atomics, which work on any mapping of the same
        // memory.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.count) }
    }
}

impl Drop for SharedWords {
    fn drop(&mut self) {
        let bytes = self.count * size_of::<AtomicU64>();
        // SAFETY: exactly the pages that `new` mapped, with no borrow left. Other processes keep
        // their mappings.
        unsafe { libc::munmap(self.start.as_ptr().cast(), bytes) };
    }
}

impl fmt::Debug for SharedWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedWords")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

// SAFETY: the value owns its pages, and gives access only to atomics, which any thread may use.
unsafe impl Send for SharedWords {}

// SAFETY: as above; there is no other state.
unsafe impl Sync for SharedWords {}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn all_words_are_zero_and_apart() {
        let words = SharedWords::new(10_000).unwrap();
        assert!(words.iter().all(|word| word.load(Ordering::Relaxed) == 0));
        for (number, word) in (0..).zip(words.iter()) {
            word.store(number, Ordering::Relaxed);
        }
        for (number, word) in (0..).zip(words.iter()) {
            assert_eq!(word.load(Ordering::Relaxed), number);
        }
    }

    #[test]
    fn threads_add_up() {
        let words = SharedWords::new(1).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        words[0].fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(words[0].load(Ordering::Relaxed), 4000);
    }

    #[test]
    fn impossible_sizes_are_refused() {
        for count in [0, usize::MAX, usize::MAX / 8] {
            assert!(SharedWords::new(count).is_err(), "{count}");
        }
    }
}
