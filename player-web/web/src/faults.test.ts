import assert from "node:assert/strict";
import { test } from "node:test";
import { ErrorDetails } from "hls.js";
import { fault } from "./faults";
import { Recovery } from "./recovery";

test("each error that hls.js knows has a way out, again and again", () => {
  const all = Object.values(ErrorDetails);
  assert.ok(all.length > 40, "these are all errors of hls.js");
  for (const details of all) {
    const recovery = new Recovery(() => 1);
    for (let time = 0; time < 5; time += 1) {
      const { action, delayMs } = recovery.handle(fault({ details }), time * 1000);
      assert.ok(["load", "recover-media", "recreate"].includes(action), details);
      assert.ok(delayMs >= 0 && delayMs <= 30_000, `${details}: ${delayMs} ms`);
    }
  }
});

test("errors are told apart by what helps against them", () => {
  for (const [details, expected] of [
    [ErrorDetails.FRAG_LOAD_ERROR, "network"],
    [ErrorDetails.LEVEL_PARSING_ERROR, "other"],
    [ErrorDetails.BUFFER_APPEND_ERROR, "media"],
    [ErrorDetails.BUFFER_INCOMPATIBLE_CODECS_ERROR, "unplayable"],
    ["of a later hls.js", "other"],
    ["constructor", "other"],
  ] as const) {
    assert.equal(fault({ details: details as ErrorDetails }), expected, details);
  }
});

test("what the browser cannot play is tried again, and rarely", () => {
  const recovery = new Recovery(() => 1);
  assert.deepEqual(recovery.handle("unplayable", 0), { action: "recreate", delayMs: 30_000 });
});
