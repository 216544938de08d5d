// How tokens and numbers read: whitespace made visible, entropy as six levels, percentages.
import { el } from "./dom.js";

// Marks that turn the reading direction round can make a text look like another one, so they are always spelled out.
const Direction = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
const Control = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/gu;
const Invisible = /[\p{Cf}\p{Zl}\p{Zp}\u00a0\u2000-\u200a\u202f\u3000]/gu;

const codePoint = character => `⟨U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`;
const safe = text => text.replace(Direction, codePoint).replace(Control, character => character === "\r" ? "␍" : codePoint(character));

/** A text on one line with every blank visible: for option lists, labels and branch names. */
export function visible(text) {
    if (text === "") return "∅";
    return safe(text).replaceAll(" ", "␣").replaceAll("\n", "⏎").replaceAll("\t", "⇥").replace(Invisible, codePoint);
}

/** Nodes of a token within running text. Blanks stay blanks there; line breaks and tokens of blanks alone also get a mark (drawn by the style sheet, so that copied text stays clean). */
export function flowing(text) {
    if (text === "") return [el("span", { class: "mark" }, "∅")];
    const blank = text.trim() === "";
    return (text.match(/\n|\t|[^\n\t]+/gu) ?? []).flatMap(part => {
        if (part === "\n") return [el("span", { class: "mark newline" }), "\n"];
        if (part === "\t") return [el("span", { class: "mark tab" }, "\t")];
        if (!blank) return [safe(part)];
        return Array.from(part, character => character === " " ? el("span", { class: "mark space" }, " ") : el("span", { class: "mark" }, codePoint(character)));
    });
}

/** True for a text in the manner of a model's own marks, such as an end token. */
export const isSpecial = text => /^<[|｜].+[|｜]>$/u.test(text);

/** Upper ends of the entropy levels in nats; 0.7 and 1.4 are two and four equally likely tokens. */
export const EntropyLevels = [0.1, 0.35, 0.7, 1.4, 2.8];

/** Level 0-5 of an entropy in nats; null when it is not known. */
export function entropyLevel(entropy) {
    if (!Number.isFinite(entropy)) return null;
    const level = EntropyLevels.findIndex(end => entropy < end);
    return level < 0 ? EntropyLevels.length : level;
}

/** The colour key of the entropy levels. */
export function entropyLegend() {
    const names = EntropyLevels.map((end, i) => i === 0 ? `< ${end}` : `${EntropyLevels[i - 1]}–${end}`);
    names.push(`> ${EntropyLevels.at(-1)}`);
    return [
        el("span", { class: "legend-title" }, "Entropy of the backbone, nats"),
        el("ul", { "aria-label": "Colours of entropy in nats" }, ...names.map((name, level) =>
            el("li", {}, el("span", { class: `swatch e${level}`, "aria-hidden": "true" }), name))),
        el("span", { class: "legend-note" }, "0.7 = two, 1.4 = four equally likely tokens"),
    ];
}

/** A fraction as percent with one decimal. */
export function percent(fraction) {
    if (!Number.isFinite(fraction)) return "–";
    if (fraction > 0 && fraction < 0.001) return "<0.1%";
    return `${(fraction * 100).toFixed(fraction >= 0.9995 ? 0 : 1)}%`;
}

/** A number with about four significant digits, as short as it goes. */
export function brief(value) {
    if (!Number.isFinite(value)) return "–";
    const size = Math.abs(value);
    if (size !== 0 && (size < 0.001 || size >= 1e7)) return value.toExponential(2).replace(/\.?0*e\+?/, "e");
    if (size >= 1000) return Math.round(value).toLocaleString("en-US");
    return String(Number(value.toPrecision(4)));
}

/** A count in words of thousands and millions. */
export function count(value) {
    for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e4, "k"]]) {
        if (value >= size) return `${Number((value / (unit === "k" ? 1e3 : size)).toPrecision(3))} ${unit}`;
    }
    return value.toLocaleString("en-US");
}

/** The start of a text, cut at a length with an ellipsis. */
export function clipped(text, length) {
    const characters = Array.from(text);
    return characters.length <= length ? text : characters.slice(0, length - 1).join("") + "…";
}
