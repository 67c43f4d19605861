//! Turns at writing a table that several processes may fill.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bnn_cpu::Error;
use bnn_cpu::files::FolderLock;

use super::super::Outcome;

/// Turns at writing a table.
pub struct Turns<Say: Fn(&str) + Sync> {
    /// The threads of this process queue here: a lock tells processes apart, and another
    /// thread's would pass for another process's.
    own: Mutex<()>,
    /// Whether it was said what is waited for.
    said: AtomicBool,
    say: Say,
}

/// The right to write, while it lives.
pub struct Turn<'a> {
    _folder: FolderLock,
    _own: MutexGuard<'a, ()>,
}

impl<Say: Fn(&str) + Sync> Turns<Say> {
    pub fn new(say: Say) -> Self {
        Self {
            own: Mutex::new(()),
            said: AtomicBool::new(false),
            say,
        }
    }

    /// Waits for a turn; the first time that another process has it, says so.
    pub fn take(&self, folder: &Path) -> Outcome<Turn<'_>> {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let lock = match FolderLock::acquire(folder) {
            Err(Error::InUse { folder }) => {
                if !self.said.swap(true, Ordering::Relaxed) {
                    (self.say)(&format!(
                        "waiting for {}: another process writes the table",
                        folder.display()
                    ));
                }
                FolderLock::wait(&folder)?
            }
            other => other?,
        };
        Ok(Turn {
            _folder: lock,
            _own: own,
        })
    }
}
