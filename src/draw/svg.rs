//! Pictures as SVG: a file of its own, or a part of a page.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, PreEscaped, html};

use super::canvas::{Anchor, Canvas, Mark, Point, SIZE, Shape, Stroke};
use super::letters::{FAMILY, Weight};
use super::paint::{Paint, Theme, dark_rules};
use super::tile::Tile;

/// To a hundredth of a pixel, which nobody sees.
pub(super) fn short(v: f64) -> f64 {
    let rounded = (v * 100.0).round() / 100.0;
    // No minus before a zero.
    rounded + 0.0
}

fn list(points: &[Point]) -> String {
    let pair = |(x, y): &Point| format!("{},{}", short(*x), short(*y));
    points.iter().map(pair).collect::<Vec<_>>().join(" ")
}

/// A tile as a PNG in a data URI; empty pixels are clear.
pub(super) fn tile_uri(tile: &Tile) -> String {
    // The sides and the pixels agree, so there is nothing to go wrong.
    let png = tile.to_png().unwrap_or_default();
    format!("data:image/png;base64,{}", STANDARD.encode(png))
}

impl Canvas {
    /// The picture as an SVG file.
    pub fn svg(&self, theme: Theme) -> String {
        let (width, height) = self.size();
        let svg = html! {
            svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {width} {height}"))
                width=(width) height=(height) font-family=(FAMILY) font-size=(SIZE) {
                @if theme == Theme::Reader { style { (PreEscaped(dark_rules())) } }
                rect width=(width) height=(height) fill=(Paint::Paper.css(theme)) {}
                (self.body(theme))
            }
        };
        svg.into_string() + "\n"
    }

    /// The picture as a part of a page, which scales and colours it.
    pub fn inline(&self, about: &str) -> Markup {
        let (width, height) = self.size();
        html! {
            svg viewBox=(format!("0 0 {width} {height}")) role="img" aria-label=(about)
                width=(width) height=(height)
                style=(format!("max-width:{}px", width + width / 4)) font-size=(SIZE) { (self.body(Theme::Page)) }
        }
    }

    fn body(&self, theme: Theme) -> Markup {
        html! { @for mark in &self.marks { (mark.svg(theme)) } }
    }
}

impl Mark {
    fn svg(&self, theme: Theme) -> Markup {
        let fill = self.fill.map_or_else(|| "none".into(), |p| p.css(theme));
        let strength = (self.strength < 1.0).then_some(self.strength);
        let class = Some(&self.class).filter(|class| !class.is_empty());
        let stroke = self.stroke.map(|s| s.paint.css(theme));
        let width = self.stroke.map(|s| s.width).filter(|&w| w != 1.0);
        let dash = self
            .stroke
            .map(|s: Stroke| s.dash)
            .filter(|d| !d.is_empty());
        match &self.shape {
            Shape::Rect((x, y), w, h) => html! {
                rect class=[class] x=(short(*x)) y=(short(*y)) width=(short(*w)) height=(short(*h))
                    fill=(fill) fill-opacity=[strength] stroke=[stroke] stroke-width=[width] {}
            },
            Shape::Disc((x, y), r) => html! {
                circle class=[class] cx=(short(*x)) cy=(short(*y)) r=(short(*r)) fill=(fill)
                    stroke=[stroke] stroke-width=[width] {}
            },
            Shape::Path(points) if self.fill.is_some() => html! {
                polygon class=[class] points=(list(points)) fill=(fill) fill-opacity=[strength] {}
            },
            Shape::Path(points) => match points[..] {
                [(a, b), (c, d)] => html! {
                    line class=[class] x1=(short(a)) y1=(short(b)) x2=(short(c)) y2=(short(d))
                        stroke=[stroke] stroke-width=[width] stroke-dasharray=[dash] {}
                },
                _ => html! {
                    polyline class=[class] points=(list(points)) fill="none" stroke=[stroke]
                        stroke-width=[width] stroke-dasharray=[dash] stroke-linejoin="round" {}
                },
            },
            Shape::Text((x, y), letters) => {
                let anchor = match letters.anchor {
                    Anchor::Start => None,
                    Anchor::Middle => Some("middle"),
                    Anchor::End => Some("end"),
                };
                let weight = (letters.weight != Weight::Regular).then(|| letters.weight.number());
                let size = Some(letters.size).filter(|&size| size != SIZE);
                html! {
                    text class=[class] x=(short(*x)) y=(short(*y)) text-anchor=[anchor]
                        font-size=[size] font-weight=[weight] fill=(fill) { (letters.text) }
                }
            }
            Shape::Tile((x, y), tile, side) => html! {
                image x=(short(*x)) y=(short(*y)) width=(short(tile.width as f64 * side))
                    height=(short(tile.height as f64 * side)) preserveAspectRatio="none"
                    image-rendering="pixelated" style="image-rendering:pixelated"
                    href=(tile_uri(tile)) {}
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Canvas {
        let mut canvas = Canvas::new(120, 80).unwrap();
        canvas.text((4, 4), "<b> & \"c\" \u{1b}", Anchor::Start, Paint::Ink);
        let stroke = Stroke::new(Paint::Line(1), 2.0);
        canvas
            .path(vec![(1.0, 70.0), (50.0, 60.0)], stroke)
            .named("run1");
        canvas
            .fill(vec![(1.0, 1.0), (9.0, 1.0), (5.0, 9.0)], Paint::Line(1))
            .faint(0.2);
        canvas.tile((60, 30), &Tile::of((1, 2, 1), [Some(0.5), None]), 8);
        canvas.rect((90, 30), 4, 4, [255; 3]);
        canvas
    }

    #[test]
    fn files_are_xml_whatever_a_text_holds() {
        for theme in [Theme::Light, Theme::Dark, Theme::Reader] {
            let svg = picture().svg(theme);
            let tree = roxmltree::Document::parse(&svg).unwrap();
            let all = tree.descendants().filter(|node| node.is_element());
            assert_eq!(all.count(), if theme == Theme::Reader { 9 } else { 8 });
            let text = tree.descendants().find(|n| n.has_tag_name("text")).unwrap();
            assert_eq!(text.text(), Some("<b> & \"c\" \u{fffd}"));
            assert_eq!(svg, picture().svg(theme), "the same bytes");
        }
    }

    #[test]
    fn every_colour_but_its_own_has_one_for_the_dark() {
        let svg = picture().svg(Theme::Reader);
        let (rules, body) = svg.split_once("</style>").unwrap();
        let mut own = 0;
        for part in ["fill=\"", "stroke=\""]
            .iter()
            .flat_map(|of| body.split(of).skip(1))
        {
            let colour = part.split('"').next().unwrap();
            if colour.starts_with("rgb(") {
                own += 1;
            } else if colour != "none" {
                assert!(rules.contains(&format!("\"{colour}\"]")), "{colour}");
            }
        }
        assert_eq!(own, 1);
        let page = picture().inline("about").into_string();
        assert!(page.contains(&Paint::Line(1).css(Theme::Page)) && !page.contains("#d55e00"));
    }
}
