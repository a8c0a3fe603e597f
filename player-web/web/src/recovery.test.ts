import assert from "node:assert/strict";
import { test } from "node:test";
import { retryAfterMs } from "./engine";
import { Recovery } from "./recovery";

test("network faults are tried again for ever, capped, or when the node says", () => {
  const recovery = new Recovery(() => 1);
  const delays = Array.from({ length: 100 }, () => recovery.handle("network", 0).delayMs);
  assert.deepEqual(delays.slice(0, 5), [1000, 2000, 4000, 8000, 10_000]);
  assert.equal(delays[99], 10_000);
  assert.deepEqual(recovery.handle("network", 0, 3000), { action: "load", delayMs: 3000 });
  recovery.handleLoaded();
  assert.equal(recovery.handle("network", 0).delayMs, 1000);
});

test("a media fault resets the decoder first, and makes a new player the second time", () => {
  const recovery = new Recovery(() => 1);
  assert.deepEqual(recovery.handle("media", 0), { action: "recover-media", delayMs: 0 });
  assert.deepEqual(recovery.handle("media", 5000), { action: "recreate", delayMs: 1000 });
  assert.deepEqual(recovery.handle("media", 9000), { action: "recreate", delayMs: 2000 });
  recovery.handleProgress(10_000);
  assert.equal(recovery.handle("other", 10_000).delayMs, 4000, "moving for a second is not yet health");
  recovery.handleProgress(60_000);
  assert.equal(recovery.handle("other", 60_000).delayMs, 1000);
  assert.equal(recovery.handle("media", 60_000).action, "recover-media");
});

test("Retry-After is honoured within reason", () => {
  assert.equal(retryAfterMs("3"), 3000);
  assert.equal(retryAfterMs("0"), 500);
  assert.equal(retryAfterMs("86400"), 30_000);
  for (const none of [null, undefined, "", "soon", "-1"]) assert.equal(retryAfterMs(none), undefined);
});
