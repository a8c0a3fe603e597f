import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff } from "./backoff";

test("delays double up to the cap, and begin anew after a success", () => {
  const backoff = new Backoff(500, 4000, () => 1);
  assert.deepEqual([1, 2, 3, 4, 5].map(() => backoff.next()), [500, 1000, 2000, 4000, 4000]);
  for (let n = 0; n < 5000; n++) backoff.next();
  assert.equal(backoff.next(), 4000);
  backoff.reset();
  assert.equal(backoff.next(), 500);
});

test("jitter keeps at least half of a delay", () => {
  assert.equal(new Backoff(500, 4000, () => 0).next(), 250);
});
