// Which names are written beside the points of a drawing, and where, so that none lies on another: pure.

import type { Point } from "./mesh-map";

export interface Label {
  /** Of which point. */
  index: number;
  text: string;
  /** The middle of its foot line. */
  x: number;
  y: number;
}

/** Characters of a name. */
const MOST_CHARS = 16;
/** Of letters of 12 px, about; wide ones are rare in names. */
const CHAR_WIDTH = 7.2;
const LINE = 14;

interface Box {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

const overlap = (one: Box, other: Box): boolean =>
  one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;

/** A name as it is drawn. */
export function shortened(name: string): string {
  const chars = Array.from(name.trim());
  return chars.length > MOST_CHARS ? `${chars.slice(0, MOST_CHARS - 1).join("")}…` : chars.join("");
}

/** Names of points, in the order in which they have a right to room: below or above the point, or beside it. What finds none is left out. */
export function placeLabels(names: string[], points: Point[], order: number[], width: number, height: number, radius: number): Label[] {
  const taken: Box[] = points.map(({ x, y }) => ({ left: x - radius, right: x + radius, top: y - radius, bottom: y + radius }));
  const labels: Label[] = [];
  for (const index of order) {
    const point = points[index];
    const text = shortened(names[index] ?? "");
    if (!point || text === "") continue;
    const half = (Array.from(text).length * CHAR_WIDTH) / 2;
    const beside = radius + half + 4;
    const feet = [
      { x: point.x, y: point.y + radius + LINE },
      { x: point.x, y: point.y - radius - 5 },
      { x: point.x + beside, y: point.y + 4 },
      { x: point.x - beside, y: point.y + 4 },
    ];
    for (const foot of feet) {
      // Pushed in from the edge, where that is all it takes.
      const x = Math.min(Math.max(foot.x, half + 2), width - half - 2);
      const box = { left: x - half, right: x + half, top: foot.y - LINE + 3, bottom: foot.y + 3 };
      const inside = box.left >= 0 && box.right <= width && box.top >= 0 && box.bottom <= height;
      if (!inside || taken.some((other) => overlap(other, box))) continue;
      taken.push(box);
      labels.push({ index, text, x, y: foot.y });
      break;
    }
  }
  return labels;
}
