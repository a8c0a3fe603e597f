import assert from "node:assert/strict";
import { test } from "node:test";
import directory from "../../tests/fixtures/ws/directory.json";
import error from "../../tests/fixtures/ws/error.json";
import hello from "../../tests/fixtures/ws/hello.json";
import node from "../../tests/fixtures/ws/node.json";
import playlist from "../../tests/fixtures/ws/playlist.json";
import subscribe from "../../tests/fixtures/ws/subscribe.json";
import unsubscribe from "../../tests/fixtures/ws/unsubscribe.json";
import { VERSION, encodeClientMessage, parseServerMessage } from "./protocol";

test("what the node sends is understood", () => {
  assert.deepEqual(parseServerMessage(JSON.stringify(hello)), { type: "hello", version: VERSION });
  assert.deepEqual(parseServerMessage(JSON.stringify(directory)), directory);
  assert.deepEqual(parseServerMessage(JSON.stringify(playlist)), playlist);
  assert.deepEqual(parseServerMessage(JSON.stringify(node)), node);
  assert.deepEqual(parseServerMessage(JSON.stringify(error)), error);
});

test("what the player sends is as documented", () => {
  const { broadcast } = subscribe;
  assert.deepEqual(JSON.parse(encodeClientMessage({ type: "subscribe", broadcast })), subscribe);
  assert.deepEqual(JSON.parse(encodeClientMessage({ type: "unsubscribe", broadcast })), unsubscribe);
});

test("other messages are ignored, and broadcasts that are not whole are left out", () => {
  for (const text of ["", "null", "[]", "{}", '{"type":"later"}', '{"type":"hello"}', '{"type":"playlist"}', '{"type":"node"}', "{"]) {
    assert.equal(parseServerMessage(text), undefined, text);
  }
  const [first] = directory.broadcasts;
  const broken = { type: "directory", broadcasts: [{ ...first, slug: "../../evil" }, { ...first, title: 7 }, null, first] };
  assert.deepEqual(parseServerMessage(JSON.stringify(broken)), { type: "directory", broadcasts: [first] });
});
