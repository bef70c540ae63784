// The numbers the pages ought to show, computed from the federator's JSON by itself: no code shared with the dashboard.
import assert from "node:assert/strict";

const AXES = { year: "OccurrenceYear", age: "Age", sex: "Sex", dose: "DoseLabel" };

/** Sum of the doses that `where` keeps: `{value, exact}`. `where` maps columns to the values that are wanted. */
export function sum(answer, where = {}) {
  const wanted = (row, columns = Object.keys(where)) => columns.every((column) => !(column in where) || where[column].includes(row[column]));
  const rows = answer.data.filter((row) => wanted(row));
  const places = [...new Set(rows.map((row) => row.Jurisdiction))];
  const axes = Object.values(AXES).filter((column) => column in where);
  let value = 0, exact = true;
  for (const place of places) {
    const own = rows.filter((row) => row.Jurisdiction === place);
    let at = { value: 0, exact: true };
    for (const vaccine of new Set(own.map((row) => row.VaccineType))) {
      const of = own.filter((row) => row.VaccineType === vaccine);
      at = add(at, axes.length > 1 ? ofCells(of) : ofVaccine(answer, where, of, place, vaccine, axes[0]));
    }
    if (!at.exact && axes.length === 0 && !("VaccineCode" in where)) {
      const total = marginOf(answer, ["Jurisdiction"]).find((row) => row.Jurisdiction === place && row.Count !== null);
      if (total) at = { value: total.Count, exact: true };
    }
    ({ value, exact } = add({ value, exact }, at));
  }
  return { value, exact };
}

const add = (a, b) => ({ value: a.value + b.value, exact: a.exact && b.exact });
const ofCells = (rows) => ({ value: rows.reduce((all, row) => all + (row.Count ?? 0), 0), exact: rows.every((row) => row.Count !== null) });
const marginOf = (answer, by) => answer.margins.find((margin) => margin.by.length === by.length && by.every((one) => margin.by.includes(one))).rows;

function ofVaccine(answer, where, rows, place, vaccine, axis) {
  const same = (row) => row.Jurisdiction === place && row.VaccineType === vaccine;
  const by = ["Jurisdiction", ...(axis ? [axis] : []), ...(axis === "DoseLabel" ? ["Dose"] : []), "VaccineType", "VaccineCode"];
  const margins = marginOf(answer, by).filter(same);
  let all = { value: 0, exact: true };
  for (const label of axis ? new Set(rows.map((row) => row[axis])) : [null]) {
    const cells = ofCells(axis ? rows.filter((row) => row[axis] === label) : rows);
    const margin = margins.find((row) => row.Count !== null && (!axis || row[axis] === label));
    all = add(all, cells.exact || !margin ? cells : { value: margin.Count, exact: true });
  }
  return all;
}

/** As the English pages write a sum. */
export function say({ value, exact }) {
  if (exact) return value.toLocaleString("en-CA");
  return value > 0 ? `at least ${value.toLocaleString("en-CA")}` : "x (suppressed)";
}
export const sayFrench = ({ value, exact }) => {
  const number = String(value).replace(/\B(?=(\d{3})+$)/g, " ");
  return exact ? number : value > 0 ? `au moins ${number}` : "x (supprimé)";
};
/** A share of an exact whole in percent, as the English pages write it. */
export function percent(part, whole) {
  assert.ok(whole.exact, "a whole that is known");
  return !part.exact && part.value === 0 ? "x (suppressed)" : sayShare(part.value / whole.value, part.exact);
}

/** A share in percent; a lower bound is cut, never rounded up. */
export function sayShare(share, exact) {
  const percent = 100 * share;
  return exact ? `${percent.toFixed(digits(Math.min(percent, 100 - percent), 0.05001))}%` : `at least ${cut(percent, digits(percent, 0.1))}%`;
}
const digits = (rest, least) => (rest > 0 && rest < least ? Math.ceil(-Math.log10(rest)) : 1);
const cut = (percent, digits) => (Math.floor(percent * 10 ** digits + 1e-9) / 10 ** digits).toFixed(digits);
