//! Sweeps: products of lists, cells that are shared and kept, differences seed by seed, and
//! settings that are chosen without a test.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::common::{Place, TEST, files};

const DATA: [&str; 6] = ["--dataset", "idx", "--data", "data", "--epochs", "1"];

/// A sweep of the multilayer perceptron on the small set, an epoch a cell.
fn sweep<'a>(more: &'a str) -> Vec<&'a str> {
    let base = ["sweep", "--model", "mlp", "--batch", "16"];
    let mut args: Vec<&'a str> = base.to_vec();
    args.extend(DATA);
    args.extend(more.split_whitespace());
    args
}

/// The contents of the cells in a folder of `results/cells`, by their files' names.
fn cells(place: &Place, name: &str) -> BTreeMap<String, Value> {
    let folder = format!("results/cells/{name}");
    let read = |file: String| {
        let text = String::from_utf8(place.bytes(&format!("{folder}/{file}"))).unwrap();
        (file, bnn_cpu::seal::open(&text).unwrap().content)
    };
    files(&place.path(&folder)).into_iter().map(read).collect()
}

/// What of a cell depends neither on a clock nor on the test images.
fn trained(cell: &Value) -> Value {
    let mut cell = cell.clone();
    for record in cell["history"].as_array_mut().unwrap() {
        let record = record.as_object_mut().unwrap();
        assert!(record.remove("seconds").is_some() && record.remove("img_per_s").is_some());
    }
    for part in ["validation", "test"] {
        if let Some(of) = cell.get_mut(part).and_then(Value::as_object_mut) {
            assert!(of.remove("train_seconds").is_some());
            assert!(of.remove("provenance").is_some());
            of.remove("data_sha256");
        }
    }
    cell["config"]["dataset"].take();
    cell
}

fn text(place: &Place, name: &str) -> String {
    String::from_utf8(place.bytes(name)).unwrap()
}

/// The lines of a CSV file without quotation marks, each by the names of its columns.
fn lines(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut lines = text.lines().map(|line| line.split(','));
    let head: Vec<&str> = lines.next().unwrap().collect();
    let line = |fields: std::str::Split<'_, char>| {
        let fields: Vec<String> = fields.map(String::from).collect();
        assert_eq!(fields.len(), head.len(), "{fields:?}");
        head.iter()
            .map(|name| name.to_string())
            .zip(fields)
            .collect()
    };
    lines.map(line).collect()
}

#[test]
fn lists_make_every_combination_and_a_table_compares_them_seed_by_seed() {
    let place = Place::new();
    let flags = "--binary first --estimator st,none --lr 0.01,0.1 --seeds 2 --jobs 2";
    let shown = place.good(&sweep(flags));
    let name = "sweep-estimator-lr-data-1-epochs";
    let cells = cells(&place, name);
    let rows = ["st-lr-0.01", "st-lr-0.1", "none-lr-0.01", "none-lr-0.1"];
    let rows = rows.map(|row| format!("estimator-{row}"));
    let file = |row: &str, seed: u64| format!("{row}-seed{seed}.json");
    let mut expected: Vec<String> = Vec::new();
    for row in &rows {
        expected.extend([1, 2].map(|seed| file(row, seed)));
    }
    expected.sort();
    assert_eq!(cells.keys().cloned().collect::<Vec<_>>(), expected);
    let config = &cells[&file(&rows[2], 2)]["config"];
    assert_eq!(
        (&config["lr"], &config["batch"]),
        (&0.01.into(), &16.into())
    );
    assert_eq!(config["seed"], 2);

    // The tidy file is the cells, row by row and seed by seed.
    let tidy = text(&place, &format!("results/{name}-cells.csv"));
    let head = "row,lr,model.estimator,seed,validation_loss,validation_accuracy,test_loss,test_accuracy,epoch,seconds,run_id\n";
    assert!(tidy.starts_with(head), "{tidy}");
    let tidy = lines(&tidy);
    assert_eq!(tidy.len(), 8);
    for (line, (row, seed)) in tidy.iter().zip(rows.iter().flat_map(|r| [(r, 1), (r, 2)])) {
        let cell = &cells[&file(row, seed)];
        let number = |name: &str| line[name].parse::<f64>().unwrap();
        assert_eq!((&line["row"], &line["seed"]), (row, &seed.to_string()));
        assert_eq!(line["lr"], row.rsplit('-').next().unwrap());
        assert_eq!(line["model.estimator"], row.split('-').nth(1).unwrap());
        assert_eq!(number("test_loss"), cell["test"]["loss"].as_f64().unwrap());
        assert_eq!(
            number("test_accuracy"),
            cell["test"]["accuracy"].as_f64().unwrap()
        );
        let epoch = &cell["history"][0];
        assert_eq!(
            number("validation_loss"),
            epoch["val_loss"].as_f64().unwrap()
        );
        assert_eq!(
            number("validation_accuracy"),
            epoch["val_accuracy"].as_f64().unwrap()
        );
        assert_eq!(number("epoch"), 1.0);
        assert_eq!(line["run_id"].len(), 32);
    }

    // Differences by hand: with two seeds their mean and t(0.975, 1)·|a - b|/2.
    let table: Value = bnn_cpu::seal::open(&text(&place, &format!("results/{name}.json")))
        .unwrap()
        .content;
    let percent = |row: &str, seed| {
        100.0
            * cells[&file(row, seed)]["test"]["accuracy"]
                .as_f64()
                .unwrap()
    };
    let close = |value: &Value, expected: f64| {
        let value = value.as_f64().unwrap();
        assert!((value - expected).abs() < 1e-3, "{value} is not {expected}");
    };
    assert_eq!(table["against"], rows[0].as_str());
    for (row, of) in rows.iter().zip(table["rows"].as_array().unwrap()) {
        assert_eq!(
            (&of["id"], &of["percent"]["n"]),
            (&row.as_str().into(), &2.into())
        );
        let each = [1, 2].map(|seed| percent(row, seed));
        close(&of["percent"]["mean"], (each[0] + each[1]) / 2.0);
        close(
            &of["percent"]["half_width"],
            12.7062 * (each[0] - each[1]).abs() / 2.0,
        );
        if row == &rows[0] {
            assert!(of["over_row"].is_null());
            continue;
        }
        let pairs = [1, 2].map(|seed| percent(row, seed) - percent(&rows[0], seed));
        close(&of["over_row"]["mean"], (pairs[0] + pairs[1]) / 2.0);
        close(
            &of["over_row"]["half_width"],
            12.7062 * (pairs[0] - pairs[1]).abs() / 2.0,
        );
    }
    assert!(shown.out.contains("paired difference"), "{}", shown.out);
    let page = text(&place, &format!("results/{name}.md"));
    assert!(page.contains("| paired difference |") && page.contains("estimator st, lr 0.1"));
    let figure = text(&place, &format!("results/{name}.svg"));
    assert_eq!(figure.matches("class=\"mark\"").count(), 4);
    assert_eq!(figure.matches("class=\"bar\"").count(), 4);
    assert!(figure.contains("test accuracy (%)") && figure.contains("prefers-color-scheme: dark"));

    // Nothing is trained again, whichever row is compared with.
    let before: Vec<_> = expected
        .iter()
        .map(|f| place.bytes(&format!("results/cells/{name}/{f}")))
        .collect();
    let against = format!("{flags} --against {} --json", rows[3]);
    let again = place.good(&sweep(&against)).json();
    assert_eq!(again.len(), 1, "{again:?}");
    assert_eq!(again[0]["table"]["against"], rows[3].as_str());
    let after: Vec<_> = expected
        .iter()
        .map(|f| place.bytes(&format!("results/cells/{name}/{f}")))
        .collect();
    assert!(before == after, "trained again");

    // The figure in another form, in the theme that is asked for.
    let png = || place.bytes(&format!("results/{name}.png"));
    place.good(&sweep(&format!("{flags} --render --format png")));
    let light = png();
    let shown = place.good(&sweep(&format!("{flags} --render --format png --dark")));
    assert!(shown.err.contains("-cells.csv, .png"), "{}", shown.err);
    assert!(light.starts_with(b"\x89PNG") && png().starts_with(b"\x89PNG"));
    assert!(light != png(), "dark is not light");
    place.bad(
        &sweep(&format!("{flags} --render --format gif")),
        2,
        "[possible values: svg, png, pdf]",
    );
}

#[test]
fn two_shards_and_a_second_call_are_the_whole_sweep() {
    let [whole, parts] = [Place::new(), Place::new()];
    let flags = "--binary none --lr 0.01,0.1 --seeds 2";
    let name = "sweep-lr-data-1-epochs";
    whole.good(&sweep(flags));
    parts.good(&sweep(&format!("{flags} --shard 1/2")));
    let first = cells(&parts, name);
    let names: Vec<&String> = first.keys().collect();
    assert_eq!(names, ["lr-0.01-seed1.json", "lr-0.01-seed2.json"]);
    let bytes = |file: &str| parts.bytes(&format!("results/cells/{name}/{file}"));
    let before: Vec<_> = names.iter().map(|file| bytes(file)).collect();
    parts.good(&sweep(&format!("{flags} --shard 2/2")));
    assert!(
        names
            .iter()
            .zip(&before)
            .all(|(file, before)| bytes(file) == *before)
    );
    let [whole_cells, all] = [cells(&whole, name), cells(&parts, name)];
    assert_eq!(all.len(), 4);
    assert!(all.keys().eq(whole_cells.keys()));
    for (file, cell) in &all {
        assert_eq!(trained(cell), trained(&whole_cells[file]), "{file}");
    }
    // One more value trains what is new alone, and one seed less is a part of what is there.
    parts.good(&sweep("--binary none --lr 0.01,0.1,0.5 --seeds 1"));
    assert_eq!(cells(&parts, name).len(), 5);
    assert!(
        names
            .iter()
            .zip(&before)
            .all(|(file, before)| bytes(file) == *before)
    );
    // Another setting in all rows is another sweep.
    let other = format!("{flags} --momentum 0.5");
    parts.bad(&sweep(&other), 1, "move it away to train the cell again");
    parts.good(&sweep(&format!("{other} --name slower")));
    assert_eq!(cells(&parts, "slower-data-1-epochs").len(), 4);
}

#[test]
fn settings_are_chosen_without_a_look_at_a_test_image() {
    let [one, other] = [Place::new(), Place::new()];
    // Other images to test on, the same to learn from.
    let images = other.path("data/t10k-images-idx3-ubyte");
    let mut bytes = std::fs::read(&images).unwrap();
    let head = bytes.len() - TEST * 144;
    bytes[head..]
        .iter_mut()
        .for_each(|pixel| *pixel = 255 - *pixel);
    std::fs::write(&images, bytes).unwrap();
    let flags = "--binary none --lr 0.001,0.1 --seeds 2 --validation-only --json";
    let name = "sweep-lr-data-1-epochs-validation";
    let shown = [&one, &other].map(|place| place.good(&sweep(flags)).json());
    let [mine, theirs] = [&one, &other].map(|place| cells(place, name));
    assert_eq!(mine.len(), 4);
    for (file, cell) in &mine {
        assert!(cell.get("test").is_none(), "{file}: tested");
        assert_eq!(trained(cell), trained(&theirs[file]), "{file}");
        let run = format!("runs/table/{name}/{}", file.trim_end_matches(".json"));
        assert!(one.path(&run).join("metrics.jsonl").exists());
        assert!(!one.path(&run).join("test.json").exists(), "{run}: tested");
    }
    // Where there is a test, the other images show: this comparison can fail.
    let tested = flags.replace(" --validation-only", "");
    let tested = [&one, &other].map(|place| {
        place.good(&sweep(&tested));
        cells(place, "sweep-lr-data-1-epochs")
    });
    let file = "lr-0.1-seed1.json";
    assert_ne!(trained(&tested[0][file]), trained(&tested[1][file]));
    assert_eq!(
        tested[0][file]["history"][0]["val_loss"],
        mine[file]["validation"]["loss"]
    );

    let [table] = &shown[0]
        .iter()
        .filter(|e| e["event"] == "table")
        .collect::<Vec<_>>()[..]
    else {
        panic!("{shown:?}");
    };
    let table = &table["table"];
    assert_eq!(
        (&table["chosen"], &table["validation"]),
        (&"lr-0.1".into(), &true.into())
    );
    // The better row stands first, although it is second in the list.
    let losses = [0, 1].map(|i| table["rows"][i]["loss"]["mean"].as_f64().unwrap());
    assert!(losses[0] < losses[1], "{losses:?}");
    assert_eq!(table["rows"][0]["id"], "lr-0.1");
    assert_eq!(table["rows"][0]["settings"]["lr"], "0.1");
    let notes = table["notes"].to_string();
    assert!(notes.contains("Budget: 2 rows, 4 runs, "), "{notes}");
    for line in lines(&text(&one, &format!("results/{name}-cells.csv"))) {
        assert_eq!(
            (line["test_loss"].as_str(), line["test_accuracy"].as_str()),
            ("", "")
        );
    }
    let page = text(&one, &format!("results/{name}.md"));
    assert!(
        page.contains("validation accuracy %") && !page.contains("test accuracy %"),
        "{page}"
    );
    assert!(text(&one, &format!("results/{name}.svg")).contains("validation accuracy (%)"));
    one.good(&["verify", "results"]);
    one.bad(&["report", name], 1, "nothing was tested");
    one.bad(
        &sweep("--val-fraction 0 --lr 0.1,0.2 --validation-only"),
        2,
        "row lr-0.1 keeps no images for validation; set --val-fraction",
    );
}

#[test]
fn a_grid_file_is_multiplied_by_lists_and_a_suite_by_its_name_is_a_table() {
    let place = Place::new();
    let grid = r#"{"name": "units", "about": "Units.", "settings": {"model": {"from": "mlp"}, "batch": 16},
        "rows": [{"id": "real", "title": "no unit", "settings": {"model": {"binary": "none"}}},
                 {"id": "bits", "title": "a unit", "settings": {"model": {"binary": "first"}}}]}"#;
    std::fs::write(place.path("units.json"), grid).unwrap();
    let mut args = vec![
        "sweep",
        "units.json",
        "--lr",
        "0.01",
        "--lr",
        "0.1",
        "--seeds",
        "1",
    ];
    args.extend(DATA);
    place.good(&args);
    let names: Vec<String> = cells(&place, "units-lr-data-1-epochs")
        .into_keys()
        .collect();
    let rows = ["bits-lr-0.01", "bits-lr-0.1", "real-lr-0.01", "real-lr-0.1"];
    assert_eq!(names, rows.map(|row| format!("{row}-seed1.json")));
    let page = text(&place, "results/units-lr-data-1-epochs.md");
    assert!(
        page.contains("Units. Every combination of lr 0.01, 0.1."),
        "{page}"
    );
    assert!(page.contains("no unit, lr 0.1"), "{page}");
    let tidy = text(&place, "results/units-lr-data-1-epochs-cells.csv");
    assert!(tidy.starts_with("row,lr,model.binary,seed,"), "{tidy}");

    // The cells of a suite of the program are those of its table.
    let suite = ["--rows", "det-st", "--seeds", "1"];
    place.good(&[&["table", "--suite", "mlp"][..], &suite, &DATA].concat());
    let folder = "mlp-data-1-epochs";
    let before = cells(&place, folder);
    assert_eq!(before.len(), 2);
    place.good(&[&["sweep", "mlp"][..], &suite, &DATA].concat());
    assert_eq!(cells(&place, folder), before);
    place.bad(
        &[&["sweep", "mlp", "--batch", "32"][..], &suite, &DATA].concat(),
        2,
        "no longer the rows of mlp",
    );
}

#[test]
fn a_cell_that_diverges_stops_no_other() {
    let place = Place::new();
    let ended = place.run(&sweep("--binary none --lr 1e38,0.05 --seeds 1"));
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    let last = ended.err.lines().last().unwrap();
    assert!(
        last.starts_with("error: lr-1000") && last.contains("finite"),
        "{last}"
    );
    let names: Vec<String> = cells(&place, "sweep-lr-data-1-epochs")
        .into_keys()
        .collect();
    assert_eq!(names, ["lr-0.05-seed1.json"]);
    assert!(ended.out.contains("lr 0.05"), "{}", ended.out);
}

#[test]
fn wrong_lists_are_one_line() {
    let place = Place::new();
    for (flags, mention) in [
        ("--lr 0.1,x", "it must be a number above 0"),
        ("--lr 0.1,", "--lr"),
        ("--estimator st,magic", "magic"),
        ("--binary 1,3;some", "--binary"),
        ("--lr 0.1,0.10", "two rows are called lr-0.1"),
        (
            "--lr 0.1,0.2 --against other",
            "the rows are lr-0.1, lr-0.2",
        ),
        (
            "--optimizer sgd,adam --momentum 0.5",
            "row optimizer-adam: --momentum",
        ),
        ("--lr 0.1,0.2 --name a/b", "--name a/b"),
        ("--lr 0.1,0.2 --name mlp", "--name mlp"),
        ("--seed 1,2", "--seed"),
    ] {
        place.bad(&sweep(flags), 2, mention);
    }
    place.bad(&["sweep"], 2, "there is nothing to vary");
    place.bad(&["sweep", "novel"], 2, "novel: no such suite");
    place.bad(&["sweep", "gone.json"], 1, "gone.json");
    assert!(!place.path("results").exists() && !place.path("runs").exists());
}

#[test]
fn the_short_help_is_one_screen_and_the_long_one_names_every_setting() {
    let place = Place::new();
    let short = place.good(&["sweep", "-h"]).out;
    let lines = short.lines().count();
    assert!(lines <= 50, "{lines} lines:\n{short}");
    let long = place.good(&["sweep", "--help"]).out;
    assert!(long.contains("Examples:\n  bnn-cpu sweep"), "{long}");
    for flag in [
        "--estimator",
        "--lr-schedule",
        "--dataset",
        "--nesterov",
        "--way",
    ] {
        assert!(long.contains(flag), "{flag}");
    }
}
