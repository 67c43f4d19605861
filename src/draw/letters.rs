//! The letters of every picture, and how wide texts are in them: Noto Sans in two weights, cut
//! to the letters of Europe by `tests/tools/letters.py` (SIL Open Font License 1.1, whose text
//! stands beside the files).
//!
//! The fonts have no kerning, so that a text is as wide as its letters together.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use skrifa::instance::{LocationRef, Size};
use skrifa::outline::{DrawSettings, OutlinePen};
use skrifa::{FontRef, GlyphId, MetadataProvider};

/// How strong letters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Of all texts.
    Regular,
    /// Of titles.
    Bold,
}

/// The font's family, and those that a reader who lacks it may have.
pub const FAMILY: &str = "'Noto Sans', 'Helvetica Neue', Arial, 'Liberation Sans', sans-serif";

/// The widths of letters at a size of 1, and the number of each in its font.
type Letters = BTreeMap<char, (f64, u16)>;

impl Weight {
    /// The font file.
    pub fn font(self) -> &'static [u8] {
        match self {
            Self::Regular => include_bytes!("letters/NotoSans-Regular.ttf"),
            Self::Bold => include_bytes!("letters/NotoSans-SemiBold.ttf"),
        }
    }

    /// The weight as a number, as style sheets have it.
    pub fn number(self) -> u16 {
        match self {
            Self::Regular => 400,
            Self::Bold => 600,
        }
    }

    fn letters(self) -> &'static Letters {
        static ALL: [OnceLock<Letters>; 2] = [OnceLock::new(), OnceLock::new()];
        ALL[usize::from(self == Self::Bold)].get_or_init(|| read(self.font()))
    }

    /// The letter's width at a size of 1, and its number in the font; `None` for one that the
    /// font lacks.
    pub fn letter(self, c: char) -> Option<(f64, u16)> {
        self.letters().get(&c).copied()
    }

    /// Tells the outline of a letter at a size of 1, step by step; of one that the font lacks,
    /// nothing.
    pub fn outline(self, c: char, told: &mut dyn FnMut(Step)) {
        let (Some((_, number)), Ok(font)) = (self.letter(c), FontRef::new(self.font())) else {
            return;
        };
        let glyph = font.outline_glyphs().get(GlyphId::from(number));
        let unscaled = (Size::unscaled(), LocationRef::default());
        let em = f32::from(font.metrics(unscaled.0, unscaled.1).units_per_em);
        if let Some(glyph) = glyph {
            // An outline that cannot be read ends where it does.
            let _ = glyph.draw(
                DrawSettings::unhinted(unscaled.0, unscaled.1),
                &mut Teller { em, told },
            );
        }
    }

    /// Every letter, with what [`Self::letter`] says of it.
    pub fn all(self) -> impl Iterator<Item = (char, (f64, u16))> {
        self.letters().iter().map(|(c, letter)| (*c, *letter))
    }
}

/// A step of an outline: across and up from where the letter stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// Begins a line there.
    Move([f32; 2]),
    /// Goes there straight.
    Line([f32; 2]),
    /// Goes in a parabola by the first point to the second.
    Curve([f32; 2], [f32; 2]),
    /// Goes back to where the line began.
    Close,
}

/// Makes steps of what the font's reader draws.
struct Teller<'a> {
    em: f32,
    told: &'a mut dyn FnMut(Step),
}

impl Teller<'_> {
    fn tell(&mut self, step: impl Fn(&dyn Fn(f32, f32) -> [f32; 2]) -> Step) {
        let em = self.em;
        (self.told)(step(&|x, y| [x / em, y / em]));
    }
}

impl OutlinePen for Teller<'_> {
    fn move_to(&mut self, x: f32, y: f32) {
        self.tell(|at| Step::Move(at(x, y)));
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.tell(|at| Step::Line(at(x, y)));
    }

    fn quad_to(&mut self, cx0: f32, cy0: f32, x: f32, y: f32) {
        self.tell(|at| Step::Curve(at(cx0, cy0), at(x, y)));
    }

    /// These fonts, of TrueType's outlines, have none.
    fn curve_to(&mut self, _: f32, _: f32, _: f32, _: f32, x: f32, y: f32) {
        self.line_to(x, y);
    }

    fn close(&mut self) {
        (self.told)(Step::Close);
    }
}

/// Reads the letters of a font; none of one that cannot be read.
fn read(font: &[u8]) -> Letters {
    let Ok(font) = FontRef::new(font) else {
        return Letters::new();
    };
    let metrics = font.glyph_metrics(Size::unscaled(), LocationRef::default());
    let em = f64::from(
        font.metrics(Size::unscaled(), LocationRef::default())
            .units_per_em,
    );
    let letter = |(code, glyph): (u32, GlyphId)| {
        let width = f64::from(metrics.advance_width(glyph)?) / em;
        let number = u16::try_from(glyph.to_u32()).ok()?;
        Some((char::from_u32(code)?, (width, number)))
    };
    font.charmap().mappings().filter_map(letter).collect()
}

/// The width of a text at a size, in pixels. A letter that the font lacks counts as a square.
pub fn width(text: &str, size: f64, weight: Weight) -> f64 {
    let of = |c| weight.letter(c).map_or(1.0, |(width, _)| width);
    size * text.chars().map(of).sum::<f64>()
}

/// What a picture leaves for a text: its width in this font, and some more for that of a reader
/// who lacks it.
pub fn room(text: &str, size: f64, weight: Weight) -> f64 {
    1.08 * width(text, size, weight)
}

/// The text without what an SVG file must not hold.
pub fn clean(text: &str) -> String {
    let bad =
        |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}' | '\u{2028}'..='\u{202e}');
    text.replace(bad, "\u{fffd}")
}

/// The text, cut off with an ellipsis where it has no room in so many pixels.
pub fn fitted(text: &str, most: f64, size: f64, weight: Weight) -> String {
    if room(text, size, weight) <= most {
        return text.into();
    }
    let mut kept: String = text.into();
    while !kept.is_empty() && room(&format!("{kept}\u{2026}"), size, weight) > most {
        kept.pop();
    }
    format!("{}\u{2026}", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_as_wide_as_their_letters() {
        let wide = |text| width(text, 10.0, Weight::Regular);
        // Digits stand in columns.
        assert_eq!(wide("111"), wide("888"));
        assert!((wide("0") - 5.72).abs() < 1e-9, "{}", wide("0"));
        assert_eq!(wide("ab"), wide("a") + wide("b"));
        assert!(wide("m") > 2.0 * wide("i") && wide("\u{4e00}") == 10.0);
        assert!(width("title", 10.0, Weight::Bold) > wide("title"));
        for c in
            "Aa0%\u{b1}\u{d7}\u{207b}\u{2070}\u{b9}\u{2212}\u{2013}\u{2026}\u{b5}\u{3b1}".chars()
        {
            assert!(Weight::Regular.letter(c).is_some(), "{c}");
            assert!(Weight::Bold.letter(c).is_some(), "{c}");
        }
    }

    #[test]
    fn what_has_no_room_is_cut_off_and_what_no_file_may_hold_is_replaced() {
        let text = "a name that is far too long";
        let cut = fitted(text, 80.0, 12.0, Weight::Regular);
        assert!(cut.ends_with('\u{2026}') && room(&cut, 12.0, Weight::Regular) <= 80.0);
        assert!(text.starts_with(cut.trim_end_matches('\u{2026}')));
        assert_eq!(fitted("short", 80.0, 12.0, Weight::Regular), "short");
        assert_eq!(clean("a\u{1b}\u{7}b\u{202e}"), "a\u{fffd}\u{fffd}b\u{fffd}");
    }
}
