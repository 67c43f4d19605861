//! A finished run's result, beside the published figure where there is one.

use bnn_cpu::study::{Published, reference};
use bnn_cpu::train::{Config, FewShotRecord, Placed, RunFolder, TestRecord, firing_name};
use serde_json::{Value, json};

use super::output::{self, grouped, loss, percent};
use super::{Context, Outcome};

/// What a run is, in words: its network, where its binary units stand, how they fire, what
/// estimates their gradients, and their probability function where it is not the estimator's own.
pub fn parts(config: &Config) -> Vec<String> {
    let Some(row) = Placed::of(&config.model) else {
        return vec![config.model.name.clone(), "its own activations".into()];
    };
    let Some((mode, estimator)) = row.binary else {
        return vec![row.model, "no binary layer".into()];
    };
    let placed = format!("{} binary", row.placement);
    let mut parts = vec![row.model, placed, firing_name(mode).to_string(), estimator];
    parts.extend(row.probability.map(|probability| probability.name().into()));
    parts
}

/// A network in a few words.
pub fn network(config: &Config) -> String {
    match Placed::of(&config.model) {
        None => format!("{}, its own activations", config.model.name),
        Some(row) => match row.binary {
            None => format!("{}, no binary layer", row.model),
            Some((mode, estimator)) => format!(
                "{}, {} binary, {}, {estimator}",
                row.model,
                row.placement,
                firing_name(mode),
            ),
        },
    }
}

/// Shows the best epoch of a run that is trained and not tested.
pub fn show_validation(run: &RunFolder, context: &Context) -> Outcome {
    let history = run.metrics()?;
    let losses = history.iter().filter_map(|e| Some((e, e.val_loss?)));
    let best = losses.min_by(|a, b| a.1.total_cmp(&b.1));
    let Some((best, _)) = best else {
        return output::line("trained; there are no validation images, and nothing was tested");
    };
    if context.json {
        return output::json(&json!({
            "event": "validation", "run": output::path(run.path()), "epoch": best.epoch,
            "val_loss": best.val_loss, "val_accuracy": best.val_accuracy,
        }));
    }
    output::line(&format!(
        "best epoch {} of {}: validation loss {}, accuracy {} on {} images; not tested",
        best.epoch,
        run.config().epochs,
        best.val_loss.map_or("-".into(), loss),
        best.val_accuracy.map_or("-".into(), percent),
        grouped(run.config().split_sizes().1)
    ))
}

/// Shows the result of a complete run.
pub fn show(run: &RunFolder, test: &TestRecord, context: &Context) -> Outcome {
    let config = run.config();
    let published = reference::published(config);
    if context.json {
        let mut value = json!(test);
        value["event"] = json!("test");
        value["run"] = json!(output::path(run.path()));
        value["published"] = published.map_or(Value::Null, as_json);
        return output::json(&value);
    }
    output::line(&output::bold(&format!(
        "{} on {}",
        network(config),
        test.dataset
    )))?;
    let chosen = match config.split_sizes().1 {
        0 => "the last one",
        _ => "lowest validation loss",
    };
    let mut lines = vec![
        ("run", run.path().display().to_string()),
        (
            "epoch tested",
            format!("{} of {} ({chosen})", test.epoch, config.epochs),
        ),
        ("ours", ours(test)),
    ];
    lines.extend(test.few_shot.iter().flat_map(kept_apart));
    if let Some(published) = published {
        let of = published
            .loss
            .map_or(String::new(), |l| format!("loss {}  ", loss(l)));
        let caveats = match published.caveats() {
            c if c.is_empty() => String::new(),
            c => format!("; {c}"),
        };
        lines.push((
            "published",
            format!(
                "{of}accuracy {:.2} %  (\"{}\"{caveats})",
                published.percent, published.row
            ),
        ));
    } else {
        lines.push((
            "published",
            "no figure for this data set and protocol".into(),
        ));
    }
    output::pairs(&lines)
}

/// The figure of a test, and what it is of.
fn ours(test: &TestRecord) -> String {
    match &test.few_shot {
        Some(of) => episodes((test.loss, test.accuracy), of),
        None => format!(
            "loss {}  accuracy {}  on {} test images",
            loss(test.loss),
            percent(test.accuracy),
            grouped(test.images)
        ),
    }
}

/// The figure of a few-shot run with its 95 % interval, and the episodes that it is of.
pub fn episodes((mean_loss, accuracy): (f64, f64), of: &FewShotRecord) -> String {
    format!(
        "loss {}  accuracy {} +- {:.2}  on {} episodes, {}-way {}-shot, {} queries a class",
        loss(mean_loss),
        percent(accuracy),
        100.0 * of.interval,
        grouped(of.episodes),
        of.way,
        of.shot,
        of.queries
    )
}

/// The alphabets that a few-shot run never learned from.
pub fn kept_apart(of: &FewShotRecord) -> [(&'static str, String); 2] {
    let part = |alphabets: &[String], characters: usize| {
        let (count, names) = (alphabets.len(), alphabets.join(", "));
        format!(
            "{count} alphabets, {} characters: {names}",
            grouped(characters)
        )
    };
    [
        ("tested on", part(&of.test_alphabets, of.test_characters)),
        ("validated on", part(&of.val_alphabets, of.val_characters)),
    ]
}

fn as_json(published: &Published) -> Value {
    json!({
        "row": published.row,
        "loss": published.loss,
        "accuracy": published.percent / 100.0,
        "no_gradient": published.no_gradient(),
        "test_selected": published.test_selected(),
    })
}
