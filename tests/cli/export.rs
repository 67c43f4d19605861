//! `export`: the files, what they say of their network, and what is refused.

use std::process::Command;

use bnn_cpu::seal;

use crate::common::{Place, files};

const XNOR: &str =
    "train --dataset idx --data data --batch 16 --epochs 1 --recipe xnor-net --out xnor --quiet";

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[test]
fn a_run_and_its_packed_file_become_the_same_code() {
    let place = Place::new();
    place.good(&words(XNOR));
    place.good(&["pack", "xnor"]);
    let said = place.good(&words("export xnor --to c99 --out a/firmware"));
    assert_eq!(said.out.lines().count(), 2, "{}", said.out);
    assert_eq!(
        files(&place.path("a/firmware")),
        ["xnor_net.c", "xnor_net.h"]
    );
    let header = String::from_utf8(place.bytes("a/firmware/xnor_net.h")).unwrap();
    let (_, _, accuracy) = place.test("xnor");
    let flat = header.replace("\n   ", " ");
    assert!(
        flat.contains(&format!(
            "Accuracy {:.2} % on the 60 test images",
            accuracy * 100.0
        )),
        "{header}"
    );
    assert!(
        flat.contains(&seal::sha256(&place.bytes("xnor/best.packed"))),
        "{header}"
    );
    assert!(header.contains("#define XNOR_NET_PIXELS 144"), "{header}");

    // Of the packed file alone, under another name and twice into the same folder.
    for _ in 0..2 {
        place.good(&words(
            "export xnor/best.packed --to c99 --out b --name tiny --flavour fast",
        ));
    }
    assert_eq!(files(&place.path("b")), ["tiny.c", "tiny.h"]);
    let header = String::from_utf8(place.bytes("b/tiny.h")).unwrap();
    assert!(header.contains("Accuracy: not known"), "{header}");
    assert!(header.contains("int tiny_classify("), "{header}");

    let compiler = Command::new("cc").arg("--version").output();
    if compiler.is_err() {
        println!("left out: compiling (there is no C compiler)");
        return;
    }
    for file in ["a/firmware/xnor_net.c", "b/tiny.c"] {
        let done = Command::new("cc")
            .args([
                "-std=c99",
                "-Wall",
                "-Wextra",
                "-pedantic",
                "-Werror",
                "-c",
                file,
                "-o",
                "o.o",
            ])
            .current_dir(place.path("."))
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
    }
}

#[test]
fn units_that_draw_are_named_and_what_cannot_be_is_refused() {
    let place = Place::new();
    place.good(&words(
        "train --dataset idx --data data --batch 16 --epochs 1 --mode stoch --model mlp --out stoch --quiet",
    ));
    place.good(&words("export stoch --to c99 --out c"));
    let source = String::from_utf8(place.bytes("c/mlp.c")).unwrap();
    assert!(source.contains("fire at random"), "{source}");
    place.bad(&words("export none --to c99 --out d"), 1, "none");
    place.bad(&words("export data --to c99 --out d"), 1, "holds no run");
    place.bad(
        &words("export stoch --to c99 --out stoch/test.json"),
        1,
        "a file of that name",
    );
    place.bad(
        &words("export stoch --to c99 --out d --name -"),
        2,
        "a letter or a digit",
    );
    place.bad(
        &words("export stoch --to c99 --out d --pixels float"),
        2,
        "--pixels has no effect",
    );
    #[cfg(feature = "onnx")]
    place.bad(
        &words("export stoch --to onnx --out d --flavour small"),
        2,
        "--flavour has no effect",
    );
    #[cfg(feature = "onnx")]
    place.bad(
        &words("export stoch --to qonnx --out d --flavour small"),
        2,
        "--flavour has no effect",
    );
    #[cfg(feature = "page")]
    for flag in ["--flavour small", "--pixels float", "--name x"] {
        let line = format!("export stoch --to page --out d {flag}");
        place.bad(&words(&line), 2, "has no effect with --to page");
    }
    place.bad(&words("export stoch --to pascal --out d"), 2, "c99");
    place.bad(
        &words("export stoch --to c99 --out d --flavour tiny"),
        2,
        "small, fast",
    );
    place.bad(&words("export stoch --to c99"), 2, "--out");
    assert!(!place.path("d").exists());
}

#[test]
fn the_compact_form_answers_as_the_packed_file() {
    let place = Place::new();
    place.good(&words(XNOR));
    place.good(&["pack", "xnor"]);
    let said = place.good(&["pack", "xnor", "--compact"]);
    assert!(said.out.contains("xnor/best.compact"), "{}", said.out);
    let sizes = ["xnor/best.packed", "xnor/best.compact"].map(|name| place.bytes(name).len());
    assert!(sizes[1] < sizes[0] * 7 / 10, "{sizes:?}");
    let classes = |file: &str| {
        let line = format!("infer --model {file} --dataset idx --data data --json");
        let text = place.good(&words(&line)).out;
        text.replace(file, "FILE")
    };
    let (packed, compact) = (classes("xnor/best.packed"), classes("xnor/best.compact"));
    assert!(packed.contains("accuracy"), "{packed}");
    let accuracy = |text: &str| {
        text.split("\"accuracy\"")
            .nth(1)
            .map(|s| s[..10].to_string())
    };
    assert_eq!(accuracy(&packed), accuracy(&compact));
    place.good(&["verify", "xnor/best.compact"]);
}
