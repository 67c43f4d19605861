//! A look inside a run's network for the page: fewer channels, images and steps than the kinds
//! of `plot` take.

use bnn_cpu::Error;
use bnn_cpu::data::Dataset;
use bnn_cpu::draw::page::{Inside, Look};
use bnn_cpu::inside::histogram::histogram;
use bnn_cpu::inside::maximise::{Settings, maximise};
use bnn_cpu::inside::neighbours::{Images, neighbours};
use bnn_cpu::inside::regions::{Kept, regions};
use bnn_cpu::inside::{Pass, Site, spread};
use bnn_cpu::train::RunFolder;

use super::super::{Context, Outcome};

/// Channels of each layer, test images that are looked at, and test images whose neighbours
/// are looked for among so many training images.
const CHANNELS: usize = 8;
const IMAGES: usize = 2000;
const QUERIES: usize = 500;
const REFERENCES: usize = 1000;

const KEPT: Kept = Kept {
    patches: 6,
    averaged: 100,
};

/// Looks inside the network with the run's best weights.
pub fn look(run: &RunFolder, dataset: &Dataset, context: &Context) -> Outcome<Inside> {
    let config = run.config();
    let mut net = run.network(context.engine, config.batch)?;
    let pass = Pass::Sample {
        seed: config.seed,
        step: config.epochs as u64 + 1,
    };
    let split = &dataset.test;
    let images = spread(split.len(), IMAGES);
    let settings = Settings {
        restarts: 2,
        ..Settings::default()
    };
    let mut sites = Site::of_blocks(&config.model)?;
    let mut layers = Vec::new();
    for site in &sites {
        let channels: Vec<usize> = (0..site.shape.channels.min(CHANNELS)).collect();
        layers.push(Look {
            regions: regions(&mut net, site, split, &images, (&channels, KEPT))?,
            made: maximise(&net, site, split, &channels, settings)?,
            histogram: histogram(&mut net, site, split, &images, (&channels, pass))?,
        });
    }
    let logits = config.model.logits()?;
    let logits = logits.ok_or_else(|| Error::spec("the network has no logits to compare"))?;
    sites.push(Site::of_layer(&config.model, logits)?);
    let of = Images::draw(dataset, REFERENCES, QUERIES, 1);
    Ok(Inside {
        layers,
        neighbours: neighbours(&mut net, &sites, (dataset, &of), &[1, 2, 4], pass)?,
    })
}
