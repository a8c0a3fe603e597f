import assert from "node:assert/strict";
import { test } from "node:test";
import { placeLabels, shortened } from "./mesh-labels";

const place = (names: string[], points: { x: number; y: number }[]) => placeLabels(names, points, names.map((_, index) => index), 400, 400, 10);

test("a name stands below its point, and above where another one lies there", () => {
  const [alone] = place(["hall"], [{ x: 200, y: 200 }]);
  assert.ok(alone && alone.y > 200 && alone.x === 200);
  const [upper, lower] = place(["upper", "lower"], [{ x: 200, y: 200 }, { x: 200, y: 222 }]);
  assert.ok(upper && lower && upper.y < 200 && lower.y > 222);
});

test("what finds no room is left out, and who comes first has it", () => {
  const points = Array.from({ length: 60 }, (_, index) => ({ x: 190 + (index % 8) * 3, y: 190 + Math.floor(index / 8) * 3 }));
  const labels = place(points.map((_, index) => `node ${index}`), points);
  assert.ok(labels.length > 0 && labels.length < 10);
  assert.equal(labels[0]?.index, 0);
});

test("names at the edge are pushed in", () => {
  const [label] = place(["a rather long one"], [{ x: 12, y: 100 }]);
  assert.ok(label && label.x > 50, JSON.stringify(label));
});

test("long names are cut between letters", () => {
  assert.equal(shortened("  hall "), "hall");
  assert.equal(shortened("🎥".repeat(30)), `${"🎥".repeat(15)}…`);
});
