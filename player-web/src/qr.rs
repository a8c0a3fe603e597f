//! QR codes (ISO/IEC 18004) of addresses: as an SVG that any content security policy allows, and in characters for a
//! terminal. Pure.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

/// Light modules around a code, without which readers do not find it (ISO/IEC 18004 §6.3.8).
const QUIET_ZONE: usize = 4;

/// Most bytes: what still gives a code that a phone reads from a screen. Addresses and invites have 20 to 200.
pub const MAX_BYTES: usize = 512;

/// Why there is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too long for a QR code that phones read: at most {MAX_BYTES} bytes")]
pub struct TooLong;

/// What a terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// Characters alone, for a dark background.
    Plain,
    /// With ANSI colours, so that any background does.
    Ansi,
}

/// Modules of a code with its quiet zone, row by row; true for dark.
fn modules(text: &str) -> Result<Vec<Vec<bool>>, TooLong> {
    if text.len() > MAX_BYTES {
        return Err(TooLong);
    }
    // A quarter of the code may be dirt, or the hand of who holds it up.
    let code = QrCode::with_error_correction_level(text, EcLevel::M).map_err(|_| TooLong)?;
    let (width, colors) = (code.width(), code.to_colors());
    let side = width + 2 * QUIET_ZONE;
    let mut rows = vec![vec![false; side]; side];
    for (y, line) in colors.chunks(width).enumerate() {
        for (x, color) in line.iter().enumerate() {
            if let Some(module) = rows.get_mut(y + QUIET_ZONE).and_then(|row| row.get_mut(x + QUIET_ZONE)) {
                *module = *color == Color::Dark;
            }
        }
    }
    Ok(rows)
}

/// An SVG of one path, without styles, scripts and fonts.
///
/// # Errors
/// [`TooLong`] for more than [`MAX_BYTES`].
pub fn svg(text: &str) -> Result<String, TooLong> {
    let rows = modules(text)?;
    let side = rows.len();
    let mut path = String::new();
    for (y, row) in rows.iter().enumerate() {
        let mut x = 0;
        while x < side {
            let run = row.iter().skip(x).take_while(|dark| **dark).count();
            if run > 0 {
                let _ = write!(path, "M{x} {y}h{run}v1h-{run}z");
            }
            x += run.max(1);
        }
    }
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
         <rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/><path d=\"{path}\" fill=\"#000\"/></svg>"
    ))
}

/// Lines of half blocks, two modules high each.
///
/// # Errors
/// [`TooLong`] for more than [`MAX_BYTES`].
pub fn terminal(text: &str, ink: Ink) -> Result<String, TooLong> {
    let rows = modules(text)?;
    let (before, after) = match ink {
        Ink::Plain => ("", ""),
        Ink::Ansi => ("\u{1b}[97;40m", "\u{1b}[0m"),
    };
    let mut lines = String::new();
    for pair in rows.chunks(2) {
        lines.push_str(before);
        let (upper, lower) = (pair.first(), pair.get(1));
        let width = upper.map_or(0, Vec::len);
        // Below the last row of an odd number the quiet zone goes on.
        let dark = |row: Option<&Vec<bool>>, x: usize| row.and_then(|row| row.get(x)).copied().unwrap_or(false);
        lines.extend((0..width).map(|x| match (dark(upper, x), dark(lower, x)) {
            (false, false) => '█',
            (false, true) => '▀',
            (true, false) => '▄',
            (true, true) => ' ',
        }));
        lines.push_str(after);
        lines.push('\n');
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://10.0.0.1:8080/";

    /// What a picture shows, module by module.
    fn drawn(svg: &str) -> Vec<Vec<bool>> {
        let between =
            |before: &str, after: &str| svg.split_once(before).unwrap().1.split_once(after).unwrap().0.to_owned();
        let side: usize = between("viewBox=\"0 0 ", " ").parse().unwrap();
        let mut rows = vec![vec![false; side]; side];
        for run in between(" d=\"", "\"").split('M').skip(1) {
            let (place, length) = run.split_once('h').unwrap();
            let (x, y) = place.split_once(' ').unwrap();
            let length: usize = length.split_once('v').unwrap().0.parse().unwrap();
            let x: usize = x.parse().unwrap();
            rows[y.parse::<usize>().unwrap()][x..x + length].fill(true);
        }
        rows
    }

    #[test]
    fn the_picture_and_the_terminal_show_the_same_code_with_its_quiet_zone() {
        let rows = modules(URL).unwrap();
        assert_eq!(drawn(&svg(URL).unwrap()), rows);
        let text = terminal(URL, Ink::Plain).unwrap();
        let lines: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
        for (y, row) in rows.iter().enumerate() {
            for (x, dark) in row.iter().enumerate() {
                let light = if y % 2 == 0 { "█▀" } else { "█▄" }.contains(lines[y / 2][x]);
                assert_eq!(light, !dark, "{x} {y}");
            }
        }
        let edge = |module: &bool| !module;
        assert!(
            rows[..QUIET_ZONE].iter().flatten().all(edge) && rows[rows.len() - QUIET_ZONE..].iter().flatten().all(edge)
        );
        assert!(rows.iter().all(|row| row[..QUIET_ZONE].iter().all(edge)));
        // The mark in the corner (ISO/IEC 18004 §6.3.3): seven dark modules, then a light one.
        assert_eq!(rows[QUIET_ZONE][QUIET_ZONE..QUIET_ZONE + 8], [true, true, true, true, true, true, true, false]);
    }

    #[test]
    fn a_picture_needs_nothing_that_a_policy_forbids() {
        let svg = svg("http://x/?<script>\"'&").unwrap();
        assert!(!svg.contains("style") && !svg.contains("script") && !svg.contains("href"), "{svg}");
    }

    #[test]
    fn what_is_too_long_is_refused() {
        assert_eq!(svg(&"x".repeat(MAX_BYTES + 1)), Err(TooLong));
        assert!(svg(&"x".repeat(MAX_BYTES)).is_ok());
    }

    #[test]
    fn colours_end_with_the_line() {
        let text = terminal(URL, Ink::Ansi).unwrap();
        assert!(text.lines().all(|line| line.starts_with("\u{1b}[97;40m") && line.ends_with("\u{1b}[0m")));
    }
}
