// Talks to a running server (OLLM_SERVER_URL, OLLM_SERVER_KEY) with the openai package; the last line is ok.
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: `${process.env.OLLM_SERVER_URL}/v1`, apiKey: process.env.OLLM_SERVER_KEY, maxRetries: 0 });
const [{ id: model }] = (await client.models.list()).data;
const messages = [{ role: "user", content: "3 + 4 * 2" }];

const whole = await client.chat.completions.create({ model, messages, max_completion_tokens: 40, temperature: 0 });
assert.ok(whole.choices[0].message.content.length > 0);
assert.ok(["stop", "length"].includes(whole.choices[0].finish_reason));
assert.equal(whole.usage.total_tokens, whole.usage.prompt_tokens + whole.usage.completion_tokens);

let streamed = "", usage = null, reason = null;
for await (const chunk of await client.chat.completions.create({
    model, messages, max_completion_tokens: 40, temperature: 0, stream: true, stream_options: { include_usage: true },
})) {
    streamed += chunk.choices[0]?.delta.content ?? "";
    reason = chunk.choices[0]?.finish_reason ?? reason;
    usage = chunk.usage ?? usage;
}
assert.equal(streamed, whole.choices[0].message.content);
assert.equal(reason, whole.choices[0].finish_reason);
assert.deepEqual(usage, whole.usage);

const text = await client.completions.create({ model, prompt: "3 + 4 * 2\n", max_tokens: 5, n: 2, logprobs: 2, seed: 1 });
assert.equal(text.choices.length, 2);
assert.equal(text.choices[0].logprobs.tokens.length, text.choices[0].logprobs.token_logprobs.length);

// Scoring a text: nothing is generated, and every token but the first has its log-probability.
const scored = await client.completions.create({ model, prompt: "3 + 4 * 2\n", max_tokens: 0, echo: true, logprobs: 1 });
assert.equal(scored.choices[0].text, "3 + 4 * 2\n");
assert.equal(scored.usage.completion_tokens, 0);
assert.equal(scored.choices[0].logprobs.tokens.join(""), scored.choices[0].text);
assert.equal(scored.choices[0].logprobs.token_logprobs[0], null);
assert.ok(scored.choices[0].logprobs.token_logprobs.slice(1).every((score) => score < 0));
const echoed = await client.completions.create({ model, prompt: "3 + 4 * 2\n", max_tokens: 5, temperature: 0, echo: true });
assert.ok(echoed.choices[0].text.startsWith("3 + 4 * 2\n") && echoed.choices[0].text.length > 10);

const explained = await client.chat.completions.create({ model, messages, max_completion_tokens: 3, temperature: 0, ollm: { return_options: true } });
assert.equal(explained.choices[0].ollm.tokens.length, explained.usage.completion_tokens);

await assert.rejects(client.chat.completions.create({ model: "none", messages }), OpenAI.NotFoundError);
await assert.rejects(client.chat.completions.create({ model, messages, presence_penalty: 1 }), OpenAI.BadRequestError);
await assert.rejects(
    new OpenAI({ baseURL: client.baseURL, apiKey: "wrong", maxRetries: 0 }).models.list(), OpenAI.AuthenticationError);

const stream = await client.chat.completions.create({ model, messages, max_completion_tokens: 200, stream: true });
for await (const chunk of stream) if (chunk) break; // leaves in the middle
assert.equal((await client.models.list()).data[0].id, model);
console.log("ok");
