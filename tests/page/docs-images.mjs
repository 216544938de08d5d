// Draws the pictures of docs/explorer.md from a running `ollm serve` on the tiny model:
// OLLM_PAGE_URL=http://127.0.0.1:8080/ node docs-images.mjs ../../docs/images
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { finished, generate, open } from "./browser.mjs";

const folder = process.argv[2] ?? "images";
mkdirSync(folder, { recursive: true });
const browser = await open();
for (const scheme of ["light", "dark"]) {
    const page = await browser.newPage(target => target.emulateMedia({ colorScheme: scheme }));
    await page.setViewportSize({ width: 1280, height: 1000 });
    await generate(page, process.env.OLLM_PAGE_PROMPT ?? "3 + 4 * 7");
    await fork(page, 0);
    await fork(page, await strategyToken(page));
    await page.mouse.move(0, 0);
    await page.screenshot({ path: join(folder, `explorer-${scheme}.png`) });
    await page.close();
}
await browser.close();

/** The last token whose entropy says that there was a choice: where the answer settles its strategy. */
function strategyToken(page) {
    return page.locator("#answer .token").evaluateAll(tokens => tokens.findLastIndex(token => /\be[3-5]\b/.test(token.className)));
}

/** Takes the policy's likeliest option there that says something else. */
async function fork(page, index) {
    await page.locator("#answer .token").nth(index).focus();
    const option = await page.locator("#options li").evaluateAll(items => items
        .map((item, k) => ({ k, share: item.matches(".chosen, .same") ? -1 : Number.parseFloat(item.querySelector(".fill.policy").style.width) }))
        .sort((a, b) => b.share - a.share)[0].k);
    await page.locator("#options li button").nth(option).click();
    await finished(page);
}
