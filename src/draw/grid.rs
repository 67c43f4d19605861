//! Maps in rows and columns, each number a square of one colour, beside a bar that
//! says which colour is which number.

use super::bar::Bar;
use super::canvas::{Anchor, Canvas, LINE, text_width, title_width};
use super::paint::Paint;
use super::plane::{Colours, Plane};
use super::tile::Tile;
use crate::error::Result;

/// Between two maps.
const GAP: usize = 6;
/// Before a column that is set apart.
const APART: usize = 24;
/// Around everything.
const MARGIN: usize = 16;

/// A row of maps or of pictures.
#[derive(Clone, Debug)]
pub struct Row {
    /// The name that stands before the row.
    pub name: String,
    /// What stands in it; a place may stay empty.
    pub tiles: Vec<Option<Tile>>,
    /// The colours of its maps, which the bar explains; `None` for pictures.
    pub colours: Option<Colours>,
}

impl Row {
    /// A row of maps in one set of colours.
    pub fn of_maps(name: String, maps: &[Option<Plane>], colours: Colours) -> Self {
        let tile = |map: &Option<Plane>| map.as_ref().map(|map| Tile::plane(map, colours));
        Self {
            name,
            tiles: maps.iter().map(tile).collect(),
            colours: Some(colours),
        }
    }

    /// A row of pictures, each in its own colours.
    pub fn of_pictures(name: String, tiles: Vec<Option<Tile>>) -> Self {
        Self {
            name,
            tiles,
            colours: None,
        }
    }
}

/// A picture of maps in rows and columns, beside a colour bar.
#[derive(Clone, Debug)]
pub struct Grid {
    /// The first line of the picture.
    pub title: String,
    /// The lines below the title.
    pub notes: Vec<String>,
    /// Names of the columns; none where empty.
    pub columns: Vec<String>,
    /// A column that is set apart from those before it.
    pub apart: Option<usize>,
    /// The maps.
    pub rows: Vec<Row>,
    /// Pixels that the longer side of a map takes at least.
    pub cell: usize,
    /// What the numbers beside the colour bar are of.
    pub quantity: String,
}

/// A number in as few digits as it needs, for the ends of the colour bar.
pub fn short(x: f32) -> String {
    let digits = match x.abs() {
        a if a == 0.0 || a >= 100.0 => 0,
        a if a >= 10.0 => 1,
        a if a >= 0.1 => 2,
        a if a >= 0.01 => 3,
        _ => 4,
    };
    format!("{x:.digits$}")
}

impl Grid {
    /// Draws the picture.
    ///
    /// # Errors
    /// A picture without a map, or too large a one.
    pub fn draw(&self) -> Result<Canvas> {
        let places = Places::of(self);
        let mut canvas = Canvas::new(places.width, places.height)?;
        canvas.bold((MARGIN, MARGIN), &self.title, Anchor::Start, Paint::Ink);
        for (i, note) in self.notes.iter().enumerate() {
            let y = MARGIN + (LINE + 4) * (i + 1);
            canvas.text((MARGIN, y), note, Anchor::Start, Paint::Faint);
        }
        for (column, name) in self.columns.iter().enumerate() {
            let x = places.column(column) + places.across / 2;
            canvas.text((x, places.head), name, Anchor::Middle, Paint::Ink);
        }
        self.draw_rows(&mut canvas, &places);
        Ok(canvas)
    }

    /// The maps, and the bar beside the rows that it speaks of.
    fn draw_rows(&self, canvas: &mut Canvas, places: &Places) {
        let mut y = places.top;
        let (mut first, mut last) = (None, y);
        for row in &self.rows {
            let height = self.row_height(row);
            let middle = y + (height.saturating_sub(LINE)) / 2;
            let at = (places.left.saturating_sub(10), middle);
            canvas.text(at, &row.name, Anchor::End, Paint::Ink);
            for (column, tile) in row.tiles.iter().enumerate() {
                let Some(tile) = tile else { continue };
                let scale = tile.scale(self.cell);
                let x = places.column(column) + (places.across - tile.width * scale) / 2;
                canvas.tile((x, y), tile, scale);
            }
            if row.colours.is_some() {
                first = first.or(Some(y));
                last = y + height;
            }
            y += height + GAP;
        }
        if let (Some(bar), Some(first)) = (self.bar(), first) {
            bar.draw(canvas, (places.right, first), last - first);
        }
    }

    /// Pixels from the upper edge of a row's maps to the lower one.
    fn row_height(&self, row: &Row) -> usize {
        let heights = row.tiles.iter().flatten();
        let heights = heights.map(|tile| tile.height * tile.scale(self.cell));
        heights.max().unwrap_or(LINE)
    }

    /// The bar, whose colours are those of the first row that has a range.
    fn bar(&self) -> Option<Bar> {
        let colours = self.rows.iter().find_map(|row| row.colours)?;
        Some(Bar::new(colours, &self.quantity))
    }
}

/// Where the parts of a picture lie, in pixels.
struct Places {
    width: usize,
    height: usize,
    /// Left edge of the first column.
    left: usize,
    /// Upper edge of the columns' names.
    head: usize,
    /// Upper edge of the first row.
    top: usize,
    /// Width of a column.
    across: usize,
    /// The column that is set apart.
    apart: Option<usize>,
    /// Right edge of the last column.
    right: usize,
}

impl Places {
    fn of(grid: &Grid) -> Self {
        let tiles = grid.rows.iter().flat_map(|r| r.tiles.iter().flatten());
        let widths = tiles.map(|tile| tile.width * tile.scale(grid.cell));
        // Columns as wide as their names, which would stand in each other otherwise.
        let named = grid.columns.iter().map(|name| text_width(name));
        let across = widths.chain(named).max().unwrap_or(0);
        let columns = grid.rows.iter().map(|r| r.tiles.len()).max().unwrap_or(0);
        let names = grid.rows.iter().map(|r| text_width(&r.name));
        let names = names.max().unwrap_or(0);
        let head = MARGIN + (LINE + 4) * (1 + grid.notes.len()) + 6;
        let mut places = Self {
            width: 0,
            height: 0,
            left: MARGIN + if names > 0 { names + 10 } else { 0 },
            head,
            top: head
                + match grid.columns.is_empty() && grid.bar().is_none() {
                    true => 0,
                    false => Bar::above(),
                },
            across,
            apart: grid.apart,
            right: 0,
        };
        places.right = places.column(columns.max(1) - 1) + across;
        let rows: usize = grid.rows.iter().map(|r| grid.row_height(r) + GAP).sum();
        let after = grid.bar().map_or(0, |bar| bar.room(rows));
        let notes = grid.notes.iter().map(|note| text_width(note));
        let widest = notes.max().unwrap_or(0).max(title_width(&grid.title));
        places.width = (places.right + after).max(MARGIN + widest) + MARGIN;
        places.height = places.top + rows.saturating_sub(GAP) + MARGIN;
        places
    }

    /// Left edge of a column.
    fn column(&self, column: usize) -> usize {
        let apart = self.apart.is_some_and(|from| column >= from);
        self.left + column * (self.across + GAP) + if apart { APART - GAP } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::super::canvas::tests::{assert_apart, assert_within, pixels};
    use super::super::colour;
    use super::super::paint::Theme;
    use super::*;

    #[test]
    fn a_map_is_drawn_in_hard_pixels_of_known_colours() {
        let plane = Plane {
            width: 2,
            height: 1,
            values: vec![0.0, 4.0],
        };
        let grid = Grid {
            title: "t".into(),
            notes: vec![],
            columns: vec!["0".into()],
            apart: None,
            rows: vec![Row::of_maps(
                String::new(),
                &[Some(plane.clone())],
                Colours::range([&plane].into_iter()),
            )],
            cell: 41,
            quantity: "q".into(),
        };
        let canvas = grid.draw().unwrap();
        assert_within(&canvas);
        assert_apart(&canvas);
        let drawn = pixels(&canvas, Theme::Light);
        // 41 / 2: squares of 20 pixels, from the margin on, below two lines of text.
        let (left, top) = (MARGIN, MARGIN + (LINE + 4) + 6 + Bar::above());
        for (x, y) in [(0, 0), (19, 19)] {
            assert_eq!(drawn.at(left + x, top + y), colour::sequential(0.0));
            assert_eq!(drawn.at(left + 20 + x, top + y), colour::sequential(1.0));
        }
        let paper = Paint::Paper.rgb(Theme::Light);
        assert_eq!(drawn.at(left + 40, top), paper);
        assert_eq!(drawn.at(left, top + 20), paper);
        let bar = grid.bar().unwrap();
        assert_eq!(canvas.size().0, left + 40 + bar.room(26) + MARGIN);
    }

    #[test]
    fn planes_are_means_and_channels() {
        let values = [1.0, 3.0, 5.0, 7.0, 0.0, 1.0];
        let mean = Plane::mean((1, 3, 2), &values);
        assert_eq!(mean.values, [2.0, 6.0, 0.5]);
        assert_eq!(
            Plane::channel((1, 3, 2), &values, 1).values,
            [3.0, 7.0, 1.0]
        );
        assert_eq!(
            Colours::range([&mean].into_iter()),
            Colours::Amount(0.5, 6.0)
        );
        let none = Plane {
            width: 1,
            height: 1,
            values: vec![f32::NAN],
        };
        assert_eq!(
            Colours::range([&none].into_iter()),
            Colours::Amount(0.0, 0.0)
        );
    }

    #[test]
    fn ends_of_the_bar_are_short() {
        let texts = [0.0, 1.0, -0.25, 0.031, 12.34, 250.4, 0.0004].map(short);
        assert_eq!(
            texts,
            ["0", "1.00", "-0.25", "0.031", "12.3", "250", "0.0004"]
        );
    }
}
