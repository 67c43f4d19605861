//! Classifies an image with a packed network; no training code runs.
//!
//! ```text
//! bnn-cpu pack runs/xnor-net-both-det-st-1 -o digits.packed
//! cargo run --release --example classify -- digits.packed image.gray
//! ```
//! `image.gray` holds the image's bytes, (height, width, channel), and nothing else.

use bnn_cpu::{kernels, packed::PackedNet};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [network, image] = &arguments[..] else {
        return Err("usage: classify NETWORK IMAGE".into());
    };
    let net = PackedNet::read(network.as_ref())?;
    let mut runner = net.runner(kernels::select(None)?);
    let image = std::fs::read(image)?;
    if image.len() != runner.pixels() {
        return Err(format!("an image has {} bytes", runner.pixels()).into());
    }
    let mut logits = vec![0.0; runner.classes()];
    runner.logits(&image, &mut logits);
    println!("class {:?}, logits {logits:?}", runner.classify(&image));
    Ok(())
}
