// Every page in both languages, on a phone, a desk and a wall: no fault that axe finds, nothing cut off; pictures kept.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { AxeBuilder } from "@axe-core/playwright";
import { makeAnswer } from "../federator/answer.mjs";
import { becomes, idle, shot, startWorld } from "./world.mjs";

const SCREENS = { desk: { width: 1400, height: 900 }, phone: { width: 390, height: 844 }, wall: { width: 3840, height: 2160 } };
const SENTENCES = JSON.parse(readFileSync(new URL("../../data/i18n.json", import.meta.url), "utf8"));
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"];
let world;
before(async () => { world = await startWorld(makeAnswer({ states: { BC: "stale", AB: "unavailable", NS: "suspended" } })); });
after(() => world.stop());

for (const lang of ["en", "fr"]) {
  for (const name of ["overview", "data", "methods"]) {
    test(`${name} in ${lang}: no violation, folded and unfolded, on a phone and a desk`, async () => {
      for (const screen of ["desk", "phone"]) {
        const { page, faults, close } = await world.open(`?lang=${lang}&page=${name}`, { viewport: SCREENS[screen] });
        await shot(page, `${name}-${lang}-${screen}`);
        await noViolation(page, `${name} ${lang} ${screen}`);
        if (name === "overview" || screen === "desk") {
          await page.evaluate(() => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
          await idle(page);
          await noViolation(page, `${name} ${lang} ${screen}, unfolded`);
          await oneLanguage(page, lang);
          await shot(page, `${name}-${lang}-${screen}-unfolded`);
        }
        assert.equal(await sideways(page), 0, `${screen} scrolls sideways`);
        assert.equal(await page.locator("h1:visible").count(), 1);
        assert.deepEqual(faults, []);
        await close();
      }
    });
  }
}

for (const lang of ["en", "fr"]) {
  test(`a wall screen in ${lang} is filled, and text grows with it, in figures too`, async () => {
    for (const name of ["overview", "data", "methods"]) {
      const { page, faults, close } = await world.open(`?lang=${lang}&page=${name}`, { viewport: SCREENS.wall });
      await shot(page, `${name}-${lang}-wall`);
      await noViolation(page, `${name} ${lang} wall`);
      const size = await page.evaluate(() => parseFloat(getComputedStyle(document.body).fontSize));
      assert.ok(size >= 20, `${size} px`);
      assert.equal(await sideways(page), 0);
      if (name === "overview") {
        const drawn = await page.evaluate(() => {
          const svg = document.querySelector("#trend-body svg");
          return 16 * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
        });
        assert.ok(Math.abs(drawn / size - 1) < 0.05, `figures are drawn for text of ${drawn} px, not ${size} px`);
      }
      assert.deepEqual(faults, []);
      await close();
    }
  });
}

test("at 200 % text on a small window nothing is lost sideways", async () => {
  const { page, close } = await world.open("?lang=fr", { viewport: { width: 700, height: 700 }, deviceScaleFactor: 2 });
  await page.addStyleTag({ content: "html { font-size: 32px !important; }" });
  assert.ok((await sideways(page)) <= 1);
  await close();
});

// The last two of this file: the federator falls, and the dashboard starts anew.
test("no violation when all are down", async () => {
  world.federator.fall(makeAnswer({ states: { ON: "unavailable", QC: "unavailable", BC: "unavailable", AB: "invalid", NS: "suspended" } }));
  for (const [lang, said] of [["en", /Shown are the last good data/], ["fr", /Les dernières données valides/]]) {
    const { page, faults, close } = await world.open(`?lang=${lang}`);
    await becomes(page, "#warnings", said);
    await idle(page);
    await noViolation(page, `all down, ${lang}`);
    assert.deepEqual(faults, []);
    await close();
  }
});

test("no violation where there are no data", async () => {
  await world.restart({ DASHBOARD_LAST_GOOD_FILE: "" });
  for (const lang of ["en", "fr"]) {
    for (const name of ["overview", "data", "methods"]) {
      const { page, faults, close } = await world.open(`?lang=${lang}&page=${name}`);
      assert.equal(await page.locator("#keys .key").count(), 0);
      await noViolation(page, `no data, ${name} ${lang}`);
      assert.equal(await sideways(page), 0);
      assert.deepEqual(faults, []);
      await close();
    }
  }
});

/** Nothing that is seen or read aloud stands in the other language. */
async function oneLanguage(page, lang) {
  const other = lang === "en" ? "fr" : "en";
  const foreign = Object.values(SENTENCES).filter((one) => one.en !== one.fr && one[other].length > 12 && !one[other].includes("{")).map((one) => one[other]);
  assert.ok(foreign.length > 50);
  const said = await page.evaluate(() => document.body.innerText + [...document.querySelectorAll("[aria-label], [title], [data-tip], desc")]
    .map((one) => [one.ariaLabel, one.getAttribute("title"), one.dataset.tip, one.textContent].join("\n")).join("\n"));
  assert.deepEqual(foreign.filter((phrase) => said.includes(phrase)), []);
}

async function noViolation(page, where) {
  const { violations } = await new AxeBuilder({ page }).withTags(TAGS).analyze();
  const said = violations.map((one) => `${one.id}: ${one.help}\n    ${one.nodes.slice(0, 4).map((node) => node.html.slice(0, 200)).join("\n    ")}`);
  assert.equal(violations.length, 0, `${where}\n  ${said.join("\n  ")}`);
}

/** How many pixels the page is wider than the window. */
const sideways = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
