//! Signals: the first Ctrl-C, SIGTERM, SIGHUP or SIGUSR1 asks for a clean stop, the second ends
//! the program at once with exit code 130. SIGUSR1 is what batch schedulers send ahead of a time
//! limit, and what mpirun hands on to its processes without ending them itself.
//!
//! A signal that was ignored when the program started stays ignored: that is how
//! `nohup` and a shell without job control say that a job is to outlive a terminal or
//! a Ctrl-C. What was ignored is known from `/proc/self/status` and therefore on Linux
//! only. Other systems tell it to nobody who may not call C, so there every one of the
//! signals asks for a stop, also under `nohup`. Windows has Ctrl-C, Ctrl-Break and
//! the closing of the console, by the crate ctrlc.
//!
//! SIGXFSZ comes where a file would grow beyond its limit (`ulimit -f`). It would end
//! the process; with a handler for it the write fails instead, and is reported like any
//! other that does.

use std::sync::atomic::AtomicBool;

use bnn_cpu::bounded;

use super::{Failure, Outcome, output};

/// Set by the first signal, or by whoever has no more use for the work.
static STOP: AtomicBool = AtomicBool::new(false);

/// Lets a file that reaches its limit be a failed write. To be called before anything is
/// written.
pub fn let_large_writes_fail() {
    system::let_large_writes_fail();
}

/// The flag that the first signal sets, for work that can be continued later.
/// Until this is called a signal ends the process as ever. Signals of another program within
/// which the command runs are that program's own; it sets the flag itself.
pub fn stop_flag() -> Outcome<&'static AtomicBool> {
    if output::has_host() {
        return Ok(&STOP);
    }
    on_stop(|| output::note("finishing the step and saving; once more to stop at once"))?;
    Ok(&STOP)
}

/// Asks the command that runs within another program to stop, or takes that back before the next.
pub fn set_stop(stop: bool) {
    STOP.store(stop, std::sync::atomic::Ordering::SeqCst);
}

/// Has `work` done at the first signal.
pub fn on_stop(work: impl Fn() + Send + 'static) -> Outcome {
    if output::has_host() {
        return Err(Failure::usage(
            "this command waits for signals and runs in the program bnn-cpu alone",
        ));
    }
    // Whoever waits for the signal has a thread of its own.
    bounded::check_threads(1)?;
    system::on_stop(work)
}

#[cfg(unix)]
mod system {
    use std::ffi::c_int;
    use std::sync::atomic::{AtomicBool, Ordering};

    use bnn_cpu::Error;
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGXFSZ};
    use signal_hook::flag;
    use signal_hook::iterator::Signals;

    use super::super::{Failure, Outcome};
    use super::STOP;

    /// Whether a signal came. Not [`STOP`], which work may set for itself: a signal after
    /// that is still the first one.
    static SIGNALLED: AtomicBool = AtomicBool::new(false);

    /// The signals that ask for a stop, and their names.
    const STOPPING: [(c_int, &str); 4] = [
        (SIGINT, "SIGINT"),
        (SIGTERM, "SIGTERM"),
        (SIGHUP, "SIGHUP"),
        (SIGUSR1, "SIGUSR1"),
    ];

    pub fn let_large_writes_fail() {
        /// Nobody reads it: a handler that does nothing is enough for the write to fail.
        static LARGE: AtomicBool = AtomicBool::new(false);
        if !is_ignored(SIGXFSZ) {
            // Without the handler the signal ends the process, as it would anyway.
            let _ = flag::register(SIGXFSZ, &LARGE);
        }
    }

    pub fn on_stop(work: impl Fn() + Send + 'static) -> Outcome {
        let heard = STOPPING.iter().filter(|(signal, _)| !is_ignored(*signal));
        let mut signals = Signals::new::<[c_int; 0], c_int>([]).map_err(cannot("signals"))?;
        for (signal, name) in heard {
            // The order counts: the first signal must not find the flag that it sets.
            flag::register_conditional_shutdown(*signal, 130, &SIGNALLED).map_err(cannot(name))?;
            flag::register(*signal, &SIGNALLED).map_err(cannot(name))?;
            signals.add_signal(*signal).map_err(cannot(name))?;
        }
        let wait = move || {
            if signals.forever().next().is_some() {
                // What is said comes before the end of what is stopped, or it might not
                // come at all.
                work();
                STOP.store(true, Ordering::SeqCst);
            }
        };
        let thread = std::thread::Builder::new().name("signals".into());
        thread.spawn(wait).map_err(cannot("signals"))?;
        Ok(())
    }

    fn cannot(name: &str) -> impl FnOnce(std::io::Error) -> Failure {
        move |e| Error::Spec(format!("cannot listen for {name}: {e}")).into()
    }

    /// Whether a signal was ignored when the program started, or is by now: nothing here
    /// ever ignores one of those that are asked for.
    fn is_ignored(signal: c_int) -> bool {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        mask(&status) >> (signal - 1) & 1 == 1
    }

    /// The signals that a process ignores, a bit each, from its status on Linux; none
    /// where the system does not tell.
    fn mask(status: &str) -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let mask = line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
        mask.unwrap_or(0)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn ignored_signals_are_read_from_the_status() {
            let status = "Name:\tx\nSigBlk:\t0000000000000002\nSigIgn:\t0000000000001001\n";
            assert_eq!(mask(status), 0x1001);
            for nothing in ["", "SigIgn:\t", "SigIgn:\txyz", "Name:\tSigIgn:\t1"] {
                assert_eq!(mask(nothing), 0, "{nothing:?}");
            }
        }
    }
}

#[cfg(not(unix))]
mod system {
    use std::sync::atomic::{AtomicBool, Ordering};

    use bnn_cpu::Error;

    use super::super::Outcome;
    use super::STOP;

    pub fn let_large_writes_fail() {}

    pub fn on_stop(work: impl Fn() + Send + 'static) -> Outcome {
        static SIGNALLED: AtomicBool = AtomicBool::new(false);
        ctrlc::set_handler(move || {
            if SIGNALLED.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
            work();
            STOP.store(true, Ordering::SeqCst);
        })
        .map_err(|e| Error::Spec(format!("cannot listen for Ctrl-C: {e}")))?;
        Ok(())
    }
}
