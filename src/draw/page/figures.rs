//! The page's pictures: curves, heat maps, confusion, mistakes. Maps are as small as
//! they are, one pixel a number; the browser enlarges them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};

use super::super::activation_statistics::{LayerMaps, Maps};
use super::super::chart::{Style, dash};
use super::super::colour;
use super::super::curves::{Course, charts, inline};
use super::super::grid::short;
use super::super::heatmap::mean_tile;
use super::super::plane::{Colours, Plane};
use super::super::tile::Tile;
use super::{Report, Subject};
use crate::data::contact_sheet::ContactSheet;
use crate::study::grouped;
use crate::train::EpochRecord;

/// Mistakes that are shown of a run.
const MISTAKES: usize = 24;
/// Runs whose details are open from the start.
const OPEN: usize = 2;

/// A plane as a PNG in a data URI.
fn uri(plane: &Plane, colours: Colours) -> String {
    let sheet = ContactSheet {
        width: plane.width,
        height: plane.height,
        channels: 3,
        pixels: plane.values.iter().flat_map(|&x| colours.of(x)).collect(),
    };
    // The sides and the pixels agree, so there is nothing to go wrong.
    let png = sheet.to_png().unwrap_or_default();
    format!("data:image/png;base64,{}", STANDARD.encode(png))
}

/// A tile as a PNG in a data URI; empty pixels are clear.
pub(super) fn tile_uri(tile: &Tile) -> String {
    // The sides and the pixels agree, so there is nothing to go wrong.
    let png = tile.to_png().unwrap_or_default();
    format!("data:image/png;base64,{}", STANDARD.encode(png))
}

/// A colour bar between its two ends.
fn bar(colours: Colours) -> Markup {
    let Colours::Amount(low, high) = colours else {
        return html! {};
    };
    let stops: Vec<String> = (0..=16)
        .map(|i| colour::hex(colour::sequential(i as f32 / 16.0)))
        .collect();
    let style = format!("background:linear-gradient(to right,{})", stops.join(","));
    html! { span.bar { (short(low)) i style=(style) {} (short(high)) } }
}

impl Report<'_> {
    pub(super) fn curves(&self, names: &[String]) -> Markup {
        let courses: Vec<Course<'_>> = self
            .runs
            .iter()
            .map(|run| Course {
                line: run.line,
                history: &run.history,
            })
            .collect();
        let charts = charts(&courses);
        if charts.is_empty() {
            return html! {};
        }
        let has = |number: fn(&EpochRecord) -> Option<f64>| {
            let mut epochs = self.runs.iter().flat_map(|run| &run.history);
            epochs.any(|epoch| number(epoch).is_some())
        };
        let several = self.runs.len() > names.len();
        html! {
            section id="curves" {
                h2 { "Curves" }
                p.note {
                    @if several { "Seeds of a row share a colour. " }
                    @if has(|epoch| epoch.bit_flips) {
                        "Bits changed: the share of binary units that fire differently than an epoch \
                         before, on 256 validation images. "
                    }
                    @if has(|epoch| epoch.saturated) {
                        "Units saturated: the share outside the ramp of the hard sigmoid, or within 0.05 \
                         of certainty. "
                    }
                    "Curves that no run has numbers for are left out."
                }
                fieldset aria-label="Runs that are drawn" {
                    @for (i, name) in names.iter().enumerate() {
                        label.key {
                            input type="checkbox" id=(format!("key{i}")) checked;
                            svg width="26" height="10" aria-hidden="true" {
                                line x1="0" x2="26" y1="5" y2="5" stroke=(Style::Page.line(i))
                                    stroke-width="2.4" stroke-dasharray=(dash(i)) {}
                            }
                            (name)
                        }
                    }
                }
                div.charts { @for chart in &charts { (inline(chart)) } }
            }
        }
    }

    pub(super) fn maps(&self) -> Markup {
        let Some(first) = self
            .subjects
            .iter()
            .find(|s| !s.statistics.layers.is_empty())
        else {
            return html! {};
        };
        let classes = first.statistics.examples.len();
        html! {
            section id="maps" {
                h2 { "Heat maps" }
                p.note {
                    "What each convolution hands on, after pooling and activation, averaged over its \
                     channels: for the first test image of each class, and the mean of "
                    (grouped(first.statistics.evaluation.images)) " test images. Stochastic units: a sample of their \
                     bits, and the probabilities it was drawn with."
                }
                @for (i, alike) in self.by_depth().iter().enumerate() {
                    @let colours = shared_range(alike);
                    h3 { (heading(alike)) }
                    p { (bar(colours)) }
                    div.scroll {
                        table.maps {
                            thead { tr {
                                th { span.note { "network" } }
                                @for class in 0..classes { th { (class) } }
                                th { "mean" }
                            } }
                            tbody {
                                @if i == 0 { (self.images_row(first)) }
                                @for (name, layer) in alike {
                                    @let sampled = layer.probability.is_some();
                                    @let shape = (layer.shape.height, layer.shape.width, layer.shape.channels);
                                    (maps_row(name, if sampled { "sample" } else { "" }, shape, &layer.output, colours))
                                    @if let Some(probability) = &layer.probability {
                                        (maps_row(name, "probability", shape, probability, colours))
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// The layers of all networks, those of one depth together, and what their rows are called.
    fn by_depth(&self) -> Vec<Vec<(String, &LayerMaps)>> {
        let mut depths: BTreeMap<usize, Vec<(String, &LayerMaps)>> = BTreeMap::new();
        for subject in &self.subjects {
            let layers = &subject.statistics.layers;
            for layer in layers {
                let alone = layers.iter().filter(|l| l.depth == layer.depth).count() == 1;
                let name = match alone {
                    true => subject.name.clone(),
                    false => format!("{}, {}", subject.name, layer.name),
                };
                depths.entry(layer.depth).or_default().push((name, layer));
            }
        }
        depths.into_values().collect()
    }

    fn images_row(&self, subject: &Subject) -> Markup {
        let Some(split) = self.images else {
            return html! {};
        };
        html! { tr {
            th { "image" }
            @for (class, example) in subject.statistics.examples.iter().enumerate() {
                td { @if let Some(i) = example {
                    img alt=(format!("a test image of class {class}")) src=(tile_uri(&Tile::image(split, *i)));
                } }
            }
            td { img alt="the mean of all test images" src=(tile_uri(&mean_tile(split))); }
        } }
    }

    pub(super) fn confusion(&self) -> Markup {
        if self.subjects.is_empty() {
            return html! {};
        }
        html! {
            section id="confusion" {
                h2 { "Confusion" }
                p.note { "Rows: what the image shows. Columns: what it was taken for." }
                div.pair {
                    @for subject in &self.subjects { figure {
                        figcaption { (subject.name) }
                        div.scroll { (matrix(subject)) }
                    } }
                }
            }
        }
    }

    pub(super) fn mistakes(&self) -> Markup {
        let Some(split) = self.images.filter(|_| !self.subjects.is_empty()) else {
            return html! {};
        };
        html! {
            section id="mistakes" {
                h2 { "Mistakes" }
                p.note {
                    "The surest ones first, with what the image shows, what it was taken for, and the \
                     margin: the probability of the guess less that of the right class."
                }
                @for (n, subject) in self.subjects.iter().enumerate() {
                    @let all = subject.statistics.mistakes();
                    details open[n < OPEN] {
                        summary { (subject.name) ": " (all.len()) " mistakes on "
                            (grouped(subject.statistics.guesses.len())) " images" }
                        ul.sheet {
                            @for m in all.iter().take(MISTAKES) { li {
                                img alt=(format!("a {} taken for a {}", m.label, m.guess))
                                    src=(tile_uri(&Tile::image(split, m.image)));
                                (m.label) " as " (m.guess) br;
                                small { (format!("{:.3}", m.margin)) }
                            } }
                        }
                    }
                }
            }
        }
    }
}

/// What layers of one depth are called: each by its name and shape, once.
fn heading(layers: &[(String, &LayerMaps)]) -> String {
    let mut names: Vec<String> = Vec::new();
    for (_, layer) in layers {
        let (name, shape) = (&layer.name, layer.shape);
        let name = format!(
            "{name}, {}x{}, {} channels",
            shape.height, shape.width, shape.channels
        );
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join("; ")
}

/// The range of colours of all maps of those layers.
fn shared_range(layers: &[(String, &LayerMaps)]) -> Colours {
    let mut planes = Vec::new();
    for (_, layer) in layers {
        let shape = (layer.shape.height, layer.shape.width, layer.shape.channels);
        for maps in std::iter::once(&layer.output).chain(&layer.probability) {
            let all = maps.examples.iter().chain([&maps.mean]);
            planes.extend(all.filter(|v| !v.is_empty()).map(|v| Plane::mean(shape, v)));
        }
    }
    Colours::range(planes.iter())
}

fn maps_row(
    name: &str,
    part: &str,
    shape: (usize, usize, usize),
    maps: &Maps,
    colours: Colours,
) -> Markup {
    let all = maps.examples.iter().enumerate();
    let cell = |what: String, values: &Vec<f32>| {
        let there = !values.is_empty();
        html! { td { @if there { img alt=(what) src=(uri(&Plane::mean(shape, values), colours)); } } }
    };
    html! { tr {
        th { (name) @if !part.is_empty() { ", " (part) } }
        @for (class, values) in all { (cell(format!("{name} {part}, class {class}"), values)) }
        (cell(format!("{name} {part}, mean"), &maps.mean))
    } }
}

fn matrix(subject: &Subject) -> Markup {
    let (counts, classes) = (
        subject.statistics.confusion(),
        subject.statistics.examples.len(),
    );
    let off = (0..counts.len()).filter(|i| i / classes != i % classes);
    let most = off.map(|i| counts[i]).max().unwrap_or(0).max(1);
    html! { table.confusion {
        thead { tr { th {} @for j in 0..classes { th { (j) } } } }
        tbody { @for i in 0..classes { tr {
            th { (i) }
            @for j in 0..classes {
                @let n = counts[i * classes + j];
                @if i == j { td.right { (n) } }
                @else if n == 0 { td.none { "0" } }
                @else {
                    @let fill = colour::sequential(n as f32 / most as f32);
                    td style=(format!("background:{};color:{}", colour::hex(fill),
                        colour::hex(colour::readable_on(fill)))) { (n) }
                }
            }
        } } }
    } }
}
