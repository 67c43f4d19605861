//! A global allocator that reports failed allocations before the program ends.
//!
//! Rust aborts a program whose allocation fails, with a message of its own. A global allocator can
//! call a function of the program before that.

use std::alloc::{GlobalAlloc, Layout, System};

/// The allocator of the operating system, which calls a function for each failed allocation.
pub struct Heap {
    failed: fn(usize),
}

impl Heap {
    /// Makes an allocator that calls `failed` with the size in bytes of each failed allocation.
    /// `failed` may end the program; if it returns, the allocation fails as usual (`try_reserve`,
    /// for example, returns an error). It must not panic, and should not allocate.
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

/// Makes all threads share one arena of the C library's allocator. With glibc each thread may
/// otherwise reserve 64 MiB of addresses for its own arena, which can exceed a limit on the address
/// space. The function must be called before other threads are started.
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
        // SAFETY: any parameter and value are allowed at any time. Unknown ones have no effect.
        unsafe { mallopt(M_ARENA_MAX, 1) };
    }
}

/// Ends the process immediately: destructors, and exit handlers of the C library, which may
/// allocate, do not run if the operating system allows it.
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
        // No machine has that much memory: it is half of the address space.
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
            // Without `black_box` the compiler assumes that the allocation succeeds.
            assert!(black_box(heap.alloc(giant)).is_null());
            assert_eq!(heard(), giant.size());
            assert!(black_box(heap.alloc_zeroed(giant)).is_null());
            assert_eq!(heard(), giant.size());
        }
    }
}
