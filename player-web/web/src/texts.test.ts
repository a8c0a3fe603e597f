import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Texts } from "./texts";

test("a text is in its language, with its values isolated", () => {
  const t = new Texts("es", readFileSync("../texts/es.ftl", "utf8"));
  assert.equal(t.get("in-answer-to", { name: "أحمد" }), "En respuesta a \u2068أحمد\u2069");
  assert.equal(t.get("in-answer-to", { name: "a\u2069\u202eb" }), "En respuesta a \u2068ab\u2069");
  assert.equal(t.get("node-connected", { peers: 1 }), "Conectado con \u20681\u2069 nodo más.");
});

test("what is missing does not stop a page", () => {
  const t = new Texts("en", "broken = { $a\nby = by { $publisher }\n");
  assert.equal(t.get("nothing"), "nothing");
  assert.equal(t.get("by"), "by \u2068{$publisher}\u2069");
});
