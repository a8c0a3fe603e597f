import assert from "node:assert/strict";
import { test } from "node:test";
import { command, ownsKey } from "./keys";

const press = (key: string, modifiers: object = {}) =>
  command({ key, ctrlKey: false, metaKey: false, altKey: false, ...modifiers });

test("each key of the help does what it says", () => {
  for (const [key, expected] of [
    [" ", { do: "toggle" }],
    ["k", { do: "toggle" }],
    ["K", { do: "toggle" }],
    ["j", { do: "seek", by: -10 }],
    ["l", { do: "seek", by: 10 }],
    ["ArrowLeft", { do: "seek", by: -5 }],
    ["ArrowRight", { do: "seek", by: 5 }],
    ["ArrowUp", { do: "volume", by: 0.1 }],
    ["ArrowDown", { do: "volume", by: -0.1 }],
    ["Home", { do: "beginning" }],
    ["End", { do: "live" }],
    ["m", { do: "mute" }],
    ["f", { do: "fullscreen" }],
    ["p", { do: "picture-in-picture" }],
    ["c", { do: "captions" }],
    ["?", { do: "help" }],
  ] as const) {
    assert.deepEqual(press(key), expected, key);
  }
  for (const other of ["Enter", "Tab", "Escape", "x", "1", "", "home"]) assert.equal(press(other), undefined, other);
});

test("what the browser or a control wants is left to it", () => {
  for (const modifier of ["ctrlKey", "metaKey", "altKey"]) assert.equal(press("f", { [modifier]: true }), undefined);
  assert.ok(ownsKey("INPUT", "k") && ownsKey("SELECT", "ArrowDown") && ownsKey("BUTTON", " ") && ownsKey("A", "Enter"));
  assert.ok(!ownsKey("BUTTON", "k") && !ownsKey("VIDEO", " ") && !ownsKey("DIV", "ArrowLeft"));
});
