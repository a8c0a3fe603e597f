import assert from "node:assert/strict";
import { test } from "node:test";
import { Reserve, type Supply } from "./reserve";

const steady: Supply = { live: true, starved: false, ahead: 3, wanted: 4 };
const dry: Supply = { ...steady, starved: true, ahead: 0 };

test("a player that moves is never held, however little is listed", () => {
  const reserve = new Reserve();
  for (const ahead of [4, 2, 0.1, 2.1]) assert.equal(reserve.update({ ...steady, ahead }, 0), false);
});

test("one that ran dry at the live edge is held until enough is listed", () => {
  const reserve = new Reserve();
  assert.equal(reserve.update(dry, 0), true);
  assert.equal(reserve.update(dry, 60_000), true, "the publisher may be away for long");
  assert.equal(reserve.update({ ...steady, ahead: 2 }, 61_000), true, "one segment is not enough");
  assert.equal(reserve.update({ ...steady, ahead: 3.96 }, 63_000), false);
  assert.equal(reserve.update({ ...steady, ahead: 2 }, 65_000), false, "it plays on with what it has then");
});

test("the patience of a hold counts from when there is something to play", () => {
  const reserve = new Reserve();
  reserve.update(dry, 0);
  assert.equal(reserve.update({ ...steady, ahead: 2 }, 100_000), true);
  assert.equal(reserve.update({ ...steady, ahead: 2 }, 108_000), true);
  assert.equal(reserve.update({ ...steady, ahead: 2 }, 108_500), false);
  assert.equal(reserve.update({ ...steady, ahead: 1 }, 109_000), false, "not again before it is dry again");
  assert.equal(reserve.update(dry, 111_000), true);
  assert.equal(reserve.update({ ...steady, ahead: 2 }, 112_000), true);
});

test("a slow network behind a long list is not the live edge", () => {
  assert.equal(new Reserve().update({ ...dry, ahead: 20 }, 0), false);
});

test("what has ended is played to its end", () => {
  const reserve = new Reserve();
  reserve.update(dry, 0);
  assert.equal(reserve.update({ ...dry, live: false }, 1000), false);
});

test("where the browser sees to it, nothing is held", () => {
  assert.equal(new Reserve().update({ ...dry, wanted: 0 }, 0), false);
});
