//! Training allocates and frees the same large blocks each update.

/// Makes the allocator keep freed blocks instead of handing their pages back and forth: page faults
/// cost a third of the time otherwise.
pub fn keep_freed_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt only sets parameters of the allocator.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
    }
}
