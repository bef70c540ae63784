// The pages on the real federator: started by tests/integration/national/dashboard.rs, which says where everything is.
// Its three sources: ON and BC have published, QC has not. The tests follow one another: the parts end on the way.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import https from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { makeAnswer } from "../../federator/answer.mjs";
import { startFederator } from "../../federator/serve.mjs";
import { say, sayFrench, sum } from "../figures.mjs";
import { headersOf, shapeOf } from "../shape.mjs";
import { becomes, idle, makeCertificates, shot, startPages, tableOf, textOf } from "../world.mjs";

const told = (name) => process.env[name] ?? assert.fail(`${name} is not set: this test is run by cargo xtask test dashboard`);
const REAL = told("IIDI_FEDERATOR_URL");
const CERTIFICATE = { cert: told("IIDI_CERTIFICATE_FILE"), key: told("IIDI_KEY_FILE"), ca: told("IIDI_CA_FILE") };
const MADE_UP = { places: ["BC", "ON", "QC"], states: { QC: "unavailable" } };
const folder = mkdtempSync(path.join(tmpdir(), "iidi-national-"));
let pages, answer, madeUp;

/** Asks a federator as the dashboard does. */
function ask(url, files, headers = {}) {
  const tls = Object.fromEntries(Object.entries(files).map(([name, file]) => [name, readFileSync(file)]));
  return new Promise((done, failed) => {
    https.get(url, { ...tls, minVersion: "TLSv1.3", agent: false, headers: { Accept: "application/json", "Accept-Encoding": "gzip", ...headers } }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => {
        const bytes = Buffer.concat(chunks);
        const text = response.headers["content-encoding"] === "gzip" ? gunzipSync(bytes).toString() : bytes.toString();
        done({ status: response.statusCode, headers: response.headers, body: text ? JSON.parse(text) : null });
      });
    }).on("error", failed);
  });
}

before(async () => {
  const file = makeCertificates(folder);
  madeUp = await startFederator({
    answer: makeAnswer(MADE_UP),
    tls: { key: readFileSync(file("server.key")), cert: readFileSync(file("server.crt")), ca: readFileSync(file("ca.crt")) },
  });
  madeUp.files = { cert: file("client.crt"), key: file("client.key"), ca: file("ca.crt") };
  answer = (await ask(`${REAL}/aggregated-data`, CERTIFICATE)).body;
  pages = await startPages({
    DASHBOARD_FEDERATOR_URL: REAL, DASHBOARD_CA_FILE: CERTIFICATE.ca, DASHBOARD_CERTIFICATE_FILE: CERTIFICATE.cert,
    DASHBOARD_KEY_FILE: CERTIFICATE.key, DASHBOARD_LAST_GOOD_FILE: file("last-good.json"),
  });
});
after(async () => {
  await pages?.stop();
  await madeUp?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Both federators' answers to the same question must be made alike; returns the real one's. */
async function alike(path, { real = REAL, headers } = {}) {
  const [ours, theirs] = await Promise.all([ask(real + path, CERTIFICATE, headers), ask(madeUp.url + path, madeUp.files, headers)]);
  assert.equal(theirs.status, ours.status);
  assert.deepEqual(headersOf(theirs.headers), headersOf(ours.headers));
  assert.deepEqual(shapeOf(theirs.body), shapeOf(ours.body));
  return ours;
}

test("the made-up federator answers as the real one does: members, kinds, headers, names", async () => {
  const { headers, body } = await alike("/aggregated-data");
  assert.ok(body.data.length > 20, "a table worth comparing");
  const known = makeAnswer(MADE_UP).dictionary;
  assert.deepEqual(known.age_groups, body.dictionary.age_groups);
  assert.deepEqual(known.jurisdictions, body.dictionary.jurisdictions);
  const byCode = (terms) => [...terms].sort((a, b) => (a.code < b.code ? -1 : 1));
  assert.deepEqual(byCode(known.vaccines), byCode(body.dictionary.vaccines));
  await alike("/sources");
  await alike("/nowhere");

  const [real, made] = await Promise.all([
    ask(`${REAL}/aggregated-data`, CERTIFICATE, { "If-None-Match": headers.etag }),
    ask(`${madeUp.url}/aggregated-data`, madeUp.files, { "If-None-Match": (await ask(`${madeUp.url}/aggregated-data`, madeUp.files)).headers.etag }),
  ]);
  assert.deepEqual([made.status, headersOf(made.headers)], [real.status, headersOf(real.headers)]);
  assert.equal(real.status, 304);

  madeUp.fall(makeAnswer({ places: ["BC", "QC"], states: { BC: "suspended", QC: "unavailable" } }));
  const empty = told("IIDI_EMPTY_FEDERATOR_URL");
  assert.equal((await alike("/aggregated-data", { real: empty })).status, 503);
  await alike("/sources", { real: empty });
});

test("the numbers of the pages are those of the real federator's JSON", async () => {
  assert.ok(answer.data.some((row) => row.Suppressed) && answer.data.some((row) => !row.Suppressed), "hidden and shown cells");
  const { page, faults, close } = await pages.open("?lang=en");
  assert.equal(await textOf(page, "#key-doses .key-value"), say(sum(answer)));
  assert.equal(await textOf(page, "#key-reporting .key-value"), "2 of 3");
  const hidden = answer.data.filter((row) => row.Count === null).length;
  assert.equal(await textOf(page, "#key-hidden .key-value"), `${hidden} of ${answer.data.length}`);
  assert.match(await textOf(page, "#warnings"), /^Incomplete: The national figures exclude Quebec \(no data\)\.$/);
  const map = Object.fromEntries((await tableOf(page, "map")).slice(1).map((row) => [row[0], row.slice(1)]));
  for (const [name, code] of [["Ontario", "ON"], ["British Columbia", "BC"]]) {
    const total = answer.margins.find((margin) => margin.by.join() === "Jurisdiction").rows.find((row) => row.Jurisdiction === code);
    assert.equal(map[name][2], total.Count.toLocaleString("en-CA"), "the released total");
    assert.equal(map[name][2], say(sum(answer, { Jurisdiction: [code] })));
  }
  assert.deepEqual(map.Quebec, ["no data", "–", "–"]);
  const asOf = answer.sources.filter((one) => one.as_of).map((one) => Number(one.as_of.slice(0, 4)));
  const years = await tableOf(page, "trend");
  assert.ok(years.length > 3);
  for (const [label, doses] of years.slice(1)) {
    const year = Number(label.slice(0, 4));
    assert.equal(doses, say(sum(answer, { OccurrenceYear: [year] })), label);
    assert.equal(label.endsWith("(incomplete)"), year >= Math.min(...asOf), label);
  }
  const grid = await tableOf(page, "age_dose");
  for (const row of grid.slice(1)) {
    grid[0].slice(1).forEach((dose, i) => {
      assert.equal(row[i + 1], say(sum(answer, { Age: [row[0]], DoseLabel: [dose.replace("Dose ", "")] })), `${row[0]}, ${dose}`);
    });
  }
  await shot(page, "real-overview");
  assert.deepEqual(faults, []);
  await close();
});

test("what the real provinces hide is shown as hidden, in both languages", async () => {
  const slug = (text) => text.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  const of = (row) => `jurisdiction=${row.Jurisdiction}&vaccine=${row.VaccineCode}&age=${slug(row.Age)}&sex=${slug(row.Sex)}`
    + `&from=${row.OccurrenceYear}&to=${row.OccurrenceYear}&dose=${slug(row.DoseLabel)}`;
  const whole = (row) => row.OccurrenceYear && row.VaccineCode;
  const cell = answer.data.find((row) => row.Suppressed && whole(row)), shown = answer.data.find((row) => row.Count && whole(row));
  for (const [lang, hidden, number] of [["en", "x (suppressed)", say], ["fr", "x (supprimé)", sayFrench]]) {
    const { page, faults, close } = await pages.open(`?lang=${lang}&${of(cell)}`);
    assert.equal(await textOf(page, "#key-doses .key-value"), hidden);
    await page.click('[data-page="data"]');
    await idle(page);
    assert.deepEqual(await lastColumn(page), [hidden]);
    await page.goto(`${pages.url}?lang=${lang}&page=data&${of(shown)}`);
    await idle(page);
    assert.deepEqual(await lastColumn(page), [number({ value: shown.Count, exact: true })]);
    assert.deepEqual(faults, []);
    await close();
  }
});

test("a certificate that may not read is refused, and the page says so", async () => {
  const stranger = { DASHBOARD_CERTIFICATE_FILE: told("IIDI_STRANGER_CERTIFICATE_FILE"), DASHBOARD_KEY_FILE: told("IIDI_STRANGER_KEY_FILE") };
  await pages.restart({ ...stranger, DASHBOARD_LAST_GOOD_FILE: "" });
  const { page, faults, close } = await pages.open();
  assert.match(await textOf(page, "#warnings"), /There are no data to show: the federator refuses this dashboard’s certificate\.$/);
  assert.equal(await page.locator("#keys .key").count(), 0);
  assert.deepEqual(faults, []);
  await close();
  await pages.restart();
});

test("a province's aggregator stops: the open page names it, with the age of what is shown", async () => {
  const { page, faults, close } = await pages.open();
  const doses = await textOf(page, "#key-doses .key-value");
  process.kill(Number(told("IIDI_BC_AGGREGATOR_PID")), "SIGTERM");
  await becomes(page, "#warnings", /Older data are shown for British Columbia \(as of \d{4}-\d\d-\d\d, \d+ \S+ old\)\./);
  await idle(page);
  assert.equal(await textOf(page, "#key-doses .key-value"), doses, "its last release is still counted");
  for (const name of ["data", "methods"]) {
    await page.click(`[data-page="${name}"]`);
    await page.locator(`#page-${name}`).waitFor({ state: "visible" });
    assert.ok(await page.getByText("Older data are shown for British Columbia").isVisible(), name);
  }
  madeUp.say(makeAnswer({ ...MADE_UP, states: { BC: "stale", QC: "unavailable" } }));
  await alike("/aggregated-data");
  assert.deepEqual(faults, []);
  await close();
});

test("the federator stops: the last good data stay, with their time; a restart keeps them", async () => {
  const { page, faults, close } = await pages.open();
  const doses = await textOf(page, "#key-doses .key-value");
  process.kill(Number(told("IIDI_FEDERATOR_PID")), "SIGTERM");
  const warning = /the federator does not answer\. Shown are the last good data, as of \d{4}-\d\d-\d\d \d\d:\d\d UTC\./;
  await becomes(page, "#warnings", warning);
  await idle(page);
  assert.equal(await textOf(page, "#key-doses .key-value"), doses);
  assert.equal(doses, say(sum(answer)));
  await shot(page, "real-federator-stopped");
  assert.deepEqual(faults, []);
  await close();
  assert.ok(existsSync(pages.settings.DASHBOARD_LAST_GOOD_FILE));
  await pages.restart();
  const again = await pages.open();
  assert.match(await textOf(again.page, "#warnings"), warning);
  assert.equal(await textOf(again.page, "#key-doses .key-value"), doses);
  await again.close();
});

const lastColumn = async (page) => (await page.locator("#cells tbody tr").evaluateAll((rows) => rows.map((row) => row.lastElementChild.textContent)))
  .map((text) => text.replace(/[\u00a0\u202f]/g, " "));
