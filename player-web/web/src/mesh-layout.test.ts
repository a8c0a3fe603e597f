import assert from "node:assert/strict";
import { test } from "node:test";
import type { Mesh, MeshLink, MeshNode } from "./mesh-data";
import { depths, layOut } from "./mesh-layout";

const SIZE = 400;
const MARGIN = 40;

function mesh(hops: (number | undefined)[], ...pairs: [number, number, boolean?][]): Mesh {
  const node = (of: number | undefined, index: number): MeshNode => ({
    feed: `@${index}`, name: "", version: "", hops: of, location: undefined, asked: true, heardS: 0, url: undefined,
  });
  const link = ([a, b, confirmed = true]: [number, number, boolean?]): MeshLink => ({ a: `@${a}`, b: `@${b}`, over: "lan", rttMs: 1, lossPercent: 0, confirmed });
  return { nodes: hops.map(node), links: pairs.map(link) };
}

const away = (point: { x: number; y: number } | undefined): number => Math.hypot((point?.x ?? 0) - SIZE / 2, (point?.y ?? 0) - SIZE / 2);

test("nodes are as many rings away as there are links to them, whatever was told", () => {
  assert.deepEqual(depths(mesh([0, 1, 9, 3], [0, 1], [1, 2], [2, 3])), [0, 1, 2, 3]);
});

test("nodes to which no link is known are where they were told to be, or beyond", () => {
  assert.deepEqual(depths(mesh([0, 1, 2, undefined, 0, 60], [0, 1])), [0, 1, 2, 2, 1, 2]);
  assert.deepEqual(depths(mesh([0])), [0]);
  assert.deepEqual(depths(mesh([])), []);
  const chain = Array.from({ length: 20 }, (_, index): [number, number] => [index, index + 1]);
  assert.equal(Math.max(...depths(mesh(Array.from({ length: 21 }, () => undefined), ...chain))), 8);
});

test("a chain is a line from the middle outwards", () => {
  const { points, rings } = layOut(mesh([0, 1, 2], [0, 1], [1, 2]), SIZE, MARGIN);
  assert.deepEqual(rings, [80, 160]);
  assert.deepEqual(points.map((point) => Math.round(away(point))), [0, 80, 160]);
  assert.ok(Math.abs((points[2]?.x ?? 0) - (points[1]?.x ?? 0)) < 1e-6);
});

test("a node stands on the side of the one through which it is reached, by a link that both tell where there is one", () => {
  const drawn = layOut(mesh([0, 1, 1, 2], [0, 1], [0, 2], [3, 1, false], [3, 2]), SIZE, MARGIN).points;
  const between = (one: number, other: number): number => Math.hypot((drawn[one]?.x ?? 0) - (drawn[other]?.x ?? 0), (drawn[one]?.y ?? 0) - (drawn[other]?.y ?? 0));
  assert.ok(between(3, 2) < between(3, 1));
});

test("all of many nodes have places of their own within the drawing, the same each time", () => {
  const hops = Array.from({ length: 200 }, (_, index) => (index === 0 ? 0 : 1 + (index % 5)));
  const pairs = hops.slice(1).map((_, index): [number, number] => [Math.floor(index / 3), index + 1]);
  const { points } = layOut(mesh(hops, ...pairs), SIZE, MARGIN);
  assert.deepEqual(points, layOut(mesh(hops, ...pairs), SIZE, MARGIN).points);
  assert.ok(points.every((point) => away(point) <= SIZE / 2 - MARGIN + 1e-6));
  assert.equal(new Set(points.map(({ x, y }) => `${x.toFixed(3)} ${y.toFixed(3)}`)).size, points.length);
});
