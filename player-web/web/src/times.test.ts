import assert from "node:assert/strict";
import { test } from "node:test";
import { inWords, zoneOffset } from "./times";

test("a time is told in the language and the place of whoever reads it", () => {
  assert.equal(inWords("2026-11-21T14:03Z", "en-GB", "UTC"), "21 Nov 2026, 14:03");
  assert.equal(inWords("2026-11-21T14:03Z", "es", "America/Bogota"), "21 nov 2026, 9:03");
});

test("an hour is told with its end", () => {
  const told = inWords("2026-11-21T14:00Z", "en-GB", "UTC", 1) ?? "";
  assert.match(told, /^21 Nov 2026, 14:00\s?–\s?15:00$/);
  assert.match(inWords("2026-11-21T23:00Z", "es", "UTC", 1) ?? "", /^21 nov 2026, 23:00\s?–\s?22 nov 2026, 0:00$/);
  assert.equal(inWords("2026-11-21T14:03Z", "en-GB", "UTC", Number.NaN), "21 Nov 2026, 14:03");
});

test("a day is the same wherever it is read", () => {
  assert.match(inWords("2026-11-21", "en-GB", "Pacific/Auckland") ?? "", /^Saturday,? 21 November 2026$/);
  assert.equal(inWords("2026-11-21", "fr"), "samedi 21 novembre 2026");
});

test("what is no time stays as it is", () => {
  for (const odd of ["", "soon", "2026-13-40T99:99Z"]) assert.equal(inWords(odd, "en"), undefined);
});

test("the zone of a clock is written as the node has it", () => {
  const at = (west: number): Date => Object.assign(new Date(0), { getTimezoneOffset: () => west });
  for (const [west, zone] of [[0, "+00:00"], [-330, "+05:30"], [210, "-03:30"], [-765, "+12:45"], [600, "-10:00"]] as const) {
    assert.equal(zoneOffset(at(west)), zone);
  }
});
