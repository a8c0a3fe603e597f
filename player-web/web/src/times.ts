// Times in the viewer's clock and the page's language. The node writes them in UTC, which says the same everywhere.

/** `2026-11-21T14:03Z` or `2026-11-21`, in words. Undefined where it is neither. */
export function inWords(stamp: string, language: string, timeZone?: string): string | undefined {
  const isDay = /^\d{4}-\d\d-\d\d$/.test(stamp);
  const time = Date.parse(isDay ? `${stamp}T00:00Z` : stamp);
  if (Number.isNaN(time)) return undefined;
  // A day is the day of its name, wherever it is read.
  const zone = isDay ? "UTC" : timeZone;
  const format: Intl.DateTimeFormatOptions = isDay
    ? { weekday: "long", year: "numeric", month: "long", day: "numeric" }
    : { year: "numeric", month: "short", day: "numeric", hour: "numeric", minute: "2-digit" };
  return new Intl.DateTimeFormat(language, zone === undefined ? format : { ...format, timeZone: zone }).format(time);
}

/** Writes the times below an element anew. What it said before is its tooltip. */
export function localise(root: ParentNode): void {
  for (const time of Array.from(root.querySelectorAll("time"))) {
    const words = time.title === "" ? inWords(time.dateTime, document.documentElement.lang) : undefined;
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
