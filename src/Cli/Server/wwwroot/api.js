// The server: JSON, token streams, and the key that it may ask for.
import { messagesOf } from "./conversation.js";

const KeyName = "ollm-key";
let askForKey = () => Promise.reject(new ApiError("The server asks for an API key.", 401));

/** What the server, or the way to it, refused. */
export class ApiError extends Error {
    constructor(message, status) {
        super(message);
        this.name = "ApiError";
        this.status = status;
    }
}

/** Says how to ask for a key: a function of the server's message that resolves to the key. */
export function onKeyNeeded(ask) {
    askForKey = ask;
}

const storedKey = () => { try { return sessionStorage.getItem(KeyName); } catch { return null; } };

/** A request with the key; when the server refuses it, asks for another one and tries again. */
async function request(path, options = {}) {
    let key = storedKey();
    for (;;) {
        const headers = { ...options.headers, ...(key ? { Authorization: `Bearer ${key}` } : {}) };
        let response;
        try {
            response = await fetch(path, { ...options, headers });
        } catch (error) {
            if (error.name === "AbortError") throw error;
            throw new ApiError("The server does not answer. Is it still running?", 0);
        }
        if (response.ok) return response;
        const message = await errorMessage(response);
        if (response.status !== 401) throw new ApiError(message, response.status);
        key = await askForKey(message);
        try { sessionStorage.setItem(KeyName, key); } catch { /* then it lasts for this call */ }
    }
}

async function errorMessage(response) {
    try {
        const message = (await response.json()).error?.message;
        if (typeof message === "string") return message;
    } catch { /* not JSON: the status has to do */ }
    return `The server answered with status ${response.status}.`;
}

/** The JSON of a GET. */
export const getJson = async path => (await request(path)).json();

/**
 * Streams a completion. Yields {text, tokens, finish} as they come; a token is {token, text, latent, entropy, policy, options}.
 * @param story {kind, prompt, system, turns, latent, seed}: what the text starts from.
 * @param maxTokens tokens of the whole answer.
 * @param latents options of the first tokens, which the server takes instead of choosing.
 */
export async function* stream(story, maxTokens, latents, signal) {
    const chat = story.kind === "chat";
    const ollm = { latent: story.latent, return_options: true };
    if (latents.length > 0) ollm.options_prefix = latents;
    const body = { ...(chat ? { messages: messagesOf(story) } : { prompt: story.prompt }), max_tokens: maxTokens, stream: true, temperature: 0, seed: story.seed, ollm };
    const response = await request(chat ? "v1/chat/completions" : "v1/completions", {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal,
    });
    for await (const data of events(response.body)) {
        if (data === "[DONE]") return;
        const message = JSON.parse(data);
        if (message.error) throw new ApiError(message.error.message ?? "The server gave up.", 500);
        const choice = message.choices?.[0];
        if (!choice) continue;
        const text = choice.text ?? choice.delta?.content ?? "";
        // A server without option data still streams text: then each piece of it counts as one token.
        const tokens = choice.ollm?.tokens ?? (text === "" ? [] : [{ text }]);
        yield { text, tokens, finish: choice.finish_reason ?? null };
    }
    throw new ApiError("The connection ended before the answer did.", 0);
}

/** The data of each server-sent event of a body. */
async function* events(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "", data = [];
    try {
        for (;;) {
            const { value, done } = await reader.read();
            if (done) break;
            const lines = (rest + value).split("\n");
            rest = lines.pop();
            for (const raw of lines) {
                const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
                if (line.startsWith("data:")) data.push(line.slice(line[5] === " " ? 6 : 5));
                else if (line === "" && data.length > 0) {
                    yield data.join("\n");
                    data = [];
                }
            }
        }
        if (data.length > 0) yield data.join("\n");
    } finally {
        reader.cancel().catch(() => { /* already closed */ });
    }
}
