import assert from "node:assert/strict";
import { test } from "node:test";
import { called, quality, readMesh } from "./mesh-data";

const node = { feed: "@a", name: "hall", version: "1", hops: 0, asked: true, heard_s: 0 };
const link = { a: "@a", b: "@b", over: "lan", rtt_ms: 3, loss_percent: 0, confirmed: true };

test("the mesh is read as the node tells it", () => {
  const other = { feed: "@b", name: "", version: "", hops: null, asked: false, heard_s: null, location: { latitude: 1, longitude: 2, altitude_m: 3 }, url: "http://[fc00::1]:8080/" };
  const mesh = readMesh({ nodes: [node, other], links: [link] });
  assert.deepEqual(mesh?.nodes[1], {
    feed: "@b", name: "", version: "", hops: undefined, asked: false, heardS: undefined,
    location: { latitude: 1, longitude: 2, altitude: 3 }, url: "http://[fc00::1]:8080/",
  });
  assert.deepEqual(mesh?.links, [{ a: "@a", b: "@b", over: "lan", rttMs: 3, lossPercent: 0, confirmed: true }]);
});

test("what is no node, no link, or no address of a page is left out", () => {
  assert.equal(readMesh([]), undefined);
  assert.equal(readMesh({ nodes: {}, links: [] }), undefined);
  const far = { ...node, feed: "@b", location: { latitude: 91, longitude: 0 }, hops: -1 };
  const mesh = readMesh({ nodes: [node, null, { name: "x" }, far], links: [null, { ...link, b: "@c" }, { ...link, b: "@a" }, { ...link, rtt_ms: 1e9, loss_percent: "x" }] });
  assert.deepEqual(mesh?.nodes.map(({ feed }) => feed), ["@a", "@b"]);
  assert.deepEqual([mesh?.nodes[1]?.location, mesh?.nodes[1]?.hops], [undefined, undefined]);
  assert.deepEqual(mesh?.links.map(({ rttMs, lossPercent }) => [rttMs, lossPercent]), [[undefined, undefined]]);
  for (const url of ["javascript:alert(1)", "http://a@b/", "http://10.0.0.1:80/x", "https://10.0.0.1/", "//x/"]) {
    assert.equal(readMesh({ nodes: [{ ...node, url }], links: [] })?.nodes[0]?.url, undefined, url);
  }
});

test("a link is as good as what was measured of it", () => {
  const of = (lossPercent?: number, rttMs?: number) => quality({ lossPercent, rttMs });
  assert.deepEqual([of(), of(0, 20), of(3, 20), of(0, 400), of(60, 20), of(undefined, 1)], ["link-unknown", "link-good", "link-fair", "link-fair", "link-poor", "link-good"]);
});

test("a node without a name is called by its feed", () => {
  const mesh = readMesh({ nodes: [{ ...node, feed: "@AbCdEfGhIjK=.ed25519", name: "  " }], links: [] });
  assert.equal(mesh?.nodes.map(called)[0], "@AbCdEfGh…");
});
