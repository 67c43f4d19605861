//! NumPy arrays that view memory of a network: reading them copies nothing, and writing to one
//! changes the network.

use numpy::PyArrayDyn;
use numpy::ndarray::ArrayViewD;
use pyo3::prelude::*;

/// An array over `view`, which is memory of `owner`. The array keeps `owner` alive.
///
/// The caller upholds that `view` is memory of `owner` that is neither moved nor freed while
/// `owner` lives, and that `owner` has interior mutability for it: nothing in Rust holds a
/// reference into it while Python code runs that could write to the array, except a computation
/// on another thread, whose results are then unspecified numbers, as with any NumPy array that
/// two threads use.
pub fn view<'py>(
    view: &ArrayViewD<'_, f32>,
    owner: Bound<'py, PyAny>,
) -> Bound<'py, PyArrayDyn<f32>> {
    // SAFETY: the parameters, gradients and buffers of a network are vectors that are filled when
    // it is recorded and keep their place until it is dropped; the array holds a reference to
    // `owner`, which owns the network. f32 has no invalid bit patterns.
    unsafe { PyArrayDyn::borrow_from_array(view, owner) }
}
