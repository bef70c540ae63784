// What the pages say when somebody is missing, when nobody answers, and with much data.
import assert from "node:assert/strict";
import { existsSync, statSync } from "node:fs";
import { after, before, test } from "node:test";
import { makeAnswer } from "../federator/answer.mjs";
import { say, sayFrench, sum } from "./figures.mjs";
import { becomes, idle, shot, startWorld, tableOf, textOf, tick } from "./world.mjs";

const whole = makeAnswer();
let world;
before(async () => { world = await startWorld(whole); });
after(() => world.stop());

test("one province down: the open page warns, names it, and its doses leave the total", async () => {
  const { page, faults, close } = await world.open();
  assert.equal(await textOf(page, "#warnings"), "");
  assert.equal(await textOf(page, "#key-doses .key-value"), say(sum(whole)));
  const without = makeAnswer({ states: { BC: "unavailable" } });
  world.federator.say(without);
  await becomes(page, "#warnings", /exclude British Columbia \(no data\)/);
  await idle(page);
  assert.equal(await textOf(page, "#key-doses .key-value"), say(sum(without)));
  assert.notEqual(say(sum(without)), say(sum(whole)));
  await shot(page, "one-down");
  await tick(page, "jurisdiction", "BC");
  assert.equal(await textOf(page, "#key-doses .key-value"), "no data");
  assert.match(await textOf(page, "#trend-body"), /This is not a zero/);
  assert.deepEqual(faults, []);
  await close();
});

test("all down: the last good figures stay, with their time", async () => {
  world.federator.say(whole);
  const { page, faults, close } = await world.open("?lang=fr");
  await becomes(page, "#key-reporting", /5 sur 5/);
  const doses = await textOf(page, "#key-doses .key-value");
  world.federator.fall(makeAnswer({ states: { ON: "unavailable", QC: "unavailable", BC: "unavailable", AB: "invalid", NS: "unavailable" } }));
  await becomes(page, "#warnings", /aucune province ni aucun territoire ne fournit de données\. Les dernières données valides, en date du \d{4}-\d\d-\d\d \d\d:\d\d UTC, restent/);
  assert.equal(await textOf(page, "#key-doses .key-value"), doses);
  await becomes(page, "#key-reporting", /5 sur 5\s+Avec des données plus anciennes\s: 5/);
  assert.doesNotMatch(await textOf(page, "#key-reporting"), /Toutes les sources/);
  await idle(page);
  for (const tip of await page.locator("#map-body rect[data-tip]").evaluateAll((tiles) => tiles.map((tile) => tile.dataset.tip))) {
    assert.doesNotMatch(tip, /à jour/);
  }
  await shot(page, "all-down-fr");
  // A province that is suspended meanwhile is not shown from memory either.
  world.federator.fall(makeAnswer({ states: { ON: "unavailable", QC: "suspended", BC: "unavailable", AB: "invalid", NS: "unavailable" } }));
  await becomes(page, "#warnings", /suivants\s: Québec \(participation suspendue\)/);
  await idle(page);
  const rest = { ...whole, data: whole.data.filter((row) => row.Jurisdiction !== "QC") };
  assert.equal(await textOf(page, "#key-doses .key-value"), sayFrench(sum(rest)));
  world.federator.say(whole);
  await becomes(page, "#warnings", /^$/);
  assert.deepEqual(faults, []);
  await close();
});

test("a restart without a federator shows what was kept, as of when it was had", async () => {
  assert.ok(existsSync(world.settings.DASHBOARD_LAST_GOOD_FILE));
  const kept = statSync(world.settings.DASHBOARD_LAST_GOOD_FILE).mtime.toISOString().slice(0, 16).replace("T", " ");
  world.federator.drop();
  await world.restart();
  const { page, faults, close } = await world.open();
  assert.match(await textOf(page, "#warnings"), /the federator does not answer\. Shown are the last good data, as of /);
  assert.ok((await textOf(page, "#warnings")).includes(kept.slice(0, 15)), kept);
  assert.equal(await textOf(page, "#key-doses .key-value"), say(sum(whole)));
  assert.deepEqual(faults, []);
  await close();
});

test("a start without any source names them all, and shows no number", async () => {
  world.federator.fall(makeAnswer({ states: { ON: "unavailable", QC: "unavailable", BC: "unavailable", AB: "invalid", NS: "suspended" } }));
  await world.restart({ DASHBOARD_LAST_GOOD_FILE: "" });
  for (const [lang, said] of [["en", /Sources: .*Quebec \(no data\).*Alberta \(data refused\)/], ["fr", /Sources : .*Québec \(sans données\)/]]) {
    const { page, faults, close } = await world.open(`?lang=${lang}`);
    assert.match(await textOf(page, "#warnings"), said);
    assert.equal(await page.locator("#keys .key").count(), 0);
    await shot(page, `no-source-${lang}`);
    assert.deepEqual(faults, []);
    await close();
  }
});

test("without any data the page says so, and shows no number; then data arrive by themselves", async () => {
  world.federator.drop();
  await world.restart({ DASHBOARD_LAST_GOOD_FILE: "" });
  const { page, faults, close } = await world.open();
  assert.match(await textOf(page, "#warnings"), /There are no data to show: the federator does not answer/);
  assert.equal(await page.locator("#keys .key").count(), 0);
  assert.equal(await textOf(page, "#trend-body"), "There are no data to show yet.");
  await shot(page, "nothing");
  world.federator.say(whole);
  await becomes(page, "#key-doses", /\d/);
  await idle(page);
  assert.equal(await textOf(page, "#key-doses .key-value"), say(sum(whole)));
  await tick(page, "vaccine", "871831003"); // the choices have arrived with the data
  assert.equal(await textOf(page, "#key-doses .key-value"), say(sum(whole, { VaccineCode: ["871831003"] })));
  assert.deepEqual(faults, []);
  await close();
});

test("while the federator hangs, readers are served all the same", async () => {
  world.federator.say(whole);
  await world.restart({ DASHBOARD_LAST_GOOD_FILE: "", DASHBOARD_TIMEOUT_SECONDS: "120" });
  const asked = world.federator.seen.length;
  world.federator.hang();
  const from = Date.now();
  while (world.federator.seen.length === asked) {
    assert.ok(Date.now() - from < 20_000, "nothing was asked");
    await new Promise((next) => setTimeout(next, 50));
  }
  const { page, faults, close } = await world.open(); // the timeout of a visit is shorter than the federator's silence
  await tick(page, "vaccine", "871831003");
  assert.equal(await textOf(page, "#key-doses .key-value"), say(sum(whole, { VaccineCode: ["871831003"] })));
  assert.deepEqual(faults, []);
  await close();
  world.federator.say(whole);
});

test("a fault of the dashboard is told in the reader's language", async () => {
  for (const [lang, said] of [["en", /^This part cannot be shown/], ["fr", /^Cette partie ne peut pas être affichée/]]) {
    const { page, close } = await world.open(`?lang=${lang}`);
    await page.evaluate(() => Shiny.shinyapp.dispatchMessage(JSON.stringify({
      errors: { "trend-body": { message: "An error has occurred. Check your logs.", call: null, type: null } }, values: {}, inputMessages: [],
    })));
    await becomes(page, "#trend-body", said);
    assert.doesNotMatch(await textOf(page, "body"), /An error/);
    await close();
  }
});

test("a federator that does not know the certificate gives nothing", async () => {
  await world.restart({ DASHBOARD_CERTIFICATE_FILE: "", DASHBOARD_KEY_FILE: "", DASHBOARD_LAST_GOOD_FILE: "" });
  const { page, close } = await world.open();
  assert.match(await textOf(page, "#warnings"), /no data to show/);
  await close();
});

test("100,000 rows: the numbers are right, and the page stays quick", async (t) => {
  const large = makeAnswer({ rows: 100_000 });
  assert.equal(large.data.length, 100_000);
  world.federator.say(large);
  await world.restart({ DASHBOARD_LAST_GOOD_FILE: "", DASHBOARD_REFRESH_SECONDS: "60" });
  await measured(t, "100,000 rows", large);
});

test("the demo's size: first paint and redraw", async (t) => {
  world.federator.say(whole);
  await world.restart({ DASHBOARD_LAST_GOOD_FILE: "", DASHBOARD_REFRESH_SECONDS: "60" });
  await measured(t, `${whole.data.length} rows`, whole);
});

/** Opens a page, filters, checks the sums, and says how long it took: reported, not asserted. */
async function measured(t, name, answer) {
  const started = Date.now();
  const { page, faults, close } = await world.open("?lang=en");
  const settled = Date.now() - started;
  const useful = await page.evaluate(() => Math.round(performance.getEntriesByName("first-contentful-paint")[0].startTime));
  assert.equal(await textOf(page, "#key-doses .key-value"), say(sum(answer)));
  await page.evaluate(() => { document.querySelector(".choice:has(#vaccine)").open = true; });
  const redraws = [];
  for (const [code, filters] of [["871831003", ["871831003"]], ["20861000087100", ["871831003", "20861000087100"]], ["871831003", ["20861000087100"]]]) {
    redraws.push(await page.evaluate((code) => new Promise((done) => {
      const from = performance.now();
      const body = document.querySelector("#trend-body");
      new MutationObserver((_, observer) => { observer.disconnect(); requestAnimationFrame(() => done(Math.round(performance.now() - from))); })
        .observe(body, { childList: true });
      document.querySelector(`#vaccine input[value="${code}"]`).click();
    }), code));
    await idle(page);
    assert.equal(await textOf(page, "#key-doses .key-value"), say(sum(answer, { VaccineCode: filters })));
  }
  assert.equal((await tableOf(page, "trend")).length > 5, true);
  assert.deepEqual(faults, []);
  t.diagnostic(`${name}: first paint with the key figures ${useful} ms, all figures ${settled} ms, filter to redraw ${redraws.join(", ")} ms`);
  await close();
}
