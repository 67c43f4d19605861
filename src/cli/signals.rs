//! Ctrl-C and SIGTERM: the first asks for a clean stop, the second does not.

use std::sync::atomic::{AtomicBool, Ordering};

use bnn_cpu::Error;

use super::{Outcome, output};

static STOP: AtomicBool = AtomicBool::new(false);

/// The flag that the first signal sets, for work that can be continued later.
/// Until this is called a signal ends the process as ever.
pub fn stop_flag() -> Outcome<&'static AtomicBool> {
    on_stop(|| output::note("finishing the step and saving; once more to stop at once"))?;
    Ok(&STOP)
}

/// Has `work` done at the first signal.
pub fn on_stop(work: impl Fn() + Send + 'static) -> Outcome {
    ctrlc::set_handler(move || {
        if STOP.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        work();
    })
    .map_err(|e| Error::Spec(format!("cannot listen for Ctrl-C: {e}")))?;
    Ok(())
}
