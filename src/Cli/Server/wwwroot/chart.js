// A line chart as inline SVG: axes with round numbers, the measured line faint, its moving mean on top, and a readout under the pointer.
import { el, svg } from "./dom.js";
import { brief } from "./text.js";

const Width = 420, Height = 220, Left = 52, Right = 12, Top = 12, Bottom = 30;
const MaxPoints = 800;

/** A figure with the chart of [x, y] points; points that are not finite are left out. */
export function lineChart(title, unit, points) {
    const finite = points.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
    const caption = el("figcaption", {}, el("strong", {}, title), unit ? ` ${unit}` : "");
    if (finite.length === 0) return el("figure", { class: "chart" }, caption, el("p", { class: "empty" }, "No values."));
    const summary = summaryOf(finite), readout = el("p", { class: "readout" }, summary);
    const x = axis(finite.map(point => point[0]), Left, Width - Right, true), y = axis(finite.map(point => point[1]), Height - Bottom, Top);
    const smooth = finite.length > 30 ? movingMean(finite, Math.ceil(finite.length / 40)) : null;
    const cursor = svg("g", { class: "cursor", visibility: "hidden" }, svg("line", { y1: Top, y2: Height - Bottom }), svg("circle", { r: 3.5 }));
    const picture = svg("svg", { viewBox: `0 0 ${Width} ${Height}`, role: "img", "aria-label": `${title}: ${summary}` },
        ...grid(x, y),
        svg("path", { class: smooth ? "line faint" : "line", d: path(finite, x, y) }),
        smooth ? svg("path", { class: "line", d: path(smooth, x, y) }) : null,
        cursor);
    picture.addEventListener("pointermove", event => follow(event, picture, finite, x, y, cursor, readout));
    picture.addEventListener("pointerleave", () => {
        cursor.setAttribute("visibility", "hidden");
        readout.textContent = summary;
    });
    return el("figure", { class: "chart" }, caption, picture, readout);
}

function summaryOf(points) {
    const values = points.map(point => point[1]);
    const low = values.reduce((a, b) => Math.min(a, b)), high = values.reduce((a, b) => Math.max(a, b));
    return `last ${brief(values.at(-1))}, lowest ${brief(low)}, highest ${brief(high)}`;
}

/** Maps values to pixels from `start` to `end` with round ticks; a tight axis ends where the values do, others at a tick. */
function axis(values, start, end, tight = false) {
    let low = values.reduce((a, b) => Math.min(a, b)), high = values.reduce((a, b) => Math.max(a, b));
    if (high - low <= Math.abs(high) * 1e-9) {
        const margin = Math.abs(high) * 0.1 || 0.5;
        [low, high] = [low - margin, high + margin];
    }
    const step = roundStep((high - low) / 4);
    const [down, up] = tight ? [Math.ceil, Math.floor] : [Math.floor, Math.ceil];
    const first = down(low / step + (tight ? -1e-9 : 1e-9)), last = up(high / step + (tight ? 1e-9 : -1e-9));
    const ticks = Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
    const [from, to] = tight ? [low, high] : [ticks[0], ticks.at(-1)];
    return { ticks, at: value => start + (value - from) / (to - from) * (end - start) };
}

/** The smallest of 1, 2, 5 times a power of ten that is at least `rough`. */
function roundStep(rough) {
    const power = 10 ** Math.floor(Math.log10(rough));
    return [1, 2, 5, 10].find(times => times * power >= rough * 0.999) * power;
}

function grid(x, y) {
    const parts = [];
    for (const tick of y.ticks) {
        parts.push(svg("line", { class: "grid", x1: Left, x2: Width - Right, y1: y.at(tick), y2: y.at(tick) }));
        parts.push(svg("text", { x: Left - 8, y: y.at(tick) + 4, "text-anchor": "end" }, brief(tick)));
    }
    for (const tick of x.ticks) parts.push(svg("text", { x: x.at(tick), y: Height - 10, "text-anchor": "middle" }, brief(tick)));
    return parts;
}

function path(points, x, y) {
    const stride = Math.ceil(points.length / MaxPoints);
    const kept = points.filter((_, i) => i % stride === 0 || i === points.length - 1);
    return kept.map(([px, py], i) => `${i === 0 ? "M" : "L"}${x.at(px).toFixed(1)} ${y.at(py).toFixed(1)}`).join("");
}

function movingMean(points, half) {
    return points.map(([px], i) => {
        const window = points.slice(Math.max(0, i - half), i + half + 1);
        return [px, window.reduce((sum, point) => sum + point[1], 0) / window.length];
    });
}

function follow(event, picture, points, x, y, cursor, readout) {
    const box = picture.getBoundingClientRect();
    const at = (event.clientX - box.left) / box.width * Width;
    const [px, py] = points.reduce((best, point) => Math.abs(x.at(point[0]) - at) < Math.abs(x.at(best[0]) - at) ? point : best);
    const [line, dot] = cursor.children;
    for (const name of ["x1", "x2"]) line.setAttribute(name, x.at(px));
    dot.setAttribute("cx", x.at(px));
    dot.setAttribute("cy", y.at(py));
    cursor.setAttribute("visibility", "visible");
    readout.textContent = `step ${brief(px)}: ${brief(py)}`;
}
