import assert from "node:assert/strict";
import { test } from "node:test";
import { Missing, type Part } from "./missing";

const part = (sequence: number): Part => ({ sequence, start: sequence * 15, duration: 15, date: null });

test("a part that nobody has is passed over after its time, and the next one sooner", () => {
  const missing = new Missing();
  missing.handleNotYet(part(7), 0);
  assert.deepEqual(missing.waiting(1000), { part: part(7), percent: null, skipInS: 29 });
  missing.handleNotYet(part(7), 20_000);
  assert.equal(missing.skip(29_999), undefined);
  assert.deepEqual(missing.skip(30_000), part(7));
  assert.equal(missing.skip(30_001), undefined, "once");
  missing.handleNotYet(part(8), 31_000);
  assert.equal(missing.waiting(31_000)?.skipInS, 5);
  assert.deepEqual(missing.skip(36_000), part(8));
});

test("a part that comes is waited for, however slow, until nothing comes any more", () => {
  const missing = new Missing();
  missing.handleNotYet(part(1), 0);
  for (let now = 0; now < 200_000; now += 10_000) {
    missing.handleProgress(1, { bytes: now + 1, total_bytes: 400_000, quiet_ms: 100 }, now);
    assert.equal(missing.skip(now + 9000), undefined);
  }
  assert.deepEqual(missing.waiting(190_000), { part: part(1), percent: 47, skipInS: null });
  missing.handleProgress(1, { bytes: 190_001, total_bytes: 400_000, quiet_ms: 11_000 }, 200_000);
  assert.equal(missing.waiting(200_000)?.skipInS, 20);
  assert.deepEqual(missing.skip(220_000), part(1));
});

test("what arrived is not passed over, and who does not want to wait need not", () => {
  const missing = new Missing();
  missing.handleNotYet(part(1), 0);
  missing.handleArrived();
  assert.equal(missing.waiting(0), undefined);
  assert.equal(missing.skip(99_000), undefined);
  missing.handleNotYet(part(2), 0);
  assert.deepEqual(missing.skip(1, true), part(2));
});
