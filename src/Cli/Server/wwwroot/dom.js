// Building elements. Text from a model or a person only ever becomes a text node; nothing here parses markup.

const SvgNamespace = "http://www.w3.org/2000/svg";

/** The element with this id; the page's own markup has it. */
export const byId = id => document.getElementById(id);

/** An HTML element with attributes (null and false leave one out, true gives an empty one) and children (nodes or text). */
export const el = (tag, attributes = {}, ...children) => filled(document.createElement(tag), attributes, children);

/** An SVG element, as {@link el}. */
export const svg = (tag, attributes = {}, ...children) => filled(document.createElementNS(SvgNamespace, tag), attributes, children);

function filled(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
        if (value === null || value === undefined || value === false) continue;
        element.setAttribute(name, value === true ? "" : String(value));
    }
    element.append(...children.filter(child => child !== null && child !== undefined));
    return element;
}

/** Index reached from `index` of `count` by a key of a vertical list, or -1 when the key is not one of them. */
export function listMove(key, index, count) {
    switch (key) {
        case "ArrowDown": return Math.min(index + 1, count - 1);
        case "ArrowUp": return Math.max(index - 1, 0);
        case "Home": return 0;
        case "End": return count - 1;
        default: return -1;
    }
}
