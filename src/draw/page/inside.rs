//! The page's look inside networks: neighbours, patches, made images, rates and histograms.

use maud::{Markup, html};

use super::super::colour;
use super::super::grid::short;
use super::super::heat_table::{shade, share};
use super::super::histogram::{heights, zeros};
use super::super::inside::{
    accuracies, fires, form_names, greatest_rate, made_tile, mean_tile, neighbours_notes,
    patch_tiles,
};
use super::super::plane::Colours;
use super::super::svg::tile_uri;
use super::super::tile::Tile;
use super::figures::bar;
use super::{Report, Subject};
use crate::data::Split;
use crate::inside::histogram::{BINS, Counts, Fired, Values};
use crate::inside::maximise::Best;
use crate::inside::regions::Channel;
use crate::inside::{Histogram, Maximised, Neighbours, Regions};
use crate::study::grouped;

/// Subjects that are open from the start.
const OPEN: usize = 2;

/// What was found inside a network.
#[derive(Clone, Debug)]
pub struct Inside {
    /// Every block that was looked at.
    pub layers: Vec<Look>,
    /// How far its representations tell classes apart.
    pub neighbours: Neighbours,
}

/// What was found of one layer; all of the same channels.
#[derive(Clone, Debug)]
pub struct Look {
    /// The patches that excite each channel most.
    pub regions: Regions,
    /// The images that were made to excite them.
    pub made: Maximised,
    /// How their activations are distributed.
    pub histogram: Histogram,
}

/// A tile as a picture of the page; empty pixels are clear.
fn picture(tile: &Tile, what: &str) -> Markup {
    html! { img alt=(what) src=(tile_uri(tile)); }
}

/// A cell in the colour of a share.
fn cell(x: Option<f64>, range: (f64, f64)) -> Markup {
    let Some(x) = x else {
        return html! { td {} };
    };
    if x.is_nan() {
        return html! { td { (share(x)) } };
    }
    let fill = shade(x, range);
    let style = format!(
        "background:{};color:{}",
        colour::hex(fill),
        colour::hex(colour::readable_on(fill))
    );
    html! { td style=(style) { (share(x)) } }
}

/// The bar of shares within a range, in per cent.
fn percent_bar((low, high): (f64, f64), quantity: &str) -> Markup {
    let colours = Colours::Amount(100.0 * low as f32, 100.0 * high as f32);
    bar(colours, quantity)
}

impl Report<'_> {
    pub(super) fn looked_inside(&self) -> bool {
        self.subjects.iter().any(|s| s.inside.is_some())
    }

    pub(super) fn inside(&self) -> Markup {
        if !self.looked_inside() {
            return html! {};
        }
        let looked = || {
            self.subjects
                .iter()
                .filter_map(|s| Some((s, s.inside.as_ref()?)))
        };
        html! {
            section id="inside" {
                h2 { "Looking inside" }
                (neighbours(&looked().collect::<Vec<_>>()))
                h3 { "What excites each channel" }
                p.note {
                    "Made: an image made by gradient ascent to excite the unit in the middle of the \
                     channel, as much as it sees. Mean: of the patches of test images that excite the \
                     channel most, one an image; beside it the strongest of them. Fires: the share of \
                     places whose output is above 0. The first channels of each layer."
                }
                @for (n, (subject, inside)) in looked().enumerate() {
                    details open[n < OPEN] {
                        summary { (subject.name) }
                        @for look in &inside.layers { (layer(look, self.sets[subject.set].1)) }
                    }
                }
            }
        }
    }
}

fn neighbours(looked: &[(&Subject, &Inside)]) -> Markup {
    let all: Vec<&Neighbours> = looked
        .iter()
        .map(|(_, inside)| &inside.neighbours)
        .collect();
    let columns = form_names(&all);
    let best = |n: &Neighbours| {
        let forms = n.layers.iter().flat_map(|l| &l.forms);
        let forms = forms.filter_map(|form| form.accuracy);
        forms.chain(n.network).fold(0.0, f64::max)
    };
    let high = all.iter().map(|n| best(n)).fold(0.0, f64::max);
    let low = all.iter().map(|n| n.chance).fold(1.0, f64::min);
    html! {
        h3 { "Nearest neighbours in each representation" }
        p.note {
            "The share of test images, in per cent, whose nearest neighbour among training images is \
             of their class, in the pixels and in what each layer hands on, as it is and pooled to a \
             grid of cells."
        }
        (percent_bar((low, high), "accuracy (%)"))
        div.pair { @for (subject, inside) in looked {
            figure {
                figcaption { (subject.name) ". " (neighbours_notes(&inside.neighbours).join(" ")) }
                div.scroll { table.rates {
                    thead { tr { th {} @for column in &columns { th { (column) } } } }
                    tbody { @for layer in &inside.neighbours.layers { tr {
                        th { (layer.name) }
                        @for x in accuracies(layer, &columns) { (cell(x, (low, high))) }
                    } } }
                } }
            }
        } }
    }
}

/// The channels of a layer, a row each, and how their activations are distributed.
fn layer(look: &Look, split: &Split) -> Markup {
    let Look {
        regions,
        made,
        histogram,
    } = look;
    let (height, width) = regions.window;
    html! {
        h4 { (regions.site.about) }
        p.note {
            (height) "x" (width) " pixels are seen by a unit; " (grouped(regions.images)) " test images."
        }
        div.scroll { table.maps.patches {
            thead { tr {
                th { "channel" } th { "made" } th { "mean" }
                th colspan=(regions.channels.iter().map(|c| c.patches.len()).max().unwrap_or(1)) {
                    "strongest patches"
                }
            } }
            tbody { @for channel in &regions.channels {
                (row(channel, made.channels.iter().find(|b| b.channel == channel.channel), (regions, made), split))
            } }
        } }
        @match &histogram.values {
            Values::Bits { channels } => (rates(channels, histogram)),
            Values::Numbers { low, high, channels } => (histograms(channels, (*low, *high), histogram)),
        }
    }
}

fn row(
    channel: &Channel,
    best: Option<&Best>,
    (regions, made): (&Regions, &Maximised),
    split: &Split,
) -> Markup {
    let number = channel.channel;
    html! { tr {
        th { (number) br; span.note { (fires(channel)) } }
        td { @if let Some(best) = best {
            (picture(&made_tile(made, best), &format!("image made for channel {number}")))
        } }
        td { (picture(&mean_tile(regions, channel), &format!("mean patch of channel {number}"))) }
        @for tile in patch_tiles(regions, channel, split) {
            td { (picture(&tile, &format!("a patch that excites channel {number}"))) }
        }
    } }
}

fn rates(channels: &[Fired], histogram: &Histogram) -> Markup {
    let classes = histogram.images_of_class.len();
    let by_class = classes <= 40;
    let range = (0.0, greatest_rate(channels));
    html! {
        p.note { "How often the bits of each channel fire, in per cent, by class of the image." }
        (percent_bar(range, "bits that fire (%)"))
        div.scroll { table.rates {
            thead { tr {
                th {}
                @if by_class { @for class in 0..classes { th { (class) } } }
                th { "all" }
            } }
            tbody { @for fired in channels { tr {
                th { (fired.channel) }
                @if by_class { @for rate in &fired.rates { (cell(*rate, range)) } }
                (cell(Some(fired.rate), range))
            } } }
        } }
    }
}

fn histograms(channels: &[Counts], ends: (f32, f32), histogram: &Histogram) -> Markup {
    html! {
        p.note {
            "All outputs of each channel over " (grouped(histogram.images)) " test images, from "
            (short(ends.0)) " to " (short(ends.1)) ", with the share of those that are exactly 0. \
             Bars that would dwarf the others are cut off and faint."
        }
        ul.sheet.histograms { @for counts in channels { li {
            @let bars = heights(&counts.counts);
            svg viewBox=(format!("0 0 {BINS} 16")) preserveAspectRatio="none" role="img"
                aria-label=(format!("histogram of channel {}", counts.channel)) {
                @for (i, bar) in bars.iter().enumerate() {
                    @let there = if counts.counts[i] > 0 { (15.5 * bar.height).max(0.25) } else { 0.0 };
                    rect x=(i) width="0.85" y=(format!("{:.2}", 16.0 - there))
                        height=(format!("{there:.2}")) class=[bar.cut.then_some("cut")] {}
                }
            }
            (counts.channel)
            @if counts.zeros > 0 { small { ", 0: " (zeros(counts)) } }
        } } }
    }
}
