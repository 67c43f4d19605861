//! The loops of a pass.

use crate::tensor::Shape;

use super::emitter::{Emitter, index, scaled};
use super::passes::Pass;
use super::text::Text;

impl Emitter<'_> {
    /// Writes the loops over the positions of the result and over the window of a pooling. At each
    /// of them stand the lines of `prepare`, and `inner` for each channel; `after` stands for each
    /// channel behind the window.
    pub fn loops(
        &self,
        (pass, shape): (&Pass, Shape),
        prepare: &[String],
        (inner, after): (Text, Option<Text>),
        body: &mut Text,
    ) {
        let window = pass
            .pool
            .and_then(|j| self.net.stages()[pass.stage].tail[j].window());
        let mut open = counting("y", shape.height, body) + counting("x", shape.width, body);
        let mut text = Text::default();
        for line in prepare.iter().filter(|line| !line.is_empty()) {
            text.line(line);
        }
        each_channel(shape, inner, &mut text);
        let text = text.into_string();
        let mut within = 0;
        if let Some(((height, width), _)) = window {
            within = counting("v", height, body) + counting("u", width, body);
        }
        let ((height, width), stride) = window.unwrap_or(((1, 1), 1));
        for (name, (at, positions), (tap, taps)) in [
            ("row", ("y", shape.height), ("v", height)),
            ("column", ("x", shape.width), ("u", width)),
        ] {
            let place = match (positions, taps) {
                (1, 1) => "0".to_string(),
                (1, _) => tap.to_string(),
                (_, 1) => scaled(at, stride),
                _ => format!("{} + {tap}", scaled(at, stride)),
            };
            if text.contains(name) {
                body.line(format_args!("const int32_t {name} = {place};"));
            }
        }
        text.lines().for_each(|line| body.line(line));
        while within > 0 {
            body.close();
            within -= 1;
        }
        if let Some(after) = after {
            each_channel(shape, after, body);
        }
        while open > 0 {
            body.close();
            open -= 1;
        }
    }
}

/// Writes the head of a loop; returns how many braces it opened: none if it would run once.
pub(super) fn counting(name: &str, count: usize, body: &mut Text) -> usize {
    if count == 1 {
        return 0;
    }
    body.open(format_args!(
        "for (int32_t {name} = 0; {name} < {count}; {name}++)"
    ));
    1
}

/// Writes the loop over channels.
fn each_channel(shape: Shape, inner: Text, body: &mut Text) {
    body.open(format_args!(
        "for (int32_t c = 0; c < {}; c++)",
        shape.channels
    ));
    inner.into_string().lines().for_each(|line| body.line(line));
    body.close();
}

/// Returns the condition of the first number of a window.
pub(super) fn first_of(window: ((usize, usize), usize)) -> &'static str {
    match window.0 {
        (1, 1) => "1",
        (1, _) => "u == 0",
        (_, 1) => "v == 0",
        _ => "(v == 0 && u == 0)",
    }
}

/// Returns the index at which the number of `c` at (y, x) is stored.
pub(super) fn stored_at(pass: &Pass, shape: Shape) -> String {
    if !pass.flatten {
        return index("y", "x", "c", shape);
    }
    let Shape { height, width, .. } = shape;
    let row = match height {
        1 => "c".to_string(),
        _ => format!("c * {height} + y"),
    };
    match (width, height) {
        (1, _) => row,
        (_, 1) => format!("{row} * {width} + x"),
        _ => format!("({row}) * {width} + x"),
    }
}
