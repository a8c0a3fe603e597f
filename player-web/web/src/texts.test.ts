import assert from "node:assert/strict";
import { test } from "node:test";
import directory from "../../tests/fixtures/ws/directory.json";
import { parseServerMessage } from "./protocol";
import { heading, shortPublisher, started } from "./texts";

test("a broadcast is written as the node's own pages write it", () => {
  const message = parseServerMessage(JSON.stringify(directory));
  assert.ok(message?.type === "directory");
  const [live, untitled] = message.broadcasts;
  assert.ok(live && untitled);
  assert.equal(heading(live), 'Open "stage" <b>2026</b>');
  assert.equal(heading(untitled), "Untitled broadcast");
  assert.equal(shortPublisher(live), "@CQkJCQkJ…");
  assert.equal(started(live), "2026-11-21 14:03 UTC");
  assert.equal(started({ ...live, started_at: Number.MAX_SAFE_INTEGER }), "an unknown time");
});
