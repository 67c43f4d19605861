//! The page of few-shot networks: what is compared, what is refused, and what a support set from
//! elsewhere may be.

use super::*;
use bnn_cpu::model::Support;
use bnn_cpu::serve::{Comparer, Question};
use bnn_cpu::similarity::{Comparison, Distance};

/// A comparer by an untrained encoder, and the float form once more.
fn comparer(placement: Placement, light: Option<bool>) -> (Comparer, Network) {
    let engine = kernels::select(None).unwrap();
    let net = || network("few-shot-binary", placement, Firing::Deterministic);
    let packed = net().pack().unwrap().with_lineage(Lineage {
        run: None,
        data_sha256: String::new(),
        light_ground: light,
    });
    let texts = ("a net".into(), "run".into());
    let made = Comparer::new(texts.0, texts.1, packed, Some(net()), None, engine);
    (made.unwrap(), net())
}

/// Drawings of the network's own size, which are taken as they are.
fn drawings() -> Vec<Drawing> {
    let set = digits::generate(5, 6, 1);
    let images = (0..6).map(|i| Drawing {
        width: 28,
        height: 28,
        ink: set.train.image(i).to_vec(),
    });
    images.collect()
}

fn ask(
    comparer: &mut Comparer,
    drawing: &Drawing,
    support: &[Vec<f32>],
) -> bnn_cpu::serve::Likeness {
    let question = Question {
        drawing: drawing.clone(),
        support: support.to_vec(),
    };
    comparer.compare(&question).unwrap()
}

fn embedding(net: &mut Network, image: &[u8]) -> Vec<f32> {
    net.set_rows(1);
    net.pass_mut().units = Units::Threshold;
    net.set_row(0, image, 0);
    net.forward();
    net.embeddings().to_vec()
}

#[test]
fn a_drawing_is_compared_as_the_network_compares() {
    for placement in [Placement::Last, Placement::Both, Placement::None] {
        let (mut comparer, mut net) = comparer(placement, None);
        let all = drawings();
        let mut taught = Vec::new();
        let by = net.spec().few_shot().unwrap().comparison();
        let mut support = Support::new(by, comparer.about().embedding);
        for (class, drawing) in all[..5].iter().enumerate() {
            let found = ask(&mut comparer, drawing, &[]);
            assert_eq!(
                (found.packed.class, found.packed.probabilities.len()),
                (None, 0)
            );
            let own = embedding(&mut net, &drawing.ink);
            let near = own
                .iter()
                .zip(&found.embedding)
                .all(|(a, b)| (a - b).abs() < 1e-3);
            assert!(near, "{own:?} {:?}", found.embedding);
            support.teach(&class.to_string(), &found.embedding).unwrap();
            assert_eq!(found.bits, placement != Placement::None);
            taught.push(found.embedding);
        }
        let found = ask(&mut comparer, &all[5], &taught);
        let mut logits = vec![0.0; 5];
        support.logits(&found.embedding, &mut logits);
        assert_eq!(found.packed.class, argmax(&logits));
        let sum: f32 = found.packed.probabilities.iter().sum();
        assert!((sum - 1.0).abs() < 1e-5, "{sum}");
        for (distance, other) in found.packed.distances.iter().zip(&taught) {
            let squares = found
                .embedding
                .iter()
                .zip(other)
                .map(|(a, b)| (a - b) * (a - b));
            let own: f32 = squares.sum();
            assert!(
                (distance - own).abs() <= 1e-4 * own.max(1.0),
                "{distance} {own}"
            );
        }
        let float = found.float.unwrap();
        assert!(
            float.same && float.us > 0.0 && float.gap < 1e-3,
            "{float:?}"
        );
        if placement != Placement::None {
            assert_eq!((float.differ, float.gap), (0, 0.0));
        }
        // The same drawing again is no way from itself.
        let same = ask(&mut comparer, &all[2], &taught);
        assert_eq!(same.packed.distances[2], 0.0);
        // Untrained, the network may take two drawings for one.
        assert_eq!(same.packed.distances[same.packed.class.unwrap()], 0.0);
    }
}

#[test]
fn distances_of_cosines_are_one_less_the_cosine() {
    let engine = kernels::select(None).unwrap();
    let packed = network("few-shot-binary", Placement::Last, Firing::Deterministic)
        .pack()
        .unwrap();
    let by = Comparison {
        distance: Distance::Cosine,
        scale: 10.0,
        ..packed.comparison().unwrap()
    };
    let packed = packed.with_comparison(Some(by));
    let mut comparer = Comparer::new("a".into(), "b".into(), packed, None, None, engine).unwrap();
    let drawing = &drawings()[0];
    let own = ask(&mut comparer, drawing, &[]).embedding;
    let ones = own.iter().filter(|x| **x == 1.0).count();
    assert!(ones > 0 && ones < own.len(), "{ones}");
    let turned: Vec<f32> = own.iter().map(|x| 1.0 - x).collect();
    let found = ask(&mut comparer, drawing, &[own, turned]);
    assert!(found.packed.distances[0].abs() < 1e-6, "{found:?}");
    assert_eq!(found.packed.distances[1], 1.0);
    assert!(found.float.is_none());
}

#[test]
fn a_network_of_dark_ink_compares_dark_ink() {
    let drawing = &drawings()[0];
    let inverted: Vec<u8> = drawing.ink.iter().map(|v| 255 - v).collect();
    for (light, shown) in [(None, &drawing.ink), (Some(true), &inverted)] {
        let (mut comparer, _) = comparer(Placement::Last, light);
        assert_eq!(&ask(&mut comparer, drawing, &[]).image, shown);
    }
}

/// What a client makes up is refused in one line, or answered; nothing else happens.
#[test]
fn made_up_questions_are_refused_in_one_line() {
    let (comparer, _) = comparer(Placement::Last, None);
    let site = Site::comparing(
        comparer,
        Hosts::new("127.0.0.1:80".parse().unwrap(), Vec::new()),
    );
    let fields = "Content-Type: application/json\r\n";
    let status = |path: &str, fields: &str, body: &str| {
        let length = body.len();
        let bytes = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
        );
        let (response, used, _) = site.respond(bytes.as_bytes(), Sizes::default()).unwrap();
        assert_eq!(used, bytes.len());
        let text = String::from_utf8(response).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(
            status == 200 || body.trim_end().lines().count() == 1,
            "{body}"
        );
        (status, body.to_string())
    };
    let good = stroke();
    let with = |support: &str| format!("{{\"drawing\":{good},\"support\":[{support}]}}");
    let row = |numbers: usize, each: &str| format!("[{}]", vec![each; numbers].join(","));
    for (support, wanted, what) in [
        (String::new(), 200, "\"class\":null"),
        (row(64, "1"), 200, "\"class\":0"),
        (row(63, "1"), 422, "another width"),
        (row(0, "1"), 422, "another width"),
        (row(64, "1e39"), 400, "no question"),
        (row(64, "-3e38"), 200, "probabilities"),
        (row(64, "null"), 400, "no question"),
        (row(64, "\"1\""), 400, "no question"),
        (vec![row(64, "0"); 32].join(","), 200, "probabilities"),
        (vec![row(64, "0"); 33].join(","), 422, "32 classes"),
    ] {
        let (status, body) = status("/compare", fields, &with(&support));
        assert_eq!(status, wanted, "{body}");
        assert!(body.contains(what), "{body}");
    }
    let empty = r#"{"drawing":{"width":2,"height":1,"ink":[0,0]},"support":[]}"#;
    assert_eq!(status("/compare", fields, empty).0, 422);
    for body in ["", "{}", "[]", &good, r#"{"drawing":1,"support":[]}"#] {
        assert_eq!(status("/compare", fields, body).0, 400, "{body}");
    }
    let more = with("").replace("\"support\"", "\"more\":1,\"support\"");
    assert_eq!(status("/compare", fields, &more).0, 400);
    assert_eq!(status("/compare", "", &with("")).0, 415);
    assert_eq!(status("/read", fields, &good).0, 404);
    let foreign = "Origin: http://elsewhere\r\nContent-Type: application/json\r\n";
    assert_eq!(status("/compare", foreign, &with("")).0, 403);
    let get = site.respond(
        b"GET /compare HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        Sizes::default(),
    );
    assert!(get.unwrap().0.starts_with(b"HTTP/1.1 405"));
    // The page is whole: what it shares with the other stands in it.
    let page = site.respond(
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        Sizes::default(),
    );
    let page = String::from_utf8(page.unwrap().0).unwrap();
    for part in ["Teach five characters", "function penOn", "--bits: #0f766e"] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains(".js */") && !page.contains(".css */"));
}

#[test]
fn only_networks_that_compare_are_served_so() {
    let engine = kernels::select(None).unwrap();
    let packed = network("mlp", Placement::Both, Firing::Deterministic)
        .pack()
        .unwrap();
    let made = Comparer::new("a".into(), "a run".into(), packed, None, None, engine);
    let error = made.map(drop).unwrap_err().to_string();
    assert!(error.contains("a run has classes of its own"), "{error}");
}

/// A drawing that is all ink and five of the widest embeddings, of the longest numbers of 32
/// bits, are within what a request may have.
#[test]
fn the_largest_question_of_the_page_fits() {
    let drawing = the_largest_of_the_page();
    let longest = serde_json::to_string(&-1.175_494_4e-38_f32).unwrap();
    assert_eq!(longest, "-1.1754944e-38");
    let embedding = format!("[{}]", vec![&*longest; Comparer::MAX_WIDTH].join(","));
    let support = [&*embedding; 5].join(",");
    let question = format!("{{\"drawing\":{drawing},\"support\":[{support}]}}");
    assert!(
        question.len() <= Sizes::default().body,
        "{}",
        question.len()
    );
}
