//! An allocator that staggers large allocations.

use std::alloc::{GlobalAlloc, Layout, System};

/// Allocations of this size and more are padded.
const LARGE: usize = 4 << 10;

/// The padding in bytes: more than the 31 that matter.
const MORE: usize = 64;

/// Nothing larger than this is ever allocated. Up to this size, the padding fits into every layout.
const TOO_LARGE: usize = isize::MAX as usize / 4;

/// The system's allocator, with padding after each large allocation; for programs, as their
/// `#[global_allocator]`.
///
/// Buffers are often whole pages long, and the system puts 16 bytes between adjacent ones, so each
/// starts 16 bytes further into its page than the previous one. On AMD processors the C library
/// copies 20 to 30 times slower if the destination is 1 to 31 bytes further into its page than the
/// source. Data received over TLS is copied from one such buffer to the next.
///
/// # Examples
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: ftpdlib_sys::Staggered = ftpdlib_sys::Staggered;
///
/// assert_eq!(vec![7; 16 << 10].len(), 16 << 10);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Staggered;

// SAFETY: every call forwards to `System`, always with the same larger layout for a given layout.
unsafe impl GlobalAlloc for Staggered {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises; the larger layout is not empty.
        unsafe { System.alloc(larger(layout)) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises; the larger layout is not empty.
        unsafe { System.alloc_zeroed(larger(layout)) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises; the memory was allocated with this larger layout.
        unsafe { System.dealloc(pointer, larger(layout)) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises; the memory was allocated with this larger layout, and
        // will be freed with the one that is larger than the new layout.
        unsafe { System.realloc(pointer, larger(layout), larger_size(size)) }
    }
}

/// The layout that is actually allocated for `layout`.
fn larger(layout: Layout) -> Layout {
    // This never fails, since `layout` is valid and `TOO_LARGE` leaves room for the padding.
    Layout::from_size_align(larger_size(layout.size()), layout.align()).unwrap_or(layout)
}

const fn larger_size(size: usize) -> usize {
    if LARGE <= size && size <= TOO_LARGE {
        size + MORE
    } else {
        size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A piece of memory filled with `7`s, freed when dropped.
    struct Piece {
        pointer: *mut u8,
        layout: Layout,
    }

    impl Piece {
        fn new(size: usize, align: usize) -> Self {
            let layout = Layout::from_size_align(size, align).unwrap();
            // SAFETY: the layout is not an empty one.
            let pointer = unsafe { Staggered.alloc(layout) };
            assert!(!pointer.is_null());
            assert_eq!(pointer.addr() % align, 0);
            let piece = Self { pointer, layout };
            piece.fill();
            piece
        }

        fn resize(&mut self, size: usize) {
            // SAFETY: the memory is allocated with this layout; the size is not 0.
            self.pointer = unsafe { Staggered.realloc(self.pointer, self.layout, size) };
            assert!(!self.pointer.is_null());
            let kept = self.layout.size().min(size);
            // SAFETY: this many bytes were filled before, and have been kept.
            let bytes = unsafe { std::slice::from_raw_parts(self.pointer, kept) };
            assert!(bytes.iter().all(|&byte| byte == 7));
            self.layout = Layout::from_size_align(size, self.layout.align()).unwrap();
            self.fill();
        }

        fn fill(&self) {
            // SAFETY: the whole piece is allocated.
            unsafe { self.pointer.write_bytes(7, self.layout.size()) };
        }
    }

    impl Drop for Piece {
        fn drop(&mut self) {
            // SAFETY: the memory is allocated with this layout.
            unsafe { Staggered.dealloc(self.pointer, self.layout) };
        }
    }

    const SIZES: [usize; 8] = [
        1,
        100,
        LARGE - 1,
        LARGE,
        LARGE + 1,
        16 << 10,
        300 << 10,
        3 << 20,
    ];

    #[test]
    fn pieces_of_all_sizes_keep_their_content_when_they_grow_and_shrink() {
        for align in [1, 16, 64, 4096] {
            for from in SIZES {
                let mut piece = Piece::new(from, align);
                for to in SIZES {
                    piece.resize(to);
                }
            }
        }
    }

    #[test]
    fn zeros_are_zeros() {
        for size in SIZES {
            let layout = Layout::from_size_align(size, 1).unwrap();
            // SAFETY: the layout is not empty; the memory is read before it is freed.
            unsafe {
                let pointer = Staggered.alloc_zeroed(layout);
                assert!(!pointer.is_null());
                let bytes = std::slice::from_raw_parts(pointer, size);
                assert!(bytes.iter().all(|&byte| byte == 0));
                Staggered.dealloc(pointer, layout);
            }
        }
    }

    #[test]
    fn only_large_pieces_are_larger() {
        let rows = [
            (0, 0),
            (1, 1),
            (LARGE - 1, LARGE - 1),
            (LARGE, LARGE + MORE),
            (16 << 10, (16 << 10) + MORE),
            (TOO_LARGE, TOO_LARGE + MORE),
            (TOO_LARGE + 1, TOO_LARGE + 1),
            (usize::MAX, usize::MAX),
        ];
        for (size, larger) in rows {
            assert_eq!(larger_size(size), larger, "{size}");
        }
    }
}
