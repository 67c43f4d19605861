//! The functions of the header. All `unsafe` of this folder is here: names that the linker keeps,
//! and pointers that are followed after they were compared with null.

use std::ffi::{CStr, c_char, c_int};
use std::path::Path;

use super::{Net, guarded, isa, said};

/// A packed network that is ready to run.
#[allow(non_camel_case_types, reason = "a name of C")]
pub type bnn_cpu_net = Net;

/// Follows a pointer to a network.
///
/// # Safety
/// It is null, or came from this library and was not freed.
unsafe fn net<'a>(net: *const bnn_cpu_net) -> Result<&'a Net, String> {
    // SAFETY: guaranteed by the caller.
    unsafe { net.as_ref() }.ok_or_else(|| "the network is NULL; open one first".into())
}

/// Makes a slice of a pointer and a length.
///
/// # Safety
/// The pointer is null, or `length` bytes are readable there during the call.
unsafe fn bytes<'a>(from: *const u8, length: usize, what: &str) -> Result<&'a [u8], String> {
    if from.is_null() {
        return Err(format!("{what} is NULL"));
    }
    if length > isize::MAX as usize {
        return Err(format!("{what} has an impossible length, {length}"));
    }
    // SAFETY: guaranteed by the caller, and the length was checked.
    Ok(unsafe { std::slice::from_raw_parts(from, length) })
}

fn boxed(net: Option<Net>) -> *mut bnn_cpu_net {
    net.map_or(std::ptr::null_mut(), |net| Box::into_raw(Box::new(net)))
}

/// Reads a packed file; `path` is UTF-8 and ends with a zero byte. Returns NULL if it is not one;
/// bnn_cpu_error() says why. What is returned is given back by bnn_cpu_free().
///
/// # Safety
/// `path` is null or a text that ends with a zero byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bnn_cpu_open(path: *const c_char) -> *mut bnn_cpu_net {
    boxed(guarded(|| {
        if path.is_null() {
            return Err("the path is NULL".into());
        }
        // SAFETY: guaranteed by the caller.
        let path = unsafe { CStr::from_ptr(path) };
        let path = path.to_str().map_err(|_| "the path is not UTF-8")?;
        Net::open(Path::new(path))
    }))
}

/// As bnn_cpu_open(), of the `length` bytes of a packed file, which are copied.
///
/// # Safety
/// `from` is null, or `length` bytes are readable there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bnn_cpu_load(from: *const u8, length: usize) -> *mut bnn_cpu_net {
    boxed(guarded(|| {
        // SAFETY: guaranteed by the caller.
        Net::load(unsafe { bytes(from, length, "the packed file") }?)
    }))
}

/// Returns another network with the same weights, for another thread; NULL if `from` is NULL.
///
/// # Safety
/// `from` is null, or came from this library and was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bnn_cpu_clone(from: *const bnn_cpu_net) -> *mut bnn_cpu_net {
    // SAFETY: guaranteed by the caller.
    boxed(guarded(|| Ok(unsafe { net(from) }?.another())))
}

/// Frees a network; NULL is allowed. No other call may be using it.
///
/// # Safety
/// `of` is null, or came from this library and was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bnn_cpu_free(of: *mut bnn_cpu_net) {
    guarded(|| {
        if !of.is_null() {
            // SAFETY: guaranteed by the caller.
            drop(unsafe { Box::from_raw(of) });
        }
        Ok(())
    });
}

/// Writes channels, height and width of an image to `shape`. An image has their product of bytes,
/// row by row, the channels of a pixel beside each other. Returns 0, or -1 on an error.
///
/// # Safety
/// `of` is null or a network that was not freed; `shape` is null, or three numbers are writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bnn_cpu_shape(of: *const bnn_cpu_net, shape: *mut usize) -> c_int {
    let done = guarded(|| {
        // SAFETY: guaranteed by the caller.
        let input = unsafe { net(of) }?.input;
        if shape.is_null() || !shape.is_aligned() {
            return Err("the shape is NULL, or no place of three numbers".into());
        }
        for (i, side) in [input.channels, input.height, input.width]
            .into_iter()
            .enumerate()
        {
            // SAFETY: three numbers are writable.
            unsafe { shape.add(i).write(side) };
        }
        Ok(())
    });
    done.map_or(-1, |()| 0)
}

/// Returns the number of classes, which is that of logits; 0 on an error.
///
/// # Safety
/// `of` is null, or a network that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bnn_cpu_classes(of: *const bnn_cpu_net) -> usize {
    // SAFETY: guaranteed by the caller.
    guarded(|| Ok(unsafe { net(of) }?.classes)).unwrap_or(0)
}

/// Returns the class of an image, the first of equals, or -1 on an error.
///
/// # Safety
/// `of` is null or a network that was not freed; `image` is null, or `length` bytes are readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bnn_cpu_classify(
    of: *const bnn_cpu_net,
    image: *const u8,
    length: usize,
) -> c_int {
    let class = guarded(|| {
        // SAFETY: guaranteed by the caller.
        let (net, image) = unsafe { (net(of)?, bytes(image, length, "the image")?) };
        let class = net.classify(image)?;
        c_int::try_from(class).map_err(|_| "the class is too large for an int".into())
    });
    class.unwrap_or(-1)
}

/// Writes the logits of an image to `out`, which has room for `count` of them, as many as there are
/// classes. Returns 0, or -1 on an error.
///
/// # Safety
/// `of` is null or a network that was not freed; `image` is null, or `length` bytes are readable;
/// `out` is null, or `count` floats are writable and no others use them during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bnn_cpu_logits(
    of: *const bnn_cpu_net,
    image: *const u8,
    length: usize,
    out: *mut f32,
    count: usize,
) -> c_int {
    let done = guarded(|| {
        // SAFETY: guaranteed by the caller.
        let (net, image) = unsafe { (net(of)?, bytes(image, length, "the image")?) };
        if out.is_null() || !out.is_aligned() {
            return Err("the place of the logits is NULL, or not one of floats".into());
        }
        let logits = net.logits(image, count)?;
        // SAFETY: `count` floats are writable. They may overlap the image, so they are written last.
        unsafe { out.copy_from_nonoverlapping(logits.as_ptr(), count) };
        Ok(())
    });
    done.map_or(-1, |()| 0)
}

/// Returns what was wrong in the last failed call of this thread, one line; it is valid until the
/// next call of this thread.
#[unsafe(no_mangle)]
pub extern "C" fn bnn_cpu_error() -> *const c_char {
    said()
}

/// Returns the name of the instruction set that networks run on.
#[unsafe(no_mangle)]
pub extern "C" fn bnn_cpu_isa() -> *const c_char {
    isa().as_ptr()
}
