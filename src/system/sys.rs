//! The one place for what no safe crate offers.
#![allow(unsafe_code)]

use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// Takes ownership of the sockets that the service manager passed, with their names (`FileDescriptorName=`, see
/// sd_listen_fds(3)). Yields them once per process: a second call yields nothing.
pub(super) fn inherited_sockets() -> std::io::Result<Vec<(String, OwnedFd)>> {
    // The descriptors belong to the process, so who took them is a fact of the process too.
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Ok(Vec::new());
    }
    let owned = |(fd, name): (RawFd, String)| {
        // SAFETY: sd_listen_fds_with_names() has verified that LISTEN_PID names this process, and has set
        // close-on-exec on every descriptor, which fails for one that is not open. By that protocol they are
        // ours, nobody else of this process knows their numbers, and TAKEN lets this line run once.
        (name, unsafe { OwnedFd::from_raw_fd(fd) })
    };
    Ok(sd_notify::listen_fds_with_names()?.map(owned).collect())
}

/// One allocation arena instead of eight per core: buffers wander between our few threads, and every further arena
/// keeps pages of its own (1.0 instead of 2.2 MB per channel on air, measured). And blocks of 60 KB and more, as the
/// rings hold them by the hundred, in pages of their own, so that they go back to the system at once; smaller
/// ones, which come and go with every picture, stay in the heap and cost no page faults. To be called before there
/// are threads. Only glibc has such settings.
pub(super) fn settle_allocator() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt(3) takes two integers, changes a setting of the allocator and touches no memory of ours.
    unsafe {
        nix::libc::mallopt(nix::libc::M_ARENA_MAX, 1);
        nix::libc::mallopt(nix::libc::M_MMAP_THRESHOLD, 60 << 10);
    }
}

/// Gives free pages of the heap back to the system. glibc keeps what lies below the last block in use.
pub(super) fn trim_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) releases pages that hold no block in use; it locks the arenas itself.
    unsafe {
        nix::libc::malloc_trim(0);
    }
}
