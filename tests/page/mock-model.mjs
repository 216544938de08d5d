// A made-up model for the page's tests: every token follows from the tokens before it and the option taken, as with the real one.

export const Options = 6;
export const Hostile = "<img src=x onerror=\"window.hacked=1\">";

const Openings = ["First", "We get", "Start", "Now", Hostile, "First"];
const Middles = [" the", " sum", " of", " both", " parts", "\n", " ", " gives", " seven", ",", " then", " it", " is", " doubled", "\t", " and", " so", " on", "."];

/** A whole number that follows from a text alone. */
function hash(text) {
    let value = 2166136261;
    for (const unit of text) value = Math.imul(value ^ unit.codePointAt(0), 16777619) >>> 0;
    return (value ^ (value >>> 15)) >>> 0;
}

const idOf = text => hash(text) % 50000;
const fractions = (text, count) => Array.from({ length: count }, (_, i) => (hash(`${text}/${i}`) % 1000 + 1) / 1001);
const normalised = values => values.map(value => value / values.reduce((a, b) => a + b));

function option(history, index, k) {
    const text = index === 0 ? Openings[k] : Middles[hash(`${history}|${index % 3 === 0 ? k : Math.floor(k / 4)}`) % Middles.length];
    return { token: idOf(text), text, probability: 0.35 + 0.649 * fractions(`${history}p${k}`, 1)[0] };
}

/** The tokens of one answer. `latent` is policy, sample, backbone or force:k; `prefix` fixes the options of the first tokens. */
export function* tokens(prompt, latent, prefix, seed, maxTokens) {
    let history = prompt;
    for (let index = 0; index < maxTokens; index++) {
        const options = Array.from({ length: Options }, (_, k) => option(history, index, k));
        const policy = normalised(fractions(`${history}pi`, Options).map(value => value ** 3));
        const taken = prefix[index] ?? choose(latent, policy, history, seed);
        const entropy = 3.4 * fractions(`${history}h`, 1)[0] ** 3;
        const { token, text } = taken === null ? options[hash(history) % 2] : options[taken];
        yield taken === null ? { token, text, latent: null, entropy, policy: null, options: null } : { token, text, latent: taken, entropy, policy, options };
        history += text;
    }
}

function choose(latent, policy, history, seed) {
    if (latent === "backbone") return null;
    if (latent.startsWith("force:")) return Number(latent.slice(6));
    if (latent === "sample") return hash(`${history}${seed}`) % policy.length;
    return policy.indexOf(Math.max(...policy));
}
