// The page: model facts, the prompt form, the three views, the key dialog and the keys that work everywhere.
import { ApiError, getJson, onKeyNeeded } from "./api.js";
import { Compare } from "./compare.js";
import { byId, el } from "./dom.js";
import { Explore } from "./explore.js";
import { count, entropyLegend } from "./text.js";
import { showTraining } from "./training.js";

const Views = ["explore", "compare", "training"];
const explore = new Explore(setBusy, showProblem), compare = new Compare(setBusy, showProblem);
let info = null, view = "explore";

const value = id => byId(id).value;
const kind = () => document.querySelector("input[name=kind]:checked").value;

/** A whole number of a field, held inside its limits. */
function number(id, fallback) {
    const input = byId(id), parsed = Number.parseInt(input.value, 10);
    const held = Math.max(Number(input.min), Math.min(input.max === "" ? Infinity : Number(input.max), Number.isNaN(parsed) ? fallback : parsed));
    input.value = String(held);
    return held;
}

function story() {
    const text = value("prompt"), completion = kind() === "completion";
    const newline = completion && byId("newline").checked && !text.endsWith("\n");
    const latent = value("latent") === "force" ? `force:${number("forced", 0)}` : value("latent");
    return {
        kind: kind(), prompt: newline ? `${text}\n` : text, system: completion ? "" : value("system").trim(),
        latent, maxTokens: number("max-tokens", 64), seed: number("seed", 0),
    };
}

function setBusy(running) {
    byId("stop").disabled = !running;
    document.body.classList.toggle("busy", running);
}

function showProblem(message) {
    byId("problem").hidden = message === null;
    byId("problem").textContent = message ?? "";
}

function stopAll() {
    explore.stop();
    compare.stop();
    setBusy(false);
}

function submit(event) {
    event.preventDefault();
    if (value("prompt") === "") {
        showProblem("Write a prompt first.");
        byId("prompt").focus();
        return;
    }
    stopAll();
    if (view === "compare") compare.generate(story(), info?.options ? number("forced", 0) : null);
    else explore.generate(story());
}

function showView(name) {
    view = name;
    for (const other of Views) {
        const tab = byId(`tab-${other}`), active = other === name;
        tab.setAttribute("aria-selected", String(active));
        tab.tabIndex = active ? 0 : -1;
        byId(`view-${other}`).hidden = !active;
    }
    byId("composer").hidden = name === "training";
    byId("generate").textContent = name === "compare" ? "Compare" : "Generate";
    showFields();
    if (name === "training") showTraining();
}

/** Shows the fields that count for this view and kind of prompt. */
function showFields() {
    byId("latent-field").hidden = view === "compare";
    byId("forced-field").hidden = !info?.options || (view !== "compare" && value("latent") !== "force");
    byId("newline-field").hidden = kind() === "chat";
    byId("system").hidden = kind() !== "chat";
    byId("prompt-label").textContent = kind() === "chat" ? "Message" : "Prompt";
}

function tabKey(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = Views[(Views.indexOf(view) + step + Views.length) % Views.length];
    showView(next);
    byId(`tab-${next}`).focus();
}

function globalKey(event) {
    const typing = event.target.closest?.("input, textarea, select, dialog");
    const command = event.ctrlKey || event.metaKey, key = event.key.toLowerCase();
    if (command && key === "enter" && event.target.closest("#composer")) byId("composer").requestSubmit();
    else if (event.key === "Escape" && !event.target.closest?.("dialog") && (explore.running || compare.running)) stopAll();
    else if (command && !typing && view === "explore" && key === "z") event.shiftKey ? explore.redo() : explore.undo();
    else if (command && !typing && view === "explore" && key === "y") explore.redo();
    else return;
    event.preventDefault();
}

/** Asks for the key in a dialog; a refusal ends the request with the server's words. */
function askForKey(message) {
    const dialog = byId("key-dialog");
    byId("key-message").textContent = message;
    byId("key").value = "";
    dialog.showModal();
    return new Promise((resolve, reject) => {
        dialog.returnValue = "";
        dialog.addEventListener("close", () => dialog.returnValue === "key" ? resolve(byId("key").value) : reject(new ApiError(message, 401)), { once: true });
    });
}

function showInfo() {
    const fact = (name, text) => el("li", {}, el("span", {}, name), ` ${text}`);
    const facts = [el("li", { class: "model" }, info.model), info.options ? fact("options", info.options) : el("li", {}, "no OLLM: the backbone alone")];
    if (info.backbone_parameters) facts.push(fact("backbone", count(info.backbone_parameters)));
    if (info.trained_tokens) facts.push(fact("trained on", `${count(info.trained_tokens)} tokens`));
    if (info.context) facts.push(fact("context", count(info.context)));
    if (info.device) facts.push(fact("device", info.device));
    byId("facts").replaceChildren(...facts);
    document.title = `${info.model} – option explorer`;
    if (info.context) byId("max-tokens").max = info.context;
    byId("newline").checked = info.chat_format === "plain";
    if (info.options) byId("forced").max = info.options - 1;
    else {
        byId("latent").value = "backbone";
        for (const option of byId("latent").options) option.disabled = option.value !== "backbone";
    }
    showFields();
}

async function start() {
    onKeyNeeded(askForKey);
    byId("composer").addEventListener("submit", submit);
    byId("composer").addEventListener("change", showFields);
    byId("stop").addEventListener("click", stopAll);
    byId("key-cancel").addEventListener("click", () => byId("key-dialog").close());
    byId("key-form").addEventListener("submit", event => {
        event.preventDefault();
        byId("key-dialog").close("key");
    });
    for (const name of Views) {
        byId(`tab-${name}`).addEventListener("click", () => showView(name));
        byId(`tab-${name}`).addEventListener("keydown", tabKey);
    }
    document.addEventListener("keydown", globalKey);
    for (const id of ["legend", "compare-legend"]) byId(id).replaceChildren(...entropyLegend());
    try {
        info = await getJson("ollm/info");
        showInfo();
    } catch (error) {
        showProblem(error.message);
    }
}

start();
