// The slices of each coproc, unpacked; finding those that are seen, and what each pixel of them is.

async function unpacked(text, Column) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Column(await new Response(stream).arrayBuffer());
}

/** Where each length ends, as exact and as drawable numbers: a double has whole ps for two and a half hours only. */
function addedUp(lengths) {
  const exact = new BigInt64Array(lengths.length + 1);
  const drawn = new Float64Array(lengths.length + 1);
  for (let place = 0; place < lengths.length; place++) {
    exact[place + 1] = exact[place] + lengths[place];
    drawn[place + 1] = Number(exact[place + 1]);
  }
  return { exact, drawn };
}

/** The last place at which a rising column is not above `value`. */
function placeOf(column, value) {
  let low = 0, high = column.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (column[middle] <= value) low = middle; else high = middle;
  }
  return low;
}

/** One coproc: slice n is of kind `kinds[n]` and lasts from `bounds.drawn[n]` to the next, in ps since the beginning. */
async function strip(packed) {
  const [lengths, kinds, at, happenings, whose, time] = await Promise.all([
    unpacked(packed.lengths, BigInt64Array), unpacked(packed.kinds, Uint16Array), unpacked(packed.at, BigInt64Array),
    unpacked(packed.happenings, Uint8Array), unpacked(packed.whose, Uint16Array), unpacked(packed.time, BigInt64Array),
  ]);
  const happened = addedUp(at).drawn.subarray(1);
  return { ...packed, bounds: addedUp(lengths), kinds, happened, happenings, whose, time };
}

const sliceAt = (strip, offset) => Math.min(placeOf(strip.bounds.drawn, offset), strip.kinds.length - 1);

/**
 * Go over the columns of pixels from `from` on, `perColumn` ps each. `solid(first, end, kind)` is told of columns of one
 * slice, `mixed(column, kinds, parts)` of one that several share, `parts` being by kind; both see only what is in view.
 */
function forColumns(strip, from, perColumn, columns, solid, mixed) {
  const { drawn } = strip.bounds, { kinds } = strip;
  const parts = new Float64Array(strip.looks.length);
  let slice = sliceAt(strip, from);
  for (let column = 0; column < columns && slice < kinds.length;) {
    const begin = from + column * perColumn, end = from + (column + 1) * perColumn;
    if (drawn[slice + 1] >= end) {
      const until = Math.min(columns, Math.max(column + 1, Math.floor((drawn[slice + 1] - from) / perColumn)));
      solid(column, until, kinds[slice]);
      column = until;
      if (drawn[slice + 1] <= from + column * perColumn) slice++;
      continue;
    }
    const found = [];
    for (;; slice++) {
      const kind = kinds[slice];
      if (!parts[kind]) found.push(kind);
      parts[kind] += (Math.min(drawn[slice + 1], end) - Math.max(drawn[slice], begin)) / perColumn;
      if (drawn[slice + 1] >= end || slice === kinds.length - 1) break;
    }
    mixed(column, found.sort((a, b) => a - b), parts);
    for (const kind of found) parts[kind] = 0;
    if (drawn[slice + 1] <= end) slice++;
    column++;
  }
}

/** Yield the places of what happened from one instant to another. */
function* happenedBetween(strip, from, to) {
  const { happened } = strip;
  let place = happened.length ? placeOf(happened, from) : 0;
  // Several may have happened at one instant.
  while (place > 0 && happened[place - 1] >= from) place--;
  for (; place < happened.length && happened[place] < to; place++) if (happened[place] >= from) yield place;
}
