//! Sheets of tiles in rows, each row with a name and each tile with a line below it.

use super::bar::Bar;
use super::canvas::{Anchor, Canvas, LINE, text_width, title_width};
use super::paint::Paint;
use super::tile::Tile;
use crate::error::Result;

/// Around everything, between two tiles, and before a column that is set apart.
const MARGIN: usize = 16;
const GAP: usize = 6;
const APART: usize = 20;

/// A tile and the line below it.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The picture.
    pub tile: Tile,
    /// The line below it; may be empty.
    pub caption: String,
}

/// A row of tiles.
#[derive(Clone, Debug)]
pub struct Lane {
    /// The name before the row.
    pub name: String,
    /// What stands below the name, in less ink.
    pub about: Vec<String>,
    /// Its tiles; a place may stay empty.
    pub cells: Vec<Option<Cell>>,
}

/// A picture of tiles in rows.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// The first line of the picture.
    pub title: String,
    /// The lines below the title.
    pub notes: Vec<String>,
    /// Names of the columns; none where empty.
    pub columns: Vec<String>,
    /// A column that is set apart from those before it.
    pub apart: Option<usize>,
    /// The rows.
    pub lanes: Vec<Lane>,
    /// Pixels that the longer side of a tile takes at least.
    pub cell: usize,
    /// The bar that explains the colours of tiles.
    pub bar: Option<Bar>,
}

/// The height of a title and its notes, the margin above them included.
pub(super) fn head(notes: usize) -> usize {
    MARGIN + (LINE + 4) * (1 + notes) + 6
}

/// The width that a title and its notes need, the margins included.
pub(super) fn head_width(title: &str, notes: &[String]) -> usize {
    let notes = notes.iter().map(|note| text_width(note));
    notes.max().unwrap_or(0).max(title_width(title)) + 2 * MARGIN
}

/// Draws a title and the notes below it.
pub(super) fn heading(canvas: &mut Canvas, title: &str, notes: &[String]) {
    canvas.bold((MARGIN, MARGIN), title, Anchor::Start, Paint::Ink);
    for (i, note) in notes.iter().enumerate() {
        let y = MARGIN + (LINE + 4) * (i + 1);
        canvas.text((MARGIN, y), note, Anchor::Start, Paint::Faint);
    }
}

/// Where things stand.
struct Places {
    left: usize,
    top: usize,
    /// The size of a tile's place, its line included.
    across: usize,
    down: usize,
    apart: Option<usize>,
}

impl Places {
    fn of(sheet: &Sheet) -> Self {
        let cells = || sheet.lanes.iter().flat_map(|l| l.cells.iter().flatten());
        let scaled = |n: usize, tile: &Tile| n * tile.scale(sheet.cell);
        let captions = cells().any(|c| !c.caption.is_empty());
        let across = cells().map(|c| scaled(c.tile.width, &c.tile).max(text_width(&c.caption)));
        let columns = sheet.columns.iter().map(|name| text_width(name));
        let height = cells()
            .map(|c| scaled(c.tile.height, &c.tile))
            .max()
            .unwrap_or(0);
        let lines = sheet
            .lanes
            .iter()
            .map(|l| 1 + l.about.len())
            .max()
            .unwrap_or(0);
        let named = sheet.lanes.iter().any(|l| !l.name.is_empty());
        let names = sheet
            .lanes
            .iter()
            .flat_map(|l| std::iter::once(&l.name).chain(&l.about));
        let names = names.map(|name| text_width(name)).max().unwrap_or(0);
        let down = height + if captions { LINE + 1 } else { 0 };
        Self {
            left: MARGIN + if names > 0 { names + 12 } else { 0 },
            top: head(sheet.notes.len())
                + match sheet.columns.is_empty() && sheet.bar.is_none() {
                    true => 0,
                    false => Bar::above(),
                },
            across: across.chain(columns).max().unwrap_or(0),
            down: down.max(if named { lines * LINE } else { 0 }),
            apart: sheet.apart,
        }
    }

    fn column(&self, column: usize) -> usize {
        let apart = self.apart.is_some_and(|from| column >= from);
        self.left + column * (self.across + GAP) + if apart { APART - GAP } else { 0 }
    }

    fn row(&self, row: usize) -> usize {
        self.top + row * (self.down + GAP + 2)
    }
}

impl Sheet {
    /// Draws the picture.
    ///
    /// # Errors
    /// A sheet without a tile, or too large a picture.
    pub fn draw(&self) -> Result<Canvas> {
        let places = Places::of(self);
        let columns = self.lanes.iter().map(|l| l.cells.len()).max().unwrap_or(0);
        let right = places.column(columns.max(1) - 1) + places.across;
        let bottom = places.row(self.lanes.len()) - GAP;
        let tall = bottom - places.top;
        let after = self.bar.as_ref().map_or(0, |bar| bar.room(tall));
        let width = (right + after + MARGIN).max(head_width(&self.title, &self.notes));
        let mut canvas = Canvas::new(width, bottom + MARGIN)?;
        heading(&mut canvas, &self.title, &self.notes);
        for (i, name) in self.columns.iter().enumerate() {
            let at = (
                places.column(i) + places.across / 2,
                places.top - Bar::above(),
            );
            canvas.text(at, name, Anchor::Middle, Paint::Ink);
        }
        for (row, lane) in self.lanes.iter().enumerate() {
            self.lane(&mut canvas, &places, (row, lane));
        }
        if let Some(bar) = &self.bar {
            bar.draw(&mut canvas, (right, places.top), tall);
        }
        Ok(canvas)
    }

    fn lane(&self, canvas: &mut Canvas, places: &Places, (row, lane): (usize, &Lane)) {
        let y = places.row(row);
        let lines = LINE * (1 + lane.about.len());
        let first = y + places.down.saturating_sub(lines) / 2;
        let name = (places.left - 12, first);
        canvas.text(name, &lane.name, Anchor::End, Paint::Ink);
        for (i, about) in lane.about.iter().enumerate() {
            let at = (places.left - 12, first + LINE * (i + 1));
            canvas.text(at, about, Anchor::End, Paint::Faint);
        }
        for (column, cell) in lane.cells.iter().enumerate() {
            let Some(cell) = cell else { continue };
            let (scale, x) = (cell.tile.scale(self.cell), places.column(column));
            let (width, height) = (cell.tile.width * scale, cell.tile.height * scale);
            let left = x + (places.across - width) / 2;
            // Told from the paper where its own edge has that colour.
            canvas.rect((left - 1, y - 1), width + 2, height + 2, Paint::Rule);
            canvas.tile((left, y), &cell.tile, scale);
            let at = (x + places.across / 2, y + height + 1);
            canvas.text(at, &cell.caption, Anchor::Middle, Paint::Faint);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::canvas::tests::{assert_apart, assert_within, pixels};
    use super::super::paint::Theme;
    use super::super::tile::Tile;
    use super::*;

    #[test]
    fn tiles_stand_in_their_columns() {
        let tile = |grey: f32| Tile::of((2, 2, 1), vec![Some(grey); 4]);
        let cell = |grey| {
            Some(Cell {
                tile: tile(grey),
                caption: String::new(),
            })
        };
        let sheet = Sheet {
            title: "t".into(),
            notes: vec![],
            columns: vec![],
            apart: Some(1),
            lanes: vec![Lane {
                name: String::new(),
                about: vec![],
                cells: vec![cell(0.2), cell(0.4)],
            }],
            cell: 40,
            bar: None,
        };
        let canvas = sheet.draw().unwrap();
        assert_within(&canvas);
        assert_apart(&canvas);
        let drawn = pixels(&canvas, Theme::Light);
        let top = head(0);
        assert_eq!(drawn.at(MARGIN, top), [51; 3]);
        assert_eq!(drawn.at(MARGIN + 39, top + 39), [51; 3]);
        assert_eq!(drawn.at(MARGIN + 40 + APART, top), [102; 3]);
        assert_eq!(drawn.at(MARGIN + 41, top), Paint::Paper.rgb(Theme::Light));
    }
}
