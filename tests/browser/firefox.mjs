// Drives the tab in Firefox over WebDriver BiDi: `node firefox.mjs FIREFOX ADDRESS` prints what was seen as JSON.
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const require = createRequire(fileURLToPath(new URL("../../frontend/package.json", import.meta.url)));
const { default: puppeteer } = await import(require.resolve("puppeteer-core"));
const [executablePath, address] = process.argv.slice(2);

const browser = await puppeteer.launch({ browser: "firefox", executablePath, headless: true, defaultViewport: null, args: ["--width=1280", "--height=1000"] });
const seen = { said: [], views: {} };
try {
  const page = await browser.newPage();
  page.on("console", (message) => seen.said.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => seen.said.push(`error: ${error.message}`));
  await page.goto(`${address}/#scram&p.scram.run=movie_reviews%2Flr_1e10`);
  const element = await page.waitForSelector("iframe[src*='plugin_entry.html?name=scram']", { timeout: 60_000 });
  const tab = await element.contentFrame();
  const text = (selector) => tab.$eval(selector, (found) => found.textContent);
  const fits = () => tab.evaluate(() => document.documentElement.scrollWidth <= innerWidth);

  await tab.waitForSelector("article[data-finding=nonfinite-loss] canvas", { timeout: 60_000 });
  seen.version = await browser.version();
  seen.finding = await text("article[data-finding=nonfinite-loss] h3");
  seen.views.findings = await fits();
  seen.drawn = await tab.$eval("article canvas", (canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return data.some((value) => value !== 0);
  });

  await tab.$eval(".inside summary", (summary) => summary.click());
  await tab.waitForSelector(".map-row .strip");
  seen.views.inside = await fits();
  seen.strip = await tab.$eval(".strip", (found) => getComputedStyle(found).backgroundImage.startsWith("linear-gradient"));

  const other = await tab.waitForSelector("[data-run='fashion_mnist/overfit']"); // the list may still be filling
  await other.evaluate((button) => button.click());
  await tab.waitForSelector("article[data-finding=overfitting] canvas");
  for (const [label, selector] of [
    ["Runs × checks", ".matrix .check"],
    ["Compare", "main.comparison .u-over"],
    ["Catalogue", "article.page"],
  ]) {
    await tab.$$eval(".views button", (buttons, wanted) => buttons.find((b) => b.textContent === wanted).click(), label);
    await tab.waitForSelector(selector);
    seen.views[label] = await fits();
  }
  // Firefox 140 sets the size, but does not know all that puppeteer wants to set with it
  await page.setViewport({ width: 400, height: 800 }).catch((error) => {
    if (!String(error).includes("unknown command")) throw error;
  });
  await tab.waitForFunction(() => innerWidth <= 400);
  await tab.$$eval(".views button", (buttons) => buttons[0].click());
  await tab.waitForSelector("article[data-finding=overfitting]");
  seen.views.narrow = await fits();
  seen.address = page.url();
  if (process.env.SCRAM_PICTURE) await page.screenshot({ path: process.env.SCRAM_PICTURE });
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));
