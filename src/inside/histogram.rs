//! How the activations of each channel are distributed over a set of images: counts of
//! numbers, and of bits the rate at which each fires, class by class.

use serde::Serialize;

use super::Site;
use super::regions::check;
use super::watch::{Pass, watch};
use crate::data::Split;
use crate::error::Result;
use crate::model::Network;

/// Bins of a histogram.
pub const BINS: usize = 40;

/// The activations of the channels of a site over a set of images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Histogram {
    /// Where.
    #[serde(flatten)]
    pub site: Site,
    /// Images that were looked at.
    pub images: usize,
    /// How many of them are of each class.
    pub images_of_class: Vec<usize>,
    /// The channels' numbers, or how often their bits fire.
    pub values: Values,
}

/// What was counted.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Values {
    /// Of bits: how often each channel fires.
    Bits {
        /// Every channel that was asked for.
        channels: Vec<Fired>,
    },
    /// Of numbers: how many lie in each bin.
    Numbers {
        /// The least number of all these channels, where the first bin begins.
        low: f32,
        /// The greatest, where the last bin ends.
        high: f32,
        /// Every channel that was asked for.
        channels: Vec<Counts>,
    },
}

/// How often the bits of a channel fire.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fired {
    /// The channel's number, from 0.
    pub channel: usize,
    /// Bits that are 1 (or +1), of the images of each class.
    pub fired: Vec<u64>,
    /// The share of its bits that fire in images of each class, from 0 to 1; `None` for a
    /// class without an image.
    pub rates: Vec<Option<f64>>,
    /// The share of all of its bits.
    pub rate: f64,
}

/// Numbers of a channel.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Counts {
    /// The channel's number, from 0.
    pub channel: usize,
    /// Numbers in each of [`BINS`] bins of equal width, a number on an edge in the bin above
    /// it, the greatest in the last. They sum to images times places, less what is not finite.
    pub counts: Vec<u64>,
    /// Numbers that are exactly 0.
    pub zeros: u64,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation.
    pub deviation: f64,
    /// Numbers that are not finite.
    pub not_finite: u64,
}

/// Counts the activations of the `channels` of `site` over the images `images` of `split`.
///
/// # Errors
/// No images, or a channel that the layer does not have.
///
/// # Panics
/// If the split does not fit the network.
pub fn histogram(
    net: &mut Network,
    site: &Site,
    split: &Split,
    images: &[u32],
    (channels, pass): (&[usize], Pass),
) -> Result<Histogram> {
    check(site, images, channels)?;
    let classes = split.labels().iter().max().map_or(0, |&c| c as usize + 1);
    let mut images_of_class = vec![0; classes];
    for &i in images {
        images_of_class[split.label(i as usize) as usize] += 1;
    }
    let values = match site.bits {
        true => fired(net, site, (split, images, pass), channels, &images_of_class),
        false => counts(net, site, (split, images, pass), channels),
    };
    Ok(Histogram {
        site: site.clone(),
        images: images.len(),
        images_of_class,
        values,
    })
}

/// A set of images and how they are shown.
type Shown<'a> = (&'a Split, &'a [u32], Pass);

/// Calls `see(image, channel's place in the list, number)` for every number of the channels.
fn each(
    net: &mut Network,
    site: &Site,
    (split, images, pass): Shown<'_>,
    channels: &[usize],
    see: &mut dyn FnMut(u32, usize, f32),
) {
    watch(net, split, images, pass, &mut |net, batch| {
        let rows = net.layer_output(site.layer).chunks_exact(site.shape.len());
        for (&image, y) in batch.iter().zip(rows) {
            for pixel in y.chunks_exact(site.shape.channels) {
                for (k, &channel) in channels.iter().enumerate() {
                    see(image, k, pixel[channel]);
                }
            }
        }
    });
}

fn fired(
    net: &mut Network,
    site: &Site,
    shown: Shown<'_>,
    channels: &[usize],
    images_of_class: &[usize],
) -> Values {
    let (classes, split) = (images_of_class.len(), shown.0);
    let mut fired = vec![vec![0u64; classes]; channels.len()];
    each(net, site, shown, channels, &mut |image, k, h| {
        fired[k][split.label(image as usize) as usize] += u64::from(h > 0.0);
    });
    let places = site.shape.pixels();
    let share = |n: u64, images: usize| n as f64 / (images * places) as f64;
    let all: usize = images_of_class.iter().sum();
    let channel = |(&channel, fired): (&usize, Vec<u64>)| {
        let of_class = fired.iter().zip(images_of_class);
        let rates = of_class.map(|(&n, &images)| (images > 0).then(|| share(n, images)));
        Fired {
            channel,
            rates: rates.collect(),
            rate: share(fired.iter().sum(), all),
            fired,
        }
    };
    Values::Bits {
        channels: channels.iter().zip(fired).map(channel).collect(),
    }
}

fn counts(net: &mut Network, site: &Site, shown: Shown<'_>, channels: &[usize]) -> Values {
    let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
    let mut sums = vec![(0u64, 0f64, 0f64, 0u64, 0u64); channels.len()];
    each(net, site, shown, channels, &mut |_, k, x| {
        let (n, sum, squares, zeros, not_finite) = &mut sums[k];
        if !x.is_finite() {
            *not_finite += 1;
            return;
        }
        (low, high) = (low.min(x), high.max(x));
        *n += 1;
        *sum += f64::from(x);
        *squares += f64::from(x) * f64::from(x);
        *zeros += u64::from(x == 0.0);
    });
    if low > high {
        (low, high) = (0.0, 0.0);
    }
    let mut bins = vec![vec![0u64; BINS]; channels.len()];
    each(net, site, shown, channels, &mut |_, k, x| {
        if x.is_finite() {
            bins[k][bin(x, low, high)] += 1;
        }
    });
    let all = channels.iter().zip(bins).zip(sums);
    type Sums = (u64, f64, f64, u64, u64);
    let channel = |((&channel, counts), sums): ((&usize, Vec<u64>), Sums)| {
        let (n, sum, squares, zeros, not_finite) = sums;
        let (n, mean) = (n as f64, sum / n as f64);
        Counts {
            channel,
            counts,
            zeros,
            mean,
            deviation: (squares / n - mean * mean).max(0.0).sqrt(),
            not_finite,
        }
    };
    Values::Numbers {
        low,
        high,
        channels: all.map(channel).collect(),
    }
}

/// The bin of a number between the ends.
fn bin(x: f32, low: f32, high: f32) -> usize {
    let (low, high) = (f64::from(low), f64::from(high));
    let place = (f64::from(x) - low) / (high - low) * BINS as f64;
    // Of equal ends there is no place: all numbers are in the first bin.
    match place.is_nan() {
        true => 0,
        false => (place as usize).min(BINS - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::super::site::tests::{network, two};
    use super::*;
    use crate::tape::{Mode, Noise, Units};

    #[test]
    fn counts_sum_to_images_times_places() {
        let (mut net, split) = network(7);
        let images: Vec<u32> = (0..25).collect();
        for (name, channels) in [
            ("a", vec![0, 2]),
            ("real", vec![0, 1, 2]),
            ("hidden", vec![5]),
        ] {
            let site = Site::find(&two(), name).unwrap();
            let of = (&channels[..], Pass::Threshold);
            let found = histogram(&mut net, &site, &split, &images, of).unwrap();
            let Values::Numbers {
                low,
                high,
                channels: counted,
            } = &found.values
            else {
                panic!("{name} has numbers")
            };
            // All numbers again, one image at a time.
            let mut numbers = vec![Vec::new(); channels.len()];
            (net.pass_mut().mode, net.pass_mut().units) = (Mode::Eval, Units::Threshold);
            for &i in &images {
                net.set_rows(1);
                net.set_image(0, split.image(i as usize));
                net.forward();
                for pixel in net.layer_output(site.layer).chunks(site.shape.channels) {
                    for (numbers, &c) in numbers.iter_mut().zip(&channels) {
                        numbers.push(pixel[c]);
                    }
                }
            }
            let all = numbers.iter().flatten();
            assert_eq!(*low, all.clone().copied().fold(f32::MAX, f32::min));
            assert_eq!(*high, all.copied().fold(f32::MIN, f32::max));
            for (counted, numbers) in counted.iter().zip(&numbers) {
                let places = site.shape.pixels() * images.len();
                assert_eq!(counted.counts.iter().sum::<u64>(), places as u64);
                let mean = numbers.iter().map(|&x| f64::from(x)).sum::<f64>() / places as f64;
                assert!((counted.mean - mean).abs() < 1e-6);
                let zeros = numbers.iter().filter(|x| **x == 0.0).count();
                assert_eq!(counted.zeros, zeros as u64);
                assert_eq!(zeros > 0, name == "real", "a ReLU's zeros are counted");
                let width = (high - low) / BINS as f32;
                let first = numbers.iter().filter(|x| **x < low + width * 0.999).count() as u64;
                assert!(counted.counts[0] >= first, "{} {first}", counted.counts[0]);
            }
        }
    }

    #[test]
    fn rates_are_those_of_sampled_bits_class_by_class() {
        let (mut net, split) = network(8);
        let images: Vec<u32> = (3..31).collect();
        let site = Site::find(&two(), "unit").unwrap();
        let pass = Pass::Sample { seed: 5, step: 9 };
        let found = histogram(&mut net, &site, &split, &images, (&[1, 3], pass)).unwrap();
        let Values::Bits { channels } = &found.values else {
            panic!("bits")
        };
        let mut fired = [[0u64; 2]; 10];
        (net.pass_mut().mode, net.pass_mut().units) = (Mode::Eval, Units::Sample);
        for (number, chunk) in images.chunks(8).enumerate() {
            net.set_rows(chunk.len());
            net.pass_mut().noise = Noise {
                seed: 5,
                step: 9 << 32 | number as u64,
                draw: 1 << 32,
            };
            for (row, &i) in chunk.iter().enumerate() {
                net.set_image(row, split.image(i as usize));
            }
            net.forward();
            for (y, &i) in net
                .layer_output(site.layer)
                .chunks(site.shape.len())
                .zip(chunk)
            {
                for pixel in y.chunks(4) {
                    let of_class = &mut fired[split.label(i as usize) as usize];
                    of_class[0] += pixel[1] as u64;
                    of_class[1] += pixel[3] as u64;
                }
            }
        }
        for (k, channel) in channels.iter().enumerate() {
            let mut sum = 0;
            for (class, of_class) in fired.iter().enumerate() {
                assert_eq!(channel.fired[class], of_class[k]);
                let images = images
                    .iter()
                    .filter(|&&i| split.label(i as usize) as usize == class);
                let bits = (images.count() * 784) as f64;
                assert_eq!(channel.rates[class], Some(of_class[k] as f64 / bits));
                sum += of_class[k];
            }
            assert_eq!(channel.rate, sum as f64 / (28.0 * 784.0));
            assert!(
                channel.rate > 0.05 && channel.rate < 0.95,
                "{}",
                channel.rate
            );
        }
        assert_eq!(found.images_of_class.iter().sum::<usize>(), 28);
    }
}
