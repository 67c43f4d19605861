//! `bnn-cpu serve`: a page on which one draws a digit, or characters that are told apart by one
//! drawing of each.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use bnn_cpu::serve::{Comparer, Hosts, Limits, Reader, Server, Site};
use bnn_cpu::tape::Noise;
use serde_json::json;

use super::infer::classifier::{DRAW, Source};
use super::output;
use super::{Context, Failure, Outcome, signals};

const EXAMPLES: &str = "\
Examples:
  bnn-cpu serve                                  the newest run, on http://127.0.0.1:8080/
  bnn-cpu serve runs/seed-net-both-det-st-1      a run; its bits are shown as one draws
  bnn-cpu serve net.packed --listen 127.0.0.1:0  a packed file, on any free port
  bnn-cpu serve --listen 0.0.0.0:8080            for other machines too, such as a phone";

/// Draw a digit in the browser and watch a trained network read it
///
/// The page shows the answers on packed bits and in floats side by side, the time
/// that each took, and the bits of every binary layer. Drawings are scaled and
/// centred by mass as MNIST's digits are. Ctrl-C ends it.
///
/// A network of `bnn-cpu train --task few-shot` has a page on which one draws five
/// characters of one's own, and then one more, which is told by its distances to them.
///
/// Each client may make 200 requests a second and have 16 connections; clients behind a
/// reverse proxy count as one.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A run's folder, its best.safetensors, or a packed file [default: the
    /// newest run in runs/]
    #[arg(value_name = "RUN|FILE")]
    run: Option<PathBuf>,
    /// Where to listen; port 0 is any free one, which is then shown
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080", value_parser = address)]
    listen: SocketAddr,
    /// A further name by which the page is opened; requests for other names are
    /// refused
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
    /// Stochastic nets: read units as [x > 0] instead of sampling them
    #[arg(long)]
    threshold: bool,
}

/// `127.0.0.1:8080`, `localhost:0`
fn address(text: &str) -> Result<SocketAddr, String> {
    let found = text.to_socket_addrs().ok().and_then(|mut all| all.next());
    found.ok_or_else(|| "write an address and a port, such as 127.0.0.1:8080".into())
}

pub fn run(args: Args, context: &Context) -> Outcome {
    let source = Source::find(args.run.as_deref())?;
    let path = source.path().display().to_string();
    if args.threshold && !source.is_stochastic() {
        return Err(Failure::usage(format!(
            "--threshold has no effect on {path}, which has no stochastic unit"
        )));
    }
    let noise = (source.is_stochastic() && !args.threshold).then(|| Noise {
        seed: source.seed(),
        step: 0,
        draw: DRAW,
    });
    let packed = source.packed(context.engine)?;
    let float = match source {
        Source::Packed(..) => None,
        _ => Some(source.network(context.engine, 1)?),
    };
    let engine = context.engine;
    let (title, place) = (source.title(), path.clone());
    let server = Server::bind(args.listen, Limits::default())?;
    let address = server.address();
    let hosts = Hosts::new(address, args.host);
    let (site, what) = match source.is_few_shot() {
        false => {
            let reader = Reader::new(title, place, packed, float, noise, engine)?;
            (Site::new(reader, hosts), "a digit")
        }
        true => {
            let comparer = Comparer::new(title, place, packed, float, noise, engine)?;
            (Site::comparing(comparer, hosts), "characters")
        }
    };
    let stopper = server.stopper();
    signals::on_stop(move || stopper.stop())?;
    // A warning is shown whatever is asked for.
    if !address.ip().to_canonical().is_loopback() {
        output::note(&output::warning(&format!(
            "whoever reaches {address} can open the page"
        )));
    }
    if !context.quiet {
        let title = source.title();
        output::note(&format!("draw {what} for {title} ({path}); Ctrl-C ends it"));
    }
    let url = format!("http://{address}/");
    match context.json {
        true => output::json(&json!({ "event": "serve", "url": url, "model": path }))?,
        false => output::line(&url)?,
    }
    server.run(&site);
    Ok(())
}
