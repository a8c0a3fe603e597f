import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import directory from "../../tests/fixtures/ws/directory.json";
import node from "../../tests/fixtures/ws/node.json";
import { heading, nodeLine, shortPublisher, started } from "./broadcast-texts";
import { parseServerMessage } from "./protocol";
import { Texts } from "./texts";

const t = new Texts("en", readFileSync("../texts/en.ftl", "utf8"));

test("a broadcast is written as the node's own pages write it", () => {
  const message = parseServerMessage(JSON.stringify(directory));
  assert.ok(message?.type === "directory");
  const [live, untitled] = message.broadcasts;
  assert.ok(live && untitled);
  assert.equal(heading(live, t), 'Open "stage" <b>2026</b>');
  assert.equal(heading(untitled, t), "Untitled broadcast");
  assert.equal(shortPublisher(live), "@CQkJCQkJ…");
  assert.equal(started(live, t), "2026-11-21 14:03 UTC");
  assert.equal(started({ ...live, started_at: Number.MAX_SAFE_INTEGER }, t), "an unknown time");
});

test("the line about the node says what a viewer can expect", () => {
  const message = parseServerMessage(JSON.stringify(node));
  assert.ok(message?.type === "node");
  const line = (state: typeof message): string => nodeLine(state, t).replace(/[\u2068\u2069]/g, "");
  assert.equal(line(message), "Connected to 2 other nodes.");
  assert.equal(line({ ...message, peers: 1 }), "Connected to 1 other node.");
  const alone = { ...message, peers: 0, storage: { used_percent: 42, disk_full: true } };
  assert.equal(line(alone), "No other node in reach: showing what this node holds. Its disk is full: it keeps nothing new.");
});
