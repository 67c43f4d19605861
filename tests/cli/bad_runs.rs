//! Run folders that cannot be used, and training that cannot go on.

use crate::common::{Place, SMALL, files};

/// A small run in `out`, with more flags.
fn small<'a>(out: &'a str, flags: &[&'a str]) -> Vec<&'a str> {
    let mut args = SMALL.to_vec();
    args.extend(["--out", out]);
    args.extend(flags);
    args
}

#[test]
fn a_folder_that_holds_a_run_is_kept() {
    let place = Place::new();
    place.good(&small("run", &["--epochs", "1"]));
    let before = place.bytes("run/best.safetensors");
    let again = small("run", &["--epochs", "1", "--seed", "2"]);
    let line = place.bad(&again, 1, "--resume");
    assert!(line.contains("run") && line.contains("--force"), "{line}");
    assert!(place.bytes("run/best.safetensors") == before);
    let forced = small("run", &["--epochs", "1", "--seed", "2", "--force"]);
    place.good(&forced);
    assert!(place.bytes("run/best.safetensors") != before);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let place = Place::new();
    std::fs::write(place.path("file"), "x").unwrap();
    place.bad(&small("file/run", &[]), 1, "file");
    place.bad(&small("file", &[]), 1, "file");
    let args = [
        "data",
        "show",
        "--dataset",
        "idx",
        "--data",
        "data",
        "-o",
        "no/x.png",
    ];
    place.bad(&args, 1, "no/x.png");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let folder = place.path("closed");
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o555)).unwrap();
        // Permissions do not stop a superuser.
        if std::fs::write(folder.join("probe"), "x").is_err() {
            place.bad(&small("closed/run", &[]), 1, "closed");
        }
    }
}

#[test]
fn a_file_is_not_taken_for_a_run() {
    let place = Place::new();
    std::fs::write(place.path("file"), "x").unwrap();
    let commands = [
        "confusion",
        "curves",
        "eval",
        "filters",
        "heatmap",
        "mistakes",
        "pack",
    ];
    for command in commands {
        let line = place.bad(&[command, "file"], 1, "file");
        assert!(line.contains("is a file"), "{command}: {line}");
    }
}

#[test]
fn a_damaged_or_foreign_run_is_named() {
    let place = Place::new();
    place.bad(&["train", "--resume"], 1, "runs");
    place.bad(&["train", "--resume", "--out", "absent"], 1, "absent");
    place.bad(&["eval", "absent"], 1, "absent");
    place.bad(&["eval", "data"], 1, "config.json");
    for (run, model) in [("run", "seed-net"), ("other", "mlp")] {
        place.good(&small(run, &["--model", model, "--epochs", "1"]));
    }
    let resume = ["train", "--resume", "--out", "run", "--data", "data"];
    let checkpoint = place.bytes("run/checkpoint.safetensors");
    let put = |file: &str, bytes: &[u8]| std::fs::write(place.path(file), bytes).unwrap();
    std::fs::remove_file(place.path("run/test.json")).unwrap();

    put(
        "run/checkpoint.safetensors",
        &checkpoint[..checkpoint.len() / 2],
    );
    place.bad(&resume, 1, "checkpoint.safetensors");
    put("run/checkpoint.safetensors", b"");
    place.bad(&resume, 1, "checkpoint.safetensors");
    put(
        "run/checkpoint.safetensors",
        &place.bytes("other/checkpoint.safetensors"),
    );
    let line = place.bad(&resume, 1, "checkpoint.safetensors");
    assert!(line.contains("another run"), "{line}");
    put("run/checkpoint.safetensors", &newer(&checkpoint));
    let line = place.bad(&resume, 1, "checkpoint.safetensors");
    assert!(line.contains("newer"), "{line}");
    put("run/checkpoint.safetensors", &checkpoint);

    let best = place.bytes("run/best.safetensors");
    put("run/best.safetensors", &best[..best.len() - 1]);
    place.bad(&["eval", "run", "--data", "data"], 1, "best.safetensors");
    put("run/best.safetensors", &best);
    let config = place.bytes("run/config.json");
    put("run/config.json", &config[..config.len() / 2]);
    place.bad(&resume, 1, "config.json");
    place.bad(&["inspect", "run"], 1, "config.json");
    put("run/config.json", &config);
    // And, whole again, it goes on.
    place.good(&resume);
}

/// The file as a later version of the program might have written it.
fn newer(file: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    let key = b"format\\\":2";
    let at = file.windows(key.len()).position(|w| w == key).unwrap();
    file[at + key.len() - 1] = b'9';
    bnn_cpu::container::reseal(file).unwrap()
}

#[test]
fn flags_beside_resume_must_agree_with_the_run() {
    let place = Place::new();
    place.good(&small("run", &["--epochs", "1", "--anneal", "exp"]));
    let resume = |flags: &str| {
        let mut args = vec!["train", "--resume", "--out", "run"];
        args.extend(flags.split(' '));
        args.into_iter().map(String::from).collect::<Vec<_>>()
    };
    for (flags, mention) in [
        ("--lr 0.1", "--lr 0.1"),
        ("--epochs 2", "--epochs 2"),
        ("--batch 64", "--batch 64"),
        ("--seed 2", "--seed 2"),
        ("--optimizer adam", "--optimizer adam"),
        ("--nesterov", "--nesterov"),
        ("--lr-schedule cosine", "--lr-schedule cosine"),
        ("--anneal linear", "--anneal linear"),
        ("--slope-rate 1.5", "--slope-rate 1.5"),
        ("--augment shift", "--augment shift"),
        ("--init xavier-normal", "--init xavier-normal"),
        ("--model mlp", "--model"),
        ("--binary first", "--binary"),
        ("--mode stoch", "--mode"),
        ("--batch 16 --val-fraction 0.2", "--val-fraction 0.2"),
    ] {
        let args = resume(flags);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        place.bad(&args, 2, mention);
    }
    let same = resume(
        "--model seed-net --binary both --mode det --estimator st --epochs 1 --batch 16 --lr 0.05 \
         --optimizer sgd --momentum 0.9 --anneal exp --slope-rate 1.005 --init pytorch --augment none",
    );
    let same: Vec<&str> = same
        .iter()
        .map(String::as_str)
        .filter(|s| !s.is_empty())
        .collect();
    let ended = place.good(&same);
    assert!(ended.err.contains("complete"), "{}", ended.err);
    assert!(ended.out.contains("accuracy"), "{}", ended.out);
}

#[test]
fn the_data_of_a_resumed_run_must_be_its_own() {
    let place = Place::new();
    place.good(&small("run", &["--epochs", "1"]));
    std::fs::remove_file(place.path("run/test.json")).unwrap();
    // The set is looked for where it was, and asked for where it is no more.
    let resume = ["train", "--resume", "--out", "run"];
    std::fs::rename(place.path("data"), place.path("moved")).unwrap();
    place.bad(&resume, 1, "is there no more; name its files with --data");
    std::fs::rename(place.path("moved"), place.path("data")).unwrap();
    let digits = ["eval", "run", "--dataset", "digits"];
    place.bad(&digits, 1, "other data");
    // One image fewer is another set.
    place.write_data("less");
    let count = (crate::common::TEST - 1) as u32;
    let side = crate::common::SIDE;
    let images = place.bytes("data/t10k-images-idx3-ubyte");
    let labels = place.bytes("data/t10k-labels-idx1-ubyte");
    let cut = |file: &str, sides: &[u32], content: &[u8]| {
        std::fs::write(place.path(file), crate::common::idx(sides, content)).unwrap();
    };
    let pixels = &images[16..][..count as usize * side * side];
    cut(
        "less/t10k-images-idx3-ubyte",
        &[count, side as u32, side as u32],
        pixels,
    );
    cut(
        "less/t10k-labels-idx1-ubyte",
        &[count],
        &labels[8..][..count as usize],
    );
    place.bad(&["eval", "run", "--data", "less"], 1, "--data");
    place.good(&["eval", "run", "--data", "data"]);
}

#[test]
fn a_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint() {
    let place = Place::new();
    let line = {
        let args = small("run", &["--quiet", "--binary", "none", "--model", "mlp"]);
        let args: Vec<&str> = args
            .iter()
            .map(|a| if *a == "0.05" { "1e38" } else { a })
            .collect();
        place.bad(&args, 1, "--lr")
    };
    assert!(line.contains("finite"), "{line}");
    // Later in a run the last good state is there to go on from.
    let mut args = small("late", &["--quiet", "--binary", "none", "--epochs", "3"]);
    args.extend([
        "--lr-schedule",
        "step",
        "--lr-every",
        "1",
        "--lr-factor",
        "1e19",
    ]);
    let line = place.bad(&args, 1, "--lr");
    assert!(line.contains("late"), "{line}");
    assert!(files(&place.path("late")).contains(&"checkpoint.safetensors".to_string()));
    assert_eq!(place.metrics("late").len(), 1);
    place.good(&["eval", "late", "--data", "data", "--split", "val"]);
}
