//! How images enter a network: as its spec says, or as its first layer wants them.

use super::pixels::{Normalise, Pixels};
use super::spec::ModelSpec;
use super::topology::Source;
use crate::error::{Error, Result};
use crate::layers::MaxPool;

impl ModelSpec {
    /// The first layer with binary weights, where it sees the pixels: nothing
    /// but pooling lies between.
    pub fn binary_first(&self) -> Option<&str> {
        // Every layer that sees the pixels, but for pooling.
        let topology = self.topology().ok()?;
        let mut pixels: Vec<bool> = Vec::new();
        for (layer, from) in self.layers.iter().zip(&topology.inputs) {
            let sees = from.iter().any(|source| match source {
                Source::Input => true,
                Source::Layer(j) => pixels[*j],
            });
            if sees && layer.has_binary_weights() {
                return Some(layer.label());
            }
            pixels.push(sees && layer.is::<MaxPool>());
        }
        None
    }

    /// How pixels enter: as the spec says; where it says nothing, as integers
    /// before binary weights, else as fractions of 255.
    pub fn pixel_encoding(&self) -> Pixels {
        self.pixels
            .clone()
            .unwrap_or_else(|| match self.binary_first() {
                Some(_) => Pixels::Integer,
                None => Pixels::normalised(0.0, 1.0),
            })
    }

    pub(super) fn check_pixels(&self) -> Result<()> {
        let Some(pixels @ Pixels::Normalised(Normalise { mean, std })) = &self.pixels else {
            return Ok(());
        };
        let channels = self.input.channels;
        let unfit = [("means", mean), ("deviations", std)];
        let unfit = unfit.iter().find(|(_, of)| !of.fits(channels));
        let finite = || {
            let each = 0..mean.numbers().len().max(std.numbers().len());
            let mut all = each.flat_map(|c| [pixels.value(c, 0), pixels.value(c, 255)]);
            all.all(f32::is_finite) && std.numbers().iter().all(|s| s.is_finite() && *s > 0.0)
        };
        let what = if let Some(name) = self.binary_first() {
            format!(
                "layer {name} has binary weights, so its pixels are integers; set \"pixels\" to \"integer\" or leave it out"
            )
        } else if let Some((what, of)) = unfit {
            format!(
                "pixels have {} {what}, and the input has {channels} channel{}; give one number for all channels, or one for each",
                of.numbers().len(),
                if channels == 1 { "" } else { "s" }
            )
        } else if !finite() {
            "pixels need a mean and a std above 0 that make finite numbers of them".into()
        } else {
            return Ok(());
        };
        Err(Error::spec(format!("model {}: {what}", self.name)))
    }
}
