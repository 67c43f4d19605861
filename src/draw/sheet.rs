//! Sheets of tiles in rows, each row with a name and each tile with a line below it.

use super::canvas::{Anchor, Canvas, LINE, Theme, text_width};
use super::grid::short;
use super::plane::Colours;
use super::tile::Tile;
use crate::error::Result;

/// Around everything, between two tiles, and before a column that is set apart.
const MARGIN: usize = 16;
const GAP: usize = 6;
const APART: usize = 20;
/// The width of the colour bar, and its height at most.
const BAR: usize = 14;
const BAR_HEIGHT: usize = 260;

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
    /// Colours that a bar explains, and of what.
    pub bar: Option<(Colours, &'static str)>,
}

/// The height of a title and its notes, the margin above them included.
pub(super) fn head(notes: usize) -> usize {
    MARGIN + (LINE + 4) * (1 + notes) + 6
}

/// The width that a title and its notes need, the margins included.
pub(super) fn head_width(title: &str, notes: &[String]) -> usize {
    let notes = notes.iter().map(|note| text_width(note));
    notes.max().unwrap_or(0).max(text_width(title)) + 2 * MARGIN
}

/// Draws a title and the notes below it.
pub(super) fn heading(canvas: &mut Canvas, title: &str, notes: &[String]) {
    let theme = canvas.theme;
    canvas.bold((MARGIN, MARGIN), title, Anchor::Start, theme.ink);
    for (i, note) in notes.iter().enumerate() {
        let y = MARGIN + (LINE + 4) * (i + 1);
        canvas.text((MARGIN, y), note, Anchor::Start, theme.faint);
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
                + if sheet.columns.is_empty() {
                    0
                } else {
                    LINE + 4
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
    pub fn draw(&self, theme: Theme) -> Result<Canvas> {
        let places = Places::of(self);
        let columns = self.lanes.iter().map(|l| l.cells.len()).max().unwrap_or(0);
        let right = places.column(columns.max(1) - 1) + places.across;
        let bar = self.bar.map(|(colours, of)| (colours, of, colours.ends()));
        let after = bar.map_or(0, |(_, of, (low, high))| {
            let ends = text_width(&short(low)).max(text_width(&short(high)));
            20 + text_width(of).max(BAR + 8 + ends)
        });
        let width = (right + after + MARGIN).max(head_width(&self.title, &self.notes));
        let bottom = places.row(self.lanes.len()) - GAP;
        let mut canvas = Canvas::new(width, bottom + MARGIN, theme)?;
        heading(&mut canvas, &self.title, &self.notes);
        for (i, name) in self.columns.iter().enumerate() {
            let at = (places.column(i) + places.across / 2, places.top - LINE - 4);
            canvas.text(at, name, Anchor::Middle, theme.ink);
        }
        for (row, lane) in self.lanes.iter().enumerate() {
            self.lane(&mut canvas, &places, (row, lane));
        }
        if let Some((colours, of, ends)) = bar {
            let height = (bottom - places.top).min(BAR_HEIGHT);
            canvas.bar((right + 20, places.top), height, colours, ends);
            let at = (right + 20, places.top - LINE - 4);
            canvas.text(at, of, Anchor::Start, theme.ink);
        }
        Ok(canvas)
    }

    fn lane(&self, canvas: &mut Canvas, places: &Places, (row, lane): (usize, &Lane)) {
        let (theme, y) = (canvas.theme, places.row(row));
        let lines = LINE * (1 + lane.about.len());
        let first = y + places.down.saturating_sub(lines) / 2;
        let name = (places.left - 12, first);
        canvas.text(name, &lane.name, Anchor::End, theme.ink);
        for (i, about) in lane.about.iter().enumerate() {
            let at = (places.left - 12, first + LINE * (i + 1));
            canvas.text(at, about, Anchor::End, theme.faint);
        }
        for (column, cell) in lane.cells.iter().enumerate() {
            let Some(cell) = cell else { continue };
            let (scale, x) = (cell.tile.scale(self.cell), places.column(column));
            let (width, height) = (cell.tile.width * scale, cell.tile.height * scale);
            let left = x + (places.across - width) / 2;
            // Told from the paper where its own edge has that colour.
            let (paper, faint) = (theme.paper, theme.faint);
            let edge =
                [0, 1, 2].map(|i| ((3 * u16::from(paper[i]) + u16::from(faint[i])) / 4) as u8);
            canvas.rect((left - 1, y - 1), width + 2, height + 2, edge);
            canvas.tile((left, y), &cell.tile, scale);
            let at = (x + places.across / 2, y + height + 1);
            canvas.text(at, &cell.caption, Anchor::Middle, theme.faint);
        }
    }
}

impl Canvas {
    /// Pictures below each other, their left edges on one line.
    ///
    /// # Errors
    /// No picture, or too large a one.
    pub fn below(pictures: &[Self]) -> Result<Self> {
        let theme = pictures.first().map_or(Theme::LIGHT, |p| p.theme);
        let width = pictures.iter().map(|p| p.size().0).max().unwrap_or(0);
        let height = pictures.iter().map(|p| p.size().1).sum();
        let mut all = Self::new(width, height, theme)?;
        let mut top = 0;
        for picture in pictures {
            all.copy((0, top), picture);
            top += picture.size().1;
        }
        Ok(all)
    }

    /// Draws another picture, its upper left corner there.
    fn copy(&mut self, (left, top): (usize, usize), picture: &Self) {
        let (width, height) = picture.size();
        for y in 0..height {
            for x in 0..width {
                self.rect((left + x, top + y), 1, 1, picture.pixel(x, y));
            }
        }
    }

    /// Pictures beside each other, their upper edges on one line.
    ///
    /// # Errors
    /// No picture, or too large a one.
    pub fn beside(pictures: &[Self]) -> Result<Self> {
        let theme = pictures.first().map_or(Theme::LIGHT, |p| p.theme);
        let width = pictures.iter().map(|p| p.size().0).sum();
        let height = pictures.iter().map(|p| p.size().1).max().unwrap_or(0);
        let mut all = Self::new(width, height, theme)?;
        let mut left = 0;
        for (i, picture) in pictures.iter().enumerate() {
            let width = picture.size().0;
            all.copy((left, 0), picture);
            if i > 0 {
                // A line between one picture and the next.
                let tall = all.size().1.saturating_sub(2 * MARGIN);
                let faint = [0, 1, 2].map(|i| {
                    let (paper, ink) = (u16::from(theme.paper[i]), u16::from(theme.faint[i]));
                    ((2 * paper + ink) / 3) as u8
                });
                all.rect((left, MARGIN), 1, tall, faint);
            }
            left += width;
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_stand_in_their_columns_and_pictures_beside_each_other() {
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
        let canvas = sheet.draw(Theme::LIGHT).unwrap();
        let top = head(0);
        assert_eq!(canvas.pixel(MARGIN, top), [51; 3]);
        assert_eq!(canvas.pixel(MARGIN + 39, top + 39), [51; 3]);
        assert_eq!(canvas.pixel(MARGIN + 40 + APART, top), [102; 3]);
        assert_eq!(canvas.pixel(MARGIN + 41, top), Theme::LIGHT.paper);
        let both = Canvas::beside(&[canvas.clone(), canvas.clone()]).unwrap();
        let width = canvas.size().0;
        assert_eq!(both.size(), (2 * width, canvas.size().1));
        assert_eq!(both.pixel(width + MARGIN, top), [51; 3]);
        assert!(Canvas::beside(&[]).is_err());
        let height = canvas.size().1;
        let both = Canvas::below(&[canvas.clone(), canvas.clone()]).unwrap();
        assert_eq!(both.size(), (width, 2 * height));
        assert_eq!(both.pixel(MARGIN, height + top), [51; 3]);
    }
}
