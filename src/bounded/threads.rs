//! Threads, started only where the address space holds their stacks.
//!
//! A thread that finds no room for what it needs as it starts ends the whole program, and
//! nothing can catch that; so the room is looked at first. What glibc reserves for the
//! allocations of each thread, 64 MiB of addresses, is not counted: under a limit a
//! program should have it reserve none (`kernels::heap::one_arena`).

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::memory::address_space_left;
use crate::error::{Error, Result};

/// Addresses of a thread: Rust's 2 MiB of stack, the pages around it, the stack for
/// signals, and its first allocations.
const OF_A_THREAD: u64 = (2 << 20) + (512 << 10);

/// What is left for everything else.
const REST: u64 = 2 << 20;

/// Whether so many threads more can be started.
///
/// # Errors
/// [`Error::Spec`] where a limit on the address space leaves no room for their stacks.
pub fn check_threads(threads: usize) -> Result<()> {
    fits(threads, address_space_left())
}

fn fits(threads: usize, left: Option<u64>) -> Result<()> {
    let needed = (threads as u64)
        .saturating_mul(OF_A_THREAD)
        .saturating_add(REST);
    match left.filter(|&left| needed > left) {
        Some(left) => Err(Error::spec(format!(
            "cannot start {threads} thread{}: stacks take {:.1} MiB of addresses, and the limit on the address space leaves {:.1}; use fewer threads or raise the limit (ulimit -v)",
            if threads == 1 { "" } else { "s" },
            needed as f64 / f64::from(1 << 20),
            left as f64 / f64::from(1 << 20)
        ))),
        None => Ok(()),
    }
}

/// A pool of so many threads, or of one for each core where that is 0.
///
/// # Errors
/// [`Error::Spec`] where they cannot be started.
pub fn pool(threads: usize) -> Result<ThreadPool> {
    let number = match threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    check_threads(number)?;
    let pool = ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map_err(|e| {
        let s = if number == 1 { "" } else { "s" };
        Error::spec(format!(
            "cannot start {number} thread{s}: {e}; use fewer threads"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_refused_where_their_stacks_have_no_room() {
        fits(1000, None).unwrap();
        fits(4, Some(4 * OF_A_THREAD + REST)).unwrap();
        let error = fits(4, Some(4 * OF_A_THREAD + REST - 1)).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with("cannot start 4 threads: "), "{error}");
        assert!(error.contains("12.0 MiB") && error.contains("ulimit -v"));
        assert!(fits(usize::MAX, Some(u64::MAX - 1)).is_err());
    }

    #[test]
    fn a_pool_has_the_threads_that_were_asked_for() {
        assert_eq!(pool(3).unwrap().current_num_threads(), 3);
        assert!(pool(0).unwrap().current_num_threads() >= 1);
    }
}
