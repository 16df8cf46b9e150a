/** Numbers as people read them. */

const WHOLE = new Intl.NumberFormat("en-GB");

export const whole = (value: number): string => WHOLE.format(value);

/** "1 document", "3 documents". */
export function counted(value: number, one: string): string {
  return `${whole(value)} ${one}${value === 1 ? "" : "s"}`;
}

/** Decimal units, as file managers and disks use them. */
export function bytes(value: number): string {
  if (value < 1e6) return `${Math.ceil(value / 1e3)} kB`;
  if (value < 1e9) return `${(value / 1e6).toFixed(value < 1e7 ? 1 : 0)} MB`;
  return `${(value / 1e9).toFixed(1)} GB`;
}

export function seconds(value: number): string {
  if (value < 0.995) return `${Math.max(1, Math.round(value * 1e3))} ms`;
  return `${value.toFixed(value < 99.5 ? 1 : 0)} s`;
}

/** A rate with about two digits. */
export function rate(value: number): string {
  return value >= 10 ? whole(Math.round(value)) : value.toFixed(1);
}

/** Three places, and more where rounding would say that a score is 1 or 0. */
export function score(value: number): string {
  if (value > 0.9995 && value < 1) return value.toFixed(5).replace(/^1.*/, ">0.99999");
  if (value > 0 && value < 0.0005) return value < 0.000005 ? "<0.00001" : value.toFixed(5);
  return value.toFixed(3);
}

export function logit(value: number): string {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
}
