//! Exported pages: what is in them, and what is refused. `tests/tools/browser_page.py` asks them.

use bnn_cpu::export::{About, page};
use bnn_cpu::kernels::select;
use bnn_cpu::model::{Network, preset};
use bnn_cpu::packed::PackedNet;
use bnn_cpu::similarity::{Comparison, Distance, Head};
use bnn_cpu::tensor::Shape;

const FILE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/results/networks/xnor-net/best.packed"
);

/// The text of the element of that id.
fn element<'a>(page: &'a str, id: &str) -> &'a str {
    let start = format!("id=\"{id}\">");
    let (_, rest) = page.split_once(&start).expect("there is such an element");
    rest.split_once('<').expect("it ends").0
}

/// The bytes of a text in Base64, by the alphabet alone.
fn bytes(text: &str) -> Vec<u8> {
    let (mut held, mut count, mut found) = (0u32, 0, Vec::new());
    for c in text.bytes().take_while(|&c| c != b'=') {
        let digit = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => panic!("{c} is no digit"),
        };
        (held, count) = (held << 6 | u32::from(digit), count + 6);
        if count >= 8 {
            count -= 8;
            found.push((held >> count) as u8);
        }
    }
    found
}

#[test]
fn a_page_holds_its_network_and_names_nothing_elsewhere() {
    let net = PackedNet::read(FILE.as_ref()).unwrap();
    let about = About {
        licence: String::new(),
        sha256: "0".repeat(64),
        lines: vec!["Made of </script><b>/* packed */.".into()],
    };
    let page = page::html(&net, "a <b>&</b> /* runtime */", &about).unwrap();
    assert!(page.len() <= 400_000, "{} bytes", page.len());
    assert_eq!(bytes(element(&page, "packed")), net.to_bytes().unwrap());
    let described: serde_json::Value = serde_json::from_str(element(&page, "network")).unwrap();
    assert_eq!(described["lines"][0], about.lines[0].as_str());
    assert_eq!(described["classes"], 10);
    let layers = described["layers"].as_array().unwrap();
    let shapes: Vec<_> = layers
        .iter()
        .map(|l| (&l["channels"], &l["height"]))
        .collect();
    assert_eq!(
        format!("{shapes:?}"),
        "[(Number(16), Number(14)), (Number(32), Number(7))]"
    );
    assert!(page.contains("<title>a &lt;b>&amp;&lt;/b> /* runtime */ – bnn-cpu</title>"));
    assert_eq!(page.matches("</script>").count(), 4);
    for elsewhere in ["http://", "https://", "src=", "@import", "fetch("] {
        let found = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!found.contains(elsewhere), "{elsewhere}");
    }
}

#[test]
fn networks_that_a_page_cannot_show_are_refused_in_a_line() {
    let refused = |net: &PackedNet, what: &str| {
        let error = page::html(net, "x", &About::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains(what) && !error.contains('\n'), "{error}");
    };
    let by = Comparison {
        head: Head::Matching,
        distance: Distance::Squared,
        scale: 1.0,
    };
    let net = PackedNet::read(FILE.as_ref()).unwrap();
    refused(&net.with_comparison(Some(by)), "ends in an embedding");
    let packed = |input| {
        let spec = preset("mlp", input, 10).unwrap();
        let net = Network::new(&spec, select(None).unwrap(), 1, false).unwrap();
        net.pack().unwrap()
    };
    refused(&packed(Shape::image(3, 8, 8)), "one channel");
    refused(&packed(Shape::image(1, 8, 257)), "at most 256 pixels");
}
