//! Packed networks for programs in C and whatever calls it (floor 3).
//!
//! `bnn_cpu.h` beside this file is the header, made by cbindgen (`tests/tools/ffi.sh`); the library
//! is built by
//!
//! ```text
//! cargo rustc --release --lib --no-default-features --features ffi --crate-type cdylib
//! ```
//!
//! Every function checks its pointers for null and its lengths, and turns a panic into an error. It
//! cannot check that a pointer that is not null points to what it says, nor that a network was not
//! freed before.

mod calls;

pub use calls::*;

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::error::Error;
use crate::kernels::{self, Isa};
use crate::packed::{PackedNet, Runner};
use crate::tensor::Shape;

thread_local! {
    /// What the last failed call of this thread said.
    static SAID: RefCell<CString> = RefCell::new(CString::default());
}

/// A packed network that is ready to run. Several threads may call one network at the same time;
/// the calls wait for each other. A clone shares the weights and runs beside it.
pub struct Net {
    input: Shape,
    classes: usize,
    runner: Mutex<Runner>,
}

impl Net {
    fn new(net: &PackedNet) -> Result<Self, String> {
        let engine = kernels::select(None).map_err(|e| e.to_string())?;
        Ok(Self {
            input: net.input(),
            classes: net.classes(),
            runner: Mutex::new(net.runner(engine)),
        })
    }

    fn open(path: &Path) -> Result<Self, String> {
        let net = PackedNet::read(path).map_err(|e: Error| e.to_string())?;
        Self::new(&net)
    }

    fn load(bytes: &[u8]) -> Result<Self, String> {
        let net = PackedNet::from_bytes(bytes).map_err(|e: Error| e.to_string())?;
        Self::new(&net)
    }

    fn another(&self) -> Self {
        Self {
            input: self.input,
            classes: self.classes,
            runner: Mutex::new(self.locked(|runner| runner.clone())),
        }
    }

    /// Calls `what` with the runner. One that panicked computes the next image anew.
    fn locked<T>(&self, what: impl FnOnce(&mut Runner) -> T) -> T {
        let mut runner = self.runner.lock().unwrap_or_else(PoisonError::into_inner);
        what(&mut runner)
    }

    fn checked(&self, image: &[u8]) -> Result<(), String> {
        let pixels = self.input.len();
        if image.len() != pixels {
            return Err(format!(
                "an image of this network has {pixels} bytes, not {}",
                image.len()
            ));
        }
        Ok(())
    }

    fn classify(&self, image: &[u8]) -> Result<usize, String> {
        self.checked(image)?;
        let class = self.locked(|runner| runner.classify(image));
        class.ok_or_else(|| "a logit is not a number, so there is no class".into())
    }

    /// The logits, where there is room for `count`.
    fn logits(&self, image: &[u8], count: usize) -> Result<Vec<f32>, String> {
        self.checked(image)?;
        if count != self.classes {
            return Err(format!(
                "this network has {} logits, and there is room for {count}",
                self.classes
            ));
        }
        let mut out = vec![0.0; count];
        self.locked(|runner| runner.logits(image, &mut out));
        Ok(out)
    }
}

/// Runs a call; keeps the text of its error or of its panic, and returns `None` then.
fn guarded<T>(call: impl FnOnce() -> Result<T, String>) -> Option<T> {
    let text = match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => return Some(value),
        Ok(Err(text)) => text,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            format!("an error of bnn-cpu itself: {}", text.unwrap_or("unknown"))
        }
    };
    let text = CString::new(text.replace('\0', " ")).unwrap_or_default();
    SAID.set(text);
    None
}

/// The name of the kernels that networks run on.
fn isa() -> &'static CStr {
    match kernels::select(None).map(|engine| engine.kernels.isa) {
        Ok(Isa::Scalar) => c"scalar",
        Ok(Isa::Simd128) => c"simd128",
        Ok(Isa::Avx2) => c"avx2",
        Ok(Isa::Avx512) => c"avx512",
        Ok(Isa::Neon) => c"neon",
        Err(_) => c"",
    }
}

/// The place of the text of this thread's last error.
fn said() -> *const c_char {
    SAID.with_borrow(|text| text.as_ptr())
}
