//! Exported C, compiled and run.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use bnn_cpu::export::{About, c99};
use bnn_cpu::packed::PackedNet;

/// Reads images and writes the bits of their logits, and their class.
const HARNESS: &str = r#"
#include "net.h"
#include <stdio.h>
static struct net_scratch scratch;
static uint8_t pixels[NET_PIXELS];
static float logits[NET_CLASSES];
int main(void) {
  while (fread(pixels, 1, sizeof pixels, stdin) == sizeof pixels) {
    unsigned char *bytes = (unsigned char *)&scratch;
    int32_t found;
    size_t i;
    /* What the last call left must not matter. */
    for (i = 0; i < sizeof scratch; i++) bytes[i] = 0xa5;
    net_logits(pixels, &scratch, logits);
    for (i = 0; i < sizeof scratch; i++) bytes[i] = 0x5a;
    found = net_classify(pixels, &scratch);
    fwrite(logits, sizeof logits, 1, stdout);
    fwrite(&found, sizeof found, 1, stdout);
  }
  return 0;
}
"#;

const STRICT: &[&str] = &["-Wall", "-Wextra", "-pedantic", "-Werror"];

/// Whether a compiler is there and takes the flags.
pub fn works(compiler: (&str, &[&str])) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("empty.c");
    std::fs::write(&file, "int main(void) { return 0; }\n").unwrap();
    let done = Command::new(compiler.0)
        .args(compiler.1)
        .arg(&file)
        .arg("-o")
        .arg(dir.path().join("empty"))
        .stderr(Stdio::null())
        .status();
    done.is_ok_and(|status| status.success())
}

/// The logits and the class of each image by the exported code.
pub fn answers(
    code: &c99::Code,
    compiler: (&str, &[&str]),
    images: &[Vec<u8>],
) -> Vec<(Vec<f32>, i32)> {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("net.h"), &code.header).unwrap();
    std::fs::write(at("net.c"), &code.source).unwrap();
    std::fs::write(at("main.c"), HARNESS).unwrap();
    compile(dir.path(), compiler);
    let mut child = Command::new(at("net"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let bytes = images.concat();
    let writer = std::thread::spawn(move || input.write_all(&bytes));
    let out = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(out.status.success(), "{}", code.source);
    let each = out.stdout.len() / images.len();
    let number = |b: &[u8]| [b[0], b[1], b[2], b[3]];
    let one = |answer: &[u8]| {
        let (logits, class) = answer.split_at(each - 4);
        let logits = logits
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes(number(b)));
        (logits.collect(), i32::from_le_bytes(number(class)))
    };
    out.stdout.chunks_exact(each).map(one).collect()
}

fn compile(dir: &Path, (program, flags): (&str, &[&str])) {
    let done = Command::new(program)
        .args(STRICT)
        .args(flags)
        .args(["main.c", "net.c", "-o", "net"])
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{program} {flags:?}: {}\n{}",
        String::from_utf8_lossy(&done.stderr),
        std::fs::read_to_string(dir.join("net.c")).unwrap()
    );
}

/// The C of a network, whose names begin with `net`.
pub fn written(packed: &PackedNet, flavour: c99::Flavour) -> c99::Code {
    let name = Some("net".into());
    c99::code(packed, &c99::Options { name, flavour }, &About::default()).unwrap()
}
