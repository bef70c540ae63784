#!/usr/bin/env python3
"""Writes ../data/generics.csv: which generic vaccine of the National Vaccine Catalogue a code means.

    python3 derive_generics.py FOLDER        (Python 3.11, standard library only)

FOLDER holds nvc-lookup-1.85.json, the Catalogue's look-up table 1.85 as published in
hc-sc/hc-pdir-vaccine-lookup-table. It does not link trade names to generics; a trade name's
generic is the one with the same abbreviation, or what the rules below say where several
share it. The generics of CVX codes are this project's. What is not listed is unmapped.
"""

import csv
import json
import pathlib
import re
import sys

# (abbreviation, pattern of the English display, generic), the first that fits is taken.
RULES = [
    ("Inf", "H5N1|FOCLIVIA", "1003499009"), ("Inf", "H1N1", "7001000087102"), ("Inf", "FLUMIST", "871768005"),
    ("Inf", "High-Dose Quad", "33381000087107"), ("Inf", "High-Dose", "21921000087108"),
    ("Inf", "TETRA|QUAD|Quadrivalent|Supemtek", "19401000087100"), ("Inf", "", "7691000087100"),
    ("COVID-19", "COMIRNATY.* pediatric", "33581000087104"),
    ("COVID-19", "COMIRNATY|SPIKEVAX|mNEXSPIKE|CureVac", "1119349007"),
    ("COVID-19", "VAXZEVRIA|JCOVDEN|COVISHIELD|Sputnik|Convidecia", "29061000087103"),
    ("COVID-19", "COVIFENZ", "30141000087107"),
    ("COVID-19", "SINOPHARM|CoronaVac|COVAXIN|KCONVAC|QazCovid|CoviVac|COVIran", "1157024006"),
    ("COVID-19", "", "1162643001"),
    ("HB", "pediatric", "9831000087108"), ("HB", "dialysis", "8781000087106"), ("HB", "", "8771000087109"),
    ("HA", "pediatric|Junior", "9811000087103"), ("HA", "", "19371000087102"),
    ("HAHB", "Junior", "9801000087100"), ("HAHB", "", "24371000087105"),
    ("RSV", "mRESVIA", "61771000087101"), ("RSV", "", "51311000087100"),
    ("IPV", "", "871740006"), ("Td", "", "871826000"), ("Men-C-ACYW-135", "", "7121000087107"),
    ("Hib-HB", "", "871806004"), ("SMV", "", "232871000087103"), ("Sma", "", "232861000087107"),
    ("Pneu-C-21", "", "1360050007"), ("Chol-Ecol-O", "", "1362134008"),
]

# Older codes of the Catalogue for what has a newer generic.
REPLACED = {
    "61153008": "871831003", "59999009": "871826000", "60591000087104": "1360050007",
    "871727001": "232861000087107", "7721000087106": "1362134008",
}

PASSIVE = re.compile(r"^\[(Ig|HBIg|CMVIg|VarIg|RabIg|TIg|VIG|RSVIg|RSVAb|BIG-IV|Batx|D[Aa]tx)\]")
PASSIVE_WORD = re.compile(r"immunoglo?bulin|immune globulin|antitoxin|antibody|palivizumab|nirsevimab", re.IGNORECASE)

CVX = {
    "871831003": "03", "871908002": "94", "28441000087100": "21", "871765008": "05", "871732000": "06",
    "871738001": "07", "871817003": "04", "7931000087106": "120 170", "7731000087108": "146 132",
    "20641000087100": "110", "7881000087101": "130", "7841000087106": "20 106 107", "7851000087109": "115",
    "871826000": "09 113 138 139 196", "7921000087109": "28", "871740006": "10", "871764007": "17 46 47 48 49",
    "9831000087108": "08", "8771000087109": "43", "8781000087106": "44", "871822003": "45",
    "9811000087103": "31 83 84", "19371000087102": "52", "871751006": "85", "24371000087105": "104",
    "9801000087100": "193", "7791000087109": "118", "7801000087108": "62", "20861000087100": "165",
    "911000221103": "137", "1052328007": "100", "1052330009": "177", "51451000087105": "133",
    "1252708008": "215", "1252709000": "216", "1360050007": "327", "7251000087108": "33",
    "1801000221105": "152", "981000221107": "109", "7121000087107": "114 136 147 203", "27511000087101": "103",
    "1981000221108": "162 163 164", "7811000087105": "119", "7821000087102": "116", "871761004": "122",
    "7691000087100": "15 140 141 153 155 168 320", "21921000087108": "135",
    "19401000087100": "150 158 161 171 185 186 205", "33381000087107": "197", "871768005": "111 149 151 333",
    "1181000221105": "88", "56011000087109": "187", "56341000087108": "121", "28451000087102": "188",
    "1119349007": "207 208 217 221 229 300 309 312", "33581000087104": "218 219 227 228 230 301 302 308 310 311 334",
    "29061000087103": "210 212 504 505 506", "1162643001": "211 313 521", "28531000087107": "213 500",
    "51311000087100": "303 305", "61771000087101": "326", "61741000087109": "304 314", "871717007": "37 183 184",
    "971000221109": "25", "2171000221104": "101", "961000221100": "91", "871726005": "18 40 90 175 176",
    "319941000221104": "19",
}
CVX_PASSIVE = "12 13 14 27 29 30 34 36 71 79 86 87 93 117 145 154 156 157 159 180 181 306 307 315 332"
CVX_NO_DOSE = "998 999"


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    table = json.loads((folder / "nvc-lookup-1.85.json").read_text(encoding="utf-8"))["table"]
    rows = [("sct", code, *meaning) for code, entry in sorted(table.items()) if (meaning := _meaning(code, entry, table))]
    rows += sorted(("cvx", code, "vaccine", generic) for generic, codes in CVX.items() for code in codes.split())
    rows += [("cvx", code, "passive", "") for code in CVX_PASSIVE.split()]
    rows += [("cvx", code, "no-dose", "") for code in CVX_NO_DOSE.split()]
    assert all(generic in table for _, _, _, generic in rows if generic)
    assert len({row[:2] for row in rows}) == len(rows)
    out = pathlib.Path(__file__).resolve().parent.parent / "data/generics.csv"
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("system", "code", "meaning", "generic", "type"))
        writer.writerows((*row, _abbreviation(table[row[3]]["displayEN"]) if row[3] else "") for row in rows)


def _meaning(code: str, entry: dict, table: dict) -> tuple[str, str] | None:
    display, is_product = entry["displayEN"].strip(), bool(entry.get("MAHEN"))
    if PASSIVE.match(display) or PASSIVE_WORD.search(display):
        return "passive", ""
    if code in REPLACED:
        return "vaccine", REPLACED[code]
    abbreviation = _abbreviation(display)
    if not abbreviation:
        return None
    if not is_product and "vaccine" in display.lower():
        return "vaccine", code
    for of, pattern, generic in RULES:
        if of == abbreviation and re.search(pattern, display):
            return "vaccine", generic
    found = [
        other
        for other, row in table.items()
        if _abbreviation(row["displayEN"]) == abbreviation and not row.get("MAHEN") and "vaccine" in row["displayEN"].lower()
    ]
    return ("vaccine", found[0]) if len(found) == 1 else None


def _abbreviation(display: str) -> str:
    found = re.match(r"\[([^\]]+)\]", display.strip())
    return found[1] if found else ""


if __name__ == "__main__":
    main()
