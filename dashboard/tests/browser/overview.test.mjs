// The overview: its numbers, filters, address, language and files.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { AGES, makeAnswer } from "../federator/answer.mjs";
import { percent, say, sayFrench, sayShare, sum } from "./figures.mjs";
import { becomes, idle, shot, startWorld, tableOf, textOf, tick } from "./world.mjs";

const answer = makeAnswer({ states: { BC: "stale", AB: "unavailable", NS: "suspended" } });
const MMR = "871831003", HPV = "20861000087100";
const plain = (rows) => rows.map((row) => row.map((cell) => cell.replace(/[\u00a0\u202f]/g, " ")));
let world;
before(async () => { world = await startWorld(answer); });
after(() => world.stop());

/** A page that is looked at and must end without a fault. */
async function visit(query, look, options) {
  const { page, faults, close } = await world.open(query, options);
  await look(page);
  assert.deepEqual(faults, []);
  await close();
}

test("the dashboard shows its certificate to the federator and asks with the ETag it knows", async () => {
  assert.equal(world.federator.seen[0].peer, "dashboard");
  const from = Date.now();
  while (!world.federator.seen.some((one) => one.etag)) {
    assert.ok(Date.now() - from < 20_000, "no conditional request came");
    await new Promise((next) => setTimeout(next, 50));
  }
});

test("the numbers of the overview are those of the federator's JSON", () => visit("?lang=en", async (page) => {
  assert.equal(await textOf(page, "#key-doses .key-value"), say(sum(answer)));
  const hidden = answer.data.filter((row) => row.Count === null).length;
  assert.equal(await textOf(page, "#key-hidden .key-value"), `${hidden.toLocaleString("en-CA")} of ${answer.data.length.toLocaleString("en-CA")}`);
  assert.equal(await textOf(page, "#key-reporting .key-value"), "3 of 5");
  const years = await tableOf(page, "trend");
  for (const [label, doses] of years.slice(1)) {
    assert.equal(doses, say(sum(answer, { OccurrenceYear: [Number(label.slice(0, 4))] })), label);
  }
  assert.equal(years.at(-1)[0], "2026 (incomplete)");
  const unknown = sum(answer, { OccurrenceYear: [null] });
  assert.ok(unknown.value > 0 && (await textOf(page, "#trend-body .notes")).includes(`Doses of unknown year, in no bar: ${say(unknown)}.`));
  const grid = await tableOf(page, "age_dose");
  assert.deepEqual(grid.slice(1).map((row) => row[0]), AGES);
  for (const row of grid.slice(1)) {
    grid[0].slice(1).forEach((dose, i) => {
      const where = { Age: [row[0]], DoseLabel: [dose.replace("Dose ", "")] };
      assert.equal(row[i + 1], say(sum(answer, where)), `${row[0]}, ${dose}`);
    });
  }
  const map = Object.fromEntries((await tableOf(page, "map")).slice(1).map((row) => [row[0], row.slice(1)]));
  assert.equal(Object.keys(map).length, 13);
  assert.equal(map.Ontario[2], say(sum(answer, { Jurisdiction: ["ON"] })));
  assert.deepEqual(map["Nova Scotia"], ["suspended", "–", "–"]);
}));

test("shares, progression and on-time share follow from the JSON", () => visit(`?lang=en&vaccine=${MMR}`, async (page) => {
  const where = { VaccineCode: [MMR] };
  await page.selectOption("#compare", "dose");
  await idle(page);
  const shares = await tableOf(page, "shares");
  assert.deepEqual(shares[0].slice(1), ["British Columbia", "Ontario", "Quebec"]);
  const ontario = { ...where, Jurisdiction: ["ON"] };
  for (const row of shares.slice(1)) {
    const part = sum(answer, { ...ontario, DoseLabel: [row[0].replace("Dose ", "")] });
    assert.equal(row[2], percent(part, sum(answer, ontario)), row[0]);
  }
  const [, progression] = await tableOf(page, "progression");
  const first = sum(answer, { ...where, DoseLabel: ["1"] }), second = sum(answer, { ...where, DoseLabel: ["2"] });
  assert.deepEqual(progression, ["MMR", say(first), percent(second, first)]);
  const [, onTime] = await tableOf(page, "on_time");
  const early = sum(answer, { ...where, DoseLabel: ["1"], Age: ["Under 1 year", "1 year"] });
  assert.deepEqual(onTime, ["MMR, dose 1", "before 2 years", percent(early, first), say(early), say(first)]);
}));

test("data quality and sources follow from the JSON", () => visit("?lang=en", async (page) => {
  const unknown = {
    "Year unknown": { OccurrenceYear: [null] }, "Age unknown": { Age: ["Unknown"] }, "Sex unknown": { Sex: ["Unknown"] },
    "Vaccine not mapped": { VaccineCode: [null] }, "Dose number unknown or mixed": { DoseLabel: ["Unknown", "Mixed"] },
  };
  const quality = (await tableOf(page, "quality")).slice(1);
  assert.deepEqual(quality, Object.entries(unknown).map(([label, where]) => [label, percent(sum(answer, where), sum(answer)), say(sum(answer, where))]));
  const shown = Object.fromEntries(plain(await page.locator("#sources tbody tr").evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent))))
    .map(([name, status, asOf, , ...rest]) => [name, [status, asOf, ...rest]]));
  const states = { ok: "● reporting", stale: "▲ old data", unavailable: "✖ no data", suspended: "✖ suspended" };
  const problems = { "peer-unreachable": "does not answer", "source-suspended": "suspended in the directory" };
  assert.equal(Object.keys(shown).length, answer.sources.length);
  for (const source of answer.sources) {
    const { en } = answer.dictionary.jurisdictions.find((place) => place.code === source.jurisdiction);
    const own = answer.data.filter((row) => row.Jurisdiction === source.jurisdiction);
    const counted = [own.length, own.filter((row) => row.Count === null).length].map((n) => (source.as_of ? n.toLocaleString("en-CA") : "–"));
    assert.deepEqual(shown[en], [
      states[source.status], source.as_of ? source.as_of.slice(0, 16).replace("T", " ") + " UTC" : "–", String(source.release_id ?? "–"),
      String(source.threshold ?? "–"), ...counted, problems[source.problem?.code] ?? "–",
    ], en);
  }
}));

test("the map has thirteen tiles; each figure's definition opens and says something", () => visit("?lang=fr", async (page) => {
  assert.equal(await page.locator("#map-body rect[data-tip]").count(), 13);
  const definitions = page.locator(".panel .definition");
  assert.equal(await definitions.count(), 7);
  const said = new Set();
  for (const one of await definitions.all()) {
    assert.ok(!(await one.locator("p").isVisible()));
    await one.locator("summary").click();
    const text = await one.locator("p").innerText();
    assert.ok(text.length > 80, text);
    said.add(text);
  }
  assert.equal(said.size, 7, "each has its own");
}));

test("filters change every number, stand in the address, and are reset by one button", () => visit("?lang=en", async (page) => {
  await tick(page, "vaccine", MMR, HPV);
  await tick(page, "jurisdiction", "ON");
  await tick(page, "sex", "Female");
  await page.selectOption("#from", "2018");
  await page.selectOption("#to", "2021");
  await tick(page, "dose", "1");
  await tick(page, "age", "1 year", "12–16 years");
  const where = {
    VaccineCode: [MMR, HPV], Jurisdiction: ["ON"], Sex: ["Female"], OccurrenceYear: [2018, 2019, 2020, 2021], DoseLabel: ["1"],
    Age: ["1 year", "12–16 years"],
  };
  assert.equal(await textOf(page, "#key-doses .key-value"), say(sum(answer, where)));
  const url = new URL(page.url());
  assert.deepEqual(Object.fromEntries(url.searchParams), {
    lang: "en", jurisdiction: "ON", vaccine: `${HPV},${MMR}`, age: "1-year,12-16-years", sex: "female", from: "2018", to: "2021", dose: "1",
  });
  assert.match(await textOf(page, "#said"), /^Doses recorded: /);
  await page.click("#reset");
  await idle(page);
  assert.equal(await textOf(page, "#key-doses .key-value"), say(sum(answer)));
  assert.equal(new URL(page.url()).search, "?lang=en");
}));

test("a shared address shows the same view to somebody else", () => visit(`?lang=en&jurisdiction=QC&vaccine=${HPV}&from=2015&dose=2`, async (page) => {
  const where = { Jurisdiction: ["QC"], VaccineCode: [HPV], OccurrenceYear: range(2015, 2026), DoseLabel: ["2"] };
  assert.equal(await textOf(page, "#key-doses .key-value"), say(sum(answer, where)));
  assert.ok(await page.locator('#jurisdiction input[value="QC"]').isChecked());
  assert.match(await textOf(page, "#key-doses .key-more"), /Quebec · Vaccine: HPV-9 · Year: 2015–… · Dose: Dose 2/);
}));

test("by what is compared and in which order stand in the address, and come back with it", () => visit("?lang=en", async (page) => {
  await page.selectOption("#compare", "dose");
  await page.click('[data-page="data"]');
  await page.selectOption("#order_by", "doses");
  await idle(page);
  assert.equal(new URL(page.url()).search, "?lang=en&page=data&compare=dose&order=doses");
  await page.click("#language");
  await idle(page);
  const doses = plain(await page.locator("#cells tbody tr").evaluateAll((rows) => rows.map((row) => [row.lastElementChild.textContent]))).flat();
  const most = answer.data.map((row) => row.Count ?? 0).sort((a, b) => b - a).slice(0, doses.length);
  assert.deepEqual(doses, most.map((value) => sayFrench({ value, exact: true })));
  await page.click('[data-page="overview"]');
  assert.equal((await tableOf(page, "shares"))[1][0], "Dose 1");
  assert.equal(await page.locator("#compare").inputValue(), "dose");
}));

test("an address with nonsense shows everything", () => visit("?lang=en&jurisdiction=ZZ&from=soon&vaccine=%3Cscript%3E", async (page) => {
  assert.equal(await textOf(page, "#key-doses .key-value"), say(sum(answer)));
}));

test("the language switch keeps the view, and French says the same numbers", () => visit(`?lang=en&vaccine=${MMR}&sex=male`, async (page) => {
  await page.click("#language");
  await idle(page);
  assert.equal(new URL(page.url()).searchParams.get("lang"), "fr");
  assert.equal(await page.locator("html").getAttribute("lang"), "fr");
  const where = { VaccineCode: [MMR], Sex: ["Male"] };
  assert.equal(await textOf(page, "#key-doses .key-value"), sayFrench(sum(answer, where)));
  const years = plain(await tableOf(page, "trend"));
  assert.equal(years[1][1], sayFrench(sum(answer, { ...where, OccurrenceYear: [Number(years[1][0])] })));
  assert.match(await textOf(page, "#warnings"), /excluent les provinces et territoires suivants : Alberta \(sans données\), Nouvelle-Écosse \(participation suspendue\)/);
}));

test("hidden cells are shown as hidden, never as zero or nothing", () => visit("?lang=en&page=data&sex=other", async (page) => {
  const rows = await page.locator("#cells tbody tr").evaluateAll((rows) => rows.map((row) => row.lastElementChild.textContent));
  assert.ok(rows.includes("x (suppressed)"));
  for (const doses of rows) assert.match(doses, /^(x \(suppressed\)|[1-9][\d,]*)$/);
  const only = answer.data.find((row) => row.Count === null && row.VaccineCode === MMR);
  const slug = (text) => text.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  const query = `?lang=en&jurisdiction=${only.Jurisdiction}&vaccine=${MMR}&age=${slug(only.Age)}&sex=${slug(only.Sex)}&from=${only.OccurrenceYear}&to=${only.OccurrenceYear}&dose=${slug(only.DoseLabel)}`;
  await page.goto(world.url + query);
  await idle(page);
  assert.equal(await textOf(page, "#key-doses .key-value"), "x (suppressed)");
  await shot(page, "one-hidden-cell");
}));

test("CSV and SVG carry filters, age, threshold and dictionary", () => visit(`?lang=en&vaccine=${MMR}&sex=female`, async (page) => {
  const csv = await download(page, "#trend-csv");
  assert.equal(csv.name, "iidi-trend-en.csv");
  const lines = csv.text.replace(/^\ufeff/, "").split("\r\n");
  const notes = lines.filter((line) => line.startsWith("#")).join("\n");
  for (const said of [
    "# Simulation: synthetic data", "# Filters: Vaccine: MMR · Sex: Female", "ON 2026-11-27 04:00 UTC", "BC 2026-11-12 04:00 UTC",
    "# Not included, no data: Alberta, Nova Scotia", "# Suppression threshold, in people and doses: ON 5, QC 5, BC 5", `# MMR = ${MMR}, [MMR] Measles`,
    "# Age groups, completed years at vaccination: Under 1 year, 1 year, 2–6 years", `vaccine=${MMR}&sex=female`, "# Licence",
  ]) assert.ok(notes.includes(said), `${said}\nis not in\n${notes}`);
  const rows = lines.filter((line) => line && !line.startsWith("#")).map((line) => line.split(","));
  assert.deepEqual(rows[0].slice(0, 3), ["Year", "Doses", "Reading"]);
  for (const [year, doses, reading] of rows.slice(1)) {
    const expected = sum(answer, { VaccineCode: [MMR], Sex: ["Female"], OccurrenceYear: [Number(year)] });
    assert.equal(reading, expected.exact ? "exact" : expected.value > 0 ? "at least" : "suppressed");
    assert.equal(doses, expected.exact || expected.value > 0 ? String(expected.value) : "x");
  }
}));

// A few to a visit: Chromium drops a tenth download in a row.
for (const ids of [["trend", "age_dose", "map"], ["shares", "progression"], ["on_time", "quality"]]) {
  test(`the files of ${ids.join(", ")} are whole and say what they are`, () => visit(`?lang=en&vaccine=${MMR}&sex=female`, async (page) => {
    for (const id of ids) {
      const svg = await download(page, `#${id}-svg`);
      const parsed = await page.evaluate((text) => {
        const tree = new DOMParser().parseFromString(text, "image/svg+xml");
        return { error: tree.querySelector("parsererror")?.textContent, text: tree.documentElement.textContent };
      }, svg.text);
      assert.equal(parsed.error, undefined, id);
      const table = await download(page, `#${id}-csv`);
      for (const said of ["Filters: Vaccine: MMR", "Data as of: ON", "Suppression threshold", "Simulation", `MMR = ${MMR}`]) {
        assert.ok(parsed.text.includes(said), `${id}.svg: ${said}`);
        assert.ok(table.text.includes(said), `${id}.csv: ${said}`);
      }
    }
  }));
}

for (const [lang, query] of [["en", ""], ["fr", `&vaccine=${MMR},${HPV}&sex=female&from=2018`]]) {
  test(`each CSV in ${lang} has the numbers of the page's table`, () => visit(`?lang=${lang}${query}`, async (page) => {
    // A number of the file, with how it is to be read, as the page says it.
    const [bound, hidden, sayIt] = lang === "en" ? ["at least", "x (suppressed)", say] : ["au moins", "x (supprimé)", sayFrench];
    const told = (doses, reading) => {
      if (doses === "x") return hidden;
      return doses === "" ? "–" : sayIt({ value: Number(doses), exact: reading !== bound });
    };
    const toldShare = (share, reading) => {
      if (share === "x" || share === "") return told(share);
      const text = sayShare(Number(share), reading !== bound) + (["exact", bound].includes(reading) ? "" : " †");
      return lang === "en" ? text : text.replace("at least", bound).replace(".", ",").replace("%", " %");
    };
    const file = {}, table = {};
    for (const id of ["trend", "age_dose", "map", "quality", "progression", "on_time", "shares"]) {
      table[id] = plain(await tableOf(page, id)).slice(1);
      file[id] = fields((await download(page, `#${id}-csv`)).text).slice(1);
      assert.ok(file[id].length >= table[id].length, id);
      if (!(id === "progression" && lang === "fr")) assert.ok(table[id].length > 0, id); // of girls alone no first doses are known
    }
    assert.deepEqual(file.trend.map((row) => told(row[1], row[2])), table.trend.map((row) => row[1]), "trend");
    assert.deepEqual(file.age_dose.map((row) => told(row[2], row[3])), table.age_dose.flatMap((row) => row.slice(1)), "age_dose");
    assert.deepEqual(file.map.map((row) => told(row[4], row[5])), table.map.map((row) => row[3]), "map");
    assert.deepEqual(file.quality.map((row) => [toldShare(row[1], row[2]), told(row[3], row[4])]), table.quality.map((row) => row.slice(1)), "quality");
    assert.deepEqual(
      file.on_time.map((row) => [toldShare(row[4], row[5]), told(row[6], row[7]), told(row[8], row[9])]), table.on_time.map((row) => row.slice(2)), "on_time",
    );
    for (const [vaccine, first, ...later] of table.progression) {
      const own = file.progression.filter((row) => row[0] === vaccine);
      assert.equal(told(own[0][3], own[0][4]), first, vaccine);
      later.forEach((share, i) => assert.equal(own[i + 1] ? toldShare(own[i + 1][5], own[i + 1][6]) : "–", share, `${vaccine}, ${i + 2}`));
    }
    const shares = table.shares[0].slice(1).flatMap((_, place) => table.shares.map((row) => row[place + 1])); // a place after the other
    assert.deepEqual(file.shares.map((row) => toldShare(row[2], row[3])), shares, "shares");
    if (lang === "fr") assert.ok(shares.some((share) => share.endsWith("†")), "shares of shown doses are among them");
  }));
}

test("the CSV of the cells holds every released row in view", () => visit(`?lang=fr&page=data&vaccine=${HPV}`, async (page) => {
  const csv = await download(page, "#cells_csv");
  const rows = csv.text.split("\r\n").filter((line) => line && !/^\ufeff?#/.test(line)).slice(1);
  const expected = answer.data.filter((row) => row.VaccineCode === HPV);
  assert.equal(rows.length, expected.length);
  assert.equal(rows.filter((row) => row.endsWith(",x,supprimé")).length, expected.filter((row) => row.Count === null).length);
  assert.equal(rows.reduce((all, row) => all + (Number(row.split(",").at(-2)) || 0), 0), expected.reduce((all, row) => all + (row.Count ?? 0), 0));
}));

test("pages change without a reload, and back returns", () => visit(`?lang=en&vaccine=${MMR}`, async (page) => {
  assert.equal(await page.title(), "Overview – Immunization in Canada: the national table");
  await page.click('[data-page="data"]');
  await page.locator("#cells table").waitFor();
  assert.equal(await page.title(), "Data – Immunization in Canada: the national table");
  assert.equal(new URL(page.url()).searchParams.get("page"), "data");
  assert.equal(new URL(page.url()).searchParams.get("vaccine"), MMR);
  const first = await textOf(page, "#cells tbody tr:first-child");
  await page.click("#page_after");
  await idle(page);
  assert.notEqual(await textOf(page, "#cells tbody tr:first-child"), first);
  assert.match(await textOf(page, "#page_number"), /^Page 2 of /);
  await page.goBack();
  await page.locator("#page-overview").waitFor({ state: "visible" });
  assert.equal(await page.title(), "Overview – Immunization in Canada: the national table");
  await page.goto(`${world.url}?lang=fr&page=methods`);
  await idle(page);
  assert.equal(await page.title(), "Méthodes – L’immunisation au Canada\u00a0: tableau national");
}));

test("everything is reached and used by keyboard alone", () => visit("?lang=en", async (page) => {
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  const reached = new Set();
  for (let i = 0; i < 60; i++) {
    await page.keyboard.press("Tab");
    reached.add(await page.evaluate(() => document.activeElement.id || document.activeElement.dataset.page || document.activeElement.closest(".choice")?.querySelector(".shiny-input-container")?.id));
  }
  for (const id of ["language", "data", "vaccine", "from", "to", "reset", "trend-csv", "compare", "on_time-svg"]) assert.ok(reached.has(id), `${id} was not reached`);
  await page.locator(".choice:has(#vaccine) summary").focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Space");
  await idle(page);
  assert.ok(new URL(page.url()).searchParams.get("vaccine"));
}));

test("resetting, changing page, turning pages and downloading work by the Enter key", () => visit(`?lang=en&vaccine=${MMR}`, async (page) => {
  const enter = async (selector) => {
    await page.locator(selector).focus();
    await page.keyboard.press("Enter");
  };
  await page.waitForFunction(() => document.querySelector("#trend-csv").getAttribute("href"));
  const [file] = await Promise.all([page.waitForEvent("download"), enter("#trend-csv")]);
  assert.equal(file.suggestedFilename(), "iidi-trend-en.csv");
  await enter("#reset");
  await idle(page);
  assert.equal(await textOf(page, "#key-doses .key-value"), say(sum(answer)));
  await enter('[data-page="data"]');
  await page.locator("#cells table").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Data");
  await enter("#page_after");
  await becomes(page, "#page_number", /^Page 2 of /);
}));

// The last of this file: it starts the dashboard anew.
test("that data are synthetic is said on every page and in files, and of real data it is not", async () => {
  const said = { en: "these data are synthetic", fr: "ces données sont synthétiques" };
  for (const kind of ["synthetic", "real"]) {
    if (kind === "real") await world.restart({ DASHBOARD_DATA_KIND: kind, DASHBOARD_LAST_GOOD_FILE: "" });
    for (const lang of ["en", "fr"]) {
      for (const name of ["overview", "data", "methods"]) {
        await visit(`?lang=${lang}&page=${name}`, async (page) => {
          assert.equal(await page.locator(".synthetic:visible").count(), kind === "synthetic" ? 1 : 0, `${kind} ${name} ${lang}`);
          assert.equal((await textOf(page, "body")).includes(said[lang]), kind === "synthetic", `${kind} ${name} ${lang}`);
          if (name !== "overview") return;
          for (const extension of ["csv", "svg"]) {
            assert.equal((await download(page, `#trend-${extension}`)).text.includes("Simulation"), kind === "synthetic", `${kind} ${extension} ${lang}`);
          }
        });
      }
    }
  }
});

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

async function download(page, selector) {
  await page.waitForFunction((id) => document.querySelector(id).getAttribute("href"), selector);
  const [file] = await Promise.all([page.waitForEvent("download"), page.click(selector)]);
  return { name: file.suggestedFilename(), text: readFileSync(await file.path(), "utf8") };
}

/** The rows of a CSV file without its comment lines; a field may be quoted. */
function fields(csv) {
  const lines = csv.split("\r\n").filter((line) => line && !/^\ufeff?#/.test(line));
  return plain(lines.map((line) => [...`${line},`.matchAll(/("(?:[^"]|"")*"|[^,]*),/g)]
    .map(([, field]) => field.startsWith('"') ? field.slice(1, -1).replaceAll('""', '"') : field)));
}
