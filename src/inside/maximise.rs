//! Images made to excite a channel: gradient ascent on the input.
//!
//! Binary units below the site pass gradients straight through, by the derivative of a
//! sigmoid, and emit the likelier bit; the network is otherwise the trained one. The image
//! that is told is of whole bytes, and its strength is that of the trained network on these
//! bytes. Of several beginnings the strongest end counts.
//!
//! Source: D. Erhan et al., "Visualizing Higher-Layer Features of a Deep Network" (2009);
//! total variation: A. Mahendran, A. Vedaldi, arXiv 1412.0035; shifts: A. Mordvintsev et al.,
//! "Inceptionism" (2015).

use serde::Serialize;

use super::Site;
use super::ascent::{Climber, Regularised};
use super::regions::check;
use crate::data::Split;
use crate::error::{Error, Result};
use crate::estimators::{Firing, Probability};
use crate::layers::Binary;
use crate::model::{ModelSpec, Network, Pixels, Span};
use crate::tape::{Mode, Units};

/// Images that climb at once.
const BATCH: usize = 16;

/// What is to be excited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aim {
    /// The unit in the middle of the channel.
    Unit,
    /// The mean of all units of the channel.
    Channel,
}

/// How images climb.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Settings {
    /// What is to be excited.
    pub aim: Aim,
    /// Steps of each image.
    pub steps: usize,
    /// Beginnings, of which the best is kept.
    pub restarts: usize,
    /// The seed of beginnings and shifts.
    pub seed: u64,
    /// The share of its distance from the most frequent brightness that a pixel loses in a
    /// step.
    pub decay: f32,
    /// The weight of the total variation, against a gradient of 1.
    pub smooth: f32,
    /// Pixels by which an image stands aside at most, in the first half of the steps.
    pub shift: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            aim: Aim::Unit,
            steps: 160,
            restarts: 4,
            seed: 1,
            decay: 0.01,
            smooth: 0.25,
            shift: 2,
        }
    }
}

/// The images that were made for the channels of a site.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Maximised {
    /// Where.
    #[serde(flatten)]
    pub site: Site,
    /// How they were made.
    pub settings: Settings,
    /// The shape of the images: (height, width, channels).
    pub image: (usize, usize, usize),
    /// Every channel that was asked for.
    pub channels: Vec<Best>,
}

/// The image that was made for a channel.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Best {
    /// The channel's number, from 0.
    pub channel: usize,
    /// The image, bytes (height, width, channel).
    pub pixels: Vec<u8>,
    /// What the unit in the middle sees of it.
    #[serde(skip)]
    pub seen: Span,
    /// The strength that it has: the pre-activation where there is one, else the output, of
    /// the unit in the middle or the mean of the channel.
    pub strength: f32,
    /// The output of the same.
    pub activation: f32,
    /// The strength of the image that it began as.
    pub start: f32,
    /// The strength of the mean of the test images.
    pub mean_image: f32,
}

/// Makes images that excite the `channels` of `site`. `split` tells what pixels are at rest
/// (their median, channel by channel) and what the mean image is.
///
/// # Errors
/// A channel that the layer does not have, or too large a network.
///
/// # Panics
/// If the split does not fit the network.
pub fn maximise(
    net: &Network,
    site: &Site,
    split: &Split,
    channels: &[usize],
    settings: Settings,
) -> Result<Maximised> {
    check(site, &[0], channels)?;
    if settings.steps == 0 || settings.restarts == 0 {
        return Err(Error::spec("there must be a step and a beginning at least"));
    }
    let middle = (site.shape.height / 2, site.shape.width / 2);
    let fields = net.spec().receptive_fields()?;
    let seen = |channel| {
        let field = fields.field(site.layer, channel, middle);
        let field = field.ok_or_else(|| Error::spec("the layer depends on no image"));
        field.map(|field| field.window)
    };
    let seen = channels.iter().map(|&c| seen(c));
    let seen: Vec<Span> = seen.collect::<Result<_>>()?;
    let sides = seen.iter().map(|span| span.size());
    let least = sides.map(|(height, width)| height.min(width)).min();
    // A unit that sees a few pixels would see another part of a shifted image.
    let shift = settings.shift.min(least.unwrap_or(0) / 8);
    let jobs = channels
        .iter()
        .flat_map(|&c| (0..settings.restarts).map(move |r| (c, r)));
    let jobs: Vec<(usize, usize)> = jobs.collect();
    let mut ascent = Ascent::new(net, site, split, (settings, shift), jobs.len().min(BATCH))?;
    let mean = mean_image(split);
    let mut best: Vec<Option<Best>> = vec![None; channels.len()];
    for (batch, jobs) in jobs.chunks(BATCH).enumerate() {
        for (i, mut end) in ascent.climb(jobs, &mean).into_iter().enumerate() {
            let at = (batch * BATCH + i) / settings.restarts;
            end.seen = seen[at];
            let to = &mut best[at];
            if to
                .as_ref()
                .is_none_or(|known| end.strength > known.strength)
            {
                *to = Some(end);
            }
        }
    }
    Ok(Maximised {
        site: site.clone(),
        settings: Settings { shift, ..settings },
        image: split.shape(),
        channels: best.into_iter().flatten().collect(),
    })
}

/// The network with binary units that pass gradients straight through.
fn straight_through(spec: &ModelSpec) -> ModelSpec {
    let mut spec = spec.clone();
    for layer in &mut spec.layers {
        layer.update::<Binary>(|unit| {
            let levels = unit.levels;
            *unit = Binary::new(Firing::Deterministic, "st");
            (unit.levels, unit.probability) = (levels, Some(Probability::Sigmoid));
        });
    }
    spec
}

/// The mean of all images of a split, in bytes.
fn mean_image(split: &Split) -> Vec<u8> {
    let mut sums = vec![0u64; split.image(0).len()];
    for i in 0..split.len() {
        for (sum, &byte) in sums.iter_mut().zip(split.image(i)) {
            *sum += u64::from(byte);
        }
    }
    let mean = |sum: u64| (sum as f64 / split.len() as f64).round() as u8;
    sums.into_iter().map(mean).collect()
}

/// The median of the pixels of each channel, from 0 to 1.
fn medians(split: &Split) -> Vec<f32> {
    let channels = split.shape().2;
    let mut counts = vec![[0u64; 256]; channels];
    for pixel in split.pixels().chunks_exact(channels) {
        for (counts, &byte) in counts.iter_mut().zip(pixel) {
            counts[usize::from(byte)] += 1;
        }
    }
    let half = (split.pixels().len() / channels) as u64 / 2;
    let median = |counts: &[u64; 256]| {
        let mut below = 0;
        let found = counts.iter().position(|&n| {
            below += n;
            below > half
        });
        found.unwrap_or(0) as f32 / 255.0
    };
    counts.iter().map(median).collect()
}

/// A network that images climb through.
struct Ascent<'a> {
    net: Network,
    site: &'a Site,
    pixels: Pixels,
    rest: Vec<f32>,
    image: (usize, usize, usize),
    settings: Settings,
    shift: usize,
}

impl<'a> Ascent<'a> {
    fn new(
        from: &Network,
        site: &'a Site,
        split: &Split,
        (settings, shift): (Settings, usize),
        batch: usize,
    ) -> Result<Self> {
        let spec = straight_through(from.spec());
        let mut net = Network::with_input_gradient(&spec, from.pass().engine, batch)?;
        copy(from, &mut net);
        net.pass_mut().slope = from.pass().slope;
        (net.pass_mut().mode, net.pass_mut().units) = (Mode::Eval, Units::Threshold);
        Ok(Self {
            net,
            site,
            pixels: spec.pixel_encoding(),
            rest: medians(split),
            image: split.shape(),
            settings,
            shift,
        })
    }

    /// The units of a channel that are to be excited.
    fn units(&self, channel: usize) -> Vec<usize> {
        let shape = self.site.shape;
        match self.settings.aim {
            Aim::Unit => {
                let middle = shape.height / 2 * shape.width + shape.width / 2;
                vec![middle * shape.channels + channel]
            }
            Aim::Channel => (0..shape.pixels())
                .map(|p| p * shape.channels + channel)
                .collect(),
        }
    }

    /// The ends of the images of those channels and restarts.
    fn climb(&mut self, jobs: &[(usize, usize)], mean: &[u8]) -> Vec<Best> {
        let seed = self.settings.seed;
        let climber = |&(c, r): &(usize, usize)| Climber::new(self.image, &self.rest, (seed, c, r));
        let mut climbers: Vec<Climber> = jobs.iter().map(climber).collect();
        let bytes = |climbers: &[Climber]| climbers.iter().map(Climber::bytes).collect::<Vec<_>>();
        let starts = self.tell(jobs, &bytes(&climbers));
        let means = self.tell(jobs, &vec![mean.to_vec(); jobs.len()]);
        for step in 0..self.settings.steps {
            self.step(jobs, &mut climbers, step);
        }
        let pixels = bytes(&climbers);
        let ends = self.tell(jobs, &pixels);
        let mut all = Vec::new();
        for (i, pixels) in pixels.into_iter().enumerate() {
            all.push(Best {
                channel: jobs[i].0,
                pixels,
                seen: Span::default(),
                strength: ends[i].0,
                activation: ends[i].1,
                start: starts[i].0,
                mean_image: means[i].0,
            });
        }
        all
    }

    /// One step of all images.
    fn step(&mut self, jobs: &[(usize, usize)], climbers: &mut [Climber], step: usize) {
        let (pixels, len) = (&self.pixels, self.image.0 * self.image.1 * self.image.2);
        self.net.set_rows(jobs.len());
        let rows = self.net.input_mut().chunks_exact_mut(len);
        for (climber, x) in climbers.iter_mut().zip(rows) {
            // In the second half what the unit sees comes to rest.
            let most = if 2 * step < self.settings.steps {
                self.shift
            } else {
                0
            };
            climber.stand_aside(step, most);
            climber.put(pixels, x);
        }
        self.net.forward();
        let layer = self.site.ranked_layer();
        let width = self.net.layer_output(layer).len() / jobs.len();
        let mut deciding = Vec::new();
        for ((channel, _), row) in jobs
            .iter()
            .zip(self.net.layer_output(layer).chunks_exact(width))
        {
            let units = self.units(*channel);
            let place = |unit: &usize| self.site.deciding(&self.net, row, *unit);
            deciding.push(units.iter().map(place).collect::<Vec<usize>>());
        }
        self.net.backward_from(layer, |gradient| {
            gradient.fill(0.0);
            for (row, places) in gradient.chunks_exact_mut(width).zip(&deciding) {
                for &place in places {
                    row[place] += 1.0 / places.len() as f32;
                }
            }
        });
        // Large steps first, small ones at the end.
        let left = 1.0 - step as f32 / self.settings.steps as f32;
        let by = Regularised {
            rate: 0.01 + 0.09 * left,
            decay: self.settings.decay,
            smooth: self.settings.smooth,
        };
        let gradients = self.net.input_gradient().chunks_exact(len);
        for (climber, gradient) in climbers.iter_mut().zip(gradients) {
            climber.step(pixels, gradient, step, by);
        }
    }

    /// Strength and output of what is to be excited, for images of bytes.
    fn tell(&mut self, jobs: &[(usize, usize)], images: &[Vec<u8>]) -> Vec<Told> {
        self.net.set_rows(images.len());
        for (row, image) in images.iter().enumerate() {
            self.net.set_image(row, image);
        }
        self.net.forward();
        let (len, mut strengths) = (self.site.shape.len(), Vec::new());
        self.site.strengths(&self.net, &mut strengths);
        let outputs = self.net.layer_output(self.site.layer).chunks_exact(len);
        let mut told = Vec::new();
        for ((s, y), (channel, _)) in strengths.chunks_exact(len).zip(outputs).zip(jobs) {
            let units = self.units(*channel);
            let mean = |of: &[f32]| units.iter().map(|&u| of[u]).sum::<f32>() / units.len() as f32;
            told.push((mean(s), mean(y)));
        }
        told
    }
}

/// Strength and output.
type Told = (f32, f32);

/// Copies parameters and buffers by their names.
fn copy(from: &Network, to: &mut Network) {
    let (from, to) = (from.params(), to.params_mut());
    for entry in to.entries().to_vec() {
        let source = from.entries().iter().find(|e| e.name == entry.name);
        let source = source.expect("the same network has the same parameters");
        to.values_mut()[entry.span].copy_from_slice(&from.values()[source.span.clone()]);
    }
    for entry in to.buffer_entries().to_vec() {
        // Learned numbers of estimators are of no use here.
        if let Some(source) = from.buffer_entries().iter().find(|e| e.name == entry.name) {
            let source = &from.buffer_values()[source.span.clone()];
            to.buffer_values_mut()[entry.span].copy_from_slice(source);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::site::tests::{network, two};
    use super::*;

    fn settings(aim: Aim) -> Settings {
        Settings {
            aim,
            steps: 60,
            restarts: 2,
            ..Settings::default()
        }
    }

    #[test]
    fn images_excite_more_than_their_beginning_and_than_the_mean_image() {
        let (mut net, split) = network(1);
        for site in Site::of_blocks(&two()).unwrap() {
            for aim in [Aim::Unit, Aim::Channel] {
                let channels = [0, site.shape.channels - 1];
                let made = maximise(&net, &site, &split, &channels, settings(aim)).unwrap();
                let again = maximise(&net, &site, &split, &channels, settings(aim)).unwrap();
                assert_eq!(made, again, "the same seed, the same images");
                let other = Settings {
                    seed: 2,
                    ..settings(aim)
                };
                let other = maximise(&net, &site, &split, &channels, other).unwrap();
                assert_ne!(made.channels[0].pixels, other.channels[0].pixels);
                for best in &made.channels {
                    let what = format!("{} {aim:?} {best:?}", site.name);
                    assert!(best.strength > best.start, "{what}");
                    assert!(best.strength > best.mean_image, "{what}");
                    // The trained network, whatever was put in place of its units, says so.
                    (net.pass_mut().mode, net.pass_mut().units) = (Mode::Eval, Units::Threshold);
                    net.set_rows(1);
                    net.set_image(0, &best.pixels);
                    net.forward();
                    let mut strengths = Vec::new();
                    site.strengths(&net, &mut strengths);
                    let shape = site.shape;
                    let own = strengths.iter().skip(best.channel).step_by(shape.channels);
                    let middle = shape.height / 2 * shape.width + shape.width / 2;
                    let told = match aim {
                        Aim::Unit => *own.clone().nth(middle).unwrap(),
                        Aim::Channel => own.sum::<f32>() / shape.pixels() as f32,
                    };
                    assert!((told - best.strength).abs() < 1e-4, "{told}: {what}");
                }
            }
        }
    }

    #[test]
    fn the_gradient_of_an_image_is_that_of_finite_differences() {
        // Without binary units, whose gradients are none of the function.
        let mut spec = two();
        spec.layers[3].set(crate::layers::Activation {
            function: crate::layers::Function::Sigmoid,
        });
        let engine = crate::kernels::select(Some("scalar")).unwrap();
        let mut net = Network::with_input_gradient(&spec, engine, 2).unwrap();
        net.init(crate::model::Init::Pytorch, 4);
        net.pass_mut().mode = Mode::Eval;
        net.set_rows(2);
        let image: Vec<f32> = (0..2 * 784)
            .map(|i| (i * 37 % 101) as f32 / 60.0 - 0.8)
            .collect();
        let layer = 7;
        let mut value = |image: &[f32], gradient: Option<&mut Vec<f32>>| {
            net.input_mut().copy_from_slice(image);
            net.forward();
            let y = net.layer_output(layer).to_vec();
            if let Some(to) = gradient {
                net.backward_from(layer, |g| {
                    g.fill(0.0);
                    (g[3], g[12 + 5]) = (1.0, 2.0);
                });
                *to = net.input_gradient().to_vec();
            }
            f64::from(y[3]) + 2.0 * f64::from(y[12 + 5])
        };
        let mut gradient = Vec::new();
        value(&image, Some(&mut gradient));
        let mut compared = 0;
        for i in (0..2 * 784).step_by(97) {
            let (mut more, mut less) = (image.clone(), image.clone());
            (more[i], less[i]) = (image[i] + 0.01, image[i] - 0.01);
            let numeric = (value(&more, None) - value(&less, None)) / 0.02;
            assert!(
                (numeric - f64::from(gradient[i])).abs() < 2e-3,
                "{i}: {numeric}"
            );
            compared += usize::from(gradient[i].abs() > 1e-3);
        }
        assert!(compared > 5, "{compared}");
    }
}
