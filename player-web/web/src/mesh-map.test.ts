import assert from "node:assert/strict";
import { test } from "node:test";
import { middleLongitude, type Place, project, roundDown, spread } from "./mesh-map";

const SIZE = 400;
const MARGIN = 40;

function view(...places: [number, number][]) {
  const all: Place[] = places.map(([latitude, longitude]) => ({ latitude, longitude }));
  return project(all, SIZE, SIZE, MARGIN);
}

test("north is above, east is right, and all is within the margins", () => {
  const { points } = view([43.6, -79.4], [43.7, -79.4], [43.6, -79.3]);
  const [south, north, east] = points;
  assert.ok(south && north && east);
  assert.ok(north.y < south.y && Math.abs(north.x - south.x) < 1e-6);
  assert.ok(east.x > south.x && Math.abs(east.y - south.y) < 1e-6);
  for (const { x, y } of points) assert.ok(x >= MARGIN - 1e-6 && x <= SIZE - MARGIN + 1e-6 && y >= MARGIN - 1e-6 && y <= SIZE - MARGIN + 1e-6);
});

test("a metre is as long to the north as to the east, and as long as the bar says", () => {
  // A degree of latitude is 111.2 km; at 60° north one of longitude is half of that.
  const { points, bar } = view([60, 10], [60.001, 10], [60, 10.002]);
  const [here, north, east] = points;
  assert.ok(here && north && east);
  const [up, right] = [here.y - north.y, east.x - here.x];
  assert.ok(Math.abs(up / right - 1) < 0.001, `${up} ${right}`);
  assert.ok(Math.abs((up / bar.pixels) * bar.metres - 111.2) < 0.2);
  assert.ok(bar.pixels <= 0.3 * SIZE && bar.pixels > 0.1 * SIZE);
});

test("one node alone is in the middle of a map of half a kilometre", () => {
  const { points, bar } = view([43.6, -79.4]);
  assert.deepEqual(points, [{ x: SIZE / 2, y: SIZE / 2 }]);
  assert.equal(bar.metres, 100);
});

test("a mesh across 180° stays in one piece", () => {
  assert.equal(middleLongitude([179, -179]), 180);
  assert.equal(middleLongitude([10, 20, 30]), 20);
  assert.equal(middleLongitude([]), 0);
  const { points } = view([-17, 179.99], [-17, -179.99]);
  assert.ok((points[0]?.x ?? 0) < (points[1]?.x ?? 0), "the one in the west is left");
  assert.ok(view([-17, 179.99], [-17, -179.99]).bar.metres <= 1000);
});

test("the poles and the whole Earth are drawn too", () => {
  for (const places of [[[90, 0], [90, 120]], [[-90, 180], [90, -180]], []] as [number, number][][]) {
    const { points, bar } = view(...places);
    assert.ok(points.every(({ x, y }) => Number.isFinite(x) && Number.isFinite(y)), JSON.stringify(points));
    assert.ok(bar.metres > 0 && Number.isFinite(bar.pixels));
  }
});

test("bars are of round lengths", () => {
  assert.deepEqual([1, 1.9, 2, 4.99, 5, 9, 10, 730, 0.3].map(roundDown), [1, 1, 2, 2, 5, 5, 10, 500, 0.2]);
});

test("nodes at one spot are told apart, and others stay where they are", () => {
  const there = { x: 100, y: 100 };
  const apart = spread([there, { x: 50, y: 50 }, there, { x: 101, y: 100 }]);
  assert.deepEqual(apart[1], { x: 50, y: 50 });
  const heap = [apart[0], apart[2], apart[3]];
  for (const one of heap) for (const other of heap) {
    assert.ok(one && other && (one === other || Math.hypot(one.x - other.x, one.y - other.y) > 9));
  }
});
