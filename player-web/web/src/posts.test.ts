import assert from "node:assert/strict";
import { test } from "node:test";
import fixture from "../../tests/fixtures/ws/post.json";
import { authorName, compare, initial, slug } from "./posts";
import { parseServerMessage } from "./protocol";

test("messages and feeds are written into addresses as the node writes them", () => {
  assert.equal(slug("%AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=.sha256"), "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM");
  assert.equal(slug("@+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=.ed25519"), "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s");
});

test("a nameless author is called by the feed", () => {
  const message = parseServerMessage(JSON.stringify(fixture));
  assert.ok(message?.type === "post");
  assert.equal(authorName(message.post), message.post.author.name);
  const nameless = { ...message.post, author: { ...message.post.author, name: "  " } };
  assert.equal(authorName(nameless), `${message.post.author.feed.slice(0, 9)}…`);
});

test("of posts that are loaded again it is known which are gone, and whether some may be missing", () => {
  assert.deepEqual(compare(["c", "b", "a"], ["d", "c", "a"]), { gone: ["b"], whole: true });
  assert.deepEqual(compare(["c", "b", "a"], ["e", "d", "c"]), { gone: [], whole: true });
  assert.deepEqual(compare(["b", "a"], ["f", "e", "d"]), { gone: [], whole: false });
  assert.deepEqual(compare(["b", "a"], []), { gone: ["b", "a"], whole: true });
  assert.deepEqual(compare([], ["b", "a"]), { gone: [], whole: true });
  assert.deepEqual(compare(["c", "b"], ["b"]), { gone: ["c"], whole: true });
});

test("a letter stands in for a picture in any script", () => {
  assert.equal(initial("«élan»"), "É");
  assert.equal(initial("أحمد"), "أ");
  assert.equal(initial("!!"), "@");
});
