import assert from "node:assert/strict";
import { test } from "node:test";
import { EarlyEnd } from "./early-end";

test("what ends where the broadcast does has ended", () => {
  const ends = new EarlyEnd();
  assert.equal(ends.handleEnd(59.5, 60), false);
  assert.equal(ends.handleEnd(60.2, 60), false);
});

test("what ends before goes on a few times at each place", () => {
  const ends = new EarlyEnd();
  const tries = (at: number) => Array.from({ length: 7 }, () => ends.handleEnd(at, 60));
  assert.deepEqual(tries(6), [true, true, true, true, true, false, false]);
  assert.deepEqual(tries(12), [true, true, true, true, true, false, false]);
});

test("where it is not known how long the broadcast is the browser is believed", () => {
  assert.equal(new EarlyEnd().handleEnd(6, 0), false);
});
