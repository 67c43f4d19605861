//! The server of the drawing page over real connections: what it answers, what it
//! refuses, and what it survives. Times that matter to a case are a few hundredths
//! of a second here; nothing asserts how long anything took.
#![cfg(feature = "serve")]

mod comparing;
mod limits;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bnn_cpu::data::digits;
use bnn_cpu::estimators::Firing;
use bnn_cpu::kernels;
use bnn_cpu::model::{Init, Network, Placement, argmax, preset};
use bnn_cpu::packed::Lineage;
use bnn_cpu::serve::{Drawing, Hosts, Limits, Reader, Server, Site, Sizes};
use bnn_cpu::tape::{Mode, Noise, Units};
use bnn_cpu::tensor::Shape;
use serde_json::{Value, json};

const NOISE: Noise = Noise {
    seed: 3,
    step: 0,
    draw: 7,
};

/// An untrained network in evaluation; its batch norms have seen some digits.
fn network(model: &str, placement: Placement, firing: Firing) -> Network {
    let engine = kernels::select(None).unwrap();
    let mut spec = preset(model, Shape::image(1, 28, 28), 10).unwrap();
    if !model.starts_with("xnor") {
        spec.place(placement, firing, "st").unwrap();
    }
    let set = digits::generate(1, 32, 1);
    let mut warm = Network::new(&spec, engine, 32, true).unwrap();
    warm.init(Init::Pytorch, 1);
    warm.set_rows(32);
    for row in 0..32 {
        warm.set_row(row, set.train.image(row), 0);
    }
    for _ in 0..8 {
        warm.forward();
    }
    let mut net = Network::new(&spec, engine, 1, false).unwrap();
    net.params_mut()
        .values_mut()
        .copy_from_slice(warm.params().values());
    net.params_mut()
        .buffer_values_mut()
        .copy_from_slice(warm.params().buffer_values());
    net.pass_mut().mode = Mode::Eval;
    net
}

fn reader(net: Network, noise: Option<Noise>) -> Reader {
    let engine = kernels::select(None).unwrap();
    let packed = net.pack().unwrap();
    Reader::new(
        "a net".into(),
        "run".into(),
        packed,
        Some(net),
        noise,
        engine,
    )
    .unwrap()
}

#[test]
fn a_network_of_dark_ink_is_shown_dark_ink() {
    let engine = kernels::select(None).unwrap();
    let reader = |light_ground| {
        let net = network("mlp", Placement::Both, Firing::Deterministic);
        let packed = net.pack().unwrap().with_lineage(Lineage {
            run: None,
            data_sha256: String::new(),
            light_ground,
        });
        Reader::new(
            "a net".into(),
            "run".into(),
            packed,
            Some(net),
            None,
            engine,
        )
        .unwrap()
    };
    let about = small().about().clone();
    let (width, height) = (about.width, about.height);
    let ink: Vec<u8> = (0..width * height).map(|i| (i % 251) as u8).collect();
    let drawing = Drawing {
        width,
        height,
        ink: ink.clone(),
    };
    let inverted: Vec<u8> = ink.iter().map(|v| 255 - v).collect();
    for (light_ground, shown) in [(None, &ink), (Some(false), &ink), (Some(true), &inverted)] {
        assert_eq!(&reader(light_ground).read(&drawing).unwrap().image, shown);
    }
}

/// A reader that is quick to make and to ask.
fn small() -> Reader {
    reader(network("mlp", Placement::Both, Firing::Deterministic), None)
}

/// Runs a server for the time of `work`, which is given its address.
fn serving(limits: Limits, work: impl FnOnce(&str)) {
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), limits).unwrap();
    let address = server.address();
    let site = Site::new(small(), Hosts::new(address, Vec::new()));
    std::thread::scope(|scope| {
        let running = scope.spawn(|| server.run(&site));
        // The server has to end even where the work panics.
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            work(&address.to_string());
        }));
        server.stopper().stop();
        running.join().unwrap();
        if let Err(panic) = done {
            std::panic::resume_unwind(panic);
        }
    });
    drop(server);
    // Nothing listens any more.
    assert!(TcpStream::connect(address).is_err());
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream
}

/// A response: its status, its head, its body.
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    /// Insists on that status and on a body of one line.
    fn refused(&self, status: u16) {
        assert_eq!(self.status, status, "{}{}", self.head, self.body);
        assert!(self.body.ends_with('\n'), "{}", self.body);
        assert_eq!(self.body.lines().count(), 1, "{}", self.body);
    }

    fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Reads one response; `None` where the connection ended without one.
fn reply(stream: &mut TcpStream) -> Option<Reply> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => bytes.push(byte[0]),
            _ => return None,
        }
    }
    let head = String::from_utf8(bytes).unwrap();
    let length = head
        .lines()
        .find_map(|l| l.strip_prefix("Content-Length: "))
        .unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    Some(Reply {
        status: head[9..12].parse().unwrap(),
        body: String::from_utf8(body).unwrap(),
        head,
    })
}

/// Sends bytes on a connection of their own.
fn exchange(address: &str, bytes: &[u8]) -> Reply {
    let mut stream = connect(address);
    // A server that refuses early may stop reading.
    let _ = stream.write_all(bytes);
    reply(&mut stream).expect("a response")
}

fn post(host: &str, fields: &str, body: &str) -> Vec<u8> {
    format!(
        "POST /read HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n{fields}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn get(path: &str, host: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes()
}

fn drawing(ink: &[u8], width: usize) -> String {
    json!({ "width": width, "height": ink.len() / width, "ink": ink }).to_string()
}

/// A stroke from top to bottom on a sheet of 56x56.
fn stroke() -> String {
    let ink: Vec<u8> = (0..56 * 56)
        .map(|i| {
            if (8..48).contains(&(i / 56)) && (10..14).contains(&(i % 56)) {
                255
            } else {
                0
            }
        })
        .collect();
    drawing(&ink, 56)
}

#[test]
fn a_drawing_is_read_in_both_forms() {
    serving(Limits::default(), |at| {
        let page = exchange(at, &get("/", at));
        assert_eq!(page.status, 200);
        assert!(page.body.starts_with("<!doctype html>"));
        assert!(
            page.head
                .contains("\r\nContent-Security-Policy: default-src 'none';")
        );
        // Self-contained: it names nothing that would have to be fetched elsewhere.
        let outside = ["src=\"http", "href=\"http", "url(http", "@import", "//cdn"];
        assert!(outside.iter().all(|mark| !page.body.contains(mark)));
        let about = exchange(at, &get("/network", at)).json();
        assert_eq!(about["classes"], 10);
        assert_eq!(about["layers"][0]["channels"], 100);

        // Several on one connection, the last of them a HEAD.
        let mut stream = connect(at);
        for _ in 0..2 {
            stream.write_all(&post(at, "", &stroke())).unwrap();
            let answer = reply(&mut stream).unwrap().json();
            let p = answer["packed"]["probabilities"].as_array().unwrap();
            let sum: f64 = p.iter().map(|p| p.as_f64().unwrap()).sum();
            assert!((sum - 1.0).abs() < 1e-5 && p.len() == 10);
            assert_eq!(answer["agreement"]["class"], true);
            assert_eq!(answer["agreement"]["bits"], 0);
            assert_eq!(answer["packed"]["class"], answer["float"]["class"]);
            assert_eq!(answer["bits"][0].as_str().unwrap().len(), 100);
            assert!(answer["packed"]["us"].as_f64().unwrap() > 0.0);
            // 40 pixels high, 4 wide: scaled to 20 by 2, in the middle of 28.
            let image = answer["image"].as_array().unwrap();
            let lit = |i: &usize| image[*i].as_u64().unwrap() > 0;
            let lit: Vec<usize> = (0..784).filter(lit).collect();
            assert_eq!(lit.len(), 40);
            assert!(
                lit.iter()
                    .all(|i| (4..24).contains(&(i / 28)) && (13..15).contains(&(i % 28)))
            );
        }
        stream
            .write_all(
                format!("HEAD / HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n").as_bytes(),
            )
            .unwrap();
        let mut rest = String::new();
        stream.read_to_string(&mut rest).unwrap();
        assert!(
            rest.starts_with("HTTP/1.1 200 OK") && rest.ends_with("\r\n\r\n"),
            "{rest}"
        );
    });
}

#[test]
fn the_answers_are_those_of_the_network() {
    for (model, placement, firing, noise) in [
        ("seed-net", Placement::Both, Firing::Deterministic, None),
        (
            "seed-net",
            Placement::First,
            Firing::Stochastic,
            Some(NOISE),
        ),
        ("seed-net", Placement::Both, Firing::Stochastic, None),
        ("seed-net", Placement::None, Firing::Deterministic, None),
        ("xnor-net", Placement::Both, Firing::Deterministic, None),
    ] {
        let mut net = network(model, placement, firing);
        let mut reader = reader(network(model, placement, firing), noise);
        net.pass_mut().units = match noise {
            Some(_) => Units::Sample,
            None => Units::Threshold,
        };
        net.pass_mut().noise = noise.unwrap_or(net.pass().noise);
        net.set_rows(1);
        let set = digits::generate(2, 8, 1);
        for i in 0..8 {
            // Of the network's own size: taken as it is.
            let image = set.train.image(i);
            let text = drawing(image, 28);
            let answer = reader.read(&serde_json::from_str(&text).unwrap()).unwrap();
            assert_eq!(answer.image, image);
            net.set_row(0, image, 0);
            net.forward();
            let float = answer.float.unwrap();
            assert_eq!(float.class, argmax(net.logits()));
            let agreement = answer.agreement.unwrap();
            let exact = model.starts_with("xnor");
            assert!(
                agreement.logit < if exact { 1e-30 } else { 1e-3 },
                "{agreement:?}"
            );
            assert_eq!(agreement.bits, 0, "{model} {placement:?} {firing:?}");
            let layers = &reader.about().layers;
            assert_eq!(layers.len(), answer.bits.len());
            for (layer, bits) in layers.iter().zip(&answer.bits) {
                assert_eq!(bits.len(), layer.channels * layer.height * layer.width);
            }
            // Channel by channel, where the network stores pixel by pixel.
            if let (Some(bits), "seed-net") = (answer.bits.first(), model) {
                let layer = net
                    .spec()
                    .layers
                    .iter()
                    .position(|l| l.label() == "conv2")
                    .unwrap();
                let want = net.layer_output(layer - 1);
                let (c, pixels) = (layers[0].channels, bits.len() / layers[0].channels);
                for (j, bit) in bits.chars().enumerate() {
                    let value = want[j % pixels * c + j / pixels];
                    assert_eq!(bit == '1', value > 0.0, "bit {j}");
                }
            }
        }
        let binary = if placement == Placement::None { 0 } else { 1 };
        assert!(reader.about().layers.len() >= binary);
        assert_eq!(
            reader.about().reading.is_some(),
            firing == Firing::Stochastic && placement != Placement::None
        );
    }
}

#[test]
fn bad_requests_are_refused_in_one_line() {
    serving(Limits::default(), |at| {
        // Another name, as after DNS rebinding; a page from elsewhere.
        exchange(at, &get("/", "evil.example")).refused(403);
        exchange(at, &post("evil.example:80", "", &stroke())).refused(403);
        exchange(at, &post(at, "Origin: http://evil.example\r\n", &stroke())).refused(403);
        let own = format!("Origin: http://{at}\r\n");
        assert_eq!(exchange(at, &post(at, &own, &stroke())).status, 200);
        exchange(at, b"GET / HTTP/1.1\r\n\r\n").refused(400);
        exchange(at, b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1").refused(400);
        exchange(at, b"how are you?\r\n\r\n").refused(400);
        exchange(at, &get("/etc/passwd", at)).refused(404);
        exchange(at, &get("/../../etc/passwd", at)).refused(404);
        exchange(at, &get("/read", at)).refused(405);
        let put = format!("PUT / HTTP/1.1\r\nHost: {at}\r\nContent-Length: 0\r\n\r\n");
        exchange(at, put.as_bytes()).refused(405);
        let sizes = Sizes::default();
        let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(2 * sizes.head));
        exchange(at, long.as_bytes()).refused(431);
        // Refused by what it claims, and while it is being sent.
        exchange(at, &post(at, "", &"9".repeat(sizes.body + 1))).refused(413);
        let text = format!(
            "POST /read HTTP/1.1\r\nHost: {at}\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{{}}"
        );
        exchange(at, text.as_bytes()).refused(415);
    });
}

#[test]
fn what_is_no_drawing_is_refused_in_one_line() {
    serving(Limits::default(), |at| {
        let mut stream = connect(at);
        let mut ask = |body: &str| {
            stream.write_all(&post(at, "", body)).unwrap();
            reply(&mut stream).unwrap()
        };
        for (body, status) in [
            ("", 400),
            ("{", 400),
            ("[]", 400),
            ("{\"width\": 2, \"height\": 1, \"ink\": \"ab\"}", 400),
            ("{\"width\": 2, \"height\": 1, \"ink\": [0, 256]}", 400),
            ("{\"width\": 2, \"height\": 1, \"ink\": [0, -1]}", 400),
            ("{\"width\": 2, \"height\": 1, \"ink\": [0, 0.5]}", 400),
            (
                "{\"width\": 1, \"height\": 1, \"ink\": [9], \"more\": 1}",
                400,
            ),
            ("{\"width\": -1, \"height\": 1, \"ink\": []}", 400),
            ("{\"width\": 2, \"height\": 1, \"ink\": [9]}", 422),
            ("{\"width\": 0, \"height\": 0, \"ink\": []}", 422),
            (
                "{\"width\": 18446744073709551615, \"height\": 2, \"ink\": [1]}",
                422,
            ),
            ("{\"width\": 1, \"height\": 257, \"ink\": [1]}", 422),
            ("{\"width\": 2, \"height\": 1, \"ink\": [0, 0]}", 422),
        ] {
            ask(body).refused(status);
        }
        ask(&"[".repeat(100_000)).refused(400);
        // The smallest and the oddest that are drawings; the connection still stands.
        assert_eq!(
            ask("{\"width\": 1, \"height\": 1, \"ink\": [1]}").status,
            200
        );
        for (width, height) in [(256, 1), (1, 256), (256, 2), (3, 200)] {
            let mut ink = vec![0; width * height];
            (ink[0], ink[width * height - 1]) = (255, 1);
            assert_eq!(ask(&drawing(&ink, width)).status, 200, "{width}x{height}");
        }
    });
}

#[test]
fn damaged_requests_are_answered_without_a_panic() {
    let site = Site::new(
        small(),
        Hosts::new("127.0.0.1:80".parse().unwrap(), Vec::new()),
    );
    let good = post(
        "localhost",
        "",
        "{\"width\":3,\"height\":1,\"ink\":[0,200,9]}",
    );
    let mut statuses = std::collections::BTreeSet::new();
    for at in 0..good.len() {
        for byte in [0, b'\n', b' ', b'"', b'0', b'9', b'-', b'{', 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[at] = byte;
            if let Some((response, used, _)) = site.respond(&bytes, Sizes::default()) {
                assert!(used <= bytes.len() && response.starts_with(b"HTTP/1.1 "));
                statuses.insert(String::from_utf8(response[9..12].to_vec()).unwrap());
            }
        }
    }
    for status in ["200", "400", "403", "404", "405", "411", "415", "422"] {
        assert!(statuses.contains(status), "{status}: {statuses:?}");
    }
    assert!(!statuses.contains("500"));
}

#[test]
fn a_taken_address_and_colours_are_refused() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = Server::bind(address, Limits::default())
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("another program listens there"), "{error}");
    assert!(error.contains("choose another") && !error.contains('\n'));

    let engine = kernels::select(None).unwrap();
    let mut spec = preset("seed-net", Shape::image(3, 28, 28), 10).unwrap();
    spec.place(Placement::Both, Firing::Deterministic, "st")
        .unwrap();
    let net = Network::new(&spec, engine, 1, false).unwrap();
    let packed = net.pack().unwrap();
    let error = Reader::new("".into(), "a run".into(), packed, Some(net), None, engine);
    let error = error.err().unwrap().to_string();
    assert!(
        error.contains("a run takes images of 3") && error.contains("one channel"),
        "{error}"
    );
}

/// The most that the page sends, as its own code makes it: a square of `SIDE` pixels, all
/// ink, as `JSON.stringify` writes it.
fn the_largest_of_the_page() -> String {
    let page = concat!(
        include_str!("../../src/export/page/pen.js"),
        include_str!("../../src/serve/page/digits.html")
    );
    let rest = page.split_once("const SIDE = ").unwrap().1;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap();
    let side: usize = digits.parse().unwrap();
    for part in [
        "Array.from({ length: SIDE * SIDE }",
        "body: JSON.stringify({ width: SIDE, height: SIDE, ink: grey })",
    ] {
        assert!(page.contains(part), "the page makes its drawing otherwise");
    }
    largest(side, ",")
}

/// A drawing of that side that is all ink, with this between its numbers.
fn largest(side: usize, comma: &str) -> String {
    let ink = vec!["255"; side * side].join(comma);
    format!("{{\"width\":{side},\"height\":{side},\"ink\":[{ink}]}}")
}

#[test]
fn the_largest_drawings_are_accepted() {
    serving(Limits::default(), |at| {
        let page = the_largest_of_the_page();
        assert!(page.len() > 4 * 100 * 100, "{} bytes", page.len());
        // The largest that the server says it takes: without blanks, and with one after
        // each comma, as some encoders write it.
        for body in [page, largest(256, ","), largest(256, ", ")] {
            let answer = exchange(at, &post(at, "", &body)).json();
            assert_eq!(answer["agreement"]["class"], true);
        }
        let more = largest(257, ",");
        exchange(at, &post(at, "", &more)).refused(422);
    });
}

#[test]
fn targets_in_absolute_form_are_answered() {
    serving(Limits::default(), |at| {
        let absolute = |target: &str, host: &str| exchange(at, &get(target, host));
        let about = absolute(&format!("http://{at}/network"), at).json();
        assert_eq!(about["classes"], 10);
        let page = absolute(&format!("http://{at}"), at);
        assert!(page.body.starts_with("<!doctype html>"));
        // The target says whom a request is addressed to, and not the Host.
        let about = absolute(&format!("http://{at}/network?x"), "evil.example");
        assert_eq!(about.status, 200);
        absolute("http://evil.example/", at).refused(403);
        absolute(&format!("https://{at}/"), at).refused(421);
        // So does it of the page that a request may come from.
        let ask = |origin: &str| {
            let body = stroke();
            let text = format!(
                "POST http://{at}/read HTTP/1.1\r\nHost: evil.example\r\nOrigin: {origin}\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            exchange(at, text.as_bytes())
        };
        assert_eq!(ask(&format!("http://{at}")).status, 200);
        ask("http://evil.example").refused(403);
    });
}
