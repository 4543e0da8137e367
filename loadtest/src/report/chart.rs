//! A line chart as inline SVG: nothing is fetched and nothing runs.

use std::fmt::Write as _;

/// Width and height of the plot in pixels.
const SIZE: (f64, f64) = (900.0, 180.0);
/// Room for labels: left, below.
const MARGIN: (f64, f64) = (70.0, 24.0);
/// Colours of lines, in order.
const COLOURS: [&str; 5] = ["#2563eb", "#dc2626", "#16a34a", "#9333ea", "#ea580c"];
/// Horizontal lines.
const GRID_LINES: u32 = 4;

/// One line: its name and its points; a point that is not known is left out.
pub(crate) struct Line<'a> {
    pub(crate) name: &'a str,
    pub(crate) points: Vec<(f64, f64)>,
}

/// Draws the lines over the same time axis; says so when there are no points.
pub(crate) fn chart(title: &str, unit: &str, lines: &[Line<'_>]) -> String {
    let points = || lines.iter().flat_map(|line| line.points.iter());
    if points().next().is_none() {
        return format!("<h2>{title}</h2>\n<p>nothing was seen of it in this run</p>\n");
    }
    let x_max = points().map(|point| point.0).fold(1.0, f64::max);
    let y_max = nice(points().map(|point| point.1).fold(0.0, f64::max));
    let place = |x: f64, y: f64| {
        let left = MARGIN.0 + x / x_max * SIZE.0;
        let top = SIZE.1 - y / y_max * (SIZE.1 - 10.0);
        (left, top)
    };
    let mut svg = format!(
        "<h2>{title}</h2>\n<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{title}\">\n",
        SIZE.0 + MARGIN.0 + 10.0,
        SIZE.1 + MARGIN.1
    );
    for step in 0..=GRID_LINES {
        let y = y_max * f64::from(step) / f64::from(GRID_LINES);
        let (left, top) = place(0.0, y);
        let right = place(x_max, y).0;
        let label = short(y);
        let drawn = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{left:.1}\" y1=\"{top:.1}\" x2=\"{right:.1}\" y2=\"{top:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            left - 6.0,
            top + 4.0
        );
        drawn.expect("writing to a text cannot fail");
    }
    for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        let mut path = String::new();
        for (x, y) in &line.points {
            let (left, top) = place(*x, *y);
            write!(path, "{left:.1},{top:.1} ").expect("writing to a text cannot fail");
        }
        writeln!(svg, "<polyline points=\"{path}\" stroke=\"{colour}\"/>")
            .expect("writing to a text cannot fail");
    }
    let bottom = SIZE.1 + 16.0;
    writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{bottom}\">0 s</text><text x=\"{:.1}\" y=\"{bottom}\" text-anchor=\"end\">{x_max:.0} s</text>\n</svg>",
        MARGIN.0,
        MARGIN.0 + SIZE.0
    )
    .expect("writing to a text cannot fail");
    let legend: Vec<String> = lines
        .iter()
        .zip(COLOURS.iter().cycle())
        .map(|(line, colour)| format!("<span style=\"color:{colour}\">{}</span>", line.name))
        .collect();
    svg.push_str(&format!("<p>{} ({unit})</p>\n", legend.join(", ")));
    svg
}

/// The next round number.
fn nice(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0];
    let found = steps.iter().find(|step| **step * power >= value);
    found.map_or(value, |step| step * power)
}

fn short(value: f64) -> String {
    match value {
        v if v >= 1e9 => format!("{:.1} G", v / 1e9),
        v if v >= 1e6 => format!("{:.1} M", v / 1e6),
        v if v >= 1e4 => format!("{:.0} k", v / 1e3),
        v if v >= 10.0 || v == 0.0 => format!("{v:.0}"),
        v => format!("{v:.2}"),
    }
}
