// Times as a person reads them.

const UNITS = [["s", 1e12], ["ms", 1e9], ["us", 1e6], ["ns", 1e3], ["ps", 1]];

/** A time with up to four figures: `12.35 ms`. */
function shortTime(time) {
  const ps = Number(time);
  const [unit, size] = UNITS.find(([, size]) => Math.abs(ps) >= size) ?? UNITS[4];
  return `${Number((ps / size).toPrecision(4))} ${unit}`;
}

/** An instant, a BigInt in ps, in seconds with all of its digits and at least so many decimals. */
function instant(ps, decimals = 6) {
  const rest = String(ps % 1000000000000n).padStart(12, "0");
  const shown = rest.replace(/0+$/, "").padEnd(decimals, "0");
  return `${ps / 1000000000000n}${shown && "."}${shown} s`;
}

const percent = (part) => `${(100 * part).toFixed(part > 0 && part < 0.001 ? 3 : 1)} %`;
