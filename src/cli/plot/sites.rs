//! Which layers and channels are looked at, and with which images.

use std::str::FromStr;

use bnn_cpu::data::Split;
use bnn_cpu::inside::{Pass, Site, spread};
use bnn_cpu::model::ModelSpec;
use bnn_cpu::train::Config;
use clap::builder::RangedU64ValueParser;

use super::super::{Failure, Outcome};

/// Channels that are drawn where none are named.
const CHANNELS: usize = 16;

/// Channels as `0,3,8-15`.
#[derive(Clone, Debug)]
pub struct Channels(Vec<usize>);

impl FromStr for Channels {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const MOST: usize = 1024;
        let mut all = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let number = |text: &str| text.trim().parse::<usize>();
            let (Ok(first), Ok(last)) = (number(first), number(last)) else {
                return Err(format!("`{part}` is no channel; write them as 0,3,8-15"));
            };
            if first > last || last - first >= MOST || all.len() >= MOST {
                return Err(format!(
                    "`{part}` must count upwards, {MOST} channels at most"
                ));
            }
            all.extend(
                (first..=last)
                    .filter(|c| !all.contains(c))
                    .collect::<Vec<_>>(),
            );
        }
        Ok(Self(all))
    }
}

/// The layers.
#[derive(Debug, clap::Args)]
pub struct LayerArgs {
    /// A layer by its name, or by its position from 1 in the order of `inspect`; may be given
    /// several times [default: what each convolution or hidden linear layer hands on, after the
    /// batch norm, activation and pool behind it]
    #[arg(long = "layer", value_name = "NAME|N")]
    layers: Vec<String>,
}

impl LayerArgs {
    /// The sites in a network, and the place at which each stands beside those of other networks:
    /// among the layers that are named, else by its depth.
    pub fn sites(&self, spec: &ModelSpec) -> Outcome<Vec<(usize, Site)>> {
        // A layer that is not there is a slip on the command line.
        let find =
            |text: &String| Site::find(spec, text).map_err(|e| Failure::usage(e.to_string()));
        let depths = spec.depths()?;
        let by_depth = |site: Site| (depths[site.layer], site);
        let sites: Vec<(usize, Site)> = match self.layers.is_empty() {
            true => Site::of_blocks(spec)?.into_iter().map(by_depth).collect(),
            false => {
                let named = self.layers.iter().map(find);
                let named: Vec<Site> = named.collect::<Outcome<_>>()?;
                named.into_iter().enumerate().collect()
            }
        };
        match sites.is_empty() {
            true => Err(Failure::usage(format!(
                "model {} has no convolution and no hidden layer; choose a layer with --layer",
                spec.name
            ))),
            false => Ok(sites),
        }
    }
}

/// A site that is looked at.
pub struct Looked {
    pub site: Site,
    /// The channels that are looked at.
    pub channels: Vec<usize>,
    /// Where it stands beside the sites of other networks.
    pub place: usize,
}

/// The layers, and the channels of each.
#[derive(Debug, clap::Args)]
pub struct SiteArgs {
    #[command(flatten)]
    layers: LayerArgs,
    /// Channels of each layer, from 0, as 0,3,8-15 [default: the first 16]
    #[arg(long, value_name = "LIST")]
    channels: Option<Channels>,
}

impl SiteArgs {
    /// The sites in a network, and the channels that are looked at in each.
    pub fn sites(&self, spec: &ModelSpec) -> Outcome<Vec<Looked>> {
        let with_channels = |(place, site): (usize, Site)| {
            let all = site.shape.channels;
            let channels = match &self.channels {
                None => (0..all.min(CHANNELS)).collect(),
                Some(Channels(list)) => list.clone(),
            };
            if let Some(beyond) = channels.iter().find(|&&c| c >= all) {
                return Err(Failure::usage(format!(
                    "{} has no channel {beyond}; --channels takes 0 to {} there",
                    site.about,
                    all - 1
                )));
            }
            Ok(Looked {
                site,
                channels,
                place,
            })
        };
        self.layers
            .sites(spec)?
            .into_iter()
            .map(with_channels)
            .collect()
    }
}

/// The images.
#[derive(Debug, clap::Args)]
pub struct ImageArgs {
    /// Look at N test images, evenly spread over the set [default: all]
    #[arg(long, value_name = "N")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000_000))]
    images: Option<usize>,
}

impl ImageArgs {
    /// The numbers of the images.
    pub fn of(&self, split: &Split) -> Vec<u32> {
        spread(split.len(), self.images.unwrap_or(split.len()))
    }
}

/// The pass in which stochastic units draw what they drew in the run's own test.
pub fn as_tested(config: &Config) -> Pass {
    Pass::Sample {
        seed: config.seed,
        step: config.epochs as u64 + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_numbers_and_ranges() {
        let list = |text: &str| text.parse::<Channels>().map(|c| c.0);
        assert_eq!(list("0,3,8-10,3").unwrap(), [0, 3, 8, 9, 10]);
        for text in ["", "a", "3-1", "0-5000", "-1", "1,,2"] {
            assert!(list(text).is_err(), "{text}");
        }
    }
}
