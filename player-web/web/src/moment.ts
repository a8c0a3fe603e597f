// Links to a moment of a broadcast: `?t=754`, `?t=12m34s`, `?segment=CID`. Pure.

/** The latest moment that a link can name: a year. */
const MOST_S = 365 * 86_400;

/** Seconds from the beginning, or undefined where the text says none: `90`, `90.5`, `1h2m3s`, `2m`. */
export function parseMoment(text: string | null): number | undefined {
  const plain = /^(\d{1,9}(?:\.\d{1,3})?)s?$/.exec(text ?? "");
  const parts = /^(?=\d)(?:(\d{1,4})h)?(?:(\d{1,6})m)?(?:(\d{1,8})s)?$/.exec(text ?? "");
  const part = (index: number) => Number(parts?.[index] ?? 0);
  const seconds = plain ? Number(plain[1]) : parts ? part(1) * 3600 + part(2) * 60 + part(3) : Number.NaN;
  return seconds <= MOST_S ? seconds : undefined;
}

/** `1h2m3s`, as links have it; whole seconds, rounded down. */
export function formatMoment(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return `${h ? `${h}h` : ""}${h || m ? `${m}m` : ""}${s}s`;
}

/** The address of a moment on a node. */
export function momentLink(origin: string, slug: string, seconds: number): string {
  return `${origin}/watch/${slug}?t=${formatMoment(seconds)}`;
}

/** `1:02:03`, or `14:03:10` where the time of day is known: as captions name a moment. */
export function clock(seconds: number, date?: number | null): string {
  const two = (n: number) => String(n).padStart(2, "0");
  if (date !== undefined && date !== null) {
    const time = new Date(date);
    return [time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(":");
  }
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}
