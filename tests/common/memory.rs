//! How much memory a test takes, counted where it is asked for. A test that counts says
//! `#[global_allocator] static MEMORY: Memory = Memory;`.

// An allocator cannot be written without; it hands everything to the system's.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Of this thread, so that tests count beside each other.
    static COUNTS: Cell<Counts> = const { Cell::new(Counts { held: 0, most: 0, largest: 0 }) };
}

/// Bytes, of one thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Taken and not given back.
    pub held: usize,
    /// The most that was held at once.
    pub most: usize,
    /// The largest piece.
    pub largest: usize,
}

/// The system's allocator, counting.
pub struct Memory;

fn count(more: usize, less: usize) {
    // A thread that ends has no counts any more.
    let _ = COUNTS.try_with(|cell| {
        let mut counts = cell.get();
        counts.held = (counts.held + more).saturating_sub(less);
        counts.most = counts.most.max(counts.held);
        counts.largest = counts.largest.max(more);
        cell.set(counts);
    });
}

// SAFETY: every call goes to the system's allocator with the caller's own arguments.
unsafe impl GlobalAlloc for Memory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: see above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: see above.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: see above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: see above.
        unsafe { System.realloc(place, layout, size) }
    }
}

/// Counts of what `work` takes, beyond what was held before.
pub fn counted<T>(work: impl FnOnce() -> T) -> (T, Counts) {
    let before = COUNTS.get().held;
    COUNTS.set(Counts {
        held: 0,
        most: 0,
        largest: 0,
    });
    let result = work();
    let counts = COUNTS.get();
    COUNTS.set(Counts {
        held: before + counts.held,
        most: before + counts.most,
        ..counts
    });
    (result, counts)
}
