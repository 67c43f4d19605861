//! What is done when memory runs out: one line, exit code 1.
//!
//! What takes much memory compares it with what is free before it begins, and says which
//! file or network it is. Every other allocation of this program that fails comes here.
//! Out of reach remain what happens before `main` (the system's loader, Rust's own
//! start), a stack that cannot grow, and a system that grants memory which it does not
//! have and then ends the program.

use std::cell::Cell;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bnn_cpu::bounded;
use bnn_cpu::kernels::heap;

thread_local! {
    static ENDING: Cell<bool> = const { Cell::new(false) };
}

/// Under a limit on the address space, has none of it set aside that may never be used.
/// To be called before there are other threads.
pub fn prepare() {
    if bounded::address_space_left().is_some() {
        heap::one_arena();
    }
}

/// Ends the program, unless whoever asked for so many bytes copes without them.
/// Allocates nothing.
pub fn failed(bytes: usize) {
    // The end itself must not come back here.
    if bounded::attempting() || ENDING.try_with(|ending| ending.replace(true)) != Ok(false) {
        return;
    }
    end(format_args!(
        "the memory is used up: {bytes} bytes more are not to be had; choose a smaller batch, model or data set, or fewer threads"
    ));
}

/// Ends the program if it is this that a panic is about: a thread that could not start, or
/// one that found no memory for its signals' stack as it did. Neither is a mistake of the
/// program, and the second would end it by a signal.
pub fn panicked(what: &str) {
    if is_of_a_start(what) {
        end(format_args!(
            "a thread cannot be started for want of memory or of threads; use fewer threads, or raise the limits (ulimit -v, ulimit -u)"
        ));
    }
}

/// As Rust's library says it.
fn is_of_a_start(what: &str) -> bool {
    [
        "failed to spawn thread",
        "failed to allocate an alternative stack",
        "failed to set up alternative stack",
    ]
    .iter()
    .any(|begin| what.starts_with(begin))
}

/// Says why in one line, and ends the program.
fn end(why: std::fmt::Arguments<'_>) -> ! {
    static FIRST: AtomicBool = AtomicBool::new(true);
    if FIRST.swap(false, Ordering::SeqCst) {
        let mut line = Line::default();
        let _ = writeln!(line, "error: {why}");
        let _ = std::io::stderr().write_all(&line.text[..line.length]);
        // What was to be shown has been shown: every line is flushed as it is written.
        heap::end(1);
    }
    // Another thread is ending the program already.
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// A line without an allocation.
struct Line {
    text: [u8; 256],
    length: usize,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            text: [0; 256],
            length: 0,
        }
    }
}

impl Write for Line {
    fn write(&mut self, part: &[u8]) -> std::io::Result<usize> {
        (&mut self.text[self.length..])
            .write(part)
            .inspect(|n| self.length += n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_keeps_what_fits_it() {
        let mut line = Line::default();
        write!(line, "a {}", 7).unwrap();
        assert_eq!(&line.text[..line.length], b"a 7");
        assert!(line.write_all(&[b'x'; 300]).is_err());
        assert_eq!(line.length, 256);
    }

    #[test]
    fn a_thread_that_cannot_start_is_no_mistake_of_the_program() {
        assert!(is_of_a_start(
            "failed to allocate an alternative stack: Cannot allocate memory (os error 12)"
        ));
        assert!(is_of_a_start("failed to spawn thread: Os { code: 11 }"));
        assert!(!is_of_a_start("index out of bounds"));
    }

    #[test]
    fn what_is_attempted_does_not_end_the_program() {
        bounded::attempt(|| failed(7));
    }
}
