import assert from "node:assert/strict";
import { test } from "node:test";
import { clock, formatMoment, momentLink, parseMoment } from "./moment";

test("moments are read as people write them", () => {
  for (const [text, seconds] of [
    ["0", 0],
    ["90", 90],
    ["90s", 90],
    ["90.5", 90.5],
    ["2m", 120],
    ["1h2m3s", 3723],
    ["1h", 3600],
    ["1h3s", 3603],
    ["90m", 5400],
  ] as const) {
    assert.equal(parseMoment(text), seconds, text);
  }
  for (const text of [null, "", "s", "-1", "1e3", "1:30", "3s2m", "h", "1d", "99999999999", "NaN", "1h2"]) {
    assert.equal(parseMoment(text), undefined, String(text));
  }
});

test("a link's moment reads back", () => {
  for (const seconds of [0, 59, 60, 3599, 3600, 3723, 90_000]) {
    assert.equal(parseMoment(formatMoment(seconds)), seconds);
  }
  assert.equal(momentLink("http://10.0.0.1:8080", "abc", 754.9), "http://10.0.0.1:8080/watch/abc?t=12m34s");
});

test("captions name a moment by the clock where it is known", () => {
  assert.equal(clock(3723.9), "1:02:03");
  assert.match(clock(0, Date.parse("2026-11-21T14:03:10")), /^14:03:10$/);
});
