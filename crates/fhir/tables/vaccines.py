#!/usr/bin/env python3
"""Writes ../src/terminology/tables.rs: vaccine codes, their names, and the diseases they protect against.

Sources, in one folder given as argument (file names as below):

    nvc-lookup-1.85.json     National Vaccine Catalogue of Canada 1.85, as published in the look-up table of
                             hc-sc/hc-pdir-vaccine-lookup-table
    cvx.xml                  CVX codes of the US Centers for Disease Control and Prevention
    cvx-vaccine-groups.xml   CVX codes by vaccine group, same publisher

What stands in this program is our own: the diseases of codes for which the Catalogue lists none, the diseases
of the CVX groups and of single CVX codes that differ from their group, and which agents are passive.

    python3 vaccines.py FOLDER        (Python 3.11, standard library only)
"""

import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ANTHRAX, BOTULISM, CHIKUNGUNYA, CHOLERA = "409498004", "1149327007", "111864006", "63650001"
CMV, COVID, DIPHTHERIA, EBOLA = "28944009", "840539006", "397430003", "45901000087102"
HEP_A, HEP_B, HIB, HPV = "40468003", "66071002", "406583002", "240532009"
INFLUENZA, JE, LYME, MALARIA = "6142004", "52947006", "23502006", "61462000"
MEASLES, MENINGO, MPOX, MUMPS = "14189004", "23511006", "359814004", "36989005"
PERTUSSIS, PLAGUE, PNEUMO, POLIO = "27836007", "58750007", "16814004", "398102009"
RABIES, ROTA, RSV, RUBELLA = "14168008", "18624000", "55735004", "36653000"
SMALLPOX, TBE, TB, TETANUS = "67924001", "712986001", "56717001", "76902006"
TRAVELLERS_DIARRHEA, TYPHOID, VARICELLA = "11840006", "4834000", "38907003"
YELLOW_FEVER, ZOSTER = "16541001", "4740000"
GLOBULIN = [MEASLES, RUBELLA, VARICELLA, HEP_A]

# Codes of the Catalogue that list no disease there. Three that may mean varicella or zoster stay unmapped:
# 407737004, 407746005, 2221000221107.
SUPPLEMENT = {
    "3526007": [RABIES], "11866009": [PLAGUE], "14745005": [HEP_A], "33234009": [SMALLPOX],
    "34689006": [HEP_B], "35736007": [CHOLERA], "46233009": [INFLUENZA], "48028008": [DIPHTHERIA, HIB],
    "56844000": [YELLOW_FEVER], "59999009": [TETANUS, DIPHTHERIA], "61153008": [MEASLES, MUMPS, RUBELLA],
    "61602008": [PERTUSSIS], "68208009": [TETANUS, DIPHTHERIA], "89428009": [TYPHOID], "90043005": [MUMPS],
    "108725001": [RSV], "108729007": [VARICELLA], "111164008": [POLIO], "116077000": [ROTA],
    "116083002": [LYME], "125688000": [POLIO], "125690004": [POLIO], "125714002": [PNEUMO],
    "135642004": [PNEUMO], "333521006": [ANTHRAX], "333598008": [PNEUMO], "333621002": [TETANUS],
    "333680004": [HIB], "333697005": [JE], "333699008": [TBE], "333702001": [HEP_A, HEP_B],
    "333707007": [HEP_A, TYPHOID], "346639000": [TYPHOID], "346696005": [TYPHOID], "359068008": [MENINGO],
    "386012008": [MEASLES], "386013003": [RUBELLA], "409269001": [INFLUENZA], "412324003": [TYPHOID],
    "418268006": [TB], "419550004": [MEASLES, MUMPS, RUBELLA, VARICELLA], "420261000": [MENINGO],
    "423531006": [MENINGO], "424519000": [HPV], "426971004": [HIB, HEP_B], "428214002": [DIPHTHERIA],
    "443651005": [INFLUENZA], "448964007": [PNEUMO], "449019003": [PERTUSSIS], "451022006": [INFLUENZA],
    "713631008": [SMALLPOX], "785864002": [MENINGO], "871727001": [SMALLPOX], "60591000087104": [PNEUMO],
    "19461000087101": [MENINGO], "28531000087107": [COVID], "7261000087106": [PNEUMO],
    "23001000087100": [ZOSTER], "7281000087100": [MEASLES, RUBELLA], "7661000087108": [PNEUMO],
    "7721000087106": [CHOLERA, TRAVELLERS_DIARRHEA], "7291000087103": [MUMPS], "6991000087105": [INFLUENZA],
    "19431000087108": [DIPHTHERIA], "58321000087103": [RSV], "58311000087106": [RSV], "61741000087109": [RSV],
    "37901000087108": [TYPHOID], "7231000087104": [VARICELLA], "7951000087102": [HEP_B],
}

# The diseases of a CVX group. The Catalogue knows none for the last three; their codes stay unmapped.
GROUPS = {
    "DTAP": [DIPHTHERIA, TETANUS, PERTUSSIS], "TDAP": [DIPHTHERIA, TETANUS, PERTUSSIS],
    "Td": [DIPHTHERIA, TETANUS], "POLIO": [POLIO], "HIB": [HIB], "HepA": [HEP_A], "HepB": [HEP_B],
    "MMR": [MEASLES, MUMPS, RUBELLA], "VARICELLA": [VARICELLA], "ZOSTER": [ZOSTER],
    "PneumoPCV": [PNEUMO], "PneumoPPV": [PNEUMO], "MENING": [MENINGO], "MeningB": [MENINGO],
    "FLU": [INFLUENZA], "H5N1 flu": [INFLUENZA], "H1N1 flu": [INFLUENZA], "FLU-Avian-H5": [INFLUENZA],
    "ROTAVIRUS": [ROTA], "HPV": [HPV], "COVID-19": [COVID], "RSV": [RSV], "TYPHOID": [TYPHOID],
    "Orthopoxvirus": [SMALLPOX, MPOX], "Japanese encephalitis": [JE], "Tick-borne encephalitis": [TBE],
    "cholera": [CHOLERA], "RABIES": [RABIES], "YELLOWFEVER": [YELLOW_FEVER], "BCG": [TB], "Ebola": [EBOLA],
    "Plague": [PLAGUE], "ANTHRAX": [ANTHRAX], "Chikungunya": [CHIKUNGUNYA], "Lyme disease": [LYME],
    "ADENO": [], "DENGUE": [], "VEE": [],
}

# CVX codes that protect against less (or more) than their group, and codes without a group.
CVX = {
    "04": [MEASLES, RUBELLA], "05": [MEASLES], "06": [RUBELLA], "07": [MUMPS], "38": [RUBELLA, MUMPS],
    "28": [DIPHTHERIA, TETANUS], "35": [TETANUS], "105": [SMALLPOX], "172": [CHOLERA, TRAVELLERS_DIARRHEA],
    "11": [PERTUSSIS], "67": [MALARIA], "112": [TETANUS], "142": [TETANUS], "167": [MENINGO], "169": [HEP_A],
    "178": [POLIO], "179": [POLIO], "182": [POLIO], "190": [TYPHOID], "191": [MENINGO], "192": [MENINGO],
    "198": [DIPHTHERIA, TETANUS, PERTUSSIS, HEP_B, HIB],
}
CVX_PASSIVE = {
    "12": [DIPHTHERIA], "13": [TETANUS], "14": GLOBULIN, "27": [BOTULISM], "29": [CMV], "30": [HEP_B],
    "34": [RABIES], "36": [VARICELLA], "71": [RSV], "79": [SMALLPOX], "86": GLOBULIN, "87": GLOBULIN,
    "93": [RSV], "117": [VARICELLA], "145": [RSV], "154": [HEP_A], "156": [], "157": [], "159": [],
    "180": [TETANUS], "181": [ANTHRAX], "306": [RSV], "307": [RSV], "315": [RSV], "332": [RSV],
}

PASSIVE_ABBREVIATION = re.compile(
    r"^\[?(Ig|HBIg|CMVIg|VarIg|RabIg|TIg|VIG|RSVIg|RSVAb|BIG-IV|Batx|D[Aa]tx)[\] ]")
PASSIVE_WORD = re.compile(
    r"immunoglobulin|immune (serum )?globulin|antitoxin|antibody|palivizumab|nirsevimab", re.IGNORECASE)


def catalogue(folder):
    """Lists (code, en, fr, diseases, kind, passive) and, by code, the names of the diseases."""
    table = json.loads((folder / "nvc-lookup-1.85.json").read_text(encoding="utf-8"))["table"]
    rows, names = [], {}
    for code, entry in table.items():
        english, french = entry["displayEN"].strip(), entry["displayFR"].strip()
        diseases = [next(iter(d)) for d in entry["diseaseEN"]]
        for place, key in enumerate(["diseaseEN", "diseaseFR"]):
            for disease in entry[key]:
                for number, name in disease.items():
                    names.setdefault(number, ["", ""])[place] = name
        has_holder = bool(entry.get("MAHEN"))
        is_listed_substance = diseases and not english.startswith("[") and "vaccine" not in english.lower()
        if has_holder:
            kind = "Tradename"
        elif is_listed_substance or english.lower().endswith("antigen"):
            kind = "Substance"
        else:
            kind = "Generic"
        passive = bool(PASSIVE_ABBREVIATION.match(english) or PASSIVE_WORD.search(english))
        diseases = diseases or SUPPLEMENT.get(code, [])
        rows.append((code, english, french, sorted(set(diseases)), kind, passive))
    for code in SUPPLEMENT:
        assert code in table and not table[code]["diseaseEN"], f"{code} needs no supplement"
    return sorted(rows), names


def cvx(folder):
    """Lists (code, en, diseases, groups, passive)."""
    groups = {}
    for row in ElementTree.parse(folder / "cvx-vaccine-groups.xml").getroot():
        texts = [(cell.text or "").strip() for cell in row]
        pairs = dict(zip(texts[0::2], texts[1::2]))
        groups.setdefault(pairs["CVXCode"], set()).add(pairs["Vaccine Group Name"])
    known = set().union(*groups.values())
    assert known == set(GROUPS), f"groups differ: {known ^ set(GROUPS)}"
    rows = []
    for row in ElementTree.parse(folder / "cvx.xml").getroot():
        code = row.find("CVXCode").text.strip()
        own = sorted(groups.get(code, []))
        if code in CVX_PASSIVE:
            diseases = CVX_PASSIVE[code]
        else:
            diseases = CVX.get(code, [d for group in own for d in GROUPS[group]])
        name = row.find("ShortDescription").text.strip()
        rows.append((code, name, sorted(set(diseases)), own, code in CVX_PASSIVE))
    codes = {row[0] for row in rows}
    assert set(CVX) | set(CVX_PASSIVE) <= codes, "a code is not in cvx.xml"
    return sorted(rows)


def quoted(text):
    return json.dumps(text, ensure_ascii=False)


def listed(texts):
    return "&[" + ", ".join(quoted(text) for text in texts) + "]"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    vaccines, names = catalogue(folder)
    used = {d for row in vaccines for d in row[3]} | {d for row in cvx(folder) for d in row[2]}
    assert used <= set(names), f"diseases outside the Catalogue: {used - set(names)}"
    lines = [
        "// Generated by crates/fhir/tables/vaccines.py; do not edit.",
        "// Sources: National Vaccine Catalogue of Canada 1.85 (look-up table of hc-sc/hc-pdir-vaccine-lookup-table);",
        "// CVX codes and vaccine groups of the US Centers for Disease Control and Prevention (as in",
        "// immregistries/codebase). The supplement and the diseases of the groups are ours.",
        "//",
        "// Holds codes and terms of SNOMED CT Canadian Edition, which Canada Health Infoway distributes in Canada for",
        "// SNOMED International. Who uses them needs the (free) licence of Canada Health Infoway; SNOMED CT is a",
        "// registered trademark of SNOMED International.",
        "",
        "use super::vaccine::{Kind, Vaccine};",
        "",
        "/// Code, English and French name of each disease.",
        "pub(super) static DISEASES: &[(&str, &str, &str)] = &[",
        *[f"    ({quoted(c)}, {quoted(en)}, {quoted(fr)})," for c, (en, fr) in sorted(names.items())],
        "];",
        "",
        "/// Which diseases each CVX group stands for.",
        "#[cfg(test)]",
        "pub(super) static CVX_GROUPS: &[(&str, &[&str])] = &[",
        *[f"    ({quoted(g)}, {listed(sorted(d))})," for g, d in sorted(GROUPS.items())],
        "];",
        "",
        "pub(super) static NVC: &[Vaccine] = &[",
        *[
            f"    Vaccine {{ code: {quoted(code)}, en: {quoted(en)}, fr: {quoted(fr)}, diseases: {listed(d)}, "
            f"groups: &[], kind: Kind::{kind}, is_passive: {str(passive).lower()} }},"
            for code, en, fr, d, kind, passive in vaccines
        ],
        "];",
        "",
        "pub(super) static CVX: &[Vaccine] = &[",
        *[
            f"    Vaccine {{ code: {quoted(code)}, en: {quoted(en)}, fr: \"\", diseases: {listed(d)}, "
            f"groups: {listed(groups)}, kind: Kind::Generic, is_passive: {str(passive).lower()} }},"
            for code, en, d, groups, passive in cvx(folder)
        ],
        "];",
    ]
    output = Path(__file__).parent.parent / "src" / "terminology" / "tables.rs"
    output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    unmapped = [row[0] for row in vaccines if not row[3]]
    print(f"{len(vaccines)} NVC codes ({len(unmapped)} unmapped), {len(cvx(folder))} CVX codes -> {output.name}")


if __name__ == "__main__":
    main()
