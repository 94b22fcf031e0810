// Looks at a report in a real browser: `node tests/browser/check.mjs REPORT.html [PICTURES]`.
//
// Opens it at the width of a phone and of a desk, light and dark, and fails on any message in the
// console, anything that is loaded, sideways scrolling, words too small to read, or if the theme, the
// contents, a table's order or the numbers of a point do not work. PICTURES is a folder for what it saw.
//
// Needs a Chromium: the program in $CHROMIUM, or one on the PATH; without one it says so and passes.

import { spawn } from "node:child_process";
import { accessSync, constants, mkdirSync, writeFileSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "headless_shell"];
const SCREENS = [[390, 844], [1280, 900]];
const SCHEMES = ["light", "dark"];
const SMALLEST = 9; // pixels of a font that can be read
const LONGEST = 5000; // milliseconds until the page is there, on a busy machine

const [report, pictures] = process.argv.slice(2);
if (!report) {
  console.error("usage: node tests/browser/check.mjs REPORT.html [PICTURES]");
  process.exit(2);
}

function chromium() {
  const runs = (path) => { try { accessSync(path, constants.X_OK); return true; } catch { return false; } };
  const places = (process.env.PATH ?? "").split(delimiter);
  const all = [process.env.CHROMIUM, ...places.flatMap((place) => NAMES.map((name) => join(place, name)))];
  return all.find((path) => path && runs(path));
}

/** A browser that is spoken to through pipes 3 and 4, messages ended by a zero byte. */
function start(program) {
  const flags = ["--headless", "--remote-debugging-pipe", "--disable-gpu", "--hide-scrollbars", "--force-device-scale-factor=1"];
  if (process.getuid?.() === 0) flags.push("--no-sandbox", "--no-zygote");
  const child = spawn(program, flags, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
  const waiting = new Map(), heard = new Set();
  let last = 0, rest = "";
  child.stdio[4].setEncoding("utf8").on("data", (data) => {
    const messages = (rest + data).split("\0");
    rest = messages.pop();
    for (const message of messages.map((text) => JSON.parse(text))) {
      if (!message.id) { heard.forEach((hear) => hear(message)); continue; }
      const { done, failed } = waiting.get(message.id);
      waiting.delete(message.id);
      if (message.error) failed(new Error(message.error.message)); else done(message.result);
    }
  });
  const ended = (why) => waiting.forEach(({ failed }) => failed(new Error(`the browser ended: ${why}`)));
  child.on("error", ended).on("exit", ended);
  child.stdio[3].on("error", ended);
  const send = (method, params = {}, sessionId = undefined) => new Promise((done, failed) => {
    waiting.set(++last, { done, failed });
    child.stdio[3].write(JSON.stringify({ id: last, method, params, sessionId }) + "\0");
  });
  return { send, heard, stop: () => child.kill() };
}

/** Everything that is wrong with the page on one screen. */
async function look(browser, [width, height], scheme) {
  const { targetId } = await browser.send("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await browser.send("Target.attachToTarget", { targetId, flatten: true });
  const send = (method, params) => browser.send(method, params, sessionId);
  const wrong = [];
  const must = (holds, what) => { if (!holds) wrong.push(what); };
  let loaded = () => {};
  const hear = ({ method, params, sessionId: from }) => {
    if (from !== sessionId) return;
    if (method === "Runtime.consoleAPICalled") wrong.push(`console: ${params.args.map((a) => a.value ?? a.description).join(" ")}`);
    if (method === "Runtime.exceptionThrown") wrong.push(`error: ${params.exceptionDetails.exception?.description ?? params.exceptionDetails.text}`);
    if (method === "Log.entryAdded") wrong.push(`log: ${params.entry.text}`);
    if (method === "Network.requestWillBeSent" && params.request.url !== url) wrong.push(`it loads ${params.request.url}`);
    if (method === "Page.loadEventFired") loaded();
  };
  const url = pathToFileURL(resolve(report)).href;
  browser.heard.add(hear);
  const run = async (expression) => {
    const { result, exceptionDetails } = await send("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  };
  const click = async (selector) => {
    const at = await run(`(() => { const e = document.querySelector(${JSON.stringify(selector)}); e.scrollIntoView({ block: "nearest" });
      const r = e.getBoundingClientRect(); return { x: r.x + r.width / 2, y: r.y + r.height / 2 }; })()`);
    const mouse = (type) => send("Input.dispatchMouseEvent", { type, ...at, button: "left", clickCount: 1 });
    await mouse("mousePressed");
    await mouse("mouseReleased");
  };
  for (const part of ["Page", "Runtime", "Log", "Network"]) await send(`${part}.enable`);
  await send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: width < 720 });
  await send("Emulation.setTouchEmulationEnabled", { enabled: width < 720 });
  await send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
  const begun = performance.now();
  const there = new Promise((done) => { loaded = done; });
  await send("Page.navigate", { url });
  await there;
  await run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
  const milliseconds = Math.round(performance.now() - begun);
  must(milliseconds < LONGEST, `it takes ${milliseconds} ms to open`);

  // Nothing is wider than the screen but what scrolls in a box of its own, and everything can be read.
  const sideways = await run(`document.documentElement.scrollWidth - document.documentElement.clientWidth`);
  must(sideways <= 0, `it scrolls sideways by ${sideways} pixels`);
  const small = await run(`[...document.querySelectorAll("svg text")].filter((t) => t.getClientRects().length).map((t) => {
      const svg = t.ownerSVGElement;
      return [parseFloat(getComputedStyle(t).fontSize) * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width, t.textContent];
    }).filter(([size]) => size < ${SMALLEST}).map(([size, text]) => size.toFixed(1) + " px: " + text)`);
  must(small.length === 0, `${small.length} words of plots are too small, as ${small[0]}`);

  // The theme follows the system until it is chosen.
  const ground = () => run(`getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number).reduce((a, b) => a + b) / 3`);
  const isDark = async () => await ground() < 128;
  must(await isDark() === (scheme === "dark"), `it is not ${scheme} where ${scheme} is preferred`);
  if (pictures) {
    mkdirSync(pictures, { recursive: true });
    const { data } = await send("Page.captureScreenshot", { format: "png" });
    writeFileSync(join(pictures, `${width}-${scheme}.png`), Buffer.from(data, "base64"));
  }
  await click("#theme");
  must(await isDark() !== (scheme === "dark"), "the theme switch changes nothing");
  await click("#theme");
  must(await isDark() === (scheme === "dark"), "the theme switch does not switch back");
  await run("localStorage.clear()");

  // The contents: open on a wide page, on a narrow one a choice closes them.
  const open = () => run(`document.querySelector(".contents details").open`);
  must(await open() === (width >= 1200), "the contents are open where they are in the way, or closed where there is room");
  if (!await open()) await click(".contents summary");
  must(await open(), "the contents do not open");
  await click(".contents li:last-child a");
  must(await run(`location.hash.length > 1 && Math.abs(document.querySelector(location.hash).getBoundingClientRect().top) < innerHeight`), "the contents lead nowhere");
  must(await open() === (width >= 1200), "a choice in the contents does not close them");

  // A click on a column sorts.
  const sorted = await run(`[...document.querySelectorAll("table.sortable")].every((table) => {
      const column = table.tHead.rows[0].cells.length - 1;
      table.tHead.rows[0].cells[column].click();
      return table.tHead.rows[0].cells[column].ariaSort === "ascending";
    })`);
  must(sorted, "a table does not sort");

  // Every plot says the numbers of its points, within the window.
  const plots = await run(`[...document.querySelectorAll("svg[data-at]")].filter((svg) => svg.dataset.at && svg.getClientRects().length).length`);
  for (let i = 0; i < plots; i++) {
    const point = await run(`(() => {
      const svg = [...document.querySelectorAll("svg[data-at]")].filter((svg) => svg.dataset.at && svg.getClientRects().length)[${i}];
      const [x, y] = svg.dataset.at.split(" ").map(Number);
      scrollTo(0, scrollY + svg.getBoundingClientRect().top + y * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width - innerHeight / 2);
      const box = svg.getBoundingClientRect(), scale = box.width / svg.viewBox.baseVal.width;
      return { x: box.left + x * scale, y: box.top + y * scale, name: svg.getAttribute("aria-label").slice(0, 60) };
    })()`);
    await run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
    if (width < 720) {
      await send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: [{ x: point.x, y: point.y }] });
      await send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
    } else {
      await send("Input.dispatchMouseEvent", { type: "mouseMoved", x: point.x, y: point.y });
    }
    const said = await run(`(() => { const tip = document.getElementById("tip"), r = tip.getBoundingClientRect();
      return tip.hidden ? null : { text: tip.innerText, inside: r.left >= 0 && r.top >= 0 && r.right <= innerWidth && r.bottom <= innerHeight }; })()`);
    must(said && /\n.*\d/.test(said.text), `a point says nothing: ${point.name}`);
    must(!said || said.inside, `what a point says leaves the window: ${point.name}`);
    if (i === 0 && pictures) {
      const { data } = await send("Page.captureScreenshot", { format: "png" });
      writeFileSync(join(pictures, `${width}-${scheme}-point.png`), Buffer.from(data, "base64"));
    }
  }
  await run("scrollBy(0, 100)");
  await run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
  must(await run(`document.getElementById("tip").hidden`), "what a point said stays when the page is scrolled");

  browser.heard.delete(hear);
  await browser.send("Target.closeTarget", { targetId });
  console.log(`${width} pixels, ${scheme}: ${milliseconds} ms to open, ${plots} plots, ${wrong.length} complaints`);
  return wrong.map((what) => `${width} pixels, ${scheme}: ${what}`);
}

const program = chromium();
if (!program) {
  console.log("skipped: no Chromium in $CHROMIUM or on the PATH");
  process.exit(0);
}
const browser = start(program);
let wrong = [];
try {
  for (const screen of SCREENS) for (const scheme of SCHEMES) wrong = wrong.concat(await look(browser, screen, scheme));
} catch (error) {
  wrong.push(error.message);
}
browser.stop();
wrong.forEach((what) => console.error(what));
process.exit(wrong.length ? 1 : 0);
