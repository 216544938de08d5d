// The Training view: one small chart for each figure of the loaded folder's metrics.
import { getJson } from "./api.js";
import { lineChart } from "./chart.js";
import { byId } from "./dom.js";

// Figures in the order in which one reads them; those of other runs (latent RL) follow under their own names.
const Known = [
    ["loss", "Loss", ""], ["ce", "Cross-entropy of the decoder", "nats"], ["kl", "KL of the encoder to uniform", "nats"], ["beta", "Beta", ""],
    ["policy_ce", "Cross-entropy of the policy", "nats"], ["token_accuracy", "Token accuracy", "fraction"], ["reward", "Reward", "fraction"],
    ["entropy", "Entropy of the policy", "nats"], ["active_groups", "Groups with unequal rewards", "fraction"], ["malformed", "Answers without a result", "fraction"],
    ["grad_norm", "Gradient norm", ""], ["lr", "Learning rate", ""], ["tokens_per_second", "Tokens per second", ""],
];
const Hidden = new Set(["step", "tokens", "rollouts", "seconds"]);

const capitalised = text => text.charAt(0).toUpperCase() + text.slice(1);

let loaded = false;

/** Fetches the metrics at the first call and draws them; later calls do nothing. */
export async function showTraining() {
    if (loaded) return;
    const status = byId("training-status");
    try {
        const rows = await getJson("ollm/metrics");
        loaded = true;
        status.hidden = rows.length > 0;
        status.textContent = "The loaded folder has no metrics.jsonl, the file that `ollm train` and `ollm rl` write beside an OLLM.";
        byId("charts").replaceChildren(...charts(rows));
    } catch (error) {
        status.textContent = error.message;
    }
}

function charts(rows) {
    const names = new Set(rows.flatMap(row => Object.keys(row).filter(name => typeof row[name] === "number")));
    const known = Known.filter(([name]) => names.has(name));
    const others = [...names].filter(name => !Hidden.has(name) && !Known.some(([other]) => other === name));
    return [...known, ...others.map(name => [name, capitalised(name.replaceAll("_", " ")), ""])].map(([name, title, unit]) =>
        lineChart(title, unit, rows.map((row, i) => [typeof row.step === "number" ? row.step : i + 1, typeof row[name] === "number" ? row[name] : NaN])));
}
