// The page with a made-up model behind it, for tests and for work on the page: node mock-server.mjs [port] [milliseconds per token].
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Options, tokens } from "./mock-model.mjs";

const Root = fileURLToPath(new URL("../../src/Cli/Server/wwwroot/", import.meta.url));
const Types = { ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml" };
const Info = {
    model: "mock-model", options: Options, latent_width: 256, vocab_size: 50000, context: 512, chat_format: "chatml",
    backbone_parameters: 333600, trained_tokens: 1460000, device: "cpu",
};

const metrics = Array.from({ length: 400 }, (_, i) => {
    const noise = Math.sin(i * 12.9898) * 0.008, ce = 0.01 + 0.09 * Math.exp(-i / 80) + Math.abs(noise), beta = Math.exp(-i / 170);
    const kl = 0.2 - 0.18 * Math.exp(-i / 40) + noise, policyCe = 2.302 - 0.0004 * i + noise;
    return { step: i + 1, loss: ce + beta * kl + policyCe, ce, kl, beta, policy_ce: policyCe, token_accuracy: 0.99 - 0.2 * Math.exp(-i / 60), grad_norm: 0.4 + 20 * noise ** 2, lr: 0.002, tokens: 1500 * (i + 1), tokens_per_second: 21000 + 40000 * noise };
});

const sendJson = (response, value, status = 200) => {
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(JSON.stringify(value));
};

async function sendFile(response, path) {
    const name = path === "/" ? "index.html" : path.slice(1);
    if (!/^[\w-]+\.\w+$/.test(name)) return sendJson(response, { error: { message: "not found" } }, 404);
    try {
        const content = await readFile(join(Root, name));
        response.writeHead(200, { "Content-Type": Types[extname(name)] ?? "application/octet-stream", "Content-Security-Policy": "default-src 'self'", "X-Content-Type-Options": "nosniff" });
        response.end(content);
    } catch {
        sendJson(response, { error: { message: "not found" } }, 404);
    }
}

async function complete(request, response, chat, pause) {
    let text = "";
    for await (const part of request) text += part;
    const body = JSON.parse(text), ollm = body.ollm ?? {}, prompt = chat ? JSON.stringify(body.messages) : body.prompt;
    const end = prompt.includes("long") ? 400 : 24;
    response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
    const send = choice => response.write(`data: ${JSON.stringify({ object: "completion", choices: [{ index: 0, ...choice }] })}\n\n`);
    const limit = Math.min(end, body.max_tokens);
    for (const token of tokens(prompt, ollm.latent ?? "policy", ollm.options_prefix ?? [], body.seed ?? 0, limit)) {
        if (response.destroyed) return;
        send({ ...(chat ? { delta: { content: token.text } } : { text: token.text }), finish_reason: null, ollm: { tokens: [token] } });
        await new Promise(resolve => setTimeout(resolve, pause));
    }
    send({ ...(chat ? { delta: {} } : { text: "" }), finish_reason: limit < end ? "length" : "stop" });
    response.end("data: [DONE]\n\n");
}

/** Starts the server on a port of 127.0.0.1 (0 takes a free one). */
export function start(port = 0, pause = 8) {
    const server = createServer((request, response) => {
        const path = new URL(request.url, "http://localhost").pathname;
        if (request.method === "POST" && path === "/v1/completions") complete(request, response, false, pause);
        else if (request.method === "POST" && path === "/v1/chat/completions") complete(request, response, true, pause);
        else if (path === "/ollm/info") sendJson(response, Info);
        else if (path === "/ollm/metrics") sendJson(response, metrics);
        else sendFile(response, path);
    });
    return new Promise(resolve => server.listen(port, "127.0.0.1", () => resolve(server)));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    const server = await start(Number(process.argv[2] ?? 8090), Number(process.argv[3] ?? 40));
    console.log(`http://127.0.0.1:${server.address().port}/`);
}
