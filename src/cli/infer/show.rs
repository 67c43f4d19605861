//! Answers as a table, as JSON lines, or as CSV.

use std::fmt::Write as _;

use bnn_cpu::layers::softmax;
use bnn_cpu::model::argmax;
use serde::Serialize;
use serde_json::json;

use super::super::Outcome;
use super::super::aligned::{Align, Table};
use super::super::output;
use super::inputs::Images;

/// One image's answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// The likeliest class, the first of equals; `None` where a logit is no
    /// number.
    pub class: Option<usize>,
    /// Of each class.
    pub probabilities: Vec<f32>,
    /// The largest probability less the next.
    pub margin: f32,
}

impl Answer {
    /// The answer in those logits.
    pub fn of(logits: &[f32]) -> Self {
        let mut probabilities = vec![0.0; logits.len()];
        softmax(logits, &mut probabilities);
        let class = argmax(logits);
        let top = class.map_or(0.0, |c| probabilities[c]);
        let others = probabilities.iter().enumerate();
        let others = others.filter(|(c, _)| Some(*c) != class).map(|(_, &p)| p);
        Self {
            class,
            margin: top - others.fold(0.0, f32::max),
            probabilities,
        }
    }

    fn class_name(&self) -> String {
        self.class.map_or("?".into(), |c| c.to_string())
    }
}

/// A table for people.
pub fn table(images: &Images, answers: &[Answer]) -> Outcome {
    let mut table = Table::new(&[
        ("image", Align::Left),
        ("class", Align::Right),
        ("probability", Align::Right),
        ("next", Align::Right),
        ("probability", Align::Right),
        ("margin", Align::Right),
    ]);
    for (name, answer) in images.names.iter().zip(answers) {
        let mut rest = answer.probabilities.clone();
        if let Some(class) = answer.class {
            rest[class] = -1.0;
        }
        let next = argmax(&rest);
        let p = |class: Option<usize>| {
            class.map_or("-".into(), |c| format!("{:.4}", answer.probabilities[c]))
        };
        table.row(vec![
            output::one_line(name),
            answer.class_name(),
            p(answer.class),
            next.map_or("-".into(), |c| c.to_string()),
            p(next),
            format!("{:.4}", answer.margin),
        ]);
    }
    table.print()
}

/// A JSON object for each image.
pub fn lines_of_json(images: &Images, answers: &[Answer]) -> Outcome {
    for (i, (name, answer)) in images.names.iter().zip(answers).enumerate() {
        let mut value = output::value(answer);
        value["event"] = json!("infer");
        value["image"] = json!(name);
        if let Some(label) = images.labels.get(i) {
            value["label"] = json!(label);
        }
        output::json(&value)?;
    }
    Ok(())
}

/// A head, and a line for each image.
pub fn csv(images: &Images, answers: &[Answer]) -> Outcome {
    let classes = answers.first().map_or(0, |a| a.probabilities.len());
    let mut head = String::from("image,class,margin");
    if !images.labels.is_empty() {
        head += ",label";
    }
    for class in 0..classes {
        let _ = write!(head, ",p{class}");
    }
    output::line(&head)?;
    for (i, (name, answer)) in images.names.iter().zip(answers).enumerate() {
        let class = answer.class.map_or(String::new(), |c| c.to_string());
        // A name with a line break in it would be two lines, and shown as one.
        let mut text = format!("{},{class},{}", field(&output::clean(name)), answer.margin);
        if let Some(label) = images.labels.get(i) {
            let _ = write!(text, ",{label}");
        }
        for p in &answer.probabilities {
            let _ = write!(text, ",{p}");
        }
        output::line(&text)?;
    }
    Ok(())
}

/// A text as a field of CSV (RFC 4180).
pub(super) fn field(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_probabilities_and_a_margin() {
        let answer = Answer::of(&[0.0, libm::logf(3.0), 0.0]);
        assert_eq!(answer.class, Some(1));
        for (p, want) in answer.probabilities.iter().zip([0.2, 0.6, 0.2]) {
            assert!((p - want).abs() < 1e-6);
        }
        assert!((answer.margin - 0.4).abs() < 1e-6);
        assert_eq!(Answer::of(&[1.0, 1.0]).class, Some(0));
        assert_eq!(Answer::of(&[1.0, f32::NAN]).class, None);
        assert_eq!(field("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
