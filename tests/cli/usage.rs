//! Help, and what clap and the program say of a wrong command line.

use crate::common::Place;

#[test]
fn help_has_examples_and_formulas() {
    let place = Place::new();
    for args in [
        &["--help"][..],
        &["train", "--help"],
        &["eval", "--help"],
        &["inspect", "--help"],
        &["infer", "--help"],
        &["import", "--help"],
        &["data", "--help"],
        &["completions", "--help"],
    ] {
        let help = place.good(args);
        assert!(help.out.contains("Examples:\n  bnn-cpu "), "{args:?}");
        assert_eq!(help.err, "");
    }
    let help = place.good(&["train", "--help"]).out;
    for formula in [
        "min(max, start + rate*(e-1))",
        "min(max, start * rate^(e-1))",
        "min(max, start * 2^floor((e-1)/rate))",
        "start + (max - start)*(1 - cos(pi*(e-1)/(E-1)))/2",
        "lr * factor^floor((e-1)/every)",
        "min + (lr - min)*(1 + cos(pi*t/T))/2",
    ] {
        assert!(help.contains(formula), "{formula}");
    }
    assert!(place.good(&["--version"]).out.starts_with("bnn-cpu "));
}

#[test]
fn an_empty_command_line_shows_the_help() {
    let ended = Place::new().run(&[]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("Examples:"));
}

#[test]
fn wrong_usage_is_one_line_that_names_the_flag() {
    let place = Place::new();
    let train: [(&str, &str); 32] = [
        ("--epoch 3", "'--epochs'"),
        ("--epoch 3", "(see bnn-cpu train --help)"),
        ("--epochs 0", "--epochs"),
        ("--epochs many", "--epochs"),
        ("--epochs 1000001", "from 1 to 1000000"),
        ("--batch 0", "--batch"),
        ("--lr 0", "--lr"),
        ("--lr nan", "--lr"),
        ("--lr inf", "--lr"),
        ("--val-fraction 1", "--val-fraction"),
        ("--momentum 1", "--momentum"),
        ("--threads 0", "--threads"),
        ("--isa mmx", "--isa"),
        ("--binary some", "--binary"),
        ("--estimator magic", "--estimator"),
        ("--model nothing", "--model: nothing: no such model"),
        ("--optimizer adam --momentum 0.9", "--momentum"),
        ("--optimizer adamw --nesterov", "--nesterov"),
        ("--beta1 0.9", "--beta1"),
        ("--eps 1e-8", "--eps"),
        ("--momentum 0 --nesterov", "--nesterov"),
        ("--anneal none --slope-rate 0.1", "--slope-rate"),
        ("--slope-max 5", "--slope-max"),
        ("--anneal cosine --slope-rate 0.1", "--slope-rate"),
        ("--anneal linear --slope-max 0.5", "--slope-max"),
        ("--lr-every 2", "--lr-every"),
        ("--lr-schedule step --lr-min 0.1", "--lr-min"),
        ("--lr-schedule one-cycle --lr-rise 1", "--lr-rise"),
        ("--binary none --mode stoch", "--mode"),
        ("--binary none --estimator st", "--estimator"),
        ("--resume --force", "--force"),
        ("--dataset digits --mirror http://x", "--mirror"),
    ];
    for (flags, mention) in train {
        let mut args = vec!["train", "--out", "run"];
        args.extend(flags.split(' '));
        place.bad(&args, 2, mention);
    }
    place.bad(&["inspect", "nothing"], 2, "nothing");
    place.bad(&["data", "verify", "--dataset", "digits"], 2, "--dataset");
    place.bad(&["completions", "tcl"], 2, "tcl");
    assert!(!place.path("run").exists() && !place.path("runs").exists());
}

#[test]
fn an_instruction_set_that_is_not_there_is_an_error() {
    let place = Place::new();
    let missing = if cfg!(target_arch = "x86_64") {
        "neon"
    } else {
        "avx2"
    };
    place.bad(&["--isa", missing, "inspect", "mlp"], 1, missing);
    let mut command = place.command(&["inspect", "mlp"]);
    let output = command.env("BNN_CPU_ISA", "mmx").output().unwrap();
    let ended = crate::common::ended(output);
    ended.assert_one_line(1, "mmx", &["BNN_CPU_ISA"]);
}
