//! A drawn picture for a broadcast that has none: a small mesh, always the same for the same broadcast. Pure.

use std::fmt::Write as _;

use crate::people::TONES;

const WIDTH: i32 = 320;
const HEIGHT: i32 = 180;
/// Room between a point and the edge.
const MARGIN: i32 = 22;
const POINTS: usize = 9;
/// Each point is joined to so many of those nearest to it.
const LINKS: usize = 2;

/// SVG, to be put into a page as it is: it has numbers and class names only.
pub(crate) fn svg(seed: [u8; 32]) -> String {
    let points = points(&seed);
    let mut svg = format!(
        "<svg class=\"art tone-{}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"xMidYMid slice\" aria-hidden=\"true\" \
         focusable=\"false\"><rect class=\"art-ground\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/><path class=\"art-links\" d=\"",
        seed[31] % TONES
    );
    for (index, from) in points.iter().enumerate() {
        let mut others: Vec<_> = points.iter().enumerate().filter(|(other, _)| *other != index).collect();
        others.sort_by_key(|(other, to)| (distance(*from, **to), *other));
        for (_, to) in others.into_iter().take(LINKS) {
            let _ = write!(svg, "M{} {}L{} {}", from.0, from.1, to.0, to.1);
        }
    }
    svg.push_str("\"/>");
    for (index, (x, y)) in points.iter().enumerate() {
        let radius = if index == 0 { 13 } else { 4 + i32::from(seed[20 + index] % 5) };
        let class = if index == 0 { "art-source" } else { "art-node" };
        let _ = write!(svg, "<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"{radius}\"/>");
    }
    svg.push_str("</svg>");
    svg
}

/// One in each cell of a grid, so that they never lie upon each other.
fn points(seed: &[u8; 32]) -> Vec<(i32, i32)> {
    let columns = 3;
    let (cell_width, cell_height) = ((WIDTH - 2 * MARGIN) / columns, (HEIGHT - 2 * MARGIN) / columns);
    let within = |byte: u8, size: i32| i32::from(byte) * (size - size / 4) / 255 + size / 8;
    let mut points: Vec<_> = (0_i32..)
        .zip(seed.chunks(2))
        .take(POINTS)
        .map(|(cell, bytes)| {
            let (column, row) = (cell % columns, cell / columns);
            (
                MARGIN + column * cell_width + within(bytes[0], cell_width),
                MARGIN + row * cell_height + within(bytes[1], cell_height),
            )
        })
        .collect();
    points.rotate_left(usize::from(seed[30]) % POINTS);
    points
}

fn distance(a: (i32, i32), b: (i32, i32)) -> i32 {
    (a.0 - b.0).pow(2) + (a.1 - b.1).pow(2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_picture_stays_in_its_frame_and_is_always_the_same(seed in any::<[u8; 32]>()) {
            for (x, y) in points(&seed) {
                prop_assert!((MARGIN..=WIDTH - MARGIN).contains(&x) && (MARGIN..=HEIGHT - MARGIN).contains(&y));
            }
            prop_assert_eq!(svg(seed), svg(seed));
            prop_assert!(svg(seed).len() < 2_500);
        }
    }
}
