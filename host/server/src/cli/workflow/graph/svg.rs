//! The picture: SVG that stands on its own, in light and in dark.

use std::fmt::{self, Write as _};

use super::layout::{BOX_HEIGHT, BOX_WIDTH, Layout, Point};
use super::model::{Arrow, ArrowKind, Box, Graph, Kind};

const MARGIN: f64 = 24.0;
/// Above the boxes, for the title.
const HEAD: f64 = 40.0;
/// How many letters of each size fit into a box, in a wide font as well (DejaVu Sans).
const BOLD_LETTERS: usize = 23;
const PLAIN_LETTERS: usize = 30;
const SMALL_LETTERS: usize = 34;

const STYLE: &str = "
  svg { color-scheme: light dark; font-family: system-ui, sans-serif; }
  .page { fill: #ffffff; } .title { fill: #1b1f24; font-size: 17px; font-weight: 600; }
  .box { fill: #f6f8fa; stroke: #c4ccd4; } .mark { fill: #57606a; }
  .id { fill: #1b1f24; font-size: 14px; font-weight: 600; }
  .does { fill: #3d444d; font-size: 12px; } .notes { fill: #59636e; font-size: 10.5px; }
  .kind { fill: #59636e; font-size: 10px; text-anchor: end; }
  .arrow { fill: none; stroke: #8c959f; stroke-width: 1.5; } .failure { stroke: #cf222e; stroke-dasharray: 5 4; }
  .tip { fill: #8c959f; } .failure-tip { fill: #cf222e; }
  .start .mark { fill: #1a7f37; } .step .mark { fill: #0969da; } .map .mark { fill: #8250df; } .wait .mark { fill: #9a6700; }
  .approval .mark { fill: #bf3989; } .callback .mark { fill: #bc4c00; } .workflow .mark { fill: #1b7c83; } .emit .mark { fill: #57606a; }
  .output .mark { fill: #1a7f37; }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; } .title, .id { fill: #f0f3f6; } .box { fill: #161b22; stroke: #3d444d; }
    .does { fill: #c8d1da; } .notes, .kind { fill: #9aa4af; } .arrow { stroke: #6e7681; } .tip { fill: #6e7681; }
    .failure { stroke: #f85149; } .failure-tip { fill: #f85149; }
  }
";

/// Draws a graph.
pub(super) fn draw(graph: &Graph) -> String {
    let mut picture = String::new();
    // Writing to a String does not fail.
    let _ = write(&mut picture, graph, &Layout::of(graph));
    picture
}

fn write(out: &mut String, graph: &Graph, layout: &Layout) -> fmt::Result {
    let (width, height) = (layout.width + 2.0 * MARGIN, layout.height + 2.0 * MARGIN + HEAD);
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" aria-labelledby=\"title\">"
    )?;
    writeln!(out, "<title id=\"title\">{}</title>", escaped(&graph.title))?;
    if let Some(summary) = &graph.summary {
        writeln!(out, "<desc>{}</desc>", escaped(summary))?;
    }
    writeln!(out, "<style>{STYLE}</style>")?;
    writeln!(out, "<defs>{}{}</defs>", tip("tip"), tip("failure-tip"))?;
    writeln!(out, "<rect class=\"page\" width=\"{width}\" height=\"{height}\" rx=\"12\"/>")?;
    writeln!(out, "<text class=\"title\" x=\"{MARGIN}\" y=\"38\">{}</text>", escaped(&graph.title))?;
    writeln!(out, "<g transform=\"translate({MARGIN} {})\">", MARGIN + HEAD)?;
    for (arrow, way) in graph.arrows.iter().zip(&layout.ways) {
        write_arrow(out, graph, arrow, way)?;
    }
    for (it, middle) in graph.boxes.iter().zip(&layout.boxes) {
        write_box(out, it, *middle)?;
    }
    writeln!(out, "</g>\n</svg>")
}

fn tip(name: &str) -> String {
    format!(
        "<marker id=\"{name}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path class=\"{name}\" d=\"M0 0 L8 4 L0 8 z\"/></marker>"
    )
}

/// Curves between the layers, straight lines through them.
fn write_arrow(out: &mut String, graph: &Graph, arrow: &Arrow, way: &[Point]) -> fmt::Result {
    let Some((first, rest)) = way.split_first() else { return Ok(()) };
    let (class, tip) = match arrow.kind {
        ArrowKind::Need => ("arrow", "tip"),
        ArrowKind::Failure => ("arrow failure", "failure-tip"),
    };
    write!(out, "<path class=\"{class}\" marker-end=\"url(#{tip})\" d=\"M{} {}", first.x, first.y)?;
    let mut from = first;
    for to in rest {
        if from.x == to.x {
            write!(out, " L{} {}", to.x, to.y)?;
        } else {
            let turn = (from.y + to.y) / 2.0;
            write!(out, " C{} {turn} {} {turn} {} {}", from.x, to.x, to.x, to.y)?;
        }
        from = to;
    }
    let [from, to] = [arrow.from, arrow.to].map(|place| escaped(&graph.boxes[place].id));
    let says = match arrow.kind {
        ArrowKind::Need => format!("{to} follows on {from}"),
        ArrowKind::Failure => format!("{to} handles the failure of {from}"),
    };
    writeln!(out, "\"><title>{says}</title></path>")
}

fn write_box(out: &mut String, it: &Box, middle: Point) -> fmt::Result {
    let (left, top) = (middle.x - BOX_WIDTH / 2.0, middle.y - BOX_HEIGHT / 2.0);
    let round = match it.kind {
        Kind::Start | Kind::Output => BOX_HEIGHT / 2.0,
        _ => 8.0,
    };
    // Beside a rounded end there is less room.
    let inset = if round > 8.0 { 26.0 } else { 16.0 };
    let fewer = if round > 8.0 { 6 } else { 0 };
    let notes = it.notes.join(" · ");
    writeln!(out, "<g class=\"{}\" transform=\"translate({left} {top})\">", it.kind.as_str())?;
    writeln!(out, "<title>{}</title>", escaped(&whole_text(it)))?;
    writeln!(out, "<rect class=\"box\" width=\"{BOX_WIDTH}\" height=\"{BOX_HEIGHT}\" rx=\"{round}\"/>")?;
    if round == 8.0 {
        writeln!(
            out,
            "<rect class=\"mark\" x=\"0\" y=\"12\" width=\"4\" height=\"{}\" rx=\"2\"/>",
            BOX_HEIGHT - 24.0
        )?;
    } else {
        writeln!(out, "<circle class=\"mark\" cx=\"14\" cy=\"{}\" r=\"4\"/>", BOX_HEIGHT / 2.0)?;
    }
    write_line(out, "id", inset, 22.0, &cut(&it.id, BOLD_LETTERS - fewer))?;
    write_line(out, "does", inset, 40.0, &cut(&it.does, PLAIN_LETTERS - fewer))?;
    if !notes.is_empty() {
        write_line(out, "notes", inset, 57.0, &cut(&notes, SMALL_LETTERS - fewer))?;
    }
    if !matches!(it.kind, Kind::Start | Kind::Output | Kind::Step) {
        write_line(out, "kind", BOX_WIDTH - 10.0, 18.0, it.kind.as_str())?;
    }
    writeln!(out, "</g>")
}

fn write_line(out: &mut String, class: &str, x: f64, y: f64, text: &str) -> fmt::Result {
    writeln!(out, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{}</text>", escaped(text))
}

/// For whoever points at the box: nothing is cut.
fn whole_text(it: &Box) -> String {
    let mut lines = vec![format!("{} ({})", it.id, it.kind.as_str()), it.does.clone()];
    lines.extend(it.notes.iter().cloned());
    lines.join("\n")
}

fn cut(text: &str, letters: usize) -> String {
    match text.char_indices().nth(letters) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text.to_owned(),
    }
}

/// Text in XML. Control characters cannot stand in XML at all.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(letter),
            control if control.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}
