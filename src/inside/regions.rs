//! The patches of images that excite each channel most.
//!
//! Of every image the one place counts where a channel's strength ([`Site`]) is greatest, so
//! that the patches are of as many images. A patch is what the unit at that place sees of its
//! image ([`ModelSpec::receptive_field`](crate::model::ModelSpec::receptive_field)), through
//! all layers below; what of its window lies beyond the image is empty.

use serde::Serialize;

use super::Site;
use super::watch::{Pass, watch};
use crate::data::Split;
use crate::error::{Error, Result};
use crate::model::{Network, Span};

/// The patches that excite the channels of a site.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Regions {
    /// Where.
    #[serde(flatten)]
    pub site: Site,
    /// Rows and columns of a patch.
    pub window: (usize, usize),
    /// Channels of the images.
    pub image_channels: usize,
    /// Images that were looked at.
    pub images: usize,
    /// Every channel that was asked for.
    pub channels: Vec<Channel>,
}

/// The patches of one channel.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Channel {
    /// Its number, from 0.
    pub channel: usize,
    /// Places of all images at which its output is above 0.
    pub above_zero: u64,
    /// Places of all images.
    pub places: u64,
    /// Patches that the mean is over: the strongest ones.
    pub averaged: usize,
    /// Of those, how many are of images of each class.
    pub classes: Vec<usize>,
    /// The mean of those patches, (height, width, channel), from 0 to 1; of each number over
    /// the patches in which it lies within the image, `None` where it lies in none.
    pub mean: Vec<Option<f32>>,
    /// The strongest patches, the strongest first; of equally strong ones the first image.
    pub patches: Vec<Patch>,
}

/// A patch of an image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Patch {
    /// The number of the image in its split.
    pub image: u32,
    /// Its label.
    pub label: u32,
    /// The unit's row and column in its layer.
    pub unit: (usize, usize),
    /// The unit's output.
    pub activation: f32,
    /// What it was ranked by: its pre-activation where it has one, else its output.
    pub strength: f32,
    /// The row and the column of the image at which the patch begins; below 0 in its border.
    pub corner: (i64, i64),
}

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Patches that are told of each channel.
    pub patches: usize,
    /// Patches that the mean is over.
    pub averaged: usize,
}

/// What was seen of a channel so far.
struct Seen {
    channel: usize,
    above_zero: u64,
    best: Vec<Patch>,
}

impl Seen {
    /// Puts a patch among the best, if it is one.
    fn add(&mut self, patch: Patch, most: usize) {
        let full = self.best.len() == most;
        let weaker = |known: &Patch| known.strength < patch.strength;
        if full && !self.best.last().is_some_and(weaker) {
            return;
        }
        let at = self
            .best
            .partition_point(|known| known.strength >= patch.strength);
        self.best.insert(at, patch);
        self.best.truncate(most);
    }

    /// Looks at one image: outputs and strengths of all units.
    fn look(
        &mut self,
        (y, strengths): (&[f32], &[f32]),
        site: &Site,
        image: (u32, u32),
        most: usize,
    ) {
        let mut best: Option<(usize, f32)> = None;
        for place in 0..site.shape.pixels() {
            let unit = place * site.shape.channels + self.channel;
            self.above_zero += u64::from(y[unit] > 0.0);
            let strength = strengths[unit];
            if !strength.is_nan() && best.is_none_or(|(_, most)| strength > most) {
                best = Some((place, strength));
            }
        }
        let Some((place, strength)) = best else {
            return;
        };
        let patch = Patch {
            image: image.0,
            label: image.1,
            unit: (place / site.shape.width, place % site.shape.width),
            activation: y[place * site.shape.channels + self.channel],
            strength,
            corner: (0, 0),
        };
        self.add(patch, most);
    }
}

/// Finds the patches of the images `images` of `split` that excite the `channels` of `site`
/// most; stochastic units emit the likelier bit.
///
/// # Errors
/// No images, or a channel that the layer does not have.
///
/// # Panics
/// If the split does not fit the network.
pub fn regions(
    net: &mut Network,
    site: &Site,
    split: &Split,
    images: &[u32],
    (channels, kept): (&[usize], Kept),
) -> Result<Regions> {
    check(site, images, channels)?;
    let most = kept.averaged.max(kept.patches).max(1);
    let mut seen: Vec<Seen> = channels
        .iter()
        .map(|&channel| Seen {
            channel,
            above_zero: 0,
            best: Vec::new(),
        })
        .collect();
    let (len, mut strengths) = (site.shape.len(), Vec::new());
    watch(net, split, images, Pass::Threshold, &mut |net, batch| {
        site.strengths(net, &mut strengths);
        let rows = net.layer_output(site.layer).chunks_exact(len);
        for ((&image, y), s) in batch.iter().zip(rows).zip(strengths.chunks_exact(len)) {
            let of = (image, split.label(image as usize));
            for channel in &mut seen {
                channel.look((y, s), site, of, most);
            }
        }
    });
    let windows = Windows::of(net, site, channels)?;
    let classes = split.labels().iter().max().map_or(0, |&c| c as usize + 1);
    let places = (site.shape.pixels() * images.len()) as u64;
    let finish = |seen: Seen| windows.finish(seen, split, (classes, places), kept);
    Ok(Regions {
        site: site.clone(),
        window: windows.size,
        image_channels: split.shape().2,
        images: images.len(),
        channels: seen.into_iter().map(finish).collect(),
    })
}

/// Whether there is something to look at.
pub(super) fn check(site: &Site, images: &[u32], channels: &[usize]) -> Result<()> {
    if images.is_empty() || channels.is_empty() {
        return Err(Error::spec("there are no images or no channels to look at"));
    }
    let beyond = channels.iter().find(|&&c| c >= site.shape.channels);
    match beyond {
        Some(c) => Err(Error::spec(format!(
            "{} has no channel {c}; its channels are 0 to {}",
            site.about,
            site.shape.channels - 1
        ))),
        None => Ok(()),
    }
}

/// Where patches lie: the window of every unit.
struct Windows {
    size: (usize, usize),
    /// For each channel and each place.
    spans: Vec<(usize, Vec<Span>)>,
    width: usize,
}

impl Windows {
    fn of(net: &Network, site: &Site, channels: &[usize]) -> Result<Self> {
        let fields = net.spec().receptive_fields()?;
        let (mut spans, mut size) = (Vec::new(), (1, 1));
        for &channel in channels {
            let mut of_channel = Vec::new();
            for place in 0..site.shape.pixels() {
                let at = (place / site.shape.width, place % site.shape.width);
                let field = fields.field(site.layer, channel, at);
                let field = field.ok_or_else(|| Error::spec("the layer depends on no image"))?;
                let (height, width) = field.window.size();
                size = (size.0.max(height), size.1.max(width));
                of_channel.push(field.window);
            }
            spans.push((channel, of_channel));
        }
        Ok(Self {
            size,
            spans,
            width: site.shape.width,
        })
    }

    /// The corner of the patch of a unit, its window in the middle of it.
    fn corner(&self, channel: usize, (row, column): (usize, usize)) -> (i64, i64) {
        let of = self.spans.iter().find(|(c, _)| *c == channel);
        let Some(span) = of.map(|(_, spans)| spans[row * self.width + column]) else {
            return (0, 0);
        };
        let (height, width) = span.size();
        let (down, across) = ((self.size.0 - height) / 2, (self.size.1 - width) / 2);
        (span.top - down as i64, span.left - across as i64)
    }

    fn finish(
        &self,
        seen: Seen,
        split: &Split,
        (classes, places): (usize, u64),
        kept: Kept,
    ) -> Channel {
        let mut patches = seen.best;
        for patch in &mut patches {
            patch.corner = self.corner(seen.channel, patch.unit);
        }
        let averaged = &patches[..patches.len().min(kept.averaged)];
        let mut of_class = vec![0; classes];
        for patch in averaged {
            of_class[patch.label as usize] += 1;
        }
        Channel {
            channel: seen.channel,
            above_zero: seen.above_zero,
            places,
            averaged: averaged.len(),
            classes: of_class,
            mean: mean(averaged, self.size, split),
            patches: patches[..patches.len().min(kept.patches)].to_vec(),
        }
    }
}

/// The bytes of a patch, (height, width, channel); `None` beyond the image.
pub fn pixels(patch: &Patch, (height, width): (usize, usize), split: &Split) -> Vec<Option<u8>> {
    let (image, (rows, columns, channels)) = (split.image(patch.image as usize), split.shape());
    let mut all = Vec::with_capacity(height * width * channels);
    for i in 0..height as i64 {
        for j in 0..width as i64 {
            let (y, x) = (patch.corner.0 + i, patch.corner.1 + j);
            let inside = (0..rows as i64).contains(&y) && (0..columns as i64).contains(&x);
            let at = inside.then(|| (y as usize * columns + x as usize) * channels);
            all.extend((0..channels).map(|c| at.map(|at| image[at + c])));
        }
    }
    all
}

fn mean(patches: &[Patch], size: (usize, usize), split: &Split) -> Vec<Option<f32>> {
    let mut sums = vec![(0u64, 0u64); size.0 * size.1 * split.shape().2];
    for patch in patches {
        for ((sum, count), byte) in sums.iter_mut().zip(pixels(patch, size, split)) {
            *sum += byte.map_or(0, u64::from);
            *count += u64::from(byte.is_some());
        }
    }
    let of = |(sum, count): (u64, u64)| {
        (count > 0).then(|| (sum as f64 / (255.0 * count as f64)) as f32)
    };
    sums.into_iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::super::site::tests::{network, two};
    use super::*;
    use crate::tape::{Mode, Units};

    const KEPT: Kept = Kept {
        patches: 4,
        averaged: 7,
    };

    /// The output of a site for an image.
    fn outputs(net: &mut Network, site: &Site, image: &[u8]) -> (Vec<f32>, Vec<f32>) {
        (net.pass_mut().mode, net.pass_mut().units) = (Mode::Eval, Units::Threshold);
        net.set_rows(1);
        net.set_image(0, image);
        net.forward();
        let mut strengths = Vec::new();
        site.strengths(net, &mut strengths);
        (net.layer_output(site.layer).to_vec(), strengths)
    }

    #[test]
    fn patches_are_the_strongest_and_seen_again_excite_as_told() {
        let (mut net, split) = network(16);
        let images: Vec<u32> = (0..40).collect();
        for site in Site::of_blocks(&two()).unwrap() {
            let channels: Vec<usize> = (0..site.shape.channels).collect();
            let found = regions(&mut net, &site, &split, &images, (&channels, KEPT)).unwrap();
            for channel in &found.channels {
                assert_eq!(channel.patches.len(), 4);
                for patch in &channel.patches {
                    let (y, s) = outputs(&mut net, &site, split.image(patch.image as usize));
                    let place = patch.unit.0 * site.shape.width + patch.unit.1;
                    let unit = place * site.shape.channels + channel.channel;
                    assert_eq!((y[unit], s[unit]), (patch.activation, patch.strength));
                    // Nothing but the patch excites the unit: all else may be anything.
                    let seen = pixels(patch, found.window, &split);
                    let mut other: Vec<u8> = (0..784).map(|i| (i * 37 % 251) as u8).collect();
                    for (i, byte) in seen.iter().enumerate() {
                        let (row, column) = (i / found.window.1, i % found.window.1);
                        let at =
                            (patch.corner.0 + row as i64) * 28 + patch.corner.1 + column as i64;
                        if let Some(byte) = byte {
                            other[at as usize] = *byte;
                        }
                    }
                    let (y, _) = outputs(&mut net, &site, &other);
                    assert_eq!(y[unit], patch.activation, "{} {patch:?}", site.name);
                }
                // No image is stronger than the last that is told, but those before it.
                let stronger = images.iter().filter(|&&i| {
                    let (_, s) = outputs(&mut net, &site, split.image(i as usize));
                    let own = s.iter().skip(channel.channel).step_by(site.shape.channels);
                    own.fold(f32::MIN, |a, &b| a.max(b)) > channel.patches[3].strength
                });
                assert!(stronger.count() <= 3);
                assert_eq!(channel.classes.iter().sum::<usize>(), 7);
            }
        }
    }

    #[test]
    fn counts_and_means_are_those_of_the_images() {
        let (mut net, split) = network(9);
        let images: Vec<u32> = (0..20).collect();
        let site = Site::find(&two(), "unit").unwrap();
        let found = regions(&mut net, &site, &split, &images, (&[2], KEPT)).unwrap();
        let channel = &found.channels[0];
        let mut fires = 0;
        for &i in &images {
            let (y, _) = outputs(&mut net, &site, split.image(i as usize));
            fires += y.iter().skip(2).step_by(4).filter(|h| **h > 0.0).count() as u64;
        }
        assert_eq!((channel.above_zero, channel.places), (fires, 20 * 28 * 28));
        assert!(fires > 0 && found.window == (5, 5));
        // The mean of as many patches as are told is that of their pixels.
        let all = Kept { patches: 7, ..KEPT };
        let found = regions(&mut net, &site, &split, &images, (&[2], all)).unwrap();
        let channel = &found.channels[0];
        for (i, mean) in channel.mean.iter().enumerate() {
            let bytes = channel
                .patches
                .iter()
                .filter_map(|p| pixels(p, (5, 5), &split)[i]);
            let bytes: Vec<f64> = bytes.map(f64::from).collect();
            let expected = bytes.iter().sum::<f64>() / (255.0 * bytes.len() as f64);
            match mean {
                Some(mean) => assert!((f64::from(*mean) - expected).abs() < 1e-6),
                None => assert!(bytes.is_empty()),
            }
        }
        let error = regions(&mut net, &site, &split, &images, (&[4], KEPT)).unwrap_err();
        assert!(error.to_string().contains("channels are 0 to 3"), "{error}");
    }
}
