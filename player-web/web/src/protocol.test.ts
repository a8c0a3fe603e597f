import assert from "node:assert/strict";
import { test } from "node:test";
import comment from "../../tests/fixtures/ws/comment.json";
import directory from "../../tests/fixtures/ws/directory.json";
import error from "../../tests/fixtures/ws/error.json";
import hello from "../../tests/fixtures/ws/hello.json";
import hidden from "../../tests/fixtures/ws/hidden.json";
import missed from "../../tests/fixtures/ws/missed.json";
import node from "../../tests/fixtures/ws/node.json";
import playing from "../../tests/fixtures/ws/playing.json";
import playlist from "../../tests/fixtures/ws/playlist.json";
import post from "../../tests/fixtures/ws/post.json";
import statistics from "../../tests/fixtures/ws/statistics.json";
import subscribe from "../../tests/fixtures/ws/subscribe.json";
import timeline from "../../tests/fixtures/ws/timeline.json";
import unsubscribe from "../../tests/fixtures/ws/unsubscribe.json";
import unsupported from "../../tests/fixtures/ws/unsupported.json";
import { VERSION, encodeClientMessage, parseServerMessage } from "./protocol";

test("what the node sends is understood", () => {
  assert.deepEqual(parseServerMessage(JSON.stringify(hello)), { type: "hello", version: VERSION });
  assert.deepEqual(parseServerMessage(JSON.stringify(directory)), directory);
  assert.deepEqual(parseServerMessage(JSON.stringify(playlist)), playlist);
  assert.deepEqual(parseServerMessage(JSON.stringify(node)), node);
  assert.deepEqual(parseServerMessage(JSON.stringify(error)), error);
  for (const message of [comment, post, hidden, missed, statistics, unsupported]) {
    assert.deepEqual(parseServerMessage(JSON.stringify(message)), message);
  }
});

test("what the player sends is as documented", () => {
  const { broadcast } = subscribe;
  assert.deepEqual(JSON.parse(encodeClientMessage({ type: "subscribe", broadcast })), subscribe);
  assert.deepEqual(JSON.parse(encodeClientMessage({ type: "subscribe", broadcast, playing: true })), playing);
  assert.deepEqual(JSON.parse(encodeClientMessage({ type: "unsubscribe", broadcast })), unsubscribe);
  assert.deepEqual(JSON.parse(encodeClientMessage({ type: "timeline" })), timeline);
});

test("posts that are not whole are ignored", () => {
  const whole = post.post;
  for (const odd of [null, {}, { ...whole, html: 1 }, { ...whole, author: null }, { ...whole, cursor: "1" }]) {
    assert.equal(parseServerMessage(JSON.stringify({ type: "post", post: odd })), undefined);
    assert.equal(parseServerMessage(JSON.stringify({ ...comment, post: odd })), undefined);
  }
});

test("statistics that are not whole are ignored, and sources that are not are left out", () => {
  for (const odd of [{ viewers: null }, { viewers: { here: 1 } }, { served_kbps: "1" }, { sources: {} }, { own: 0 }]) {
    assert.equal(parseServerMessage(JSON.stringify({ ...statistics, ...odd })), undefined, JSON.stringify(odd));
  }
  const [first] = statistics.sources;
  const broken = { ...statistics, sources: [null, { ...first, hops: "1" }, first] };
  assert.deepEqual(parseServerMessage(JSON.stringify(broken)), { ...statistics, sources: [first] });
});

test("other messages are ignored, and broadcasts that are not whole are left out", () => {
  for (const text of ["", "null", "[]", "{}", '{"type":"later"}', '{"type":"hello"}', '{"type":"playlist"}', '{"type":"node"}', '{"type":"hidden"}', "{"]) {
    assert.equal(parseServerMessage(text), undefined, text);
  }
  const [first] = directory.broadcasts;
  const broken = { type: "directory", broadcasts: [{ ...first, slug: "../../evil" }, { ...first, title: 7 }, null, first] };
  const whole = { type: "directory", broadcasts: [first], upcoming: [] };
  assert.deepEqual(parseServerMessage(JSON.stringify(broken)), whole);
  const [next] = directory.upcoming;
  const planned = { ...broken, upcoming: [{ ...next, starts_at: "soon" }, { ...next, slug: "x" }, 5, next] };
  assert.deepEqual(parseServerMessage(JSON.stringify(planned)), { ...whole, upcoming: [next] });
});
