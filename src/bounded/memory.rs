//! How much memory this process may still take, and whether a failed allocation is
//! handled where it happens.

use std::cell::Cell;

/// Up to so many bytes the system is not asked what is free: 64 MiB.
const ALWAYS: u64 = 64 << 20;

/// Bytes of memory that this process may still take, as far as the operating system
/// tells: what is free, and the limits on its address space. `None` where it does
/// not tell.
pub fn memory() -> Option<u64> {
    let free = std::fs::read_to_string("/proc/meminfo").ok();
    let free = free.and_then(|text| kilobytes(&text, "MemAvailable:"));
    let left = address_space_left();
    [free, left].into_iter().flatten().min()
}

/// What is free, where it is less than the bytes that are `needed`.
pub(crate) fn lacking(needed: u64) -> Option<u64> {
    let free = (needed > ALWAYS).then(memory).flatten();
    free.filter(|&free| needed > free)
}

/// `MemAvailable:   23456 kB`
fn kilobytes(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let number = line.split_whitespace().next()?.parse::<u64>().ok()?;
    number.checked_mul(1024)
}

/// `Max address space   4294967296   unlimited   bytes`; the first is what holds.
fn address_space(text: &str) -> Option<u64> {
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What the limit on the address space leaves; `None` where there is no limit, or the
/// system does not tell.
pub fn address_space_left() -> Option<u64> {
    let limit = std::fs::read_to_string("/proc/self/limits").ok();
    let limit = limit.and_then(|text| address_space(&text))?;
    let used = std::fs::read_to_string("/proc/self/status").ok();
    let used = used.and_then(|text| kilobytes(&text, "VmSize:"));
    Some(limit.saturating_sub(used.unwrap_or(0)))
}

thread_local! {
    static ATTEMPTING: Cell<bool> = const { Cell::new(false) };
}

/// Does work that copes with a failed allocation, `try_reserve` for one. A program whose
/// allocator ends it when memory runs out asks [`attempting`] before it does.
pub fn attempt<T>(work: impl FnOnce() -> T) -> T {
    let before = ATTEMPTING.replace(true);
    let result = work();
    ATTEMPTING.set(before);
    result
}

/// Whether this thread is within [`attempt`].
pub fn attempting() -> bool {
    // A thread that is ending attempts nothing.
    ATTEMPTING.try_with(Cell::get).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn attempts_are_of_one_thread_and_end_with_the_work() {
        assert!(!attempting());
        attempt(|| {
            assert!(attempting());
            attempt(|| assert!(attempting()));
            assert!(attempting());
            std::thread::scope(|scope| {
                scope.spawn(|| assert!(!attempting()));
            });
        });
        assert!(!attempting());
    }

    #[test]
    fn little_is_never_lacking() {
        assert_eq!((lacking(0), lacking(ALWAYS)), (None, None));
    }

    #[test]
    fn memory_is_read_from_what_the_system_tells() {
        let meminfo = "MemTotal:       24 kB\nMemAvailable:   16 kB\n";
        assert_eq!(kilobytes(meminfo, "MemAvailable:"), Some(16 << 10));
        assert_eq!(kilobytes("MemTotal: 24 kB", "MemAvailable:"), None);
        let limits = "Limit   Soft   Hard   Units\nMax address space   4096   unlimited   bytes\n";
        assert_eq!(address_space(limits), Some(4096));
        let limits = limits.replace("4096", "unlimited");
        assert_eq!(address_space(&limits), None);
        if Path::new("/proc/meminfo").exists() {
            assert!(memory().unwrap() > 1 << 20);
            assert!(lacking(u64::MAX).unwrap() > 1 << 20);
        }
    }
}
