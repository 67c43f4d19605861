//! The command-line program; see `src/cli/`.

use bnn_cpu::cli::{self, HEAP, Registry};
use bnn_cpu::kernels::heap::Heap;

#[global_allocator]
static ALLOCATOR: Heap = HEAP;

fn main() -> std::process::ExitCode {
    cli::main_with(Registry::default())
}
