import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import directory from "../../tests/fixtures/ws/directory.json";
import { heading } from "./broadcast-texts";
import { parseServerMessage } from "./protocol";
import { Texts } from "./texts";

test("a broadcast is called as the node's own pages call it", () => {
  const t = new Texts("en", readFileSync("../texts/en.ftl", "utf8"));
  const message = parseServerMessage(JSON.stringify(directory));
  assert.ok(message?.type === "directory");
  const [live, untitled] = message.broadcasts;
  assert.ok(live && untitled);
  assert.equal(heading(live, t), 'Open "stage" <b>2026</b>');
  assert.equal(heading(untitled, t), "Untitled broadcast");
});
