//! The lab: no number without its standard error, no bias without its resolution; draws until
//! an error that is asked for; each estimator along its own trajectory.

use serde_json::Value;

use super::common::Place;

const SMALL: &str = "lab --dataset idx --data data --binary last --batch 16 --images 8 \
                     --warm-up 2 --quiet";

fn flags(more: &str) -> Vec<String> {
    let all = format!("{SMALL} {more}");
    all.split_whitespace().map(Into::into).collect()
}

/// A lab's record, and what it printed.
fn lab(place: &Place, more: &str) -> (Value, String) {
    let args = flags(more);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let printed = place.good(&args).out;
    let record = serde_json::from_slice(&place.bytes("lab/lab.json")).unwrap();
    (record, printed)
}

/// A record without what differs from machine to machine and from run to run.
fn timeless(mut record: Value) -> Value {
    fn clear(value: &mut Value) {
        match value {
            Value::Object(map) => {
                for key in ["milliseconds", "milliseconds_error", "provenance", "sha256"] {
                    map.remove(key);
                }
                map.values_mut().for_each(clear);
            }
            Value::Array(all) => all.iter_mut().for_each(clear),
            _ => {}
        }
    }
    clear(&mut record);
    record
}

fn of_all(estimator: &Value) -> &Value {
    &estimator["figures"].as_array().unwrap().last().unwrap()[1]
}

fn bars_in(svg: &[u8]) -> usize {
    let text = std::str::from_utf8(svg).unwrap();
    text.matches("class=\"bar\"").count()
}

#[test]
fn no_number_stands_without_its_standard_error_and_its_resolution() {
    let place = Place::new();
    let names = ["st", "reinforce:loo:4", "disarm"];
    let (record, printed) = lab(
        &place,
        "--draws 20 --reference-draws 20 --estimators st,reinforce:loo:4,disarm",
    );
    for name in names {
        let found = printed.lines().find(|line| line.starts_with(name));
        let row = found.unwrap_or_else(|| panic!("{name}: {printed}"));
        // Bias, variance, signal to noise, two cosines, milliseconds: each with a number.
        let errors: Vec<&str> = row.split("+- ").skip(1).collect();
        assert_eq!(errors.len(), 6, "{row}");
        for error in errors {
            let number = error.split_whitespace().next().unwrap();
            assert!(number.parse::<f64>().is_ok(), "{row}");
        }
        // The verdict comes after the two numbers that it is by.
        let cells: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(cells[2], "+-", "{row}");
        assert!(cells[4].parse::<f64>().unwrap() > 0.0, "{row}");
        assert!(["yes", "no"].contains(&cells[5]), "{row}");
    }
    for said in ["resolution %", "draws for 5 %", "one standard error"] {
        assert!(printed.contains(said), "{said}: {printed}");
    }
    let point = &record["points"][0];
    assert!(point["reference"]["resolution"].as_f64().unwrap() > 0.0);
    let norm = point["reference"]["norm"].as_f64().unwrap();
    for estimator in point["estimators"].as_array().unwrap() {
        assert!(estimator["milliseconds_error"].as_f64().unwrap() >= 0.0);
        let f = of_all(estimator);
        for what in ["mean", "resolution", "variance", "snr", "cosine", "norm"] {
            let error = f["errors"][what].as_f64().unwrap();
            assert!(error > 0.0 && error.is_finite(), "{what}: {f}");
        }
        let draws = estimator["draws"].as_f64().unwrap();
        let mean = (f["variance"].as_f64().unwrap() / draws).sqrt() / norm;
        assert!((f["errors"]["mean"].as_f64().unwrap() / mean - 1.0).abs() < 1e-9);
    }
    let figures = [
        "bias",
        "variance",
        "snr",
        "cosine",
        "milliseconds",
        "efficiency",
    ];
    let drawn = figures.map(|figure| place.bytes(&format!("lab/{figure}.svg")));
    for svg in &drawn {
        let svg = String::from_utf8_lossy(svg);
        assert!(svg.contains("Bar: one standard error"));
        assert!(svg.contains("prefers-color-scheme: dark") && svg.contains("class=\"leader\""));
    }
    // The numbers beside a figure are those of the record.
    let csv = String::from_utf8(place.bytes("lab/bias.csv")).unwrap();
    let measured = record["points"][0]["estimators"].as_array().unwrap();
    let mut rows = csv.lines();
    let head = "estimator,series,value,low,high,resolution,told";
    assert_eq!(rows.next(), Some(head));
    for (row, estimator) in rows.by_ref().zip(measured) {
        let cells: Vec<&str> = row.split(',').collect();
        assert_eq!(cells[..2], [estimator["name"].as_str().unwrap(), "epoch 0"]);
        let value: f64 = cells[2].parse().unwrap();
        assert_eq!(Some(value), of_all(estimator)["bias"].as_f64());
    }
    assert_eq!(rows.next(), None, "{csv}");
    // Each mark has a bar: the same record without its errors has one line less for each.
    place.rewrite("lab/lab.json", |record| {
        for key in ["sha256", "format"] {
            record.as_object_mut().unwrap().remove(key);
        }
        for estimator in record["points"][0]["estimators"].as_array_mut().unwrap() {
            estimator
                .as_object_mut()
                .unwrap()
                .remove("milliseconds_error");
            for figures in estimator["figures"].as_array_mut().unwrap() {
                figures[1].as_object_mut().unwrap().remove("errors");
            }
        }
    });
    let again = place.good(&["lab", "--render", "--out", "lab"]).out;
    assert!(again.contains("+- ?"), "{again}");
    for (figure, before) in figures.iter().zip(&drawn).skip(1) {
        let after = place.bytes(&format!("lab/{figure}.svg"));
        assert!(bars_in(before) >= bars_in(&after) + names.len(), "{figure}");
        assert!(String::from_utf8_lossy(&after).contains("holds no standard error"));
    }
}

#[test]
fn draws_go_on_until_an_error_on_any_number_of_threads() {
    let place = Place::new();
    let more = "--draws 10 --reference-draws 10 --until 10% --most 5 \
                --estimators st,local-expectation,reinforce:none --threads";
    let (record, _) = lab(&place, &format!("{more} 1"));
    let (other, _) = lab(&place, &format!("{more} 2"));
    assert_eq!(timeless(record.clone()), timeless(other));
    assert_eq!(record["until"], 0.1);
    let point = &record["points"][0];
    let reference = &point["reference"];
    let draws = reference["draws"].as_u64().unwrap();
    assert!(
        reference["error"].as_f64().unwrap() <= 0.1 || draws == 50,
        "{reference}"
    );
    for estimator in point["estimators"].as_array().unwrap() {
        let error = of_all(estimator)["errors"]["mean"].as_f64().unwrap();
        let draws = estimator["draws"].as_u64().unwrap();
        assert!((10..=50).contains(&draws));
        let needs = draws as f64 * (error / 0.1).powi(2);
        assert!(error <= 0.1 || needs > 50.0, "{draws} {error}");
    }
    // The same without --until is as many draws as were asked for.
    let (record, _) = lab(&place, "--draws 10 --reference-draws 10 --estimators st");
    assert_eq!(record["points"][0]["reference"]["draws"], 10);
    assert_eq!(record["points"][0]["estimators"][0]["draws"], 10);
    assert!(record.get("until").is_none() && record.get("own").is_none());
}

#[test]
fn each_estimator_is_measured_along_its_own_trajectory() {
    let place = Place::new();
    let more = "--own --epochs 2 --at 0,2 --draws 20 --estimators st,reinforce:loo:2 --threads";
    let (record, printed) = lab(&place, &format!("{more} 2"));
    let own = record["own"].as_array().unwrap();
    assert_eq!(own.len(), 2);
    assert_eq!(own[1]["name"], "reinforce:loo:2");
    assert_eq!(record["points"].as_array().unwrap().len(), 0);
    let names = |of: &Value| -> Vec<Value> {
        let all = of["estimators"].as_array().unwrap();
        all.iter().map(|e| e["name"].clone()).collect()
    };
    assert_eq!(names(&own[0]["points"][1]), ["st"]);
    assert_eq!(names(&own[1]["points"][1]), ["reinforce:loo:2", "st"]);
    assert_eq!(own[1]["points"][1]["epoch"], 2);
    let variance = |t: usize, p: usize, e: usize| {
        of_all(&own[t]["points"][p]["estimators"][e])["variance"].clone()
    };
    // Before training both trainings have the same weights, after it each its own.
    assert_eq!(variance(0, 0, 0), variance(1, 0, 1));
    assert_ne!(variance(0, 1, 0), variance(1, 1, 1));
    for trajectory in own {
        for point in trajectory["points"].as_array().unwrap() {
            for estimator in point["estimators"].as_array().unwrap() {
                let spread = of_all(estimator);
                assert!(spread["variance_error"].as_f64().unwrap() > 0.0);
                assert!(spread["snr_error"].as_f64().unwrap() > 0.0);
            }
        }
    }
    assert!(
        printed.contains("trained with reinforce:loo:2"),
        "{printed}"
    );
    assert!(printed.contains("variance, ST's = 1"), "{printed}");
    let mut names: Vec<String> = super::common::files(&place.path("lab"));
    names.sort();
    let expected = [
        "lab.json",
        "own-snr.csv",
        "own-snr.svg",
        "own-variance.csv",
        "own-variance.svg",
    ];
    assert_eq!(names, expected);
    let again = place
        .good(&["lab", "--render", "--out", "lab", "--quiet"])
        .out;
    assert_eq!(again, printed);
    // New weights are the same as those of a lab without a training.
    let (fresh, _) = lab(&place, "--draws 20 --reference-draws 20 --estimators st");
    assert_eq!(
        of_all(&fresh["points"][0]["estimators"][0])["variance"],
        variance(0, 0, 0)
    );
    let (other, _) = lab(&place, &format!("{more} 1"));
    assert_eq!(timeless(other), timeless(record.clone()));
}

#[test]
fn a_record_from_before_errors_were_noted_is_still_drawn() {
    let place = Place::new();
    std::fs::create_dir(place.path("old")).unwrap();
    std::fs::write(place.path("old/lab.json"), include_bytes!("old_lab.json")).unwrap();
    let printed = place.good(&["lab", "--render", "--out", "old"]).out;
    // 0.3 % with the root of the error of its square 5.4 %; what is not known is not made up.
    let row = printed.lines().find(|l| l.starts_with("st ")).unwrap();
    assert!(row.contains("0.3 +- 5.2") && row.contains("+- ?"), "{row}");
    assert!(row.contains("7.7  no"), "{row}");
}

#[test]
fn flags_of_the_lab_that_go_against_each_other_are_refused() {
    let place = Place::new();
    for (more, says) in [
        ("--own", "--own goes along trainings"),
        ("--own --epochs 2", "needs --epochs, and --at or --every"),
        ("--own --exact --epochs 2 --at 1", "cannot be used with"),
        ("--until 0", "a share of the gradient"),
        ("--until 100%", "a share of the gradient"),
        ("--most 5", "--until"),
    ] {
        let args = flags(more);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let ended = place.run(&args);
        assert_eq!(ended.code, Some(2), "{more}: {}", ended.err);
        assert!(ended.err.contains(says), "{more}: {}", ended.err);
        assert!(!place.path("lab").exists(), "{more}");
    }
}

/// What is written for people on the way, which names the missing parts.
fn told(place: &Place, more: &str) -> String {
    let args = flags(more);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    place.good(&args).err
}

/// Insists on exit code 1 and one line that holds all of `mentions`.
fn refused(place: &Place, more: &str, mentions: &[&str]) {
    let args = flags(more);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let line = place.bad(&args, 1, mentions[0]);
    for mention in mentions {
        assert!(line.contains(mention), "{mention}: {line}");
    }
}

#[test]
fn parts_make_the_record_of_one_process() {
    let place = Place::new();
    let more = "--model mlp --draws 10 --reference-draws 10 --epochs 1 --at 1 --until 20% --most 2 \
                --estimators st,reinforce:loo:4,disarm,reinforce:ema,st";
    let (whole, printed) = lab(&place, more);
    let figures = super::common::files(&place.path("lab"));
    // Out of order, on other numbers of threads; the first one twice, which measures it once.
    let shard = |i: usize| format!("{more} --out parts --threads {} --shard {i}/3", 1 + i % 2);
    let err = told(&place, &shard(3));
    assert!(err.contains("missing: 1/3, 2/3"), "{err}");
    let err = told(&place, &shard(1));
    assert!(err.contains("part-1-of-3.json") && err.contains("missing: 2/3"));
    let first = place.bytes("parts/part-1-of-3.json");
    told(&place, &shard(1));
    assert_eq!(place.bytes("parts/part-1-of-3.json"), first);
    let render = ["lab", "--render", "--out", "parts"];
    let line = place.bad(&render, 1, "missing: 2/3");
    assert!(line.contains("parts: has 2 of the 3 parts"), "{line}");
    assert!(!place.path("parts/lab.json").exists());
    // A part of another lab does not come beside them, and neither does a whole one.
    let second = shard(2);
    for (other, says) in [
        (format!("{second} --seed 2"), "its config.seed is 1, not 2"),
        (
            second.replace("--draws 10", "--draws 20"),
            "its draws is 10, not 20",
        ),
        (second.replace("disarm", "muprop"), "its contenders.2 is"),
        (
            second.replace("2/3", "2/4"),
            "it is one of 3 parts, not of 4",
        ),
        (
            second.replace("--at 1", "--at 0,1"),
            "it has another epochs",
        ),
        (format!("{more} --out parts"), "divided by --shard"),
    ] {
        refused(&place, &other, &[says, "part-1-of-3.json"]);
    }
    assert!(!place.path("parts/part-2-of-3.json").exists());
    // The last one puts them together.
    let args = flags(&second);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let ended = place.good(&args);
    assert!(ended.err.contains("lab.json"), "{}", ended.err);
    assert_eq!(timeless(place.json("parts/lab.json")), timeless(whole));
    let lines = |text: &str| text.lines().count();
    assert_eq!(lines(&ended.out), lines(&printed));
    let mut left = super::common::files(&place.path("parts"));
    left.retain(|name| !name.starts_with("part-"));
    left.sort();
    let mut figures = figures;
    figures.sort();
    assert_eq!(left, figures);
    place.assert_same_run("parts/run", "lab/run");
    // Again from the parts: the same bytes.
    let made = place.bytes("parts/lab.json");
    std::fs::remove_file(place.path("parts/lab.json")).unwrap();
    let again = place.good(&[&render[..], &["--quiet"]].concat()).out;
    assert_eq!((again, place.bytes("parts/lab.json")), (ended.out, made));
}

#[test]
fn parts_that_do_not_fit_are_named() {
    let place = Place::new();
    let more =
        "--model mlp --own --epochs 1 --at 1 --draws 10 --estimators st,reinforce:loo:2,disarm";
    let (whole, _) = lab(&place, more);
    for i in [2, 1] {
        told(&place, &format!("{more} --out parts --shard {i}/2"));
    }
    assert_eq!(timeless(place.json("parts/lab.json")), timeless(whole));
    assert!(!place.path("parts/run").exists());
    let render = ["lab", "--render", "--out", "parts"];
    let sound = place.bytes("parts/part-2-of-2.json");
    place.rewrite("parts/part-2-of-2.json", |part| {
        part["settings"]["most"] = 11.into()
    });
    let line = place.bad(&render, 1, "part-2-of-2.json");
    assert!(line.contains("its most is 11, not 10"), "{line}");
    std::fs::write(place.path("parts/part-2-of-2.json"), &sound).unwrap();
    place.rewrite("parts/part-2-of-2.json", |part| {
        part["record"]["images"] = 9.into()
    });
    place.bad(&render, 1, "measured another reference than");
    std::fs::write(place.path("parts/part-2-of-2.json"), &sound[1..]).unwrap();
    place.bad(&render, 1, "part-2-of-2.json");
    std::fs::copy(
        place.path("parts/part-1-of-2.json"),
        place.path("parts/part-2-of-2.json"),
    )
    .unwrap();
    place.bad(&render, 1, "is part 1 of 2 by its content");
    for (flags, says) in [
        ("--shard 4/3", "I from 1 to N"),
        ("--estimators st --shard 1/2", "choose N of at most 1"),
        ("--render --shard 1/2", "cannot be used with"),
    ] {
        let args: Vec<&str> = ["lab", "--binary", "last"]
            .into_iter()
            .chain(flags.split(' '))
            .collect();
        let ended = place.run(&args);
        assert_eq!(ended.code, Some(2), "{flags}: {}", ended.err);
        assert!(ended.err.contains(says), "{flags}: {}", ended.err);
    }
}

#[test]
fn parts_measured_at_the_same_time_share_their_folder() {
    let place = Place::new();
    let more =
        "--model mlp --draws 10 --reference-draws 10 --epochs 1 --at 1 --estimators st,disarm,arm";
    let (whole, _) = lab(&place, more);
    let begin = |i: usize| {
        let args = flags(&format!("{more} --out parts --threads 1 --shard {i}/3"));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut command = place.command(&args);
        command.stdout(std::process::Stdio::piped());
        command
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    };
    let jobs: Vec<_> = (1..=3).map(begin).collect();
    for job in jobs {
        let ended = super::common::ended(job.wait_with_output().unwrap());
        assert_eq!(ended.code, Some(0), "{}", ended.err);
    }
    // The last one to write has found the others.
    assert_eq!(timeless(place.json("parts/lab.json")), timeless(whole));
}
