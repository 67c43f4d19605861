//! Tables: shards, records that are kept, tables drawn again.

use bnn_cpu::study::CellRecord;
use serde_json::Value;

use crate::common::{Place, files};

/// A table of two small rows and two seeds.
fn table<'a>(place: &Place, flags: &[&'a str]) -> Vec<&'a str> {
    // The data set's name, and so the table's, is that of its folder.
    if !place.path("a-small-set").exists() {
        place.write_data("a-small-set");
    }
    let base =
        "table --suite mlp --rows det-st --seeds 2 --epochs 1 --dataset idx --data a-small-set";
    let mut args: Vec<&str> = base.split(' ').collect();
    args.extend(flags);
    args
}

/// The folder of the cells: its name depends on the data set's.
fn cells(place: &Place) -> (String, Vec<String>) {
    let folders = files(&place.path("results/cells"));
    assert_eq!(folders.len(), 1, "{folders:?}");
    let folder = format!("results/cells/{}", folders[0]);
    let found = files(&place.path(&folder));
    (folder, found)
}

#[test]
fn shards_share_a_table_and_no_cell_is_trained_twice() {
    let place = Place::new();
    let all = [
        "det-st-annealed-seed1.json",
        "det-st-annealed-seed2.json",
        "det-st-seed1.json",
        "det-st-seed2.json",
    ];
    place.good(&table(&place, &["--shard", "1/3"]));
    let (folder, first) = cells(&place);
    assert_eq!(
        first,
        [all[2], all[1]]
            .map(String::from)
            .iter()
            .rev()
            .cloned()
            .collect::<Vec<_>>()
    );
    let bytes: Vec<_> = first
        .iter()
        .map(|f| place.bytes(&format!("{folder}/{f}")))
        .collect();
    // Everything that is left, two at a time.
    place.good(&table(&place, &["--jobs", "2"]));
    assert_eq!(cells(&place).1, all);
    for (file, bytes) in first.iter().zip(&bytes) {
        assert!(
            place.bytes(&format!("{folder}/{file}")) == *bytes,
            "{file}: trained again"
        );
    }
    // Drawn from the records alone.
    std::fs::remove_dir_all(place.path("runs")).unwrap();
    let again = place.good(&[&["--json"][..], &table(&place, &["--render"])].concat());
    let drawn: Vec<Value> = again.json();
    let rows = drawn[0]["table"]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    for row in rows {
        assert_eq!(row["seeds"], serde_json::json!([1, 2]));
        assert!(row["percent"]["deviation"].is_number());
        // Published figures stand beside MNIST only.
        assert!(row["published_percent"].is_null() && row["repeats"].is_null());
    }
    assert!(!place.path("runs").exists());
    // A suite's table has a figure where one is asked for. A part of its rows is written nowhere.
    let name = folder.replace("/cells", "");
    assert!(!place.path(&format!("{name}.svg")).exists());
    place.good(&table(&place, &["--render", "--format", "pdf"]));
    assert!(!place.path(&format!("{name}.pdf")).exists());
    let whole = "table --suite mlp --seeds 2 --epochs 1 --dataset idx --data a-small-set --render";
    let whole: Vec<&str> = whole.split(' ').chain(["--format", "pdf"]).collect();
    let shown = place.good(&whole);
    assert!(
        shown.err.contains(".md, .csv, .json, .pdf"),
        "{}",
        shown.err
    );
    assert!(place.bytes(&format!("{name}.pdf")).starts_with(b"%PDF"));
    // Nor are the images needed; cells of a suite with a longer name are not taken for
    // this one's.
    std::fs::remove_dir_all(place.path("a-small-set")).unwrap();
    let longer = folder.replace("/mlp-", "/mlp-tuned-");
    std::fs::create_dir(place.path(&longer)).unwrap();
    for file in &all {
        std::fs::write(place.path(&format!("{longer}/{file}")), "no cell").unwrap();
    }
    let alone = "--json table --suite mlp --rows det-st --seeds 2 --epochs 1 --render";
    let mut alone: Vec<&str> = alone.split(' ').collect();
    let without: Vec<Value> = place.good(&alone).json();
    let (with, without) = (&drawn[0]["table"], &without[0]["table"]);
    for part in ["rows", "dataset", "data_sha256", "machines"] {
        assert_eq!(with[part], without[part], "{part}");
    }
    // A set that only its files can tell is asked for, not guessed.
    alone.extend(["--dataset", "idx"]);
    place.bad(&alone[1..], 1, "--data");
}

#[test]
fn bad_calls_and_records_are_one_line() {
    let place = Place::new();
    place.bad(&table(&place, &["--render"]), 1, "no finished cells");
    let mut rows = table(&place, &[]);
    rows[4] = "nothing";
    let rows = place.run(&rows);
    assert_eq!(rows.code, Some(2));
    assert!(rows.err.contains("no row of the suite"), "{}", rows.err);
    let shard = place.run(&table(&place, &["--shard", "4/3"]));
    assert_eq!(shard.code, Some(2));
    assert!(shard.err.contains("I from 1 to N"), "{}", shard.err);
    place.good(&table(&place, &["--shard", "1/4"]));
    let (folder, found) = cells(&place);
    let file = format!("{folder}/{}", found[0]);
    let whole = String::from_utf8(place.bytes(&file)).unwrap();
    place.rewrite(&file, |cell| cell["config"]["batch"] = 32.into());
    place.bad(
        &table(&place, &["--render"]),
        1,
        "other settings than this table's (batch: 32 is not 64)",
    );
    let other = whole.replace("\"batch\": 64", "\"batch\": 32");
    assert_ne!(other, whole);
    std::fs::write(place.path(&file), other).unwrap();
    place.bad(&table(&place, &["--render"]), 1, "is damaged");
    std::fs::write(place.path(&file), &whole[..whole.len() / 2]).unwrap();
    place.bad(&table(&place, &["--render"]), 1, "is damaged");
    std::fs::write(place.path(&file), "{}").unwrap();
    place.bad(&table(&place, &["--render"]), 1, "no record of a run");
}

#[test]
fn a_table_says_once_what_it_waits_for() {
    use std::io::{BufRead, BufReader, Read};
    use std::process::Stdio;
    let place = Place::new();
    // Two jobs of one process wait for each other without a word.
    let first = place.good(&table(&place, &["--jobs", "2"]));
    assert!(!first.err.contains("waiting"), "{}", first.err);
    let names = files(&place.path("runs/table"));
    assert_eq!(names.len(), 1, "{names:?}");
    let shared = place.path("runs/table").join(&names[0]);
    for flags in [
        &["--render"][..],
        &["--render", "--quiet"],
        &["--render", "--json"],
    ] {
        let lock = bnn_cpu::files::FolderLock::acquire(&shared).unwrap();
        let mut command = place.command(&table(&place, flags));
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let mut err = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        err.read_line(&mut line).unwrap();
        assert!(
            line.starts_with("waiting for runs/table/") && line.contains("another process"),
            "{flags:?}: {line:?}"
        );
        // It waits; the lock alone decides how long.
        assert!(child.try_wait().unwrap().is_none(), "{flags:?}");
        drop(lock);
        let mut rest = String::new();
        err.read_to_string(&mut rest).unwrap();
        assert!(!rest.contains("waiting"), "{flags:?}: {rest}");
        assert!(child.wait_with_output().unwrap().status.success());
    }
    // Cell by cell, it is said once.
    std::fs::remove_dir_all(place.path("results")).unwrap();
    let lock = bnn_cpu::files::FolderLock::acquire(&shared).unwrap();
    let mut command = place.command(&table(&place, &[]));
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("waiting for ") {
        line.clear();
        assert!(err.read_line(&mut line).unwrap() > 0, "nothing was said");
    }
    drop(lock);
    let mut rest = String::new();
    err.read_to_string(&mut rest).unwrap();
    assert!(!rest.contains("waiting"), "{rest}");
    assert!(child.wait_with_output().unwrap().status.success());
}

/// A suite of one's own reads recipes beside it, and its cells are what `train` makes of
/// them; what is wrong with it is one line that names the file.
#[test]
fn a_suite_of_ones_own_is_a_file() {
    let place = Place::new();
    place.write_data("a-small-set");
    std::fs::create_dir(place.path("own")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(place.path(name), text).unwrap();
    write(
        "own/r.json",
        r#"{"about": "small", "model": "mlp", "binary": "none", "lr": 0.05, "batch": 16}"#,
    );
    let suite = r#"{"name": "rates", "about": "Rates.", "settings": {"epochs": 3},
        "rows": [{"id": "mlp", "title": "the MLP", "recipe": "r.json", "grid": [[
            {"id": "slow", "title": "slow", "settings": {"lr": 0.01}},
            {"id": "usual", "title": "as the recipe has it"}]]}]}"#;
    write("own/rates.json", suite);
    let data = ["--dataset", "idx", "--data", "a-small-set"];
    let table = ["table", "--suite", "own/rates.json", "--seeds", "1"];
    place.good(&[&table[..], &["--epochs", "1"], &data].concat());
    let read = |name: &str| String::from_utf8(place.bytes(name)).unwrap();
    let text = read("results/rates-a-small-set-1-epochs.md");
    assert!(
        text.contains("the MLP, slow") && text.contains("--suite own/rates.json --seeds 1"),
        "{text}"
    );
    let (folder, found) = cells(&place);
    assert_eq!(found, ["mlp-slow-seed1.json", "mlp-usual-seed1.json"]);
    // One flag above the recipe is the row's one setting above it.
    let train = ["train", "--recipe", "own/r.json", "--lr", "0.01"];
    place.good(&[&train[..], &["--epochs", "1", "--out", "run"], &data].concat());
    let content = |name: &str| bnn_cpu::seal::open(&read(name)).unwrap().content;
    let cell = content(&format!("{folder}/mlp-slow-seed1.json"));
    let mut config = content("run/config.json");
    // A cell does not say where its data lay.
    let dataset = config["dataset"].as_object_mut().unwrap();
    dataset.remove("source").unwrap();
    assert_eq!(cell["config"], config);
    let again = [&table[..], &["--epochs", "1", "--render"]].concat();
    place.good(&again);
    assert_eq!(read("results/rates-a-small-set-1-epochs.md"), text);
    for (suite, what) in [
        ("no json", "not a suite"),
        (
            r#"{"name": "best", "about": "", "rows": [{"id": "a"}]}"#,
            "is called best",
        ),
        (
            r#"{"name": "x", "about": "", "rows": [{"id": "a", "settings": {"slope": {"max": 2}}}]}"#,
            "suite x, row a: slope.max: has no effect with none",
        ),
        (
            r#"{"name": "x", "about": "", "rows": [{"id": "a", "recipe": "gone.json"}]}"#,
            "gone.json",
        ),
    ] {
        write("own/rates.json", suite);
        place.bad(&[&table[..], &data].concat(), 1, what);
    }
    place.bad(
        &["table", "--suite", "novel"],
        2,
        "--suite novel: no such suite; choose reference",
    );
}

/// A set that only its name tells is known by the records that are brought in.
#[test]
fn records_of_a_set_without_files_are_merged_into_an_empty_folder() {
    let place = Place::new();
    let flags = "table --suite mlp --rows det-st --seeds 1 --epochs 1 --dataset digits";
    let table: Vec<&str> = flags.split(' ').collect();
    let made = place.good(&[&table[..], &["--results", "there"]].concat());
    let merged = place.good(&[&table[..], &["--merge", "there"]].concat());
    let said = "records: 2 brought in, 0 more with the same bits";
    assert!(merged.err.contains(said), "{}", merged.err);
    assert_eq!(merged.out, made.out);
    place.bad(
        &[&table[..], &["--results", "empty", "--merge", "nowhere"]].concat(),
        1,
        "nowhere: is no folder of results",
    );
    std::fs::create_dir(place.path("bare")).unwrap();
    let bare = [&table[..], &["--results", "empty", "--merge", "bare"]].concat();
    place.bad(
        &bare,
        1,
        "bare/cells/mlp-built-in-digits-synthetic-1-epochs",
    );
}

/// Records of two folders come together in a third; the same cell must have the same bits.
#[test]
fn records_of_several_folders_are_merged_and_compared() {
    let place = Place::new();
    place.good(&table(&place, &["--shard", "1/2", "--results", "one"]));
    std::fs::remove_dir_all(place.path("runs")).unwrap();
    place.good(&table(&place, &["--results", "two"]));
    let merged = place.good(&table(&place, &["--merge", "one", "two"]));
    let said = "records: 4 brought in, 2 more with the same bits, 0 more of other";
    assert!(merged.err.contains(said), "{}", merged.err);
    let (folder, all) = cells(&place);
    assert_eq!(all.len(), 4);
    let name = folder.strip_prefix("results/cells/").unwrap();
    // A part of the rows is shown and not written.
    assert!(merged.out.contains("deterministic, ST"), "{}", merged.out);
    // Again: everything is there.
    let again = place.good(&table(&place, &["--merge", "one", "two"]));
    let said = "records: 0 brought in, 6 more with the same bits";
    assert!(again.err.contains(said), "{}", again.err);

    // A record that was made on another instruction set is left as it is.
    let file = place.path(&format!("two/cells/{name}/det-st-seed2.json"));
    let sound = CellRecord::read(&file).unwrap().unwrap();
    let mut other = sound.clone();
    other.finish.provenance_mut().isa = "another".into();
    other.history[0].train_loss += 1.0;
    other.write(&file).unwrap();
    let again = place.good(&table(&place, &["--merge", "one", "two"]));
    assert!(
        again
            .err
            .contains("5 more with the same bits, 1 more of other"),
        "{}",
        again.err
    );

    // One of other bits is refused, and nothing is brought in.
    let mut other = sound;
    other.history[0].train_loss = f64::from_bits(other.history[0].train_loss.to_bits() + 1);
    other.write(&file).unwrap();
    let refused = place.run(&table(
        &place,
        &["--merge", "one", "two", "--results", "new"],
    ));
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.err.contains("history.0.train_loss is "),
        "{}",
        refused.err
    );
    assert_eq!(refused.err.trim_end().lines().count(), 1, "{}", refused.err);
    assert!(!place.path("new/cells").exists());

    let nothing = place.run(&table(&place, &["--merge", "one", "a-small-set"]));
    assert_eq!(nothing.code, Some(1));
    assert!(
        nothing
            .err
            .contains("has no record of a cell of this table"),
        "{}",
        nothing.err
    );
    let both = place.run(&table(&place, &["--merge", "one", "--shard", "1/2"]));
    assert_eq!(both.code, Some(2));
}

/// A program without MPI says so.
#[cfg(not(feature = "mpi"))]
#[test]
fn processes_without_mpi_are_refused() {
    let place = Place::new();
    for command in [
        &table(&place, &["--distributed", "mpi"])[..],
        &["train", "--dataset", "digits", "--distributed", "mpi"],
    ] {
        let refused = place.run(command);
        assert_eq!(refused.code, Some(2));
        assert!(refused.err.contains("built without MPI"), "{}", refused.err);
        assert_eq!(refused.err.trim_end().lines().count(), 1);
    }
}

/// Before binary weights pixels are integers, and no row says how others are normalised.
#[test]
fn a_table_of_networks_on_integer_pixels_is_drawn_from_its_records() {
    let place = Place::new();
    let own = r#"{"name": "own", "about": "", "settings": {"epochs": 1}, "rows": [
            {"id": "a", "settings": {"model": {"from": {
                "name": "own", "input": {"channels": 1, "height": 28, "width": 28}, "layers": [
                    {"type": "linear", "name": "fc", "out": 10, "weights": "binary", "bias": false},
                    {"type": "batch_norm", "name": "bn"}]}}}}]}"#;
    std::fs::write(place.path("own.json"), own).unwrap();
    let base = "table --suite own.json --seeds 1 --dataset digits --json";
    let table: Vec<&str> = base.split(' ').collect();
    let made: Vec<Value> = place.good(&table).json();
    let drawn: Vec<Value> = place.good(&[&table[..], &["--render"]].concat()).json();
    let rows = |events: &[Value]| {
        let last = events.iter().rfind(|event| event["table"].is_object());
        last.map(|event| event["table"]["rows"].clone())
    };
    assert!(rows(&drawn).is_some_and(|rows| rows[0]["percent"].is_object()));
    assert_eq!(rows(&drawn), rows(&made));
}
