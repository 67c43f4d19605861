//! The page's pictures: curves, heat maps, confusion, mistakes. Maps are as small as
//! they are, one pixel a number; the browser enlarges them.

use std::collections::{BTreeMap, HashSet};

use maud::{Markup, html};

use super::super::activation_statistics::{LayerMaps, Maps};
use super::super::bar::Bar;
use super::super::chart::{Block, Figure};
use super::super::colour;
use super::super::curves::{Course, figure};
use super::super::facets::Setting;
use super::super::heatmap::mean_tile;
use super::super::paint::{Paint, Theme, dash};
use super::super::plane::{Colours, Plane};
use super::super::svg::tile_uri;
use super::super::tile::Tile;
use super::{Report, Shown, Subject};
use crate::study::grouped;
use crate::train::EpochRecord;

/// Mistakes that are shown of a run.
const MISTAKES: usize = 24;
/// Runs whose details are open from the start.
const OPEN: usize = 2;

/// A plane as a PNG in a data URI.
fn uri(plane: &Plane, colours: Colours) -> String {
    tile_uri(&Tile::plane(plane, colours))
}

/// A colour bar that says of what it is; nothing where it cannot be drawn.
pub(super) fn bar(colours: Colours, quantity: &str) -> Markup {
    match Bar::new(colours, quantity).lying() {
        Ok(canvas) => html! { div.bar { (canvas.inline(quantity)) } },
        Err(_) => html! {},
    }
}

/// Layers that are drawn beside each other, each with what its row is called.
type Alike<'a> = Vec<(String, &'a LayerMaps)>;

impl Report<'_> {
    /// The figure of all runs; `None` where no run has an epoch.
    fn figure(&self, names: &[String]) -> Option<Figure> {
        // A run that is a cell of a table as well is there once.
        let mut seen = HashSet::new();
        let once = |run: &&Shown| seen.insert((run.line, run.seed));
        let courses: Vec<Course<'_>> = self
            .runs
            .iter()
            .filter(once)
            .map(|run| Course {
                line: run.line,
                history: &run.history,
            })
            .collect();
        let first = |line: usize| self.runs.iter().find(|run| run.line == line);
        let settings = (0..names.len()).filter_map(|line| Some(first(line)?.setting.clone()));
        let mut settings: Vec<Setting> = settings.collect();
        let alike = settings.clone();
        for (setting, name) in settings.iter_mut().zip(names) {
            // What its words do not tell from another is told by the name of its run or row.
            if alike.iter().filter(|other| **other == *setting).count() > 1 {
                setting.name += &format!(", {}", name.replace(", ", " "));
            }
        }
        figure(&courses, &settings).ok()
    }

    pub(super) fn curves(&self, names: &[String]) -> Markup {
        let Some(figure) = self.figure(names) else {
            return html! {};
        };
        let has = |number: fn(&EpochRecord) -> Option<f64>| {
            let mut epochs = self.runs.iter().flat_map(|run| &run.history);
            epochs.any(|epoch| number(epoch).is_some())
        };
        let lines = || {
            figure
                .blocks
                .iter()
                .flat_map(|block| &block.panels)
                .flat_map(|p| &p.lines)
        };
        let colour = |run: usize| lines().find(|l| l.run == run).map_or(run, |l| l.colour);
        let single = figure.blocks.iter().all(|block| block.panels.len() == 1);
        html! {
            section id="curves" {
                h2 { "Curves" }
                p.note {
                    @for note in &figure.notes { (note) " " }
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
                                line x1="0" x2="26" y1="5" y2="5"
                                    stroke=(Paint::Line(colour(i)).css(Theme::Page))
                                    stroke-width="2.4" stroke-dasharray=(dash(colour(i))) {}
                            }
                            (name)
                        }
                    }
                }
                @if single {
                    div.charts { @for block in &figure.blocks { (panels(block)) } }
                } @else {
                    @for block in &figure.blocks {
                        h3 { (block.heading()) }
                        div.charts.many { (panels(block)) }
                    }
                }
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
        let counts: Vec<String> = self.sets.iter().map(|set| grouped(set.1.len())).collect();
        let counts = match self.sets.is_empty() {
            true => grouped(first.statistics.evaluation.images),
            false => counts.join(" and "),
        };
        html! {
            section id="maps" {
                h2 { "Heat maps" }
                p.note {
                    "What each convolution hands on, after pooling and activation, averaged over its \
                     channels: for the first test image of each class, and the mean of "
                    (counts) " test images. Stochastic units: a sample of their \
                     bits, and the probabilities it was drawn with."
                }
                @for (set, begins, alike) in &self.by_depth() {
                    @let colours = shared_range(alike);
                    @let first = self.subjects.iter().find(|s| s.set == *set);
                    @let classes = first.map_or(0, |s| s.statistics.examples.len());
                    h3 { (heading(alike)) @if self.sets.len() > 1 { ", on " (self.sets[*set].0) } }
                    (bar(colours, "mean output of the channels"))
                    div.scroll {
                        table.maps {
                            thead { tr {
                                th { span.note { "network" } }
                                @for class in 0..classes { th { (class) } }
                                th { "mean" }
                            } }
                            tbody {
                                @if *begins { @if let Some(first) = first { (self.images_row(first)) } }
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

    /// The layers of all networks, those of one data set and depth together, and what their rows
    /// are called; each with its set, and whether it is the first of that.
    fn by_depth(&self) -> Vec<(usize, bool, Alike<'_>)> {
        let mut depths: BTreeMap<(usize, usize), Alike<'_>> = BTreeMap::new();
        for subject in &self.subjects {
            let layers = &subject.statistics.layers;
            for layer in layers {
                let alone = layers.iter().filter(|l| l.depth == layer.depth).count() == 1;
                let name = match alone {
                    true => subject.name.clone(),
                    false => format!("{}, {}", subject.name, layer.name),
                };
                let of = depths.entry((subject.set, layer.depth));
                of.or_default().push((name, layer));
            }
        }
        let mut before = None;
        let mut found = Vec::new();
        for ((set, _), layers) in depths {
            found.push((set, before != Some(set), layers));
            before = Some(set);
        }
        found
    }

    fn images_row(&self, subject: &Subject) -> Markup {
        let Some((_, split)) = self.sets.get(subject.set) else {
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
        if self.subjects.is_empty() {
            return html! {};
        }
        html! {
            section id="mistakes" {
                h2 { "Mistakes" }
                p.note {
                    "The surest ones first, with what the image shows, what it was taken for, and the \
                     margin: the probability of the guess less that of the right class."
                }
                @for (n, subject) in self.subjects.iter().enumerate() {
                    @let all = subject.statistics.mistakes();
                    @let split = self.sets[subject.set].1;
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

/// The panels of a block, each a picture that the page scales and colours.
fn panels(block: &Block) -> Markup {
    let drawn = block.panels.iter().map(|panel| (panel, block.alone(panel)));
    html! { @for (panel, drawn) in drawn { @if let Ok(canvas) = drawn {
        (canvas.inline(&format!("{} {}", block.quantity, panel.title)))
    } } }
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
    let colours = Colours::Amount(0.0, most as f32);
    html! { (bar(colours, "mistakes (images)")) table.confusion {
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
