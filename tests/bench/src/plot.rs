//! Pictures of curves, as SVG: one or more charts side by side.

use std::fmt::Write;

use crate::table::number;

const WIDTH: f64 = 380.0;
const HEIGHT: f64 = 250.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 44.0;
const COLOURS: [&str; 4] = ["#1f6feb", "#bf5b04", "#1a7f37", "#8250df"];

pub struct Series {
    name: String,
    points: Vec<(f64, f64)>,
}

impl Series {
    pub fn new(name: &str, points: Vec<(f64, f64)>) -> Series {
        let name = name.into();
        Series { name, points }
    }
}

/// Curves over a logarithmic axis.
pub struct Chart {
    title: String,
    x: String,
    series: Vec<Series>,
    log_y: bool,
}

impl Chart {
    pub fn new(title: &str, x: &str, series: Vec<Series>) -> Chart {
        Chart {
            title: title.into(),
            x: x.into(),
            series,
            log_y: false,
        }
    }

    pub fn log_y(mut self) -> Chart {
        self.log_y = true;
        self
    }

    fn points(&self) -> impl Iterator<Item = (f64, f64)> {
        self.series.iter().flat_map(|s| s.points.iter().copied())
    }

    fn draw(&self, left: f64, out: &mut String) {
        let xs = Axis::log(self.points().map(|(x, _)| x), LEFT, WIDTH - RIGHT);
        let values = self.points().map(|(_, y)| y);
        let (low, high) = (HEIGHT - BOTTOM, TOP);
        let ys = if self.log_y {
            Axis::log(values, low, high)
        } else {
            Axis::linear(values, low, high)
        };
        let _ = writeln!(out, "<g transform=\"translate({left} 0)\">");
        text(out, WIDTH / 2.0, 20.0, "middle", "bold", &self.title);
        text(out, WIDTH / 2.0, HEIGHT - 8.0, "middle", "normal", &self.x);
        for y in ys.ticks() {
            let at = ys.place(y);
            let _ = writeln!(
                out,
                "<path d=\"M{LEFT} {at:.1}H{:.1}\" stroke=\"#d0d7de\"/>",
                WIDTH - RIGHT
            );
            text(out, LEFT - 6.0, at + 4.0, "end", "normal", &short(y));
        }
        for x in self.series.iter().flat_map(|s| &s.points).map(|p| p.0) {
            text(
                out,
                xs.place(x),
                HEIGHT - BOTTOM + 16.0,
                "middle",
                "normal",
                &short(x),
            );
        }
        for (n, series) in self.series.iter().enumerate() {
            let colour = COLOURS[n % COLOURS.len()];
            let at = |&(x, y): &(f64, f64)| (xs.place(x), ys.place(y));
            let line: Vec<String> = series
                .points
                .iter()
                .map(at)
                .map(|(x, y)| format!("{x:.1},{y:.1}"))
                .collect();
            let _ = writeln!(
                out,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
                line.join(" ")
            );
            for (x, y) in series.points.iter().map(at) {
                let _ = writeln!(
                    out,
                    "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>"
                );
            }
            if self.series.len() > 1 {
                let y = TOP + 14.0 * n as f64 + 10.0;
                let _ = writeln!(
                    out,
                    "<rect x=\"{}\" y=\"{}\" width=\"10\" height=\"10\" fill=\"{colour}\"/>",
                    LEFT + 8.0,
                    y - 9.0
                );
                text(out, LEFT + 22.0, y, "start", "normal", &series.name);
            }
        }
        out.push_str("</g>\n");
    }
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, weight: &str, what: &str) {
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-weight=\"{weight}\">{what}</text>"
    );
}

/// A number for an axis.
fn short(n: f64) -> String {
    match n {
        n if n >= 1e6 => format!("{}M", n / 1e6),
        n if n >= 1e4 => format!("{}k", n / 1e3),
        n if n == n.trunc() => number(n).trim_end_matches(".0").to_owned(),
        n => format!("{}", (n * 1000.0).round() / 1000.0),
    }
    .trim_end_matches(".000")
    .to_owned()
}

struct Axis {
    log: bool,
    from: f64,
    to: f64,
    begin: f64,
    end: f64,
}

impl Axis {
    /// Zero stands where a tenth of the least other value would.
    fn log(values: impl Iterator<Item = f64>, begin: f64, end: f64) -> Axis {
        let values: Vec<f64> = values.collect();
        let some = values.iter().copied().filter(|v| *v > 0.0);
        let (low, high) = bounds(some);
        let zero = values.contains(&0.0);
        Axis {
            log: true,
            from: if zero { low / 10.0 } else { low },
            to: high.max(low * 2.0),
            begin,
            end,
        }
    }

    /// From zero, so that flat looks flat.
    fn linear(values: impl Iterator<Item = f64>, begin: f64, end: f64) -> Axis {
        let (_, high) = bounds(values);
        let step = step(high);
        Axis {
            log: false,
            from: 0.0,
            to: (high * 1.05 / step).ceil() * step,
            begin,
            end,
        }
    }

    fn place(&self, value: f64) -> f64 {
        let part = if self.log {
            (value.max(self.from) / self.from).ln() / (self.to / self.from).ln()
        } else {
            (value - self.from) / (self.to - self.from)
        };
        self.begin + part * (self.end - self.begin)
    }

    fn ticks(&self) -> Vec<f64> {
        if self.log {
            let first = 10f64.powf(self.from.log10().floor());
            let decades = (0..20).map(|n| first * 10f64.powi(n));
            let all = decades.flat_map(|d| [d, 2.0 * d, 5.0 * d]);
            return all
                .skip_while(|t| *t < self.from)
                .take_while(|t| *t <= self.to)
                .collect();
        }
        let step = step(self.to);
        let many = (self.to / step).round() as usize;
        (0..=many).map(|n| n as f64 * step).collect()
    }
}

fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::MAX, f64::MIN_POSITIVE), |(low, high), v| {
        (low.min(v), high.max(v))
    })
}

/// A round number that goes four to ten times into this.
fn step(high: f64) -> f64 {
    let size = 10f64.powf(high.log10().floor());
    match high / size {
        n if n < 2.0 => size / 5.0,
        n if n < 5.0 => size / 2.0,
        _ => size,
    }
}

/// A file in `docs/benchmarks/`.
pub struct Picture {
    name: String,
    charts: Vec<Chart>,
}

impl Picture {
    pub fn new(name: &str, charts: Vec<Chart>) -> Picture {
        let name = name.into();
        Picture { name, charts }
    }

    pub fn file(&self) -> String {
        format!("{}.svg", self.name)
    }

    /// How a document shows it.
    pub fn markdown(&self, what: &str) -> String {
        format!("![{what}](benchmarks/{})", self.file())
    }

    pub fn svg(&self) -> String {
        let width = WIDTH * self.charts.len() as f64;
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {HEIGHT}\" width=\"{width}\" \
             height=\"{HEIGHT}\" font-family=\"sans-serif\" font-size=\"11\" fill=\"#1f2328\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
        );
        for (n, chart) in self.charts.iter().enumerate() {
            chart.draw(WIDTH * n as f64, &mut out);
        }
        out.push_str("</svg>\n");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_hold_what_they_show() {
        let log = Axis::log([1.0, 64.0].into_iter(), 0.0, 100.0);
        assert!((log.place(8.0) - 50.0).abs() < 1e-9);
        assert_eq!(log.ticks(), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0]);
        let crowd = Axis::log([0.0, 1e3, 1e5].into_iter(), 0.0, 300.0);
        let places = [0.0, 1e3, 1e5].map(|n| crowd.place(n).round());
        assert_eq!(places, [0.0, 100.0, 300.0]);
        let linear = Axis::linear([3.2].into_iter(), 100.0, 0.0);
        assert_eq!(linear.place(0.0), 100.0);
        assert!(linear.place(3.2) > 0.0 && linear.ticks().len() > 3);
        assert_eq!(
            [short(1e7), short(1e4), short(64.0), short(0.25)],
            ["10M", "10k", "64", "0.25"]
        );
    }
}
