// Where nodes stand, on a flat map: pure. A community's mesh is small against the Earth, so degrees are taken as equally long everywhere
// on the map (equirectangular, true at its middle), which is right to 1 % over 300 km at 45° north.

export interface Place {
  latitude: number;
  longitude: number;
}

export interface Point {
  x: number;
  y: number;
}

export interface MapView {
  /** The places, in pixels, in their order. */
  points: Point[];
  /** A bar of so many pixels is so many metres long. */
  bar: { metres: number; pixels: number };
}

/** Metres of a degree of latitude: of a sphere as large as the Earth. */
const DEGREE_M = (Math.PI * 6_371_009) / 180;
/** A map of one node, or of nodes at one spot, shows so much around it. */
const LEAST_SPAN_M = 500;
/** Places nearer to each other than this cannot be told apart: they are moved onto a ring. */
const APART = 9;
const RING = 12;
/** The part of the map's width that its bar takes at most. */
const BAR_SHARE = 0.3;

/** The middle of longitudes, where the widest gap between them is behind it, so that a mesh across 180° stays in one piece. */
export function middleLongitude(longitudes: number[]): number {
  const sorted = [...longitudes].sort((one, other) => one - other);
  if (sorted.length === 0) return 0;
  let [west, gap] = [0, -1];
  sorted.forEach((longitude, index) => {
    const before = index > 0 ? (sorted[index - 1] ?? 0) : (sorted[sorted.length - 1] ?? 0) - 360;
    if (longitude - before > gap) [west, gap] = [longitude, longitude - before];
  });
  const middle = west + (360 - gap) / 2;
  return middle > 180 ? middle - 360 : middle;
}

/** The largest of 1, 2, 5, 10, 20, … that is not larger than the number. */
export function roundDown(number: number): number {
  const power = 10 ** Math.floor(Math.log10(number));
  return [5, 2, 1].map((digit) => digit * power).find((nice) => nice <= number * (1 + 1e-9)) ?? power;
}

/** Puts places into a drawing of this size, with so much left free at its edges. */
export function project(places: Place[], width: number, height: number, margin: number): MapView {
  const longitude = middleLongitude(places.map((place) => place.longitude));
  const latitudes = places.map((place) => place.latitude);
  const latitude = places.length > 0 ? (Math.min(...latitudes) + Math.max(...latitudes)) / 2 : 0;
  // Near the poles a degree of longitude is nothing; a thousandth keeps the division sound.
  const shrunk = Math.max(Math.cos((latitude * Math.PI) / 180), 1e-3);
  const metres = places.map((place) => {
    const east = ((place.longitude - longitude + 540) % 360) - 180;
    return { x: east * shrunk * DEGREE_M, y: (latitude - place.latitude) * DEGREE_M };
  });
  const span = (values: number[]): number => 2 * Math.max(LEAST_SPAN_M / 2, ...values.map(Math.abs));
  const acrossM = span(metres.map(({ x }) => x));
  const downM = span(metres.map(({ y }) => y));
  const scale = Math.min((width - 2 * margin) / acrossM, (height - 2 * margin) / downM);
  const points = metres.map(({ x, y }) => ({ x: width / 2 + x * scale, y: height / 2 + y * scale }));
  const barM = roundDown((width * BAR_SHARE) / scale);
  return { points: spread(points), bar: { metres: barM, pixels: barM * scale } };
}

/** Moves points that lie on each other onto a ring, in their order. */
export function spread(points: Point[]): Point[] {
  const heaps: { at: Point; members: number[] }[] = [];
  points.forEach((point, index) => {
    const heap = heaps.find(({ at }) => Math.hypot(at.x - point.x, at.y - point.y) < APART);
    if (heap) heap.members.push(index);
    else heaps.push({ at: point, members: [index] });
  });
  const placed = [...points];
  for (const { at, members } of heaps.filter((heap) => heap.members.length > 1)) {
    // As many as there are need a ring as long.
    const radius = Math.max(RING, (members.length * RING) / Math.PI);
    members.forEach((member, index) => {
      const angle = (2 * Math.PI * index) / members.length - Math.PI / 2;
      placed[member] = { x: at.x + radius * Math.cos(angle), y: at.y + radius * Math.sin(angle) };
    });
  }
  return placed;
}
