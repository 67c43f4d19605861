//! An allocator for programs that have something to say when memory runs out.
//!
//! Rust ends a program whose allocation fails by an abort, with a message of its own. An
//! allocator is the one place that hears of the failure before that.

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator, which calls a function for each allocation that fails.
pub struct Heap {
    failed: fn(usize),
}

impl Heap {
    /// Calls `failed` with the bytes that could not be had. It may end the program; if it
    /// returns, whoever asked is told, and `try_reserve` for one gives an error. It must
    /// not panic, and should allocate nothing.
    pub const fn new(failed: fn(usize)) -> Self {
        Self { failed }
    }

    #[inline]
    fn hear(&self, found: *mut u8, bytes: usize) -> *mut u8 {
        if found.is_null() {
            (self.failed)(bytes);
        }
        found
    }
}

// SAFETY: every call goes to the system's allocator as it came, and what that returns is
// returned unchanged; `failed` must not unwind.
unsafe impl GlobalAlloc for Heap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps to the contract of `GlobalAlloc`.
        self.hear(unsafe { System.alloc(layout) }, layout.size())
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        self.hear(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    #[inline]
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above; `at` came from `System`.
        unsafe { System.dealloc(at, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above; `at` came from `System`.
        self.hear(unsafe { System.realloc(at, layout, size) }, size)
    }
}

/// Has all threads share one arena of the C library's allocator. Where it is glibc, each
/// thread would reserve 64 MiB of addresses for an arena of its own at some moment, which
/// is most of what a limit on the address space may leave. To be called before there are
/// other threads.
pub fn one_arena() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        use std::ffi::c_int;
        // As in glibc's malloc.h.
        const M_ARENA_MAX: c_int = -8;
        // SAFETY: the declaration is that of malloc.h.
        unsafe extern "C" {
            fn mallopt(parameter: c_int, value: c_int) -> c_int;
        }
        // SAFETY: any parameter and value are allowed, at any time. What is not taken
        // leaves everything as it was.
        unsafe { mallopt(M_ARENA_MAX, 1) };
    }
}

/// Ends the process at once: destructors of the thread and handlers of the C library,
/// which may allocate, are left out where the system lets them be.
pub fn end(code: i32) -> ! {
    #[cfg(unix)]
    {
        // SAFETY: the declaration is that of unistd.h.
        unsafe extern "C" {
            fn _exit(code: std::ffi::c_int) -> !;
        }
        // SAFETY: it may be called at any time, and does not return.
        unsafe { _exit(code) }
    }
    #[cfg(not(unix))]
    std::process::exit(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;
    use std::sync::atomic::{AtomicUsize, Ordering};

    static HEARD: AtomicUsize = AtomicUsize::new(0);

    #[test]
    fn what_fails_is_heard_of_and_what_succeeds_is_not() {
        let heap = Heap::new(|bytes| HEARD.store(bytes, Ordering::Relaxed));
        let small = Layout::array::<u64>(4).unwrap();
        // Half of all addresses: no machine has that.
        let giant = Layout::array::<u8>(isize::MAX as usize - 64).unwrap();
        let heard = || HEARD.swap(0, Ordering::Relaxed);
        // SAFETY: the layouts have sizes, and each block is used within its own and freed
        // once by the allocator that it is from.
        unsafe {
            let at = heap.alloc(small);
            at.cast::<u64>().write(7);
            let at = heap.realloc(at, small, 1 << 12);
            assert_eq!(at.cast::<u64>().read(), 7);
            assert_eq!(heard(), 0);
            let grown = Layout::from_size_align(1 << 12, small.align()).unwrap();
            assert!(black_box(heap.realloc(at, grown, giant.size())).is_null());
            assert_eq!(heard(), giant.size());
            heap.dealloc(at, grown);
            let zeros = heap.alloc_zeroed(small);
            assert_eq!(zeros.cast::<[u64; 4]>().read(), [0; 4]);
            heap.dealloc(zeros, small);
            assert_eq!(heard(), 0);
            // What nobody looks at the compiler takes for granted.
            assert!(black_box(heap.alloc(giant)).is_null());
            assert_eq!(heard(), giant.size());
            assert!(black_box(heap.alloc_zeroed(giant)).is_null());
            assert_eq!(heard(), giant.size());
        }
    }
}
