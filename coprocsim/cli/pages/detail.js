// What is said of a slice, and of the stretch of time that is seen.

const WORDS = { run: "runs", deny: "denies to leave", switch: "switches", idle: "idle", reset: "is reset",
                failed: "failed", share: "shares itself", unknown: "unknown: the trace is gone" };
const LISTED_MAX = 8;

function element(name, text = "", attributes = {}) {
  const made = Object.assign(document.createElement(name), attributes);
  made.append(text);
  return made;
}

function swatch(colour) {
  const made = element("span", "", { className: "swatch" });
  made.style.background = colour;
  return made;
}

/** Show what is known of a slice in `box`. */
function showSlice(box, picture, strip, slice) {
  const { exact, drawn } = strip.bounds, base = BigInt(picture.from_ps), look = strip.looks[strip.kinds[slice]];
  const facts = [
    ["Coproc", `${strip.coproc} (${strip.algorithm})`],
    ["What", WORDS[look.what]],
    ...(look.vcoproc ? [["Who", `${look.domain} (${look.vcoproc})`]] : []),
    ["From", instant(base + exact[slice])],
    ["To", instant(base + exact[slice + 1])],
    ["Length", shortTime(exact[slice + 1] - exact[slice])],
    ...happeningsIn(picture, strip, drawn[slice], drawn[slice + 1]),
  ];
  const list = element("dl");
  for (const [title, value] of facts) list.append(element("dt", title), element("dd", value));
  box.querySelector("dl").replaceWith(list);
  box.hidden = false;
}

/** Jobs that ended in a slice, and refusals in it: each where they are few, how many where they are many. */
function happeningsIn(picture, strip, from, to) {
  const found = new Map();
  for (const place of happenedBetween(strip, from, to)) {
    const what = picture.happenings[strip.happenings[place]], who = strip.vcoprocs[strip.whose[place]];
    if (!found.has(what)) found.set(what, []);
    found.get(what).push(`${who}${strip.time[place] > 0n ? ` ${shortTime(strip.time[place])}` : ""}`);
  }
  return [...found].map(([what, each]) => {
    const title = what === "refused" ? "Denial: ask again in" : what === "timeout" ? "Denied for too long" : `Jobs ${what}`;
    const rest = each.length - LISTED_MAX;
    return [title, each.slice(0, LISTED_MAX).join(", ") + (rest > 0 ? ` and ${rest} more` : "")];
  });
}

/** Show below the picture what part of what is seen each domain had, and what went into the rest. */
function showShares(box, drawing, taken) {
  box.replaceChildren(...drawing.strips.map((strip, row) => {
    const shares = new Map();
    strip.looks.forEach((look, kind) => {
      const title = RUNS.has(look.what) ? look.domain : BROKEN.has(look.what) ? "failed"
        : look.what === "share" ? WORDS.share : look.what;
      const before = shares.get(title)?.share ?? 0;
      shares.set(title, { share: before + taken[row][kind], colour: drawing.looks[row][kind] });
    });
    const list = element("ul", "", { className: "shares" });
    list.append(element("li", strip.coproc));
    for (const [title, { share, colour }] of shares) {
      const item = element("li");
      item.append(swatch(colour), `${title} ${percent(share)}`);
      list.append(item);
    }
    return list;
  }));
}
