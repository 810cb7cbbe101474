//! Memory that was freed.

/// Has the allocator of glibc keep up to a mebibyte of freed memory per heap, rather than return it
/// to the system. Other C libraries are left as they are.
///
/// By default it keeps 128 KiB. So a download over TLS, which allocates and frees twice as much for
/// each of its pieces, would have the system take pages away and clear new ones for all of them.
///
/// To be called before there are threads: they read what it sets.
///
/// # Examples
///
/// ```
/// ftpdlib_sys::keep_freed_memory();
/// ```
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it sets a word that other threads may read meanwhile, and that no pointer depends on:
    // they take the old value or the new one.
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, 1 << 20);
    }
}
