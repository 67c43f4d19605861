//! A picture as a list of marks: rectangles, lines, discs, texts, enlarged tiles. It is drawn
//! once, and written in any theme as SVG ([`super::svg`]), as PNG ([`super::raster`]) or as PDF
//! ([`super::pdf`]).

use super::letters::{Weight, clean, room};
use super::paint::Paint;
use super::tile::Tile;
use crate::error::{Error, Result};

/// The most pixels a picture may have; a raster has four times as many.
const MAX_PIXELS: usize = 25_000_000;

/// Height of a line of text, and the size of its letters.
pub const LINE: usize = 16;
/// The size of letters.
pub const SIZE: f64 = 12.5;
/// From the upper edge of a line of text to the foot of its letters.
const FOOT: f64 = 12.5;

/// Where text stands relative to its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The text begins at the point.
    Start,
    /// The middle of the text is at the point.
    Middle,
    /// The text ends at the point.
    End,
}

/// Across and down, in pixels from the upper left corner.
pub type Point = (f64, f64);

/// What is drawn.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// From a corner, so wide and so high.
    Rect(Point, f64, f64),
    /// Straight from point to point; an area where it is filled.
    Path(Vec<Point>),
    /// A disc of that radius.
    Disc(Point, f64),
    /// A text whose letters stand on that point.
    Text(Point, Letters),
    /// A tile from a corner, each pixel a square of that side.
    Tile(Point, Tile, f64),
}

/// A text and how it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Letters {
    pub text: String,
    pub size: f64,
    pub weight: Weight,
    pub anchor: Anchor,
}

/// A shape and its colours.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mark {
    pub shape: Shape,
    pub fill: Option<Paint>,
    /// How much of the fill's colour there is, from 0 to 1.
    pub strength: f64,
    pub stroke: Option<Stroke>,
    /// What the mark is of; a page hides lines by it, and tests count.
    pub class: String,
}

/// A stroke.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stroke {
    /// Its colour.
    pub paint: Paint,
    /// Its width.
    pub width: f64,
    /// Dashes and gaps in turn; empty where it is unbroken.
    pub dash: &'static str,
}

impl Stroke {
    /// An unbroken stroke.
    pub fn new(paint: Paint, width: f64) -> Self {
        Self {
            paint,
            width,
            dash: "",
        }
    }
}

/// A picture under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Canvas {
    width: usize,
    height: usize,
    pub(super) marks: Vec<Mark>,
}

/// The room that a text of the usual size takes, in whole pixels.
pub fn text_width(text: &str) -> usize {
    room(text, SIZE, Weight::Regular).ceil() as usize
}

/// The same of a title.
pub fn title_width(text: &str) -> usize {
    room(text, SIZE, Weight::Bold).ceil() as usize
}

impl Canvas {
    /// An empty picture.
    ///
    /// # Errors
    /// More than 25 million pixels, or none.
    pub fn new(width: usize, height: usize) -> Result<Self> {
        let pixels = width.saturating_mul(height);
        if pixels == 0 || pixels > MAX_PIXELS {
            return Err(Error::spec(format!(
                "a picture of {width}x{height} pixels cannot be made; show less at once"
            )));
        }
        Ok(Self {
            width,
            height,
            marks: Vec::new(),
        })
    }

    /// The width and the height of the picture, in pixels.
    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    fn push(&mut self, shape: Shape, fill: Option<Paint>, stroke: Option<Stroke>) -> &mut Mark {
        self.marks.push(Mark {
            shape,
            fill,
            strength: 1.0,
            stroke,
            class: String::new(),
        });
        let last = self.marks.len() - 1;
        &mut self.marks[last]
    }

    /// Draws a filled rectangle.
    pub fn rect(
        &mut self,
        (x, y): (usize, usize),
        width: usize,
        height: usize,
        paint: impl Into<Paint>,
    ) {
        let at = (x as f64, y as f64);
        self.area(at, width as f64, height as f64, paint);
    }

    /// Draws a filled rectangle anywhere.
    pub fn area(&mut self, at: Point, width: f64, height: f64, paint: impl Into<Paint>) {
        self.push(Shape::Rect(at, width, height), Some(paint.into()), None);
    }

    /// Draws a frame of one pixel just outside a rectangle.
    pub fn frame(&mut self, (x, y): (usize, usize), width: usize, height: usize) {
        let corner = (x as f64 - 0.5, y as f64 - 0.5);
        let shape = Shape::Rect(corner, width as f64 + 1.0, height as f64 + 1.0);
        self.push(shape, None, Some(Stroke::new(Paint::Faint, 1.0)));
    }

    /// Draws text on one line whose top is at `y`.
    pub fn text(
        &mut self,
        (x, y): (usize, usize),
        text: &str,
        anchor: Anchor,
        ink: impl Into<Paint>,
    ) {
        let at = (x as f64, y as f64 + FOOT);
        if !text.is_empty() {
            self.letters(at, text, anchor, (SIZE, Weight::Regular), ink);
        }
    }

    /// Draws text as [`Self::text`] does, in bold.
    pub fn bold(
        &mut self,
        (x, y): (usize, usize),
        text: &str,
        anchor: Anchor,
        ink: impl Into<Paint>,
    ) {
        let at = (x as f64, y as f64 + FOOT);
        if !text.is_empty() {
            self.letters(at, text, anchor, (SIZE, Weight::Bold), ink);
        }
    }

    /// Draws text whose letters stand at that height.
    pub(super) fn letters(
        &mut self,
        at: Point,
        text: &str,
        anchor: Anchor,
        (size, weight): (f64, Weight),
        ink: impl Into<Paint>,
    ) -> &mut Mark {
        let letters = Letters {
            text: clean(text),
            size,
            weight,
            anchor,
        };
        self.push(Shape::Text(at, letters), Some(ink.into()), None)
    }

    /// Draws a line from point to point.
    pub(super) fn path(&mut self, points: Vec<Point>, stroke: Stroke) -> &mut Mark {
        self.push(Shape::Path(points), None, Some(stroke))
    }

    /// Fills what is within those points.
    pub(super) fn fill(&mut self, points: Vec<Point>, paint: Paint) -> &mut Mark {
        self.push(Shape::Path(points), Some(paint), None)
    }

    /// Draws a disc, or a ring where it has no fill.
    pub(super) fn disc(
        &mut self,
        at: Point,
        radius: f64,
        fill: Option<Paint>,
        stroke: Option<Stroke>,
    ) -> &mut Mark {
        self.push(Shape::Disc(at, radius), fill, stroke)
    }

    /// Draws a tile, each pixel a square of `scale` pixels; empty ones have a colour of their own.
    pub fn tile(&mut self, (x, y): (usize, usize), tile: &Tile, scale: usize) {
        if tile.pixels.iter().any(Option::is_none) {
            let (width, height) = (tile.width * scale, tile.height * scale);
            self.rect((x, y), width, height, Paint::Empty);
        }
        let at = (x as f64, y as f64);
        self.push(Shape::Tile(at, tile.clone(), scale as f64), None, None);
    }

    /// Draws another picture, its upper left corner there.
    pub(super) fn copy(&mut self, (left, top): (usize, usize), picture: &Self) {
        let (dx, dy) = (left as f64, top as f64);
        let moved = picture.marks.iter().map(|mark| {
            let mut mark = mark.clone();
            match &mut mark.shape {
                Shape::Path(points) => {
                    for (x, y) in points {
                        *x += dx;
                        *y += dy;
                    }
                }
                Shape::Rect(at, ..)
                | Shape::Disc(at, _)
                | Shape::Text(at, _)
                | Shape::Tile(at, ..) => *at = (at.0 + dx, at.1 + dy),
            }
            mark
        });
        self.marks.extend(moved);
    }

    /// Pictures below each other, their left edges on one line.
    ///
    /// # Errors
    /// No picture, or too large a one.
    pub fn below(pictures: &[Self]) -> Result<Self> {
        let width = pictures.iter().map(|p| p.size().0).max().unwrap_or(0);
        let height = pictures.iter().map(|p| p.size().1).sum();
        let mut all = Self::new(width, height)?;
        let mut top = 0;
        for picture in pictures {
            all.copy((0, top), picture);
            top += picture.size().1;
        }
        Ok(all)
    }

    /// Pictures beside each other, their upper edges on one line.
    ///
    /// # Errors
    /// No picture, or too large a one.
    pub fn beside(pictures: &[Self]) -> Result<Self> {
        let width = pictures.iter().map(|p| p.size().0).sum();
        let height = pictures.iter().map(|p| p.size().1).max().unwrap_or(0);
        let mut all = Self::new(width, height)?;
        let mut left = 0;
        for (i, picture) in pictures.iter().enumerate() {
            if i > 0 {
                // A line between one picture and the next.
                let margin = LINE.min(height / 2);
                all.rect((left, margin), 1, height - 2 * margin, Paint::Rule);
            }
            all.copy((left, 0), picture);
            left += picture.size().0;
        }
        Ok(all)
    }
}

impl Mark {
    /// What the mark is of.
    pub(super) fn named(&mut self, class: impl Into<String>) -> &mut Self {
        self.class = class.into();
        self
    }

    /// How much of the fill's colour there is.
    pub(super) fn faint(&mut self, strength: f64) -> &mut Self {
        self.strength = strength;
        self
    }

    /// The left, upper, right and lower edge of what is drawn.
    #[cfg(test)]
    pub(super) fn edges(&self) -> [f64; 4] {
        let half = self.stroke.map_or(0.0, |stroke| stroke.width / 2.0);
        let [left, top, right, bottom] = match &self.shape {
            Shape::Rect((x, y), width, height) => [*x, *y, x + width, y + height],
            Shape::Disc((x, y), r) => [x - r, y - r, x + r, y + r],
            Shape::Tile((x, y), tile, side) => {
                let (width, height) = (tile.width as f64 * side, tile.height as f64 * side);
                [*x, *y, x + width, y + height]
            }
            Shape::Path(points) => {
                let start = [
                    f64::INFINITY,
                    f64::INFINITY,
                    f64::NEG_INFINITY,
                    f64::NEG_INFINITY,
                ];
                points.iter().fold(start, |[l, t, r, b], &(x, y)| {
                    [l.min(x), t.min(y), r.max(x), b.max(y)]
                })
            }
            Shape::Text((x, y), letters) => {
                let width = super::letters::width(&letters.text, letters.size, letters.weight);
                let left = match letters.anchor {
                    Anchor::Start => *x,
                    Anchor::Middle => x - width / 2.0,
                    Anchor::End => x - width,
                };
                let size = letters.size;
                [left, y - 0.75 * size, left + width, y + 0.22 * size]
            }
        };
        [left - half, top - half, right + half, bottom + half]
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::paint::Theme;
    use super::super::raster::Pixels;
    use super::*;

    /// The pixels of a picture at its own size.
    pub(in super::super) fn pixels(canvas: &Canvas, theme: Theme) -> Pixels {
        canvas.raster(theme, 1).unwrap()
    }

    /// Ends the test if anything is drawn outside of the picture.
    pub(in super::super) fn assert_within(canvas: &Canvas) {
        let (width, height) = canvas.size();
        for mark in &canvas.marks {
            let [left, top, right, bottom] = mark.edges();
            let within = left >= -0.01
                && top >= -0.01
                && right <= width as f64 + 0.01
                && bottom <= height as f64 + 0.01;
            assert!(within, "{width}x{height}: {mark:?}");
        }
    }

    /// The texts of a picture, with their edges.
    pub(in super::super) fn texts(canvas: &Canvas) -> Vec<(&str, [f64; 4])> {
        let text = |mark: &'_ Mark| matches!(mark.shape, Shape::Text(..));
        let all = canvas.marks.iter().filter(|mark| text(mark));
        all.filter_map(|mark| match &mark.shape {
            Shape::Text(_, letters) => Some((letters.text.as_str(), mark.edges())),
            _ => None,
        })
        .collect()
    }

    /// Ends the test if two texts of a picture overlap.
    pub(in super::super) fn assert_apart(canvas: &Canvas) {
        let texts = texts(canvas);
        for (i, (a, one)) in texts.iter().enumerate() {
            for (b, other) in &texts[i + 1..] {
                let across = one[0] < other[2] && other[0] < one[2];
                let down = one[1] < other[3] && other[1] < one[3];
                assert!(!(across && down), "{a:?} {one:?} and {b:?} {other:?}");
            }
        }
    }

    #[test]
    fn rectangles_are_where_they_should_be() {
        let mut canvas = Canvas::new(6, 5).unwrap();
        canvas.frame((2, 2), 2, 1);
        canvas.rect((2, 2), 2, 1, [9, 8, 7]);
        let drawn = pixels(&canvas, Theme::Light);
        let (paper, faint) = (
            Paint::Paper.rgb(Theme::Light),
            Paint::Faint.rgb(Theme::Light),
        );
        let row = |y: usize| (0..6).map(|x| drawn.at(x, y)).collect::<Vec<_>>();
        assert_eq!(row(0), [paper; 6]);
        // Corners are rounded off a little.
        assert_eq!(row(1)[2..4], [faint; 2]);
        assert!(row(1)[1] != paper && row(1)[0] == paper && row(1)[5] == paper);
        assert_eq!(row(2), [paper, faint, [9, 8, 7], [9, 8, 7], faint, paper]);
        assert_eq!(row(3), row(1));
        assert!(Canvas::new(0, 3).is_err());
        assert!(Canvas::new(usize::MAX, 3).is_err());
    }

    #[test]
    fn text_is_drawn_within_its_box_and_aligned() {
        let inked = |anchor| {
            let mut canvas = Canvas::new(60, 20).unwrap();
            canvas.text((30, 2), "88", anchor, [0; 3]);
            let drawn = pixels(&canvas, Theme::Light);
            let dark = |x: usize| (0..20).any(|y| drawn.at(x, y)[0] < 200);
            let columns: Vec<usize> = (0..60).filter(|&x| dark(x)).collect();
            let [left, _, right, _] = canvas.marks[0].edges();
            assert!(columns[0] as f64 + 1.0 >= left && columns[columns.len() - 1] as f64 <= right);
            (columns[0], columns[columns.len() - 1])
        };
        let width = text_width("88");
        let (first, last) = inked(Anchor::Start);
        assert!(first >= 30 && last < 30 + width && last > first + width / 2);
        let (first, last) = inked(Anchor::End);
        assert!(first >= 30 - width && last < 30);
        let (first, last) = inked(Anchor::Middle);
        assert!(first < 30 && last > 30);
    }

    #[test]
    fn pictures_stand_beside_and_below_each_other() {
        let mut canvas = Canvas::new(40, 60).unwrap();
        canvas.rect((3, 20), 2, 2, [51; 3]);
        let both = Canvas::beside(&[canvas.clone(), canvas.clone()]).unwrap();
        assert_eq!(both.size(), (80, 60));
        assert_eq!(pixels(&both, Theme::Light).at(43, 21), [51; 3]);
        assert!(Canvas::beside(&[]).is_err());
        let both = Canvas::below(&[canvas.clone(), canvas]).unwrap();
        assert_eq!(both.size(), (40, 120));
        assert_eq!(pixels(&both, Theme::Dark).at(3, 80), [51; 3]);
        assert_within(&both);
    }
}
