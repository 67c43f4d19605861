//! A convolution's weights as a sheet of filters, around 0.

use ndarray::ArrayViewD;

use super::canvas::Canvas;
use super::grid::{Grid, Row};
use super::plane::{Colours, Plane};
use crate::bits;
use crate::error::{Error, Result};

/// Filters in a row, where each has one input channel.
const ACROSS: usize = 8;

/// The weights (out, in, height, width) of the convolution `layer` of the network
/// called `name`. With `binary` the signs are drawn, which are what it multiplies by.
///
/// # Errors
/// Numbers of another shape, or too large a picture.
pub fn sheet(
    (name, layer): (&str, &str),
    weights: &ArrayViewD<'_, f32>,
    binary: bool,
) -> Result<Canvas> {
    let &[out, inputs, height, width] = weights.shape() else {
        return Err(Error::spec(format!("{layer} is no convolution")));
    };
    let most = weights.iter().filter(|w| w.is_finite());
    let most = most.fold(0f32, |most, w| most.max(w.abs()));
    let colours = Colours::Around0(if binary { 1.0 } else { most });
    let plane = |o: usize, i: usize| Some(plane(weights, (o, i), binary));
    let row = |name: String, maps: Vec<Option<Plane>>| Row::of_maps(name, &maps, colours);
    let (rows, columns, cell) = if inputs == 1 {
        let rows = (0..out).step_by(ACROSS).map(|first| {
            let last = out.min(first + ACROSS);
            let maps = (first..last).map(|o| plane(o, 0)).collect();
            row(format!("{first}-{}", last - 1), maps)
        });
        (rows.collect::<Vec<_>>(), Vec::new(), 60)
    } else {
        let rows = (0..out).map(|o| {
            let maps = (0..inputs).map(|i| plane(o, i)).collect();
            row(o.to_string(), maps)
        });
        let columns = (0..inputs).map(|i| i.to_string()).collect();
        (rows.collect(), columns, 25)
    };
    let kind = if binary {
        "signs of the weights"
    } else {
        "weights"
    };
    let how = match inputs {
        1 => format!("{out} filters of {height}x{width}"),
        _ => {
            format!("{out} filters (rows) over {inputs} channels (columns), {height}x{width} each")
        }
    };
    Grid {
        title: format!("{name}: {layer}"),
        notes: vec![format!("{kind}: {how}")],
        columns,
        apart: None,
        rows,
        cell,
        quantity: if binary { "sign" } else { "weight" }.into(),
    }
    .draw()
}

/// The filter from input channel `input` to output channel `out`, or its signs.
fn plane(weights: &ArrayViewD<'_, f32>, (out, input): (usize, usize), signs: bool) -> Plane {
    let (height, width) = (weights.shape()[2], weights.shape()[3]);
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
    let values = places.map(|(y, x)| {
        let w = weights[[out, input, y, x]];
        if signs { bits::sign(w) } else { w }
    });
    Plane {
        width,
        height,
        values: values.collect(),
    }
}
