import assert from "node:assert/strict";
import { test } from "node:test";
import { Offers } from "./offers";

test("renditions that come are asked for once, together", () => {
  const offers = new Offers();
  const told = [0, 1, 2, 2, 2].map((renditions) => offers.handle(renditions, 1));
  assert.deepEqual(told, [false, false, false, true, false]);
  assert.deepEqual([2, 3, 3, 3].map((renditions) => offers.handle(renditions, 3)), [false, false, true, false]);
});

test("nothing is asked for that is listed, nor before there is a list", () => {
  const offers = new Offers();
  assert.deepEqual([2, 2, 2].map((renditions) => offers.handle(renditions, 3)), [false, false, false]);
  assert.deepEqual([4, 4].map((renditions) => offers.handle(renditions, 0)), [false, false]);
  assert.equal(offers.handle(4, 3), true);
});
