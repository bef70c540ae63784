//! Reading JSON strictly: bytes to `Value`, bounded, and refusing what two readers could read differently.
//!
//! An own reader, because that of `serde_json` keeps the last of duplicate members in silence, and because with exact
//! decimals it takes an object with a reserved member name for a number. A property test holds the two
//! readers to the same result on everything that this one accepts.

use std::borrow::Cow;

use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

use super::limits::{Limits, Refusal, RefusalKind};
use super::path::Path;
use crate::{Issue, IssueCode};

/// Reads a document.
///
/// Refused: too many bytes, a byte order mark, bytes that are not UTF-8, nesting beyond the limit, anything that
/// is not JSON, duplicate members, empty objects, lists and strings, numbers and strings beyond their limits.
/// Never panics; the depth of its own calls is bounded by the limit.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Value, Refusal> {
    let refuse =
        |kind, code, text: String| Err(Refusal { kind, issues: vec![Issue::error(code, "Resource", text)] });
    if bytes.len() > limits.max_bytes {
        let text = format!("the document is larger than {} bytes", limits.max_bytes);
        return refuse(RefusalKind::TooLarge, IssueCode::TooLong, text);
    }
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        let text = "the document starts with a byte order mark".to_owned();
        return refuse(RefusalKind::NotUtf8, IssueCode::Structure, text);
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return refuse(RefusalKind::NotUtf8, IssueCode::Structure, "the document is not UTF-8".to_owned());
    };
    let mut reader = Reader { text, bytes, at: 0, depth: 0, limits, faults: Vec::new() };
    match reader.document() {
        Ok(value) if reader.faults.is_empty() => Ok(value),
        Ok(value) => {
            let root = root_name(&value);
            let issues = reader.faults.into_iter().map(|fault| fault.into_issue(root)).collect();
            Err(Refusal { kind: RefusalKind::NotStrict, issues })
        }
        Err(Stop { kind, fault }) => {
            let faults = reader.faults.into_iter().chain([fault]);
            Err(Refusal { kind, issues: faults.map(|fault| fault.into_issue(ROOT)).collect() })
        }
    }
}

fn root_name(value: &Value) -> &'static str {
    let named = super::type_of(value);
    super::known_types().find(|known| Some(*known) == named).unwrap_or(ROOT)
}

/// What a document is called as long as nobody knows what it is.
const ROOT: &str = "Resource";

/// The reserved member name by which `serde_json` passes exact numbers; met in a document, it is an attack.
const RESERVED: &str = "$serde_json::private::";

struct Fault {
    code: IssueCode,
    /// The path, which begins with [`ROOT`].
    path: String,
    text: &'static str,
}

impl Fault {
    fn into_issue(self, root: &str) -> Issue {
        let path = self.path.strip_prefix(ROOT).unwrap_or(&self.path);
        Issue::error(self.code, format!("{root}{path}"), self.text)
    }

    fn at(path: &Path<'_>, code: IssueCode, text: &'static str) -> Self {
        Self { code, path: path.render(), text }
    }
}

/// Reading cannot go on.
struct Stop {
    kind: RefusalKind,
    fault: Fault,
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// How many objects and lists stand around.
    depth: usize,
    limits: &'a Limits,
    faults: Vec<Fault>,
}

/// Our own calls nest as deep as the document; this bounds them whatever the limits say.
const DEPTH_CEILING: usize = 100;

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Value, Stop> {
        let root = Path::root(ROOT);
        let value = self.value(&root)?;
        self.skip_blanks();
        if self.at < self.bytes.len() {
            Err(not_json(&root, "text behind the end of the document"))
        } else {
            Ok(value)
        }
    }

    fn value(&mut self, path: &Path<'_>) -> Result<Value, Stop> {
        self.skip_blanks();
        match self.bytes.get(self.at) {
            Some(b'{') => self.nested(Self::object, path),
            Some(b'[') => self.nested(Self::list, path),
            Some(b'"') => {
                let text = self.string(path)?;
                if text.is_empty() {
                    self.fault(path, IssueCode::Value, "an empty string is not allowed");
                } else if text.len() > self.limits.max_string_bytes {
                    self.fault(path, IssueCode::TooLong, "the string is too long");
                }
                Ok(Value::String(text.into_owned()))
            }
            Some(b'-' | b'0'..=b'9') => self.number(path),
            Some(b't') => self.word("true", Value::Bool(true), path),
            Some(b'f') => self.word("false", Value::Bool(false), path),
            Some(b'n') => self.word("null", Value::Null, path),
            _ => Err(not_json(path, "a JSON value is expected")),
        }
    }

    fn nested(
        &mut self,
        read: fn(&mut Self, &Path<'_>) -> Result<Value, Stop>,
        path: &Path<'_>,
    ) -> Result<Value, Stop> {
        if self.depth >= self.limits.max_depth.min(DEPTH_CEILING) {
            let fault = Fault::at(path, IssueCode::TooLong, "the document is nested too deeply");
            return Err(Stop { kind: RefusalKind::TooDeep, fault });
        }
        self.at += 1;
        self.depth += 1;
        let value = read(self, path);
        self.depth -= 1;
        value
    }

    fn object(&mut self, path: &Path<'_>) -> Result<Value, Stop> {
        let mut object = Map::new();
        self.skip_blanks();
        if self.take(b'}') {
            self.fault(path, IssueCode::Structure, "an empty object is not allowed");
            return Ok(Value::Object(object));
        }
        loop {
            self.skip_blanks();
            if self.bytes.get(self.at) != Some(&b'"') {
                return Err(not_json(path, "a member name in double quotes is expected"));
            }
            let name = self.string(path)?;
            self.skip_blanks();
            if !self.take(b':') {
                return Err(not_json(path, "a colon is expected"));
            }
            let here = path.field(&name);
            if name.starts_with(RESERVED) {
                self.fault(&here, IssueCode::Structure, "this member name is not allowed");
            }
            let value = self.value(&here)?;
            match object.entry(name) {
                Entry::Vacant(place) => drop(place.insert(value)),
                Entry::Occupied(first) => {
                    let here = path.field(first.key());
                    self.fault(&here, IssueCode::Structure, "the member stands twice in its object");
                }
            }
            self.skip_blanks();
            if self.take(b'}') {
                return Ok(Value::Object(object));
            }
            if !self.take(b',') {
                return Err(not_json(path, "a comma or a closing brace is expected"));
            }
        }
    }

    fn list(&mut self, path: &Path<'_>) -> Result<Value, Stop> {
        let mut list = Vec::new();
        self.skip_blanks();
        if self.take(b']') {
            self.fault(path, IssueCode::Structure, "an empty list is not allowed");
            return Ok(Value::Array(list));
        }
        loop {
            list.push(self.value(&path.index(list.len()))?);
            self.skip_blanks();
            if self.take(b']') {
                return Ok(Value::Array(list));
            }
            if !self.take(b',') {
                return Err(not_json(path, "a comma or a closing bracket is expected"));
            }
        }
    }

    /// Reads a string that begins here; borrowed unless it holds escapes.
    fn string(&mut self, path: &Path<'_>) -> Result<Cow<'a, str>, Stop> {
        let start = self.at + 1;
        self.at = start;
        self.run();
        let plain = self.slice(start, path)?;
        if self.take(b'"') {
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = plain.to_owned();
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(text));
                }
                Some(b'\\') => {
                    self.at += 1;
                    text.push(self.escape(path)?);
                }
                Some(b) if *b >= 0x20 => {
                    let from = self.at;
                    self.run();
                    text.push_str(self.slice(from, path)?);
                }
                Some(_) => return Err(not_json(path, "a control character stands in a string")),
                None => return Err(not_json(path, "a string does not end")),
            }
        }
    }

    /// Goes forward over what needs no thought inside a string.
    fn run(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..0x20));
        self.at += length.unwrap_or(rest.len());
    }

    fn slice(&self, from: usize, path: &Path<'_>) -> Result<&'a str, Stop> {
        self.text.get(from..self.at).ok_or_else(|| not_json(path, "a string is cut inside a character"))
    }

    fn escape(&mut self, path: &Path<'_>) -> Result<char, Stop> {
        let kind = self.bytes.get(self.at).copied();
        self.at += 1;
        Ok(match kind {
            Some(plain @ (b'"' | b'\\' | b'/')) => char::from(plain),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => self.unicode_escape(path)?,
            _ => return Err(not_json(path, "an unknown escape stands in a string")),
        })
    }

    fn unicode_escape(&mut self, path: &Path<'_>) -> Result<char, Stop> {
        let first = self.four_digits(path)?;
        let code = match first {
            0xD800..0xDC00 if self.bytes.get(self.at..self.at + 2) == Some(b"\\u") => {
                self.at += 2;
                match self.four_digits(path)? {
                    second @ 0xDC00..0xE000 => 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00),
                    _ => return Err(not_json(path, "half of a surrogate pair stands in a string")),
                }
            }
            other => other,
        };
        char::from_u32(code).ok_or_else(|| not_json(path, "half of a surrogate pair stands in a string"))
    }

    fn four_digits(&mut self, path: &Path<'_>) -> Result<u32, Stop> {
        let digits = self.text.get(self.at..self.at + 4);
        let code = digits
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let Some(code) = code else { return Err(not_json(path, "a broken escape stands in a string")) };
        self.at += 4;
        Ok(code)
    }

    fn number(&mut self, path: &Path<'_>) -> Result<Value, Stop> {
        let start = self.at;
        let rest = self.bytes.get(start..).unwrap_or_default();
        let is_part = |b: &u8| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        self.at += rest.iter().position(|b| !is_part(b)).unwrap_or(rest.len());
        let text = self.slice(start, path)?;
        if text.len() > self.limits.max_number_chars {
            self.fault(path, IssueCode::TooLong, "the number is too long");
            return Ok(Value::Null);
        }
        match serde_json::from_str::<Number>(text) {
            Ok(number) => Ok(Value::Number(number)),
            Err(_) => Err(not_json(path, "a number is not written as JSON writes it")),
        }
    }

    fn word(&mut self, word: &str, value: Value, path: &Path<'_>) -> Result<Value, Stop> {
        if !self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            return Err(not_json(path, "a JSON value is expected"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn skip_blanks(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn take(&mut self, wanted: u8) -> bool {
        let is_there = self.bytes.get(self.at) == Some(&wanted);
        self.at += usize::from(is_there);
        is_there
    }

    fn fault(&mut self, path: &Path<'_>, code: IssueCode, text: &'static str) {
        if self.faults.len() < self.limits.max_issues {
            self.faults.push(Fault::at(path, code, text));
        }
    }
}

fn not_json(path: &Path<'_>, text: &'static str) -> Stop {
    Stop { kind: RefusalKind::NotJson, fault: Fault::at(path, IssueCode::Structure, text) }
}

#[cfg(test)]
mod tests;
