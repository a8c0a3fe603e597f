// Times in the viewer's clock and the page's language. The node writes them in UTC, which says the same everywhere.

const HOUR_MS = 3_600_000;

/** `2026-11-21T14:03Z` or `2026-11-21`, in words; where it is so many hours from then on, with their end. Undefined where it is
 * neither. */
export function inWords(stamp: string, language: string, timeZone?: string, hours = 0): string | undefined {
  const isDay = /^\d{4}-\d\d-\d\d$/.test(stamp);
  const time = Date.parse(isDay ? `${stamp}T00:00Z` : stamp);
  if (Number.isNaN(time)) return undefined;
  // A day is the day of its name, wherever it is read.
  const zone = isDay ? "UTC" : timeZone;
  const format: Intl.DateTimeFormatOptions = isDay
    ? { weekday: "long", year: "numeric", month: "long", day: "numeric" }
    : { year: "numeric", month: "short", day: "numeric", hour: "numeric", minute: "2-digit" };
  const formatter: Ranging = new Intl.DateTimeFormat(language, zone === undefined ? format : { ...format, timeZone: zone });
  const to = time + hours * HOUR_MS;
  return to > time && formatter.formatRange ? formatter.formatRange(time, to) : formatter.format(time);
}

/** What browsers have had since 2021. */
interface Ranging extends Intl.DateTimeFormat {
  formatRange?(from: number, to: number): string;
}

/** Writes the times below an element anew. What it said before is its tooltip. */
export function localise(root: ParentNode): void {
  for (const time of Array.from(root.querySelectorAll("time"))) {
    const hours = Number(time.dataset.hours ?? 0);
    const words = time.title === "" ? inWords(time.dateTime, document.documentElement.lang, undefined, hours) : undefined;
    if (words === undefined) continue;
    time.title = time.textContent ?? "";
    time.textContent = words;
  }
}

/** How far this clock's zone is from UTC at a time: `+05:30`. */
export function zoneOffset(time: Date): string {
  const minutes = -time.getTimezoneOffset();
  const two = (number: number): string => String(Math.trunc(number)).padStart(2, "0");
  return `${minutes < 0 ? "-" : "+"}${two(Math.abs(minutes) / 60)}:${two(Math.abs(minutes) % 60)}`;
}
