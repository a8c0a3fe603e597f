import assert from "node:assert/strict";
import { test } from "node:test";
import { Pace } from "./pace";

test("a way that carries less than the video needs is told with both rates", () => {
  const pace = new Pace();
  pace.handleLoad({ seconds: 2, ms: 4000, bytes: 250_000 });
  assert.equal(pace.slowness(), undefined, "one says little");
  pace.handleLoad({ seconds: 2, ms: 4000, bytes: 250_000 });
  assert.deepEqual(pace.slowness(), { carriesKbps: 500, needsKbps: 1000 });
  for (let count = 0; count < 3; count += 1) pace.handleLoad({ seconds: 2, ms: 100, bytes: 250_000 });
  assert.equal(pace.slowness(), undefined, "what is long ago does not count");
  pace.reset();
  assert.equal(pace.slowness(), undefined);
});

test("loads without a length or a time say nothing", () => {
  const pace = new Pace();
  for (let count = 0; count < 4; count += 1) pace.handleLoad({ seconds: 0, ms: 4000, bytes: 10 });
  for (let count = 0; count < 4; count += 1) pace.handleLoad({ seconds: 2, ms: 0, bytes: 10 });
  assert.equal(pace.slowness(), undefined);
});
