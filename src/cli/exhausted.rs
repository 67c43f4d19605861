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
    static FIRST: AtomicBool = AtomicBool::new(true);
    // The end itself must not come back here.
    if bounded::attempting() || ENDING.try_with(|ending| ending.replace(true)) != Ok(false) {
        return;
    }
    if FIRST.swap(false, Ordering::SeqCst) {
        let mut line = Line::default();
        let _ = writeln!(
            line,
            "error: the memory is used up: {bytes} bytes more are not to be had; choose a smaller batch, model or data set, or fewer threads"
        );
        let _ = std::io::stderr().write_all(&line.text[..line.length]);
        std::process::exit(1);
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
