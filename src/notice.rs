//! Notices: what a person should know although nothing failed. The library prints
//! nothing; a program names a listener, and each notice is given once.

use std::collections::BTreeSet;
use std::sync::{Mutex, OnceLock, PoisonError};

/// What hears notices.
type Listener = Box<dyn Fn(&str) + Send + Sync>;

static LISTENER: OnceLock<Listener> = OnceLock::new();
static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Names who hears notices from now on. Only the first call has an effect; until then
/// nobody hears.
pub fn listen(listener: impl Fn(&str) + Send + Sync + 'static) {
    let _ = LISTENER.set(Box::new(listener));
}

/// Gives a notice, unless one about the same `subject` was given before.
pub fn once(subject: &str, text: &str) {
    let Some(listener) = LISTENER.get() else {
        return;
    };
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if said.insert(subject.to_string()) {
        listener(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_spoken_of_once() {
        static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());
        once("tests: early", "nobody hears");
        listen(|text| {
            if text.starts_with("tests:") {
                HEARD.lock().unwrap().push(text.into());
            }
        });
        for (subject, text) in [("tests: a", "tests: 1"), ("tests: a", "tests: 2")] {
            once(subject, text);
        }
        once("tests: b", "tests: 3");
        assert_eq!(*HEARD.lock().unwrap(), ["tests: 1", "tests: 3"]);
    }
}
