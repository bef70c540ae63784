// Makes up a federator's answer as the contract has it: synthetic provinces, small cells hidden, others with them,
// margins of which the small ones are hidden too. Same options, same answer.

export const AGES = [
  "Under 1 year", "1 year", "2–6 years", "7–11 years", "12–16 years", "17–29 years", "30–49 years", "50–64 years",
  "65–79 years", "80 years and over", "Unknown",
];
const SEXES = ["Female", "Male", "Other", "Unknown"];
const THRESHOLD = 5;

// code, type, the catalogue's names, and for each dose the age group in which most get it (index into AGES), size of the programme
const VACCINES = [
  ["871831003", "MMR", "[MMR] Measles, mumps and rubella vaccine", "[RRO] vaccin contre la rougeole, la rubéole et les oreillons", [1, 2], 60],
  ["871908002", "MMR-Var", "[MMR-Var] Measles, mumps, rubella and varicella vaccine", "[RRO-Var] vaccin contre la rougeole, la rubéole, les oreillons et la varicelle", [1, 2], 45],
  ["28441000087100", "Var", "[Var] Varicella vaccine", "[Var] vaccin contre la varicelle", [1, 2], 40],
  ["7931000087106", "DTaP-IPV-Hib", "[DTaP-IPV-Hib] Diphtheria, tetanus, acellular pertussis, inactivated poliomyelitis and Haemophilus influenzae type b pediatric vaccine", "[DCaT-VPI-Hib] vaccin pédiatrique contre la diphtérie, la coqueluche acellulaire, le tétanos, la poliomyélite inactivé et Haemophilus influenzae de type b", [0, 0, 0, 1], 62],
  ["7811000087105", "Rota-1", "[Rota-1] Rotavirus monovalent vaccine", "[Rota-1] vaccin monovalent contre le rotavirus", [0, 0], 50],
  ["1252708008", "Pneu-C-15", "[Pneu-C-15] Pneumococcal conjugate 15-valent vaccine", "[Pneu-C-15] vaccin contre le pneumocoque conjugué 15-valent", [0, 0, 1], 58],
  ["20861000087100", "HPV-9", "[HPV-9] Human papillomavirus 9-valent vaccine", "[VPH-9] vaccin 9-valent contre le virus du papillome humain", [4, 4], 35],
  ["7121000087107", "Men-C-ACYW", "[Men-C-ACYW] Meningococcal conjugate A + C + Y + W vaccine", "[Men-C-ACYW] vaccin contre le méningocoque conjugué A + C + Y + W", [4], 38],
  ["7851000087109", "Tdap", "[Tdap] Tetanus, diphtheria, and acellular pertussis adult vaccine", "[dcaT] vaccin pour adulte contre la diphtérie, la coqueluche acellulaire et le tétanos", [5], 30],
  ["7691000087100", "Inf", "[Inf] Influenza trivalent vaccine", "[Inf] vaccin trivalent contre l'influenza", [8, 7], 90],
  ["56011000087109", "RZV", "[RZV] Recombinant herpes zoster vaccine", "[VRZ] vaccin recombinant contre le herpès zoster", [8, 8], 22],
  [null, "Unmapped", null, null, [6], 2],
];

const PLACES = {
  ON: ["Ontario", "Ontario", 9], QC: ["Quebec", "Québec", 6], BC: ["British Columbia", "Colombie-Britannique", 4],
  AB: ["Alberta", "Alberta", 3], NS: ["Nova Scotia", "Nouvelle-Écosse", 1.2],
  MB: ["Manitoba", "Manitoba", 1.5], SK: ["Saskatchewan", "Saskatchewan", 1.3], NB: ["New Brunswick", "Nouveau-Brunswick", 1],
  NL: ["Newfoundland and Labrador", "Terre-Neuve-et-Labrador", 0.8], PE: ["Prince Edward Island", "Île-du-Prince-Édouard", 0.5],
  YT: ["Yukon", "Yukon", 0.3], NT: ["Northwest Territories", "Territoires du Nord-Ouest", 0.3], NU: ["Nunavut", "Nunavut", 0.3],
};

const MARGINS = {
  year: ["OccurrenceYear", "VaccineType", "VaccineCode"], age: ["Age", "VaccineType", "VaccineCode"],
  sex: ["Sex", "VaccineType", "VaccineCode"], dose: ["VaccineType", "VaccineCode", "Dose", "DoseLabel"],
  vaccine: ["VaccineType", "VaccineCode"], total: [],
};

function random(seed) { // mulberry32
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** `states` gives a source's status where it is not ok; `rows` makes a table of about so many rows. */
export function makeAnswer({ places = ["ON", "QC", "BC", "AB", "NS"], states = {}, rows = 0, asOf = "2026-11-27T04:00:00Z" } = {}) {
  const large = rows > 0;
  const chosen = large ? Object.keys(PLACES) : places;
  const truth = [];
  for (const place of chosen) truth.push(...doses(place, large, 7 + chosen.indexOf(place)));
  if (large) truth.length = Math.min(rows, truth.length);
  const open = (place) => ["ok", "stale"].includes(states[place] ?? "ok");
  const known = truth.filter((row) => open(row.Jurisdiction));
  const data = hideSmall(known);
  const sources = chosen.map((place) => source(place, states[place] ?? "ok", asOf));
  return {
    data,
    errors: sources.filter((one) => one.status !== "ok").map((one) => `${one.jurisdiction} is ${one.status}: ${one.problem.detail} [${one.problem.code}]`),
    sources,
    margins: Object.entries(MARGINS).map(([, by]) => ({ by: ["Jurisdiction", ...by], rows: margin(known, by) })),
    dictionary: {
      age_groups: AGES.map((code) => ({ code, en: code, fr: french(code) })),
      vaccines: [
        ...VACCINES.filter(([code]) => code).map(([code, , en, fr]) => ({ code, en, fr })),
        { code: "Unmapped", en: "Vaccine that the catalogue does not map", fr: "Vaccin absent du catalogue" },
      ],
      jurisdictions: chosen.map((code) => ({ code, en: PLACES[code][0], fr: PLACES[code][1] })),
    },
  };
}

/** A problem document. */
export const problem = (status, code, title, detail) => ({
  type: `https://iidi.phac-aspc.gc.ca/problems/${code}`, title, status, code, ...(detail ? { detail } : {}),
});

function source(jurisdiction, status, asOf) {
  const has = ["ok", "stale"].includes(status);
  const date = status === "stale" ? "2026-11-12T04:00:00Z" : asOf;
  const problems = {
    stale: ["peer-unreachable", "no connection, or it was lost"], unavailable: ["peer-unreachable", "no connection, or it was lost"],
    invalid: ["release-invalid", "the checksum is wrong"], suspended: ["source-suspended", "the directory has it suspended"],
  };
  const [code, detail] = problems[status] ?? [];
  return {
    jurisdiction, status, as_of: has ? date : null, published_at: has ? date.replace("04:", "05:") : null,
    age_seconds: has ? 3600 : null, release_id: has ? 12 : null, threshold: has ? THRESHOLD : null,
    ...(code ? { problem: problem(503, code, detail, detail) } : {}),
  };
}

const french = (age) => age.replace(/^Under (\d+) year/, "Moins de $1 an").replace(/^(\d+)–(\d+) years/, "$1 à $2 ans")
  .replace(/(\d+) years and over/, "$1 ans et plus").replace(/^1 year$/, "1 an").replace("Unknown", "Inconnu");

function doses(place, large, seed) {
  const draw = random(seed);
  const size = PLACES[place][2];
  const rows = [];
  for (const [code, type, , , ages, programme] of VACCINES) {
    const labels = ages.map((_, i) => String(i + 1)).concat(code ? ["Unknown"] : []);
    if (large) while (labels.length < 6) labels.unshift(String(7 - labels.length));
    for (let year = large ? 1996 : 2012; year <= 2026; year++) {
      const grown = (year === 2026 ? 0.8 : 1) * (0.8 + 0.03 * (year - 2012) + 0.25 * draw());
      for (const label of labels) {
        const best = label === "Unknown" ? ages[0] : ages[Math.min(Number(label), ages.length) - 1];
        for (let age = 0; age < AGES.length; age++) {
          if (large && draw() > 0.1) continue;
          const near = age === best ? 1 : age === best + 1 ? 0.14 : AGES[age] === "Unknown" ? 0.004 : draw() < 0.06 ? 0.05 : 0;
          for (const sex of SEXES) {
            const part = sex === "Female" ? 0.5 : sex === "Male" ? 0.48 : 0.01;
            const kept = label === "Unknown" ? 0.02 : 1 - 0.07 * (Number(label) - 1);
            let count = Math.round(programme * 2 * size * Math.max(grown, 0.2) * near * part * kept * (0.8 + 0.4 * draw()));
            if (large) count = Math.max(count, 2 + Math.floor(draw() * 60));
            if (count === 0) continue;
            rows.push({
              Jurisdiction: place, OccurrenceYear: draw() < 0.0015 ? null : year, Age: AGES[age], Sex: sex, VaccineType: type,
              VaccineCode: code, Dose: label === "Unknown" ? null : Number(label), DoseLabel: label, Count: count,
              Suppressed: false, ReferenceDate: `${year}-12-31`,
            });
          }
        }
      }
    }
  }
  return merge(rows);
}

// Rows whose year became unknown may fall together.
function merge(rows) {
  const by = new Map();
  for (const row of rows) {
    if (row.OccurrenceYear === null) row.ReferenceDate = null;
    const key = [row.Jurisdiction, row.VaccineType, row.OccurrenceYear, row.Age, row.Sex, row.DoseLabel].join("|");
    if (by.has(key)) by.get(key).Count += row.Count;
    else by.set(key, row);
  }
  return [...by.values()];
}

// Small cells, and the next cell of the same vaccine, whatever its size. Good enough to look real, not to protect.
function hideSmall(truth) {
  let pending = false;
  return truth.map((row) => {
    const small = row.Count < THRESHOLD;
    const hide = small || pending;
    pending = small && !pending && row.Count < 3;
    return hide ? { ...row, Count: null, Suppressed: true } : row;
  });
}

function margin(truth, by) {
  const sums = new Map();
  for (const row of truth) {
    const labels = ["Jurisdiction", ...by].map((column) => [column, row[column]]);
    const key = JSON.stringify(labels);
    if (!sums.has(key)) sums.set(key, { ...Object.fromEntries(labels), Count: 0 });
    sums.get(key).Count += row.Count;
  }
  return [...sums.values()].map((row) => row.Count < THRESHOLD ? { ...row, Count: null, Suppressed: true } : { ...row, Suppressed: false });
}
