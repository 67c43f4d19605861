//! Exported pages: what is in them, and what is refused. `tests/tools/browser_page.py` asks them.

use std::io::Write;

use bnn_cpu::export::{About, page};
use bnn_cpu::kernels::select;
use bnn_cpu::model::{Init, Network, preset};
use bnn_cpu::packed::{Lineage, PackedNet};
use bnn_cpu::similarity::{Comparison, Distance, Head};
use bnn_cpu::tensor::Shape;

const FILE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/results/networks/xnor-net/best.packed"
);

/// The most bytes of a page.
const MOST_BYTES: usize = 320_000;

/// Checks the size of a page and says it.
fn small(page: &str, name: &str) {
    let _ = writeln!(std::io::stderr(), "page of {name}: {} bytes", page.len());
    assert!(page.len() <= MOST_BYTES, "{} bytes", page.len());
}

/// The text of the element of that id.
fn element<'a>(page: &'a str, id: &str) -> &'a str {
    let start = format!("id=\"{id}\">");
    let (_, rest) = page.split_once(&start).expect("there is such an element");
    rest.split_once('<').expect("it ends").0
}

/// The bytes of an element of the page: two digits of base 91 are 13 bits; the first four bytes are
/// how many a stream of DEFLATE holds.
fn bytes(text: &str) -> Vec<u8> {
    let value = |c: u8| u32::from(c) - if c < b'<' { 35 } else { 36 };
    let (mut found, mut held, mut count) = (Vec::new(), 0, 0);
    for pair in text.as_bytes().chunks(2) {
        held |= (value(pair[0]) + 91 * value(pair[1])) << count;
        count += 13;
        while count >= 8 {
            found.push(held as u8);
            (held, count) = (held >> 8, count - 8);
        }
    }
    let size = u32::from_le_bytes(found[..4].try_into().unwrap());
    let mut whole = Vec::new();
    let mut stream = flate2::read::DeflateDecoder::new(&found[4..]);
    std::io::Read::read_to_end(&mut stream, &mut whole).unwrap();
    assert_eq!(whole.len(), size as usize);
    whole
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
    small(&page, "xnor-net");
    assert_eq!(
        bytes(element(&page, "packed")),
        net.to_compact_bytes().unwrap()
    );
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
fn a_page_says_whether_its_network_learned_from_a_light_background() {
    let net = PackedNet::read(FILE.as_ref()).unwrap();
    for ground in [None, Some(false), Some(true)] {
        let net = net.clone().with_lineage(Lineage {
            run: None,
            data_sha256: String::new(),
            light_ground: ground,
        });
        let page = page::html(&net, "x", &About::default()).unwrap();
        let described: serde_json::Value = serde_json::from_str(element(&page, "network")).unwrap();
        assert_eq!(described["light"], ground == Some(true));
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

/// The default network of `train`, with real weights, which hardly get smaller.
#[test]
fn a_page_of_real_weights_is_small_enough_too() {
    let spec = preset("seed-net", Shape::image(1, 28, 28), 10).unwrap();
    let mut net = Network::new(&spec, select(None).unwrap(), 1, false).unwrap();
    net.init(Init::KaimingUniform, 1);
    let net = net.pack().unwrap();
    let page = page::html(&net, "seed-net", &About::default()).unwrap();
    small(&page, "seed-net");
    assert_eq!(
        bytes(element(&page, "packed")),
        net.to_compact_bytes().unwrap()
    );
}
