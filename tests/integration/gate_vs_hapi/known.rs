//! The known differences between the gate and HAPI's `$validate`, explained in `docs/gate-vs-hapi.md` under the same
//! names.

use super::Verdicts;

/// Who refuses what the other one accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stricter {
    Gate,
    Hapi,
}

/// One difference, which may show in several classes of mutations.
pub struct Known {
    /// What it is called in the documentation.
    pub name: &'static str,
    pub stricter: Stricter,
    /// What the stricter one says; nothing for whatever.
    pub reason: &'static str,
    /// The classes in which it shows, each with the number of mutations of the sample; none where only a run of all
    /// mutations meets it.
    pub classes: &'static [(&'static str, usize)],
}

impl Known {
    /// Tells whether this is what the two differ in.
    pub fn explains(&self, verdicts: &Verdicts) -> bool {
        let reason = match self.stricter {
            Stricter::Gate => &verdicts.gate,
            Stricter::Hapi => &verdicts.hapi,
        };
        verdicts.stricter() == Some(self.stricter)
            && reason.as_ref().is_some_and(|reason| reason.contains(self.reason))
            && self.classes.iter().any(|(class, _)| *class == verdicts.mutation.class)
    }
}

const GATE: Stricter = Stricter::Gate;
const HAPI: Stricter = Stricter::Hapi;

/// Those that are known.
pub const KNOWN: &[Known] = &[
    Known {
        name: "Control characters",
        stricter: GATE,
        reason: "",
        classes: &[("control character", 4), ("JSON: NUL as an escape", 1)],
    },
    Known {
        name: "Broken text",
        stricter: GATE,
        reason: "",
        classes: &[("JSON: not UTF-8", 1), ("JSON: half of a surrogate pair", 1)],
    },
    Known {
        name: "An id alone",
        stricter: GATE,
        reason: "more than an id (ele-1)",
        classes: &[("id alone", 6)],
    },
    Known { name: "Blanks for a value", stricter: GATE, reason: "", classes: &[("blank alone", 2)] },
    Known {
        name: "Empty lists and strings",
        stricter: GATE,
        reason: "",
        classes: &[
            ("empty list", 0),
            ("empty string", 0),
            ("empty string beside a companion", 1),
            ("companion list with null only", 1),
        ],
    },
    Known {
        name: "Extensions of what has none",
        stricter: GATE,
        reason: "R4 knows no such element here",
        classes: &[("companion with an id only beside a value", 1), ("companion of an id", 1)],
    },
    Known {
        name: "Blanks in the id of an element",
        stricter: GATE,
        reason: "an element's id has no blanks",
        classes: &[("id of an element with blanks", 1)],
    },
    Known {
        name: "Types of references",
        stricter: GATE,
        reason: "may refer to",
        classes: &[
            ("capital letters", 0),
            ("reference to a wrong type", 6),
            ("reference to no type at all", 1),
            ("type of a reference that the element does not allow", 1),
        ],
    },
    Known {
        name: "No-break space in a reference",
        stricter: GATE,
        reason: "a reference is a URL and has no blanks",
        classes: &[("no-break space behind", 0), ("reference with a no-break space", 1)],
    },
    Known {
        name: "Narratives that act or load",
        stricter: GATE,
        reason: "(txt-1)",
        classes: &[
            ("narrative with a data link", 1),
            ("narrative with a processing instruction", 1),
            ("narrative with a style that loads", 1),
        ],
    },
    Known {
        name: "Modifiers",
        stricter: GATE,
        reason: "changes the meaning",
        classes: &[("modifier extension", 0), ("modifier extension of a part", 1), ("implicit rules", 1)],
    },
    Known {
        name: "Types that do not travel",
        stricter: GATE,
        reason: "this resourceType is unknown here",
        classes: &[("contained of a type that the gate does not know", 1)],
    },
    Known {
        name: "Our own bounds",
        stricter: GATE,
        reason: "too",
        classes: &[("nested 40 deep", 1), ("number of 70 digits", 1)],
    },
    Known {
        name: "Codes and units",
        stricter: HAPI,
        reason: "Unknown code",
        classes: &[
            ("70 letters", 0),
            ("other word", 0),
            ("member removed", 0),
            ("reason for absence instead of a value", 0),
            ("code of a known system that is none", 1),
            ("code of a known system missing", 1),
            ("code outside an extensible binding, of its system", 1),
        ],
    },
    Known {
        name: "Codes and units",
        stricter: HAPI,
        reason: "Error processing unit",
        classes: &[
            ("70 letters", 0),
            ("other word", 0),
            ("capital letters", 0),
            ("UCUM unit that is none", 1),
        ],
    },
    Known {
        name: "A second coding of an unknown system",
        stricter: HAPI,
        reason: "CodeSystem is unknown",
        classes: &[("concept of a required binding beside another", 1)],
    },
    Known {
        name: "Relative systems",
        stricter: HAPI,
        reason: "must be an absolute reference",
        classes: &[
            ("70 letters", 0),
            ("other word", 1),
            ("capital letters", 2),
            ("URI that is relative as a system", 1),
        ],
    },
    Known {
        name: "Relative URLs of extensions",
        stricter: HAPI,
        reason: "Extension.url must be an absolute URL",
        classes: &[
            ("70 letters", 0),
            ("other word", 0),
            ("capital letters", 0),
            ("URL of an extension relative", 1),
            ("URL of an extension a fragment", 1),
        ],
    },
    Known {
        name: "Periods of mixed precision",
        stricter: HAPI,
        reason: "per-1",
        classes: &[
            ("date: day", 0),
            ("date: month", 1),
            ("date: year alone", 0),
            ("time with a fraction", 1),
            ("time with a zone of 14 hours", 0),
            ("per-1: overlapping precision", 1),
        ],
    },
    Known {
        name: "A range with an end that is absent",
        stricter: HAPI,
        reason: "rng-2",
        classes: &[("reason for absence instead of a value", 0), ("rng-2: an end without a value", 1)],
    },
    Known {
        name: "Blanks in base64",
        stricter: HAPI,
        reason: "not valid base64",
        classes: &[("base64 with blanks between groups", 1)],
    },
    Known {
        name: "Size and hash of attachments",
        stricter: HAPI,
        reason: "match",
        classes: &[("size of an attachment wrong", 1), ("hash of an attachment", 1)],
    },
    Known {
        name: "Profiles",
        stricter: HAPI,
        reason: "rofile",
        classes: &[("profile of another resource", 1), ("profile that nobody knows", 1)],
    },
    Known {
        name: "A picture inside a narrative",
        stricter: HAPI,
        reason: "NullPointerException",
        classes: &[("narrative with a picture inside", 1)],
    },
];
