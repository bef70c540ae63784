// Starts what a test needs: the dashboard, a browser that watches, and where it is wanted a made-up federator behind
// mutual TLS.
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { startFederator } from "../federator/serve.mjs";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const DASHBOARD = path.resolve(HERE, "../..");
export const SCREENSHOTS = path.resolve(HERE, "output");
mkdirSync(SCREENSHOTS, { recursive: true });

/** A certificate authority with a server and a client, each in files, made by openssl. */
export function makeCertificates(folder) {
  const openssl = (...args) => execFileSync("openssl", args, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=test authority");
  for (const [name, subject, san] of [["server", "/CN=federator", "DNS:localhost"], ["client", "/CN=dashboard", "URI:spiffe://iidi.local/phac/dashboard"]]) {
    openssl("req", "-x509", ...key, "-keyout", `${name}.key`, "-out", `${name}.crt`, "-subj", subject, "-addext", `subjectAltName=${san}`,
      "-CA", "ca.crt", "-CAkey", "ca.key", "-addext", "basicConstraints=CA:FALSE");
  }
  return (name) => path.join(folder, name);
}

/** A made-up federator that says `answer`, and the dashboard on it. */
export async function startWorld(answer) {
  const folder = mkdtempSync(path.join(tmpdir(), "iidi-dashboard-"));
  const file = makeCertificates(folder);
  const tls = { key: readFileSync(file("server.key")), cert: readFileSync(file("server.crt")), ca: readFileSync(file("ca.crt")) };
  const federator = await startFederator({ answer, tls });
  const pages = await startPages({
    DASHBOARD_FEDERATOR_URL: federator.url, DASHBOARD_CA_FILE: file("ca.crt"), DASHBOARD_CERTIFICATE_FILE: file("client.crt"),
    DASHBOARD_KEY_FILE: file("client.key"), DASHBOARD_LAST_GOOD_FILE: file("last-good.json"),
  });
  const { stop: stopPages } = pages;
  const stop = async () => {
    await stopPages();
    await federator.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  return Object.assign(pages, { federator, stop }); // in place: a copy would keep the address of before a restart
}

/** The dashboard with these settings, and a browser that watches. */
export async function startPages(changes) {
  const settings = { DASHBOARD_REFRESH_SECONDS: "1", DASHBOARD_DATA_KIND: "synthetic", DASHBOARD_VERSION: "test", ...changes };
  let dashboard = await startDashboard(settings);
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  return {
    settings,
    get url() { return dashboard.url; },
    async restart(changes = {}) {
      await dashboard.stop();
      dashboard = await startDashboard({ ...settings, ...changes });
    },
    async open(query = "?lang=en", options = {}) {
      const context = await browser.newContext({ viewport: { width: 1400, height: 900 }, acceptDownloads: true, ...options });
      const page = await context.newPage();
      const faults = watch(page, dashboard.url);
      await page.goto(dashboard.url + query);
      await idle(page);
      return { page, faults, close: () => context.close() };
    },
    async stop() {
      await browser.close();
      await dashboard.stop();
    },
  };
}

/** Starts the dashboard on a free port and waits until it says where it is. */
export function startDashboard(settings) {
  const child = spawn("Rscript", [path.join(DASHBOARD, "app.R")], { env: { ...process.env, DASHBOARD_PORT: "0", ...settings } });
  let log = "", started = false;
  const ended = new Promise((done) => child.on("exit", done));
  const stop = async () => { child.kill("SIGTERM"); await ended; };
  return new Promise((resolve, reject) => {
    const failed = () => reject(new Error(`the dashboard did not start:\n${log}`));
    const timer = setTimeout(() => { child.kill("SIGKILL"); failed(); }, 90_000);
    const read = async (chunk) => {
      log += chunk;
      const found = log.match(/dashboard on (http:\S+)\n/);
      if (!found || started) return;
      started = true;
      clearTimeout(timer);
      while (!(await fetch(found[1] + "livez").then((answer) => answer.ok, () => false))) await new Promise((next) => setTimeout(next, 50));
      resolve({ url: found[1], stop, log: () => log });
    };
    child.stderr.on("data", read);
    child.stdout.on("data", (chunk) => { log += chunk; });
    child.on("exit", () => { clearTimeout(timer); failed(); }); // after the start this changes nothing
  });
}

/** What must not happen: errors, failed requests, and requests to any other host. */
function watch(page, own) {
  const faults = [];
  page.on("pageerror", (error) => faults.push(`error: ${error.message}`));
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) faults.push(`console: ${message.text()}`); });
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(own) && !url.startsWith("data:") && !url.startsWith("blob:")) faults.push(`foreign request: ${url}`);
  });
  page.on("websocket", (socket) => { if (new URL(socket.url()).host !== new URL(own).host) faults.push(`foreign socket: ${socket.url()}`); });
  page.on("response", (response) => { if (response.status() >= 400) faults.push(`${response.status()}: ${response.url()}`); });
  return faults;
}

/** Shiny is connected, has nothing left to compute, and what can be seen is filled, for some frames on end. */
export async function idle(page) {
  await page.waitForFunction(() => window.Shiny?.shinyapp?.isConnected(), null, { timeout: 60_000 });
  // What was clicked leaves with the next tick; the answer to a request sent after it says that it has been worked on.
  await page.evaluate(() => new Promise((done) => {
    window.calm = 0;
    requestAnimationFrame(() => setTimeout(() => Shiny.shinyapp.makeRequest("nothing", [], done, () => done()), 20));
  }));
  await page.waitForFunction(() => {
    const seen = [...document.querySelectorAll(".page:not([hidden]) .shiny-html-output")].filter((one) => one.offsetParent !== null);
    const nothingKnown = document.querySelector("#keys").childElementCount === 0; // there is no table: outputs stay empty
    const calm = window.Shiny?.shinyapp?.isConnected() && !document.documentElement.classList.contains("shiny-busy") &&
      !document.querySelector(".recalculating") && (nothingKnown || seen.every((one) => one.childNodes.length > 0));
    window.calm = calm ? window.calm + 1 : 0;
    return window.calm > 5;
  }, null, { timeout: 60_000 });
}

/** The table of a figure as rows of text, unfolded as a reader would. */
export async function tableOf(page, id) {
  const fold = page.locator(`#${id}-table`).locator("xpath=ancestor::details");
  if (!(await fold.evaluate((one) => one.open))) await fold.locator("summary").click();
  await page.locator(`#${id}-table table, #${id}-table .empty`).first().waitFor();
  await idle(page);
  return page.locator(`#${id}-table tr`).evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent)));
}

/** Waits until the text of a part of the page is like this. */
export const becomes = (page, selector, pattern) => page.waitForFunction(
  ([selector, source]) => new RegExp(source).test(document.querySelector(selector)?.innerText ?? ""), [selector, pattern.source], { timeout: 60_000 });

export const textOf = async (page, selector) => (await page.locator(selector).innerText()).replace(/[\u00a0\u202f]/g, " ");
export const shot = (page, name) => page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`), fullPage: true });

/** Ticks boxes of a folded list. */
export async function tick(page, dimension, ...values) {
  const choice = page.locator(`.choice:has(#${dimension})`);
  if (!(await page.locator(".filters-fold").evaluate((one) => one.open))) await page.locator(".filters-fold > summary").click();
  if (!(await choice.evaluate((one) => one.open))) await choice.locator("summary").click();
  for (const value of values) await choice.locator(`input[value="${value}"]`).click();
  await idle(page);
}
