//! Receptive fields: which pixels of the image a unit sees, from the windows of the layers
//! below it.

use super::spec::ModelSpec;
use super::topology::{Source, Topology};
use crate::error::{Error, Result};
use crate::layers::{Shapes, Sides, Sight, Window};
use crate::tensor::Shape;

/// Rows and columns, both ends included; they may lie beyond an image, in its border.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first row.
    pub top: i64,
    /// The first column.
    pub left: i64,
    /// The last row.
    pub bottom: i64,
    /// The last column.
    pub right: i64,
}

impl Span {
    fn at(row: usize, column: usize) -> Self {
        let (row, column) = (row as i64, column as i64);
        Self {
            top: row,
            left: column,
            bottom: row,
            right: column,
        }
    }

    fn all(shape: Shape) -> Self {
        Self {
            top: 0,
            left: 0,
            bottom: shape.height as i64 - 1,
            right: shape.width as i64 - 1,
        }
    }

    /// Rows and columns that it has.
    pub fn size(&self) -> (usize, usize) {
        let length = |from: i64, to: i64| (to - from + 1).max(0) as usize;
        (length(self.top, self.bottom), length(self.left, self.right))
    }

    fn join(self, other: Self) -> Self {
        Self {
            top: self.top.min(other.top),
            left: self.left.min(other.left),
            bottom: self.bottom.max(other.bottom),
            right: self.right.max(other.right),
        }
    }

    fn within(self, shape: Shape) -> Self {
        let all = Self::all(shape);
        Self {
            top: self.top.max(0),
            left: self.left.max(0),
            bottom: self.bottom.min(all.bottom),
            right: self.right.min(all.right),
        }
    }

    /// What a window at each of these places sees: `[i·stride - padding, i·stride - padding +
    /// reach - 1]`.
    fn under(self, window: &Window) -> Self {
        let reach = window.reach().unwrap_or(Sides::ONE);
        let first = |i: i64, stride: usize, padding: usize| i * stride as i64 - padding as i64;
        let last = |i, stride, padding, reach: usize| first(i, stride, padding) + reach as i64 - 1;
        let (s, p) = (window.stride, window.padding);
        Self {
            top: first(self.top, s.height, p.height),
            left: first(self.left, s.width, p.width),
            bottom: last(self.bottom, s.height, p.height, reach.height),
            right: last(self.right, s.width, p.width, reach.width),
        }
    }
}

/// What is seen of a layer on the way down.
#[derive(Clone, Copy)]
struct Seen {
    /// The places, as if every layer had no end.
    open: Span,
    /// The places that there are.
    real: Span,
    /// The only channel, where it is one.
    channel: Option<usize>,
}

impl Seen {
    fn join(self, other: Self) -> Self {
        Self {
            open: self.open.join(other.open),
            real: self.real.join(other.real),
            channel: self.channel.filter(|c| other.channel == Some(*c)),
        }
    }
}

/// What a unit sees of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its window, which may reach beyond the image: of one size for all units of a layer but
    /// for those that see everything.
    pub window: Span,
    /// The least rectangle of pixels of the image that holds all that the unit depends on.
    pub pixels: Span,
}

/// The receptive fields of a network's units.
#[derive(Clone, Debug)]
pub struct Fields {
    topology: Topology,
    shapes: Vec<Shapes>,
    sights: Vec<Sight>,
    input: Shape,
}

impl Fields {
    fn of(spec: &ModelSpec) -> Result<Self> {
        Ok(Self {
            topology: spec.topology()?,
            shapes: spec.layer_shapes()?,
            sights: spec.layers.iter().map(|l| l.layer().sight()).collect(),
            input: spec.input,
        })
    }

    /// The field of the unit of `layer` in `channel` at (row, column); `None` where the layer
    /// depends on no image.
    pub fn field(
        &self,
        layer: usize,
        channel: usize,
        (row, column): (usize, usize),
    ) -> Option<Field> {
        let mut seen: Vec<Option<Seen>> = vec![None; layer + 1];
        let mut image: Option<Seen> = None;
        seen[layer] = Some(Seen {
            open: Span::at(row, column),
            real: Span::at(row, column),
            channel: Some(channel),
        });
        for i in (0..=layer).rev() {
            let Some(at) = seen[i] else { continue };
            let mut first = 0;
            for (source, &shape) in self.topology.inputs[i].iter().zip(&self.shapes[i].inputs) {
                let channels = first..first + shape.channels;
                first = channels.end;
                let Some(below) = self.below(i, at, shape, channels) else {
                    continue;
                };
                let to = match source {
                    Source::Input => &mut image,
                    Source::Layer(j) => &mut seen[*j],
                };
                *to = Some(to.map_or(below, |known| known.join(below)));
            }
        }
        let image = image?;
        Some(Field {
            window: image.open,
            pixels: image.real.within(self.input),
        })
    }

    /// What layer `i` sees of an input of that shape, which has these of the joined channels.
    fn below(
        &self,
        i: usize,
        at: Seen,
        shape: Shape,
        joined: std::ops::Range<usize>,
    ) -> Option<Seen> {
        let whole = Seen {
            open: Span::all(shape),
            real: Span::all(shape),
            channel: None,
        };
        match self.sights[i] {
            Sight::Place => Some(at),
            Sight::Joined => match at.channel {
                Some(c) if !joined.contains(&c) => None,
                channel => Some(Seen {
                    channel: channel.map(|c| c - joined.start),
                    ..at
                }),
            },
            Sight::Window {
                window,
                own_channel,
            } => Some(Seen {
                open: at.open.under(&window),
                real: at.real.under(&window).within(shape),
                channel: at.channel.filter(|_| own_channel),
            }),
            Sight::Flattened => Some(at.channel.map_or(whole, |number| {
                let (channel, place) = (number / shape.pixels(), number % shape.pixels());
                let place = Span::at(place / shape.width, place % shape.width);
                Seen {
                    open: place,
                    real: place,
                    channel: Some(channel),
                }
            })),
            Sight::Whole => Some(whole),
        }
    }
}

impl ModelSpec {
    /// The receptive fields of all units, for callers that ask for many.
    ///
    /// # Errors
    /// A spec that describes no network.
    pub fn receptive_fields(&self) -> Result<Fields> {
        Fields::of(self)
    }

    /// What the unit of layer `layer` in `channel` at (row, column) sees of the image: through
    /// convolutions and pools by their kernels, strides, paddings and dilations, through joined
    /// branches along the one that the channel came by, through a flattened image to the number
    /// that stands there, through sums along all. Layers that do
    /// not say what they see ([`Sight::Whole`]) are taken to see everything.
    ///
    /// # Errors
    /// A spec that describes no network, a unit that the layer does not have, or a layer that
    /// depends on no image.
    pub fn receptive_field(
        &self,
        layer: usize,
        channel: usize,
        at: (usize, usize),
    ) -> Result<Field> {
        let fields = Fields::of(self)?;
        let fail = |what: &str| Error::spec(format!("model {}: {what}", self.name));
        let shape = fields.shapes.get(layer).map(|s| s.output);
        let inside = |s: &Shape| channel < s.channels && at.0 < s.height && at.1 < s.width;
        if !shape.as_ref().is_some_and(inside) {
            return Err(fail("there is no such unit"));
        }
        let field = fields.field(layer, channel, at);
        field.ok_or_else(|| fail("that layer depends on no image"))
    }
}

#[cfg(test)]
#[path = "receptive_tests.rs"]
mod tests;
