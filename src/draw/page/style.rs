//! The page's style sheet: light and dark, phone and print.

use super::super::paint::LINES;

const SHEET: &str = r#"
:root { --paper:#fff; --ink:#181a1e; --faint:#5d636d; --rule:#e3e6ea; --wash:#f5f6f8; --thin:#f7f7f8; --empty:#cbd9eb; --shade:rgb(20 24 32/.22); --link:#0b5cad; }
@media (prefers-color-scheme: dark) {
  :root { --paper:#101216; --ink:#e6e9ee; --faint:#9aa1ac; --rule:#2c313a; --wash:#191c22; --thin:#16181c; --empty:#26344a; --shade:rgb(140 152 170/.5); --link:#7cb8ff; }
}
* { box-sizing: border-box; }
html { color-scheme: light dark; -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; max-width: 108rem; padding: 2rem clamp(1.25rem, 3vw, 3.5rem) 4rem; background: var(--paper);
  color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; overflow-wrap: break-word; }
h1 { font-size: clamp(1.5rem, 4.5vw, 2.2rem); line-height: 1.2; margin: 0 0 .6rem; text-wrap: balance; }
h2 { font-size: 1.35rem; margin: 3rem 0 .6rem; padding-top: .9rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1rem; margin: 1.6rem 0 .4rem; }
h4 { font-size: .95rem; margin: 1.4rem 0 .3rem; font-weight: 600; }
p { max-width: 68ch; margin: .5rem 0; }
.kicker { color: var(--faint); font-size: .85rem; margin: 0; }
.headline { font-size: 1.12rem; }
.note, figcaption, footer { color: var(--faint); font-size: .9rem; }
a { color: var(--link); }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; margin: 1.2rem 0 0; }
code, pre { font: .86em/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
code { overflow-wrap: anywhere; }
pre { background: var(--wash); border-radius: 6px; padding: .7rem .9rem; margin: .5rem 0; overflow-x: auto; }
pre.command { white-space: pre-wrap; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; max-width: 100%; width: fit-content; margin: .8rem 0; }
.scroll { background:
  linear-gradient(to right, var(--paper) 30%, transparent) left / 2.6rem 100% no-repeat local,
  linear-gradient(to left, var(--paper) 30%, transparent) calc(100% + 1px) / 2.6rem 100% no-repeat local,
  linear-gradient(to right, var(--shade), transparent) left / .9rem 100% no-repeat scroll,
  linear-gradient(to left, var(--shade), transparent) right / .9rem 100% no-repeat scroll; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .3rem .55rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--rule); }
th { font-weight: 600; vertical-align: bottom; }
th:first-child, td:first-child, .words { text-align: left; padding-left: 0; }
td.words, th.words { padding-left: .55rem; }
td.words:first-child, th.words:first-child { padding-left: 0; }
td.words:first-child { white-space: normal; min-width: 13rem; max-width: 22rem; text-wrap: balance; }
tfoot td { font-weight: 600; }
.up { color: #12805c; } .down { color: #b3413a; }
@media (prefers-color-scheme: dark) { .up { color: #4cc79a; } .down { color: #f0857d; } }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(27rem, 100%), 1fr)); gap: 1.4rem 1.8rem; margin: 1rem 0; align-items: start; }
.charts.many { grid-template-columns: repeat(auto-fill, minmax(min(21rem, 100%), 1fr)); }
.charts svg { display: block; font-family: inherit; }
@media (min-width: 40.01rem), print { .charts svg { width: 100%; height: auto; } }
fieldset { border: 0; padding: 0; margin: .8rem 0; display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; min-width: 0; }
.key { display: inline-flex; align-items: center; gap: .4rem; cursor: pointer; font-size: .92rem; }
.key svg { flex: none; }
.maps td, .maps th { border: 0; padding: .2rem; text-align: center; vertical-align: middle; }
.maps th:first-child { text-align: left; padding-right: .8rem; font-weight: 400; position: sticky; left: 0;
  background: var(--paper); max-width: 16rem; min-width: 6rem; white-space: normal; }
.maps td:last-child, .maps thead th:last-child { padding-left: 1rem; }
.maps img { display: block; width: clamp(62px, 5.4vw, 98px); height: clamp(62px, 5.4vw, 98px); image-rendering: pixelated; }
.bar svg { display: block; width: 17rem; max-width: 100%; height: auto; font-family: inherit; margin: .4rem 0 .6rem -1.3rem; }
.pair { display: flex; flex-wrap: wrap; gap: 1.5rem 2.5rem; }
.pair > * { min-width: 0; max-width: 100%; }
figure { margin: 0; }
figcaption { max-width: 60ch; }
.confusion td, .confusion th { text-align: center; padding: 0; width: 2.35rem; height: 1.85rem; border: 1px solid var(--paper); font-size: .82rem; }
.confusion th { font-weight: 600; }
.confusion .right { background: var(--wash); }
.confusion .none { color: transparent; background: color-mix(in srgb, var(--wash) 45%, var(--paper)); }
.rates td, .rates th { text-align: center; padding: .16rem .4rem; border: 1px solid var(--paper); font-size: .82rem; }
.rates th:first-child { text-align: left; padding-left: 0; padding-right: .8rem; position: sticky; left: 0; background: var(--paper); }
.patches td:last-child { padding-left: .2rem; }
.patches img { outline: 1px solid var(--rule); background: color-mix(in srgb, var(--link) 24%, var(--paper)); }
.patches thead th:last-child { text-align: left; }
.patches th .note { font-size: .78rem; white-space: nowrap; }
.patches thead th { padding: .2rem .4rem; }
.histograms svg { display: block; width: 100%; height: 44px; fill: var(--link); border-bottom: 1px solid var(--faint); }
.histograms .cut { opacity: .45; }
.sheet.histograms li { width: 128px; }
.sheet { display: flex; flex-wrap: wrap; gap: .6rem .7rem; margin: .8rem 0; padding: 0; list-style: none; }
.sheet li { width: 58px; text-align: center; font-size: .78rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
.sheet img { display: block; width: 56px; height: 56px; margin: 0 auto .15rem; image-rendering: pixelated; }
.sheet small { color: var(--faint); font-size: inherit; }
details { margin: .5rem 0; }
summary { cursor: pointer; }
footer { margin-top: 3rem; border-top: 1px solid var(--rule); padding-top: .8rem; }
@media (max-width: 40rem) {
  body { padding: 1.2rem 1rem 3rem; }
  th, td { padding: .3rem .5rem; }
  .maps img { width: 48px; height: 48px; }
  .maps th:first-child { max-width: 7rem; font-size: .82rem; }
  td.words:first-child, th.words:first-child { position: sticky; left: 0; background: var(--paper); }
  td.words:first-child { min-width: 8rem; max-width: 9.5rem; padding-right: .8rem; }
  .charts, .charts.many { display: block; overflow-x: auto; background:
  linear-gradient(to right, var(--paper) 30%, transparent) left / 2.6rem 100% no-repeat local,
  linear-gradient(to left, var(--paper) 30%, transparent) calc(100% + 1px) / 2.6rem 100% no-repeat local,
  linear-gradient(to right, var(--shade), transparent) left / .9rem 100% no-repeat scroll,
  linear-gradient(to left, var(--shade), transparent) right / .9rem 100% no-repeat scroll; }
  .charts svg { margin-bottom: 1.2rem; }
  .confusion td, .confusion th { width: 1.9rem; height: 1.7rem; font-size: .72rem; }
}
@media print {
  :root { --paper:#fff; --ink:#000; --faint:#444; --rule:#ccc; --wash:#f2f2f2; --thin:#f7f7f8; --empty:#cbd9eb; --link:#000; }
  html { font-size: 10.5px; color-scheme: light; }
  body { max-width: none; padding: 0; font-size: 1rem; }
  p { max-width: none; }
  .charts, .charts.many { display: grid; grid-template-columns: repeat(2, 1fr); overflow: visible; }
  .charts.many { grid-template-columns: repeat(3, 1fr); }
  .charts svg { width: 100%; }
  .scroll, .charts, .charts.many { background: none; }
  .scroll { width: auto; }
  table { font-size: .82rem; }
  th, td { padding: .15rem .35rem; }
  th { white-space: normal; }
  td.words:first-child { min-width: 0; max-width: 15rem; }
  .up { color: #12805c; } .down { color: #b3413a; }
  nav, .key input { display: none; }
  .scroll, pre { overflow: visible; }
  .maps img { width: 44px; height: 44px; }
  .maps th:first-child { position: static; }
  figure, .charts svg, tr, li { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
}
"#;

/// The sheet, with a rule for each line of the legend.
pub fn sheet(lines: usize) -> String {
    let mut light = String::new();
    let mut dark = String::new();
    for (i, (on_white, on_black)) in LINES.iter().enumerate() {
        light += &format!("--line{i}:{on_white};");
        dark += &format!("--line{i}:{on_black};");
    }
    let mut sheet = format!(
        "{SHEET}:root{{{light}}}\n@media (prefers-color-scheme: dark){{:root{{{dark}}}}}\n@media print{{:root{{{light}}}}}\n"
    );
    for i in 0..lines {
        sheet += &format!("body:has(#key{i}:not(:checked)) .run{i}{{display:none}}\n");
    }
    sheet
}
