//! The time of day, where there is one: WebAssembly without a system has no clock, and
//! asking for one there would end the program. Everything then takes 0 seconds.

#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
pub(super) use std::time::Instant;

/// A moment that no time passes after.
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
pub(super) struct Instant;

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
impl Instant {
    pub(super) fn now() -> Self {
        Self
    }

    pub(super) fn elapsed(&self) -> std::time::Duration {
        std::time::Duration::ZERO
    }
}

/// Images a second; 0 where no time was measured.
pub(super) fn rate(images: usize, seconds: f64) -> f64 {
    match seconds > 0.0 {
        true => images as f64 / seconds,
        false => 0.0,
    }
}
