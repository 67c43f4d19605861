//! Colours of pictures, by what they are for: each theme has its own.

use super::colour::{Rgb, hex};

/// Colours of lines, on white and on black, told apart by the colour-blind; lines
/// beyond them are dashed.
pub const LINES: [(&str, &str); 8] = [
    ("#0072b2", "#56b4e9"),
    ("#d55e00", "#ff9a52"),
    ("#00855f", "#3fd6a4"),
    ("#aa3377", "#ee88c4"),
    ("#946a00", "#f3c64b"),
    ("#5b4bb7", "#a99cff"),
    ("#5c6670", "#b4bcc6"),
    ("#8c4a2f", "#d9a08a"),
];
const DASHES: [&str; 4] = ["", "7 3", "2 3", "9 3 2 3"];

/// The `stroke-dasharray` of line `i`; empty for an unbroken line.
pub fn dash(i: usize) -> &'static str {
    DASHES[i / LINES.len() % DASHES.len()]
}

/// Where the colours of a picture come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// Dark text on white.
    Light,
    /// Light text on near-black.
    Dark,
    /// Light, and dark where the reader of an SVG file prefers that.
    Reader,
    /// Variables of the page that the picture stands in.
    Page,
}

/// A colour of a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Paint {
    /// Text.
    Ink,
    /// Text that matters less, axes, frames.
    Faint,
    /// Grid lines, and lines that lead from a name to a point.
    Rule,
    /// The background.
    Paper,
    /// A cell that holds what is not compared.
    Wash,
    /// A cell that holds nothing.
    Thin,
    /// A pixel that there is none of: told from black, from white and from the paper.
    Empty,
    /// The line of that number.
    Line(usize),
    /// A colour of its own, the same in every theme.
    Fixed(Rgb),
}

impl From<Rgb> for Paint {
    fn from(colour: Rgb) -> Self {
        Self::Fixed(colour)
    }
}

/// The roles, each with its colour on white, its colour on black, and its name on a page.
const ROLES: [(Paint, &str, &str, &str); 7] = [
    (Paint::Ink, "#181a1e", "#e6e9ee", "ink"),
    (Paint::Faint, "#5d636d", "#9aa1ac", "faint"),
    (Paint::Rule, "#dfe3e8", "#2f353f", "rule"),
    (Paint::Paper, "#ffffff", "#101216", "paper"),
    (Paint::Wash, "#e0e1e3", "#2a2d32", "wash"),
    (Paint::Thin, "#f7f7f8", "#16181c", "thin"),
    (Paint::Empty, "#cbd9eb", "#26344a", "empty"),
];

impl Paint {
    /// The colour as SVG has it.
    pub fn css(self, theme: Theme) -> String {
        let pair = |light: &str, dark: &str, name: String| match theme {
            Theme::Light | Theme::Reader => light.to_string(),
            Theme::Dark => dark.to_string(),
            Theme::Page => format!("var(--{name})"),
        };
        match self {
            Self::Line(i) => {
                let i = i % LINES.len();
                pair(LINES[i].0, LINES[i].1, format!("line{i}"))
            }
            // Written otherwise than those that a style sheet replaces.
            Self::Fixed([r, g, b]) if theme == Theme::Reader => format!("rgb({r},{g},{b})"),
            Self::Fixed(colour) => hex(colour),
            _ => {
                let role = ROLES.iter().find(|role| role.0 == self);
                role.map_or_else(String::new, |r| pair(r.1, r.2, r.3.to_string()))
            }
        }
    }

    /// The colour as numbers, of a theme that has its own; on a page, that of the light one.
    pub fn rgb(self, theme: Theme) -> Rgb {
        let theme = match theme {
            Theme::Dark => Theme::Dark,
            _ => Theme::Light,
        };
        match self {
            Self::Fixed(colour) => colour,
            _ => {
                let text = self.css(theme);
                let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
                [1, 3, 5].map(|at| byte(at).unwrap_or_default())
            }
        }
    }
}

/// The rules of a style sheet that make a picture in [`Theme::Reader`] dark where the reader
/// prefers that. A viewer that knows no style sheets shows it light.
pub fn dark_rules() -> String {
    let roles = ROLES.iter().map(|role| (role.1, role.2));
    let rule = |(light, dark): (&str, &str)| {
        format!("[fill=\"{light}\"]{{fill:{dark}}}[stroke=\"{light}\"]{{stroke:{dark}}}")
    };
    let rules: String = roles.chain(LINES).map(rule).collect();
    format!("@media (prefers-color-scheme: dark){{{rules}}}")
}

#[cfg(test)]
mod tests {
    use super::super::colour::lightness;
    use super::*;

    #[test]
    fn every_role_has_a_colour_of_its_own_in_every_theme() {
        for theme in [Theme::Light, Theme::Dark, Theme::Page] {
            let mut all: Vec<String> = ROLES.iter().map(|role| role.0.css(theme)).collect();
            all.extend((0..LINES.len()).map(|i| Paint::Line(i).css(theme)));
            let count = all.len();
            all.sort();
            all.dedup();
            assert_eq!(all.len(), count, "{theme:?}");
        }
        assert_eq!(Paint::Ink.rgb(Theme::Light), [24, 26, 30]);
        let (ninth, first) = (Paint::Line(9), Paint::Line(1));
        assert_eq!(ninth.css(Theme::Page), first.css(Theme::Page));
        // A white of its own stays white where the paper turns dark.
        assert!(!dark_rules().contains(&Paint::Fixed([255; 3]).css(Theme::Reader)));
        assert!(dark_rules().contains(&Paint::Paper.css(Theme::Reader)));
    }

    #[test]
    fn lines_and_text_are_read_on_their_paper() {
        for theme in [Theme::Light, Theme::Dark] {
            let paper = lightness(Paint::Paper.rgb(theme));
            let away = |paint: Paint| (lightness(paint.rgb(theme)) - paper).abs();
            for i in 0..LINES.len() {
                assert!(away(Paint::Line(i)) > 43.0, "{theme:?} line {i}");
            }
            assert!(away(Paint::Ink) > 80.0 && away(Paint::Faint) > 50.0);
            assert!(away(Paint::Rule) > 5.0 && away(Paint::Rule) < 20.0);
        }
    }
}
