//! The functions that an exported page calls.
//!
//! A page puts bytes into the memory that [`room`] returns and calls [`load`], [`drawing`],
//! [`picture`] or [`image`], which return 1, or 0 where something is wrong; then [`text`] and
//! [`text_length`] say what. Results lie in memory whose place the other functions return, until the
//! next call.
//!
//! The only `unsafe` is in the attributes that keep the names of these functions.

mod page;

use std::sync::{Mutex, MutexGuard, PoisonError};

use page::Page;

static PAGE: Mutex<Page> = Mutex::new(Page::new());

/// The state. There is one thread, and a panic ends the module.
fn page() -> MutexGuard<'static, Page> {
    PAGE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the place of a buffer of `length` bytes for what a page gives, or 0 if that is more than
/// there may be.
#[unsafe(no_mangle)]
pub extern "C" fn room(length: usize) -> usize {
    page().room(length)
}

/// Makes the bytes of the buffer, a network in its compact form, the network. `light` is 1 if it was
/// trained on images with a light background, else 0.
#[unsafe(no_mangle)]
pub extern "C" fn load(light: i32) -> i32 {
    page().asked(|page| page.load(light == 1))
}

/// Answers a drawing in the buffer: a byte of ink a pixel, row by row.
#[unsafe(no_mangle)]
pub extern "C" fn drawing(width: usize, height: usize) -> i32 {
    page().asked(|page| page.drawing(width, height))
}

/// Answers a picture in the buffer: red, green, blue and opacity a pixel, row by row.
#[unsafe(no_mangle)]
pub extern "C" fn picture(width: usize, height: usize) -> i32 {
    page().asked(|page| page.picture(width, height))
}

/// Answers an image in the buffer that is already one for the network.
#[unsafe(no_mangle)]
pub extern "C" fn image() -> i32 {
    page().asked(Page::image)
}

/// Runs the network on the last image `times` times, so that the page can take the time.
#[unsafe(no_mangle)]
pub extern "C" fn again(times: usize) -> i32 {
    page().asked(|page| page.again(times))
}

/// Returns the class of the last image, or -1 if there is none.
#[unsafe(no_mangle)]
pub extern "C" fn class() -> i32 {
    page().class()
}

/// Returns the place of the last image that the network was shown.
#[unsafe(no_mangle)]
pub extern "C" fn seen() -> usize {
    page().seen().as_ptr() as usize
}

/// Returns the place of the logits of the last image.
#[unsafe(no_mangle)]
pub extern "C" fn logits() -> usize {
    page().logits().as_ptr() as usize
}

/// Returns the place of the probability of each class.
#[unsafe(no_mangle)]
pub extern "C" fn probabilities() -> usize {
    page().probabilities().as_ptr() as usize
}

/// Returns the place of the bits of a stage for the last image, a byte each: (channel, row, column).
#[unsafe(no_mangle)]
pub extern "C" fn bits(stage: usize) -> usize {
    page().bits(stage).as_ptr() as usize
}

/// Returns the place of the text that says what was wrong.
#[unsafe(no_mangle)]
pub extern "C" fn text() -> usize {
    page().text().as_ptr() as usize
}

/// Returns the number of bytes of that text.
#[unsafe(no_mangle)]
pub extern "C" fn text_length() -> usize {
    page().text().len()
}
