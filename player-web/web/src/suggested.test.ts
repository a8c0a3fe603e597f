import assert from "node:assert/strict";
import { test } from "node:test";
import { highestWithin, suggestedBitrate } from "./suggested";

test("the suggested bit rate is in kbit/s, and the least of all counts", () => {
  assert.equal(suggestedBitrate('"meshstream";mb=900'), 900_000);
  assert.equal(suggestedBitrate('"cache";etp=5000;mb=1200, "meshstream";rtt=20; mb=900'), 900_000);
});

test("where nothing is suggested there is no bound", () => {
  for (const header of [null, undefined, "", '"meshstream";etp=5', '"meshstream";mb=fast', '"meshstream";comb=5']) {
    assert.equal(suggestedBitrate(header), undefined, String(header));
  }
});

test("levels are let through up to the rate", () => {
  const levels = [{ bitrate: 220_000 }, { bitrate: 900_000 }, { bitrate: 3_000_000 }];
  assert.deepEqual([100_000, 900_000, 1_000_000, 9_000_000].map((rate) => highestWithin(levels, rate)), [-1, 1, 1, 2]);
});
