//! Charts of lines: panels with axes, each line with its name at its end and, where it is the
//! mean of several, the band that they lie in. Panels of a block share their axes.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, Point, SIZE, Stroke};
use super::labels::spread;
use super::letters::{Weight, fitted, room};
use super::paint::{Paint, dash};
use crate::error::{Error, Result};

/// The width of a panel's data area, that of one of several, and its height at least.
const WIDE: f64 = 268.0;
const NARROW: f64 = 196.0;
const TALL: f64 = 168.0;
/// Around the data area: the numbers at its left, what stands above and below it.
const LEFT: f64 = 50.0;
const ABOVE: f64 = 26.0;
const BELOW: f64 = 44.0;
/// From the end of a line to its name, the height of a name, its letters, and its width at most.
const LEAD: f64 = 16.0;
const NAME: f64 = 14.0;
const LETTERS: f64 = 11.0;
const LONGEST: f64 = 190.0;
/// Around everything, between two panels, and the width of a figure at most.
const MARGIN: f64 = 16.0;
const GAP: f64 = 14.0;
const WIDEST: f64 = 1480.0;

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What a page hides it by.
    pub run: usize,
    /// The number of its colour.
    pub colour: usize,
    /// Its name; none where it is empty.
    pub name: String,
    /// How many runs it is the mean of.
    pub n: usize,
    /// Where along the chart, and the number there, in order.
    pub points: Vec<Point>,
    /// Where along the chart, the least and the greatest number there; empty for a single run.
    pub band: Vec<(f64, f64, f64)>,
}

/// A panel.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// What it is of.
    pub title: String,
    /// Its lines.
    pub lines: Vec<Line>,
}

/// Panels of one quantity, which share their axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// What is shown.
    pub quantity: String,
    /// The unit of what is shown; empty for a number without one.
    pub unit: &'static str,
    /// Whether the numbers span orders of magnitude.
    pub log: bool,
    /// What the horizontal axis shows.
    pub along: String,
    /// Whether the horizontal axis spans orders of magnitude.
    pub along_log: bool,
    /// The panels; one alone has no title beside the quantity.
    pub panels: Vec<Panel>,
}

/// The axes of a block.
struct Axes {
    x: Axis,
    y: Axis,
    along: String,
}

impl Block {
    /// What is shown, with its unit.
    pub fn heading(&self) -> String {
        match self.unit {
            "" => self.quantity.clone(),
            unit => format!("{} ({unit})", self.quantity),
        }
    }

    fn axes(&self) -> Axes {
        let lines = || self.panels.iter().flat_map(|panel| &panel.lines);
        let xs = lines().flat_map(|line| line.points.iter().map(|p| p.0));
        let xs: Vec<f64> = xs.collect();
        let mut x = Axis::of(xs.iter().copied(), self.along_log, 5);
        // What is counted has no fractions beside it.
        if xs.iter().all(|x| x.fract() == 0.0) {
            x.ticks.retain(|tick| (tick - tick.round()).abs() < 1e-9);
        }
        let points = lines().flat_map(|line| line.points.iter().map(|p| p.1));
        let bands = lines().flat_map(|line| line.band.iter().flat_map(|b| [b.1, b.2]));
        let y = Axis::of(points.chain(bands), self.log, 4).widened(0.03, 4);
        Axes {
            x,
            y,
            along: self.along.clone(),
        }
    }

    /// The height of the data areas.
    fn tall(&self) -> f64 {
        let names = |panel: &Panel| panel.lines.iter().filter(|l| !l.name.is_empty()).count();
        let most = self.panels.iter().map(names).max().unwrap_or(0);
        TALL.max(NAME * most as f64)
    }

    /// The width of the data areas.
    fn wide(&self) -> f64 {
        match self.panels.len() {
            1 => WIDE,
            _ => NARROW,
        }
    }

    /// The width that names at lines take.
    fn names(&self) -> f64 {
        let lines = self.panels.iter().flat_map(|panel| &panel.lines);
        let wide = |line: &Line| match line.name.is_empty() {
            true => 0.0,
            false => LEAD + room(&line.name, LETTERS, Weight::Regular).min(LONGEST),
        };
        lines.map(wide).fold(0.0, f64::max)
    }

    /// Width and height of one of its panels with all around it.
    fn size(&self) -> (f64, f64) {
        let wide = LEFT + self.wide() + self.names().max(8.0);
        (wide.ceil(), ABOVE + self.tall() + BELOW)
    }

    /// A panel as a picture of its own, for a page.
    ///
    /// # Errors
    /// Too large a picture.
    pub fn alone(&self, panel: &Panel) -> Result<Canvas> {
        let (width, height) = self.size();
        let mut canvas = Canvas::new(width as usize, height as usize)?;
        self.draw(&mut canvas, panel, &self.axes(), (0.0, 0.0));
        Ok(canvas)
    }

    /// Draws a panel, its upper left corner there.
    fn draw(&self, canvas: &mut Canvas, panel: &Panel, axes: &Axes, (x, y): Point) {
        let title = match self.panels.len() {
            1 => self.heading(),
            _ => panel.title.clone(),
        };
        let wide = LEFT + self.wide() + self.names();
        let title = fitted(&title, wide, SIZE, Weight::Bold);
        let bold = (SIZE, Weight::Bold);
        canvas.letters((x, y + 12.0), &title, Anchor::Start, bold, Paint::Ink);
        let (left, top) = (x + LEFT, y + ABOVE);
        let (right, bottom) = (left + self.wide(), top + self.tall());
        grid(canvas, axes, (left, right, top, bottom));
        let px = |v: f64| left + axes.x.place(v) * (right - left);
        let py = |v: f64| bottom - axes.y.place(v) * (bottom - top);
        for line in &panel.lines {
            let band: Vec<_> = line.band.iter().filter(|b| axes.y.holds(b.2)).collect();
            if band.len() > 1 {
                let upper = band.iter().map(|b| (px(b.0), py(b.2)));
                let lower = band.iter().rev().map(|b| (px(b.0), py(b.1)));
                let mark = canvas.fill(upper.chain(lower).collect(), Paint::Line(line.colour));
                mark.faint(0.18).named(format!("band run{}", line.run));
            }
        }
        for line in &panel.lines {
            let kept = line.points.iter().filter(|p| axes.y.holds(p.1));
            let kept: Vec<Point> = kept.map(|p| (px(p.0), py(p.1))).collect();
            let (paint, class) = (Paint::Line(line.colour), format!("run{}", line.run));
            match kept[..] {
                [] => {}
                [at] => {
                    canvas.disc(at, 2.5, Some(paint), None).named(class);
                }
                _ => {
                    let stroke = Stroke {
                        paint,
                        width: 1.6,
                        dash: dash(line.colour),
                    };
                    canvas.path(kept, stroke).named(class);
                }
            }
        }
        names(canvas, panel, (right, top, bottom), |line| {
            let last = line.points.iter().rev().find(|p| axes.y.holds(p.1))?;
            Some((px(last.0), py(last.1)))
        });
    }
}

/// Grid lines, ticks, and what the horizontal axis shows.
fn grid(canvas: &mut Canvas, axes: &Axes, (left, right, top, bottom): (f64, f64, f64, f64)) {
    let small = (LETTERS, Weight::Regular);
    for (&tick, label) in axes.y.ticks.iter().zip(axes.y.labels()) {
        let y = bottom - axes.y.place(tick) * (bottom - top);
        canvas.path(vec![(left, y), (right, y)], Stroke::new(Paint::Rule, 1.0));
        let at = (left - 7.0, y + 0.36 * LETTERS);
        canvas.letters(at, &label, Anchor::End, small, Paint::Faint);
    }
    let faint = Stroke::new(Paint::Faint, 1.0);
    canvas.path(vec![(left, bottom), (right, bottom)], faint);
    for (&tick, label) in axes.x.ticks.iter().zip(axes.x.labels()) {
        let x = left + axes.x.place(tick) * (right - left);
        canvas.path(vec![(x, bottom), (x, bottom + 4.0)], faint);
        canvas.letters(
            (x, bottom + 16.0),
            &label,
            Anchor::Middle,
            small,
            Paint::Faint,
        );
    }
    let middle = ((left + right) / 2.0, bottom + 32.0);
    canvas.letters(middle, &axes.along, Anchor::Middle, small, Paint::Faint);
}

/// The names of lines beside their ends, none over another, each with a line that leads to it.
fn names(
    canvas: &mut Canvas,
    panel: &Panel,
    (right, top, bottom): (f64, f64, f64),
    end: impl Fn(&Line) -> Option<Point>,
) {
    let named = panel.lines.iter().filter(|line| !line.name.is_empty());
    let ends: Vec<(&Line, Point)> = named.filter_map(|line| Some((line, end(line)?))).collect();
    let wanted: Vec<f64> = ends.iter().map(|(_, at)| at.1).collect();
    let places = spread(&wanted, NAME, (top - 6.0, bottom + 6.0));
    for ((line, at), place) in ends.into_iter().zip(places) {
        let (paint, class) = (Paint::Line(line.colour), format!("name run{}", line.run));
        let lead = vec![
            (at.0 + 2.0, at.1),
            (right + 5.0, at.1),
            (right + LEAD - 4.0, place),
        ];
        canvas.path(lead, Stroke::new(paint, 0.7)).named(&class);
        let text = fitted(&line.name, LONGEST, LETTERS, Weight::Regular);
        let foot = (right + LEAD, place + 0.36 * LETTERS);
        canvas
            .letters(
                foot,
                &text,
                Anchor::Start,
                (LETTERS, Weight::Regular),
                paint,
            )
            .named(class);
    }
}

/// A figure: a title, blocks of panels, and what is to be known of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Its title.
    pub title: String,
    /// What stands below the panels.
    pub notes: Vec<String>,
    /// The blocks.
    pub blocks: Vec<Block>,
}

/// The letters of a figure's title and of a block's.
const TITLE: (f64, Weight) = (15.0, Weight::Bold);
const HEADING: (f64, Weight) = (13.5, Weight::Bold);
/// The heights of a figure's title, of a block's and of a note.
const ABOVE_ALL: f64 = 30.0;
const ABOVE_BLOCK: f64 = 26.0;
const NOTE: f64 = 17.0;

/// Where panels stand: each takes so much, so many stand in a row.
struct Places {
    cell: Point,
    across: usize,
    /// Whether every block is one panel.
    single: bool,
}

impl Places {
    fn of(blocks: &[Block]) -> Self {
        let sizes = blocks.iter().map(Block::size);
        let cell = sizes.fold((0.0, 0.0), |a: Point, b| (a.0.max(b.0), a.1.max(b.1)));
        let counts = blocks.iter().map(|block| block.panels.len());
        let fullest = counts.max().unwrap_or(1);
        let single = fullest == 1;
        let most = if single { blocks.len() } else { fullest };
        let fit = ((WIDEST - 2.0 * MARGIN + GAP) / (cell.0 + GAP)).floor() as usize;
        Self {
            cell,
            across: even(most, fit.clamp(1, 4)),
            single,
        }
    }

    /// The height of so many panels.
    fn rows(&self, count: usize) -> f64 {
        count.div_ceil(self.across) as f64 * (self.cell.1 + GAP) - GAP
    }

    /// The corner of panel `i` of those that begin at that height.
    fn at(&self, i: usize, top: f64) -> Point {
        let (column, row) = ((i % self.across) as f64, (i / self.across) as f64);
        let (wide, tall) = (self.cell.0 + GAP, self.cell.1 + GAP);
        (MARGIN + column * wide, top + row * tall)
    }

    fn width(&self) -> f64 {
        self.across as f64 * (self.cell.0 + GAP) - GAP
    }

    fn height(&self, blocks: &[Block]) -> f64 {
        match self.single {
            true => self.rows(blocks.len()),
            false => {
                let tall = |block: &Block| ABOVE_BLOCK + self.rows(block.panels.len()) + GAP;
                blocks.iter().map(tall).sum()
            }
        }
    }
}

impl Figure {
    /// Draws it. Blocks of a single panel stand beside each other, others below each other.
    ///
    /// # Errors
    /// Nothing to draw, or too large a picture.
    pub fn draw(&self) -> Result<Canvas> {
        if self.blocks.is_empty() {
            return Err(Error::spec("there is nothing to draw"));
        }
        let places = Places::of(&self.blocks);
        let notes = self.notes.iter();
        let notes = notes.map(|note| room(note, LETTERS, Weight::Regular));
        let title = room(&self.title, TITLE.0, TITLE.1);
        let wide = notes.fold(places.width().max(title), f64::max) + 2.0 * MARGIN;
        let foot = NOTE * self.notes.len() as f64;
        let top = MARGIN + ABOVE_ALL;
        let height = top + places.height(&self.blocks) + foot + MARGIN;
        let mut canvas = Canvas::new(wide.ceil() as usize, height.ceil() as usize)?;
        let at = (MARGIN, MARGIN + 14.0);
        canvas.letters(at, &self.title, Anchor::Start, TITLE, Paint::Ink);
        self.panels(&mut canvas, &places, top);
        for (i, note) in self.notes.iter().enumerate() {
            let at = (MARGIN, height - MARGIN - foot + NOTE * i as f64 + 13.0);
            let small = (LETTERS, Weight::Regular);
            canvas.letters(at, note, Anchor::Start, small, Paint::Faint);
        }
        Ok(canvas)
    }

    fn panels(&self, canvas: &mut Canvas, places: &Places, mut top: f64) {
        for (i, block) in self.blocks.iter().enumerate() {
            let axes = block.axes();
            if places.single {
                block.draw(canvas, &block.panels[0], &axes, places.at(i, top));
                continue;
            }
            let head = (MARGIN, top + 14.0);
            canvas.letters(head, &block.heading(), Anchor::Start, HEADING, Paint::Ink);
            top += ABOVE_BLOCK;
            for (i, panel) in block.panels.iter().enumerate() {
                block.draw(canvas, panel, &axes, places.at(i, top));
            }
            top += places.rows(block.panels.len()) + GAP;
        }
    }

    /// Its numbers, a line a point.
    pub fn csv(&self) -> String {
        let mut text = String::from("quantity,unit,panel,line,n,along,at,value,low,high\n");
        for block in &self.blocks {
            for panel in &block.panels {
                for line in &panel.lines {
                    rows(&mut text, block, panel, line);
                }
            }
        }
        text
    }
}

/// How many stand in a row of `most`, so that the last row is as full as can be.
fn even(most: usize, fit: usize) -> usize {
    most.div_ceil(most.div_ceil(fit).max(1)).max(1)
}

fn rows(text: &mut String, block: &Block, panel: &Panel, line: &Line) {
    let words = [&block.quantity, block.unit, &panel.title, &line.name].map(csv_word);
    let along = csv_word(&block.along);
    for (i, (at, value)) in line.points.iter().enumerate() {
        let (low, high) = match line.band.get(i) {
            Some((_, low, high)) => (low.to_string(), high.to_string()),
            None => (String::new(), String::new()),
        };
        let head = format!("{},{},{along}", words.join(","), line.n);
        *text += &format!("{head},{at},{value},{low},{high}\n");
    }
}

/// A word as a CSV file has it.
pub(super) fn csv_word(word: &str) -> String {
    match word.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", word.replace('"', "\"\"")),
        false => word.into(),
    }
}
