//! The command-line program; see `src/cli/`.

mod cli;

#[global_allocator]
static HEAP: bnn_cpu::kernels::heap::Heap =
    bnn_cpu::kernels::heap::Heap::new(cli::exhausted::failed);

fn main() -> std::process::ExitCode {
    cli::main()
}
