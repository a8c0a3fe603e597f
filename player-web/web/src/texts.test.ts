import assert from "node:assert/strict";
import { test } from "node:test";
import directory from "../../tests/fixtures/ws/directory.json";
import node from "../../tests/fixtures/ws/node.json";
import { parseServerMessage } from "./protocol";
import { heading, nodeLine, shortPublisher, started } from "./texts";

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

test("the line about the node says what a viewer can expect", () => {
  const message = parseServerMessage(JSON.stringify(node));
  assert.ok(message?.type === "node");
  assert.equal(nodeLine(message), "Connected to 2 other nodes.");
  assert.equal(nodeLine({ ...message, peers: 1 }), "Connected to 1 other node.");
  const alone = { ...message, peers: 0, storage: { used_percent: 42, disk_full: true } };
  const line = "No other node in reach: showing what this node holds. Its disk is full: it keeps nothing new.";
  assert.equal(nodeLine(alone), line);
});
