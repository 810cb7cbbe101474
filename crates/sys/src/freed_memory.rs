//! Freed memory.

/// Has glibc's allocator keep up to a mebibyte of freed memory per heap instead of returning it to
/// the system. Does nothing with other C libraries.
///
/// By default the allocator keeps 128 KiB. A download over TLS allocates and frees twice as much
/// for each piece, so for every piece the system would take pages away and clear new ones.
///
/// Call this before other threads start: they read the setting.
///
/// # Examples
///
/// ```
/// ftpdlib_sys::keep_freed_memory();
/// ```
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: sets a word that other threads may read meanwhile. They see the old value or the new
    // one, and no pointer depends on it.
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, 1 << 20);
    }
}
