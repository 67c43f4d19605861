//! What is inside a network, as pictures: patches, made images, rates, neighbours.

use super::canvas::Canvas;
use super::grid::short;
use super::heat_table::HeatTable;
use super::sheet::{Cell, Lane, Sheet};
use super::tile::Tile;
use crate::data::Split;
use crate::error::{Error, Result};
use crate::inside::histogram::{Fired, Values};
use crate::inside::maximise::{Aim, Best};
use crate::inside::neighbours::{Form, Pool};
use crate::inside::regions::{self, Channel};
use crate::inside::{Histogram, Maximised, Neighbours, Regions};
use crate::study::grouped;

/// Pixels of a patch's longer side, at least.
const CELL: usize = 60;
/// Made images in a row.
const ACROSS: usize = 8;

/// A share in as few digits as it needs.
fn percent(x: f64) -> String {
    // Never, rather than hardly ever.
    let digits = if x > 0.0 && x < 0.0995 { 1 } else { 0 };
    format!("{:.digits$} %", 100.0 * x)
}

/// How a site is introduced.
fn title(name: &str, site: &crate::inside::Site) -> String {
    format!("{name}: {}", site.about)
}

/// The mean patch of a channel.
pub fn mean_tile(regions: &Regions, channel: &Channel) -> Tile {
    let (height, width) = regions.window;
    let shape = (height, width, regions.image_channels);
    Tile::of(shape, channel.mean.iter().copied())
}

/// The patches of a channel, the strongest first.
pub fn patch_tiles(regions: &Regions, channel: &Channel, split: &Split) -> Vec<Tile> {
    let (height, width) = regions.window;
    let tile = |patch| {
        let bytes = regions::pixels(patch, regions.window, split);
        Tile::of_bytes((height, width, regions.image_channels), bytes)
    };
    channel.patches.iter().map(tile).collect()
}

/// How often a channel is above 0, in words.
pub fn fires(channel: &Channel) -> String {
    let rate = channel.above_zero as f64 / channel.places.max(1) as f64;
    format!("fires {}", percent(rate))
}

/// What a picture of regions says of itself.
pub fn regions_notes(regions: &Regions) -> Vec<String> {
    let (height, width) = regions.window;
    let averaged = regions
        .channels
        .iter()
        .map(|c| c.averaged)
        .max()
        .unwrap_or(0);
    let shown = regions.channels.len();
    let channels = match regions.site.shape.channels {
        all if all == shown => format!("all {all} channels"),
        all => format!("{shown} of {all} channels"),
    };
    vec![
        format!(
            "The {height}x{width} patches of {} test images that excite each channel most, one an image;",
            grouped(regions.images)
        ),
        format!("mean: of the {averaged} strongest. {channels}; fires: places above 0"),
    ]
}

/// The patches of each channel, a row each, and their mean.
///
/// # Errors
/// Too large a picture.
///
/// # Panics
/// If `split` is not the one that was looked at.
pub fn regions(name: &str, regions: &Regions, split: &Split) -> Result<Canvas> {
    let cell = |tile| {
        Some(Cell {
            tile,
            caption: String::new(),
        })
    };
    let lane = |channel: &Channel| Lane {
        name: channel.channel.to_string(),
        about: vec![fires(channel)],
        cells: std::iter::once(mean_tile(regions, channel))
            .chain(patch_tiles(regions, channel, split))
            .map(cell)
            .collect(),
    };
    Sheet {
        title: title(name, &regions.site),
        notes: regions_notes(regions),
        columns: vec!["mean".into()],
        apart: Some(1),
        lanes: regions.channels.iter().map(lane).collect(),
        cell: CELL,
        bar: None,
    }
    .draw()
}

/// The image that was made for a channel: what the unit in the middle sees of it, or all of it.
pub fn made_tile(made: &Maximised, best: &Best) -> Tile {
    let (height, width, _) = made.image;
    let all = Tile::of_bytes(made.image, best.pixels.iter().map(|&b| Some(b)));
    let within = |from: i64, to: i64, length: usize| {
        let (from, to) = (
            from.max(0) as usize,
            (to + 1).clamp(0, length as i64) as usize,
        );
        (from, to.saturating_sub(from))
    };
    let (top, rows) = within(best.seen.top, best.seen.bottom, height);
    let (left, columns) = within(best.seen.left, best.seen.right, width);
    match made.settings.aim {
        Aim::Unit if rows > 0 && columns > 0 => all.part((top, left), (rows, columns)),
        _ => all,
    }
}

/// What a picture of made images says of itself.
pub fn maximised_notes(made: &Maximised) -> Vec<String> {
    let of = match made.settings.aim {
        _ if !made.site.is_image() => "each output",
        Aim::Unit => "the unit in the middle of each channel, as much as it sees",
        Aim::Channel => "all units of each channel",
    };
    vec![
        format!("Images made by gradient ascent to excite {of};"),
        format!(
            "{} steps, the best of {} beginnings; below: channel, strength (that of the mean test image)",
            made.settings.steps, made.settings.restarts
        ),
    ]
}

/// The images that were made for the channels.
///
/// # Errors
/// Too large a picture.
pub fn maximised(name: &str, made: &Maximised) -> Result<Canvas> {
    let cell = |best: &Best| {
        Some(Cell {
            tile: made_tile(made, best),
            caption: format!(
                "{}: {} ({})",
                best.channel,
                short(best.strength),
                short(best.mean_image)
            ),
        })
    };
    let lane = |some: &[Best]| Lane {
        name: String::new(),
        about: vec![],
        cells: some.iter().map(cell).collect(),
    };
    Sheet {
        title: title(name, &made.site),
        notes: maximised_notes(made),
        columns: vec![],
        apart: None,
        lanes: made.channels.chunks(ACROSS).map(lane).collect(),
        cell: 112,
        bar: None,
    }
    .draw()
}

/// The rates of bits, a row a channel and a column a class; the histograms of numbers.
///
/// # Errors
/// Too large a picture.
pub fn histogram(name: &str, found: &Histogram) -> Result<Canvas> {
    match &found.values {
        Values::Bits { channels } => rates(name, found, channels),
        Values::Numbers { .. } => super::histogram::numbers(&title(name, &found.site), found),
    }
}

/// Names of columns for classes.
fn class_names(count: usize) -> Vec<String> {
    (0..count).map(|c| c.to_string()).collect()
}

/// The greatest rate of any channel in any class.
pub fn greatest_rate(channels: &[Fired]) -> f64 {
    let rates = channels
        .iter()
        .flat_map(|fired| fired.rates.iter().flatten());
    rates.fold(0.0, |a, &b| a.max(b))
}

fn rates(name: &str, found: &Histogram, channels: &[Fired]) -> Result<Canvas> {
    let classes = found.images_of_class.len();
    // A column for each of a thousand classes could not be read.
    let by_class = classes <= 40;
    let row = |fired: &Fired| {
        let of_class = fired.rates.iter().copied().filter(|_| by_class);
        let all = of_class.chain([Some(fired.rate)]);
        (format!("channel {}", fired.channel), all.collect())
    };
    let mut columns = if by_class {
        class_names(classes)
    } else {
        vec![]
    };
    columns.push("all".into());
    HeatTable {
        title: title(name, &found.site),
        notes: vec![format!(
            "How often the bits of each channel fire (%), by the class of the {} test images",
            grouped(found.images)
        )],
        apart: vec![columns.len() - 1],
        columns,
        rows: channels.iter().map(row).collect(),
        range: (0.0, greatest_rate(channels)),
        quantity: "bits that fire (%)",
    }
    .draw()
}

/// What a form of a representation is called.
pub fn form_name(form: &Form) -> String {
    match form.pool {
        None => "as it is".into(),
        Some((Pool::Mean, side)) => format!("mean {side}x{side}"),
        Some((Pool::Max, side)) => format!("max {side}x{side}"),
    }
}

/// The columns of a table of representations: every form that any of them has.
pub fn form_names(all: &[&Neighbours]) -> Vec<String> {
    let mut names: Vec<(bool, bool, usize, String)> = Vec::new();
    let forms = all.iter().flat_map(|n| &n.layers).flat_map(|l| &l.forms);
    for form in forms {
        let (max, side) = match form.pool {
            None => (false, 0),
            Some((pool, side)) => (pool == Pool::Max, side),
        };
        names.push((form.pool.is_some(), max, side, form_name(form)));
    }
    names.sort();
    names.dedup();
    names.into_iter().map(|(.., name)| name).collect()
}

/// The accuracies of a representation, in those columns; no number (NaN) where it was not
/// compared.
pub fn accuracies(
    layer: &crate::inside::neighbours::Layer,
    columns: &[String],
) -> Vec<Option<f64>> {
    let of = |column: &String| {
        let form = layer.forms.iter().find(|form| form_name(form) == *column);
        form.map(|form| form.accuracy.unwrap_or(f64::NAN))
    };
    columns.iter().map(of).collect()
}

/// What a table of representations says of itself.
pub fn neighbours_notes(found: &Neighbours) -> Vec<String> {
    let network = match found.network {
        Some(own) => format!("the network itself {} %", super::heat_table::share(own)),
        None => "the network itself names no classes".into(),
    };
    let mut notes = vec![
        format!(
            "One-nearest-neighbour accuracy in per cent: {} test images among {} training images.",
            grouped(found.queries),
            grouped(found.references)
        ),
        format!(
            "Chance {} %, {network}. Bits by Hamming distance.",
            super::heat_table::share(found.chance)
        ),
    ];
    notes.extend(found.left_out());
    notes
}

/// Accuracies of representations, a row each.
///
/// # Errors
/// Too large a picture, or nothing that was compared.
pub fn neighbours(name: &str, found: &Neighbours) -> Result<Canvas> {
    let columns = form_names(&[found]);
    if columns.is_empty() {
        return Err(Error::spec("nothing was compared"));
    }
    let row = |layer: &crate::inside::neighbours::Layer| {
        (
            format!("{} {}", layer.name, layer.shape),
            accuracies(layer, &columns),
        )
    };
    let rows: Vec<_> = found.layers.iter().map(row).collect();
    let most = rows.iter().flat_map(|(_, of)| of.iter().flatten());
    let most = most.fold(found.network.unwrap_or(0.0), |a, &b| a.max(b));
    let apart = |with: &str| {
        columns
            .iter()
            .position(|c| c.starts_with(with))
            .filter(|&i| i > 0)
    };
    HeatTable {
        title: format!("{name}: nearest neighbours"),
        notes: neighbours_notes(found),
        apart: ["mean", "max"]
            .iter()
            .filter_map(|with| apart(with))
            .collect(),
        columns,
        rows,
        range: (found.chance, most),
        quantity: "accuracy (%)",
    }
    .draw()
}
