//! Pictures as PDF: a page as large as the picture, its letters as text that can be searched, its
//! tiles as pictures in hard pixels.
//!
//! The crates that turn SVG into PDF bring a reader of SVG and one of fonts. A picture here is a list of rectangles, lines, discs
//! and texts, and PDF has an operator for each.

use std::collections::BTreeMap;
use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::canvas::{Anchor, Canvas, Letters, Mark, Point, Shape};
use super::colour::Rgb;
use super::letters::{Weight, width};
use super::paint::{Paint, Theme};
use super::tile::Tile;
use crate::error::{Error, Result};

/// Points of a page for each pixel of a picture: 72 and 96 an inch.
const POINTS: f64 = 0.75;
/// A circle is four curves, whose handles are so far away, in radii.
pub(super) const HANDLE: f64 = 0.552_284_75;
/// The names of the fonts in a page.
const FONTS: [(Weight, &str); 2] = [(Weight::Regular, "R"), (Weight::Bold, "B")];

/// A file under way: its objects, numbered from 1.
#[derive(Default)]
struct File {
    objects: Vec<Vec<u8>>,
}

impl File {
    fn add(&mut self, object: impl Into<Vec<u8>>) -> usize {
        self.objects.push(object.into());
        self.objects.len()
    }

    /// A compressed stream with those entries in its dictionary.
    fn stream(&mut self, entries: &str, bytes: &[u8]) -> Result<usize> {
        let bad = |e| Error::spec(format!("the picture cannot be made a PDF: {e}"));
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
        packed.write_all(bytes).map_err(bad)?;
        let packed = packed.finish().map_err(bad)?;
        let head = format!(
            "<< {entries} /Filter /FlateDecode /Length {} >>\nstream\n",
            packed.len()
        );
        Ok(self.add([head.as_bytes(), &packed, b"\nendstream"].concat()))
    }

    /// The file, whose catalogue is that object.
    fn finish(self, catalogue: usize) -> Vec<u8> {
        let mut bytes = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n".to_vec();
        let mut places = Vec::new();
        for (i, object) in self.objects.iter().enumerate() {
            places.push(bytes.len());
            bytes.extend(format!("{} 0 obj\n", i + 1).bytes());
            bytes.extend(object);
            bytes.extend(b"\nendobj\n");
        }
        let table = bytes.len();
        let count = self.objects.len() + 1;
        bytes.extend(format!("xref\n0 {count}\n0000000000 65535 f \n").bytes());
        for place in places {
            bytes.extend(format!("{place:010} 00000 n \n").bytes());
        }
        let trailer = format!(
            "trailer\n<< /Size {count} /Root {catalogue} 0 R >>\nstartxref\n{table}\n%%EOF\n"
        );
        bytes.extend(trailer.bytes());
        bytes
    }
}

/// What a page draws.
struct Page {
    theme: Theme,
    height: f64,
    text: String,
    tiles: Vec<Tile>,
    /// How much of a colour there is, in hundredths, and the name of the state that says so.
    strengths: BTreeMap<u32, String>,
}

impl Canvas {
    /// The picture as a PDF file.
    ///
    /// # Errors
    /// A stream that cannot be compressed, which none is.
    pub fn to_pdf(&self, theme: Theme) -> Result<Vec<u8>> {
        let (width, height) = (self.size().0 as f64, self.size().1 as f64);
        let mut page = Page {
            theme,
            height,
            text: format!("{POINTS} 0 0 {POINTS} 0 0 cm\n"),
            tiles: Vec::new(),
            strengths: BTreeMap::new(),
        };
        page.fill(Paint::Paper);
        page.text += &format!("0 0 {width} {height} re f\n");
        for mark in &self.marks {
            page.mark(mark);
        }
        let mut file = File::default();
        let content = file.stream("", page.text.as_bytes())?;
        let mut fonts = String::new();
        for (weight, name) in FONTS {
            fonts += &format!("/{name} {} 0 R ", font(&mut file, weight)?);
        }
        let mut pictures = String::new();
        for (i, tile) in page.tiles.iter().enumerate() {
            pictures += &format!("/T{i} {} 0 R ", picture(&mut file, tile)?);
        }
        let states = page.strengths.iter();
        let states: String = states
            .map(|(share, name)| format!("/{name} << /ca {} >> ", f64::from(*share) / 100.0))
            .collect();
        let resources =
            format!("<< /Font << {fonts}>> /XObject << {pictures}>> /ExtGState << {states}>> >>");
        let pages = file.objects.len() + 2;
        let page = file.add(format!(
            "<< /Type /Page /Parent {pages} 0 R /MediaBox [0 0 {} {}] /Contents {content} 0 R /Resources {resources} >>",
            width * POINTS,
            height * POINTS
        ));
        file.add(format!("<< /Type /Pages /Kids [{page} 0 R] /Count 1 >>"));
        let catalogue = file.add(format!("<< /Type /Catalog /Pages {pages} 0 R >>"));
        Ok(file.finish(catalogue))
    }
}

impl Page {
    /// A place, whose height a page counts from its foot.
    fn at(&self, (x, y): Point) -> String {
        format!("{:.3} {:.3}", x, self.height - y)
    }

    fn colour(&self, paint: Paint) -> String {
        let of = |byte: u8| format!("{:.3}", f64::from(byte) / 255.0);
        paint.rgb(self.theme).map(of).join(" ")
    }

    fn fill(&mut self, paint: Paint) {
        self.text += &format!("{} rg\n", self.colour(paint));
    }

    fn mark(&mut self, mark: &Mark) {
        self.text += "q\n";
        if mark.strength < 1.0 {
            let share = (mark.strength * 100.0).round() as u32;
            let name = format!("S{share}");
            self.text += &format!("/{name} gs\n");
            self.strengths.insert(share, name);
        }
        if let Some(paint) = mark.fill {
            self.fill(paint);
        }
        if let Some(stroke) = mark.stroke {
            let colour = self.colour(stroke.paint);
            self.text += &format!("{colour} RG {} w 1 j [{}] 0 d\n", stroke.width, stroke.dash);
        }
        let paint = match (mark.fill, mark.stroke) {
            (Some(_), Some(_)) => "b",
            (Some(_), None) => "f",
            (None, _) => "S",
        };
        match &mark.shape {
            Shape::Rect((x, y), width, height) => {
                let foot = self.at((*x, y + height));
                self.text += &format!("{foot} {width:.3} {height:.3} re {paint}\n");
            }
            Shape::Path(points) => {
                for (i, &point) in points.iter().enumerate() {
                    let how = if i == 0 { "m" } else { "l" };
                    self.text += &format!("{} {how}\n", self.at(point));
                }
                self.text += &format!("{paint}\n");
            }
            Shape::Disc(at, radius) => self.disc(*at, *radius, paint),
            Shape::Text(at, letters) => self.letters(*at, letters),
            Shape::Tile((x, y), tile, side) => {
                let (width, height) = (tile.width as f64 * side, tile.height as f64 * side);
                let foot = self.at((*x, y + height));
                let name = self.tiles.len();
                self.text += &format!("{width:.3} 0 0 {height:.3} {foot} cm /T{name} Do\n");
                self.tiles.push(tile.clone());
            }
        }
        self.text += "Q\n";
    }

    fn letters(&mut self, (x, y): Point, letters: &Letters) {
        let wide = width(&letters.text, letters.size, letters.weight);
        let left = match letters.anchor {
            Anchor::Start => x,
            Anchor::Middle => x - wide / 2.0,
            Anchor::End => x - wide,
        };
        let of_weight = FONTS.iter().find(|font| font.0 == letters.weight);
        let font = of_weight.map_or("R", |font| font.1);
        let number = |c| letters.weight.letter(c).map_or(0, |(_, number)| number);
        let codes = letters.text.chars().map(|c| format!("{:04x}", number(c)));
        let codes: String = codes.collect();
        let at = self.at((left, y));
        self.text += &format!("BT /{font} {} Tf {at} Td <{codes}> Tj ET\n", letters.size);
    }

    fn disc(&mut self, (x, y): Point, r: f64, paint: &str) {
        let h = HANDLE * r;
        let quarters = [
            [(x + r, y + h), (x + h, y + r), (x, y + r)],
            [(x - h, y + r), (x - r, y + h), (x - r, y)],
            [(x - r, y - h), (x - h, y - r), (x, y - r)],
            [(x + h, y - r), (x + r, y - h), (x + r, y)],
        ];
        self.text += &format!("{} m\n", self.at((x + r, y)));
        for quarter in quarters {
            let points = quarter.map(|point| self.at(point)).join(" ");
            self.text += &format!("{points} c\n");
        }
        self.text += &format!("{paint}\n");
    }
}

/// A font with all its letters: their widths, and which character each is.
fn font(file: &mut File, weight: Weight) -> Result<usize> {
    let bytes = weight.font();
    let program = file.stream(&format!("/Length1 {}", bytes.len()), bytes)?;
    let name = match weight {
        Weight::Regular => "NotoSans-Regular",
        Weight::Bold => "NotoSans-SemiBold",
    };
    let about = file.add(format!(
        "<< /Type /FontDescriptor /FontName /{name} /Flags 4 /FontBBox [-200 -300 1300 1100] /ItalicAngle 0 /Ascent 1069 /Descent -293 /CapHeight 714 /StemV 80 /FontFile2 {program} 0 R >>"
    ));
    let (mut widths, mut codes) = (String::new(), Vec::new());
    for (c, (wide, number)) in weight.all() {
        widths += &format!("{number} [{}] ", (wide * 1000.0).round());
        let mut units = [0; 2];
        let units = c.encode_utf16(&mut units).iter();
        let units: String = units.map(|unit| format!("{unit:04x}")).collect();
        codes.push(format!("<{number:04x}> <{units}>"));
    }
    let letters = file.add(format!(
        "<< /Type /Font /Subtype /CIDFontType2 /BaseFont /{name} /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> /FontDescriptor {about} 0 R /CIDToGIDMap /Identity /W [{widths}] >>"
    ));
    let mut map = String::from(
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap\n/CMapName /L def /CMapType 2 def\n1 begincodespacerange <0000> <ffff> endcodespacerange\n",
    );
    for some in codes.chunks(100) {
        map += &format!(
            "{} beginbfchar\n{}\nendbfchar\n",
            some.len(),
            some.join("\n")
        );
    }
    map += "endcmap end end\n";
    let map = file.stream("", map.as_bytes())?;
    Ok(file.add(format!(
        "<< /Type /Font /Subtype /Type0 /BaseFont /{name} /Encoding /Identity-H /DescendantFonts [{letters} 0 R] /ToUnicode {map} 0 R >>"
    )))
}

/// A tile as a picture; empty pixels are clear.
fn picture(file: &mut File, tile: &Tile) -> Result<usize> {
    let sides = format!("/Width {} /Height {}", tile.width, tile.height);
    let kind = "/Type /XObject /Subtype /Image /BitsPerComponent 8";
    let empty = tile.pixels.iter().any(Option::is_none);
    let mask = match empty {
        true => {
            let clear: Vec<u8> = tile
                .pixels
                .iter()
                .map(|p| u8::from(p.is_some()) * 255)
                .collect();
            let mask = file.stream(&format!("{kind} {sides} /ColorSpace /DeviceGray"), &clear)?;
            format!("/SMask {mask} 0 R")
        }
        false => String::new(),
    };
    let pixels = tile
        .pixels
        .iter()
        .map(|p: &Option<Rgb>| p.unwrap_or_default());
    let pixels: Vec<u8> = pixels.flatten().collect();
    file.stream(
        &format!("{kind} {sides} /ColorSpace /DeviceRGB {mask}"),
        &pixels,
    )
}

#[cfg(test)]
mod tests {
    use super::super::canvas::Stroke;
    use super::*;

    #[test]
    fn every_object_is_where_the_table_says_and_the_page_has_the_pictures_size() {
        let mut canvas = Canvas::new(200, 100).unwrap();
        canvas.text((4, 4), "Text", Anchor::Start, Paint::Ink);
        canvas.bold((4, 30), "Bold", Anchor::End, Paint::Line(1));
        canvas.tile((60, 30), &Tile::of((1, 2, 1), [Some(0.5), None]), 8);
        canvas.disc(
            (150.0, 50.0),
            3.0,
            Some(Paint::Paper),
            Some(Stroke::new(Paint::Line(0), 1.0)),
        );
        canvas
            .fill(vec![(1.0, 1.0), (9.0, 1.0), (5.0, 9.0)], Paint::Line(1))
            .faint(0.18);
        let pdf = canvas.to_pdf(Theme::Dark).unwrap();
        let text = String::from_utf8_lossy(&pdf);
        assert!(text.contains("/MediaBox [0 0 150 75]") && text.contains("/S18 << /ca 0.18 >>"));
        let find = |what: &[u8]| {
            pdf.windows(what.len())
                .rposition(|part| part == what)
                .unwrap()
        };
        let table = find(b"startxref\n");
        let digits: String = text[text.rfind("startxref\n").unwrap() + 10..]
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        let start: usize = digits.parse().unwrap();
        assert!(pdf[start..].starts_with(b"xref\n0 ") && start < table);
        let lines = std::str::from_utf8(&pdf[start..table]).unwrap().lines();
        let places: Vec<&str> = lines.filter(|line| line.ends_with(" n ")).collect();
        assert!(places.len() > 10);
        for (i, line) in places.iter().enumerate() {
            let place: usize = line[..10].parse().unwrap();
            assert!(pdf[place..].starts_with(format!("{} 0 obj\n", i + 1).as_bytes()));
        }
        assert_eq!(pdf, canvas.to_pdf(Theme::Dark).unwrap());
    }
}
