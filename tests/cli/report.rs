//! The page that `report` writes: whole, escaped, and in need of nothing else.

use super::common::{Place, SMALL};

fn train(place: &Place, out: &str, more: &[&str]) {
    place.good(
        &[
            &SMALL[..],
            &["--out", out, "--quiet", "--epochs", "2"],
            more,
        ]
        .concat(),
    );
}

fn page(place: &Place, args: &[&str]) -> String {
    let all = [&["report"], args, &["--data", "data", "-o", "page.html"]].concat();
    place.good(&all);
    String::from_utf8(place.bytes("page.html")).unwrap()
}

/// What a page must hold to, whatever is on it.
fn assert_self_contained(html: &str) {
    let lower = html.to_lowercase();
    for what in [
        "http://",
        "https://",
        "<script",
        "@import",
        "url(",
        "<iframe",
        "onerror=",
        "onload=\"",
    ] {
        assert!(!lower.contains(what), "{what}");
    }
    for source in html.split("src=\"").skip(1) {
        assert!(
            source.starts_with("data:image/png;base64,iVBOR"),
            "{}",
            &source[..40]
        );
    }
    for target in html.split("href=\"").skip(1) {
        assert!(
            ["#", "data:,", "data:image/png;base64,iVBOR"]
                .iter()
                .any(|known| target.starts_with(known)),
            "{}",
            &target[..20]
        );
    }
    for tag in [
        "section", "table", "tr", "td", "figure", "details", "svg", "li", "div",
    ] {
        let opened =
            html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
        assert_eq!(
            opened,
            html.matches(&format!("</{tag}>")).count(),
            "<{tag}>"
        );
    }
}

#[test]
fn the_page_has_everything_and_needs_nothing() {
    let place = Place::new();
    train(&place, "runs/a", &["--mode", "stoch"]);
    train(&place, "runs/b", &["--seed", "2"]);
    train(&place, "runs/c", &["--binary", "none"]);
    let html = page(&place, &["runs/a", "runs/b", "c", "--speed"]);
    assert_self_contained(&html);
    for id in [
        "results",
        "curves",
        "maps",
        "confusion",
        "mistakes",
        "layers",
        "speed",
        "commands",
    ] {
        assert!(html.contains(&format!("<section id=\"{id}\">")), "{id}");
    }
    for text in [
        "prefers-color-scheme: dark",
        "@media print",
        "body:has(#key2:not(:checked)) .run2",
        "seed-net, both binary, stoch, st, probability",
        "bnn-cpu train --mode stoch --epochs 2 --batch 16 --lr 0.05 --dataset files --data DIR",
        "packed, images/s",
    ] {
        assert!(html.contains(text), "{text}");
    }
    // Columns that are empty in every row are left out, those that are not stay.
    assert!(html.contains("<th>16 samples %</th>") && html.contains("<th>epoch</th>"));
    for run in ["runs/b", "runs/c"] {
        let html = page(&place, &[run]);
        assert!(
            !html.contains("16 samples %") && !html.contains("<th>published</th>"),
            "{run}"
        );
        assert!(
            html.contains("<th>accuracy %</th>")
                && html.contains("<th>32-bit params</th>")
                && !html.contains("1-bit params")
        );
    }
    // Maps as they are: one pixel a number, and each once.
    assert!(html.matches("<img ").count() > 3 * 2 * 4);
    // Without a flag the speed is not measured, and the page says so.
    let html = page(&place, &["runs/a"]);
    assert!(html.contains("Not measured for this page"));
    // Without a name: the newest.
    let ended = place.good(&["report", "--data", "data", "--json"]).json();
    assert_eq!(
        (ended[0]["runs"].as_u64(), ended[0]["drawn"].as_u64()),
        (Some(1), Some(1))
    );
    assert!(place.path("report.html").exists());
}

#[test]
fn hostile_names_are_text() {
    let place = Place::new();
    let name = "<img src=x onerror=alert(1)>&\"'";
    train(&place, "a", &[]);
    // Another setting in the same words, so that its name tells it from the first.
    train(&place, name, &["--momentum", "0.8"]);
    let html = page(
        &place,
        &["a", name, "--title", "</title><script>alert(2)</script>"],
    );
    // `onerror=` stands there as text, escaped.
    let shown = html.replace("onerror=alert(1)", "");
    assert_self_contained(&shown);
    assert!(html.contains("&lt;img src=x"), "the name is shown");
    assert!(html.contains("&lt;script&gt;alert(2)"));
    let svg = place.path("plots");
    place.good(&["curves", "a", name, "-o", "plots"]);
    let svg = std::fs::read_to_string(svg.join("curves-light.svg")).unwrap();
    assert!(!svg.contains("<img") && svg.contains("&lt;img"));
}

#[test]
fn a_table_is_reported_with_its_cells_and_the_runs_that_are_there() {
    let place = Place::new();
    place.good(&[
        "table",
        "--suite",
        "reference",
        "--rows",
        "first-st",
        "--seeds",
        "2",
        "--epochs",
        "1",
        "--dataset",
        "idx",
        "--data",
        "data",
        "--quiet",
    ]);
    // Rows alone write no table; the records are there.
    place.good(&[
        "table",
        "--suite",
        "reference",
        "--seeds",
        "2",
        "--epochs",
        "1",
        "--render",
        "--dataset",
        "idx",
        "--data",
        "data",
        "--quiet",
    ]);
    let html = page(&place, &["reference-data-1-epochs"]);
    assert_self_contained(&html);
    for text in [
        "stochastic, first, ST",
        "Line: the mean over seeds, n = 2. Band: from the least to the greatest",
        "the reference suite",
        "seed 2",
    ] {
        assert!(html.contains(text), "{text}");
    }
    assert!(html.contains("<section id=\"maps\">"));
    // Another machine has the table, not the runs.
    std::fs::remove_dir_all(place.path("runs")).unwrap();
    let html = page(&place, &["results/reference-data-1-epochs.json"]);
    assert!(!html.contains("<section id=\"maps\">") && html.contains("<section id=\"curves\">"));
}

#[test]
fn what_is_no_run_and_no_table_is_refused() {
    let place = Place::new();
    place.bad(&["report"], 2, "holds no run");
    place.bad(&["report", "nothing"], 2, "no such run or table");
    std::fs::write(place.path("x.json"), "{}").unwrap();
    place.bad(&["report", "x.json"], 1, "no table");
    place.bad(&["report", "data"], 1, "holds no run");
    train(&place, "a", &[]);
    std::fs::create_dir(place.path("folder")).unwrap();
    place.bad(&["report", "a", "--out", "folder"], 2, "is a folder");
    assert!(!place.path("report.html").exists());
}

#[test]
fn runs_on_different_sets_share_a_report_and_need_no_data_flag() {
    let place = Place::new();
    let show = "data show --dataset idx --data data --count 90 --folder pictures";
    place.good(&show.split(' ').collect::<Vec<_>>());
    for (data, run) in [("data --dataset idx", "a"), ("pictures", "b")] {
        let train = format!("train --data {data} --batch 16 --lr 0.05 --epochs 1 --out {run}");
        place.good(&train.split(' ').collect::<Vec<_>>());
    }
    place.good(&["report", "a", "b", "-o", "both.html"]);
    let html = String::from_utf8(place.bytes("both.html")).unwrap();
    // The images and maps of each set stand under its name.
    for what in [", on data", ", on pictures", "id=\"mistakes\""] {
        assert!(html.contains(what), "{what}");
    }
}
