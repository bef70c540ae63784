//! The narrative's XHTML: the elements and attributes that R4 allows, and nothing that acts or loads (txt-1, txt-2).

/// Tells what is wrong with a narrative's `div`; `None` when nothing is.
pub(super) fn fault(text: &str) -> Option<&'static str> {
    if text.contains(|c: char| c < ' ' && !is_blank(c)) {
        return Some(NOT_WELL_FORMED);
    }
    let mut reader = Reader { rest: text.trim_matches(is_blank), open: Vec::new(), has_content: false };
    reader.document().err()
}

type Outcome<T> = Result<T, &'static str>;

/// Deeper nesting than any narrative needs.
const MAX_OPEN: usize = 100;

/// Sorted, for a binary search.
const ELEMENTS: &[&str] = &[
    "a",
    "abbr",
    "acronym",
    "address",
    "b",
    "bdo",
    "big",
    "blockquote",
    "br",
    "caption",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "kbd",
    "li",
    "ol",
    "p",
    "pre",
    "q",
    "samp",
    "small",
    "span",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
    "ul",
    "var",
];

/// Attributes allowed on every element, sorted.
const ATTRIBUTES: &[&str] = &[
    "abbr",
    "accesskey",
    "align",
    "alt",
    "axis",
    "border",
    "cellpadding",
    "cellspacing",
    "char",
    "charoff",
    "class",
    "colspan",
    "dir",
    "frame",
    "headers",
    "height",
    "id",
    "lang",
    "name",
    "nowrap",
    "rowspan",
    "rules",
    "scope",
    "span",
    "start",
    "style",
    "summary",
    "tabindex",
    "title",
    "type",
    "valign",
    "value",
    "width",
    "xml:lang",
    "xml:space",
];

const NOT_WELL_FORMED: &str = "not well-formed XHTML (txt-1)";
const XHTML: &str = "http://www.w3.org/1999/xhtml";

struct Reader<'a> {
    rest: &'a str,
    open: Vec<&'a str>,
    has_content: bool,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Outcome<()> {
        if !self.rest.starts_with("<div") {
            return Err("the narrative is one div (txt-1)");
        }
        let first = self.rest.split('>').next().unwrap_or_default();
        if !first.contains(XHTML) {
            return Err("the narrative's div names the XHTML namespace (txt-1)");
        }
        self.tag()?;
        while !self.open.is_empty() {
            let text_end = self.rest.find('<').ok_or(NOT_WELL_FORMED)?;
            let (text, rest) = self.rest.split_at(text_end);
            check_entities(text)?;
            self.has_content |= text.contains(|c| !is_blank(c));
            self.rest = rest;
            self.tag()?;
        }
        if !self.rest.is_empty() {
            return Err("the narrative is one div (txt-1)");
        }
        if self.has_content { Ok(()) } else { Err("the narrative is empty (txt-2)") }
    }

    /// Reads a tag or a comment that begins here.
    fn tag(&mut self) -> Outcome<()> {
        if let Some(comment) = self.rest.strip_prefix("<!--") {
            let (inside, rest) = comment.split_once("-->").ok_or(NOT_WELL_FORMED)?;
            if inside.contains("--") || inside.ends_with('-') || inside.trim_start().starts_with('[') {
                return Err("this kind of comment is not allowed in a narrative (txt-1)");
            }
            self.rest = rest;
            return Ok(());
        }
        if let Some(closing) = self.rest.strip_prefix("</") {
            let (name, rest) = closing.split_once('>').ok_or(NOT_WELL_FORMED)?;
            if self.open.pop() != Some(name.trim_end_matches(is_blank)) {
                return Err(NOT_WELL_FORMED);
            }
            self.rest = rest;
            return Ok(());
        }
        self.rest = self.rest.strip_prefix('<').ok_or(NOT_WELL_FORMED)?;
        let name = self.name();
        if ELEMENTS.binary_search(&name).is_err() {
            return Err("the narrative holds an element that is not allowed (txt-1)");
        }
        self.has_content |= name == "img";
        let is_closed = self.attributes(name)?;
        if !is_closed {
            if self.open.len() >= MAX_OPEN {
                return Err("the narrative is nested too deeply (txt-1)");
            }
            self.open.push(name);
        }
        Ok(())
    }

    fn name(&mut self) -> &'a str {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_');
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        name
    }

    /// Reads attributes up to the end of the tag; tells whether the tag closes itself.
    fn attributes(&mut self, element: &str) -> Outcome<bool> {
        let mut seen: Vec<&str> = Vec::new();
        loop {
            let trimmed = self.rest.trim_start_matches(is_blank);
            let had_blank = trimmed.len() < self.rest.len();
            self.rest = trimmed;
            if let Some(rest) = self.rest.strip_prefix("/>") {
                self.rest = rest;
                return Ok(true);
            }
            if let Some(rest) = self.rest.strip_prefix('>') {
                self.rest = rest;
                return Ok(false);
            }
            let name = self.name();
            if name.is_empty() || !had_blank || seen.contains(&name) {
                return Err(NOT_WELL_FORMED);
            }
            seen.push(name);
            let value = self.attribute_value()?;
            check_attribute(element, name, value)?;
        }
    }

    fn attribute_value(&mut self) -> Outcome<&'a str> {
        let rest = self.rest.trim_start_matches(is_blank).strip_prefix('=').ok_or(NOT_WELL_FORMED)?;
        let rest = rest.trim_start_matches(is_blank);
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\'')).ok_or(NOT_WELL_FORMED)?;
        let (value, rest) = rest.get(1..).and_then(|rest| rest.split_once(quote)).ok_or(NOT_WELL_FORMED)?;
        if value.contains('<') {
            return Err(NOT_WELL_FORMED);
        }
        self.rest = rest;
        Ok(value)
    }
}

fn check_attribute(element: &str, name: &str, value: &str) -> Outcome<()> {
    check_entities(value)?;
    let is_right = match (element, name) {
        (_, "xmlns") => value == XHTML,
        ("a", "href") | ("blockquote" | "q", "cite") => is_harmless_link(value),
        ("img", "src") => is_inner_image(value),
        ("a", "rel" | "target") => true,
        (_, "style") => is_harmless_style(value),
        _ => ATTRIBUTES.binary_search(&name).is_ok(),
    };
    if is_right { Ok(()) } else { Err("the narrative holds an attribute that is not allowed (txt-1)") }
}

/// A link that a person may follow; it loads nothing by itself and runs nothing.
fn is_harmless_link(value: &str) -> bool {
    let has_hidden_letters = value.replace("&amp;", "").contains('&') || value.contains(char::is_control);
    let scheme = value.split_once(':').map(|(scheme, _)| scheme.trim().to_ascii_lowercase());
    let is_known = match scheme.as_deref() {
        None | Some("http" | "https" | "mailto" | "tel" | "urn") => true,
        // No scheme: the colon stands behind the start of a path, query or fragment.
        Some(other) => other.contains(['/', '?', '#']),
    };
    !has_hidden_letters && is_known
}

/// An image inside the document: a contained one or its bytes; SVG can hold script.
fn is_inner_image(value: &str) -> bool {
    let raster = ["data:image/png;", "data:image/jpeg;", "data:image/gif;"];
    value.starts_with('#') || raster.iter().any(|start| value.starts_with(start))
}

fn is_harmless_style(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    !["url", "expression", "import", "javascript", "behavior", "binding", "\\", "&", "/*"]
        .iter()
        .any(|word| lower.contains(word))
}

/// Checks that every `&` begins a reference to a character.
fn check_entities(text: &str) -> Outcome<()> {
    for after in text.split('&').skip(1) {
        let (name, _) = after.split_once(';').ok_or(NOT_WELL_FORMED)?;
        let is_right = match name.strip_prefix('#') {
            Some(number) => is_character(number),
            // XML's own; those of HTML, such as &nbsp;, are not there (R4 narrative)
            None => matches!(name, "amp" | "lt" | "gt" | "quot" | "apos"),
        };
        if !is_right {
            return Err(NOT_WELL_FORMED);
        }
    }
    Ok(())
}

fn is_character(number: &str) -> bool {
    let code = match number.strip_prefix('x') {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => number.parse(),
    };
    code.ok().and_then(char::from_u32).is_some_and(|c| c >= ' ' || matches!(c, '\t' | '\n' | '\r'))
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn div(inside: &str) -> String {
        format!("<div xmlns=\"{XHTML}\">{inside}</div>")
    }

    #[test]
    fn the_lists_are_sorted() {
        assert!(ELEMENTS.is_sorted() && ATTRIBUTES.is_sorted());
    }

    #[test]
    fn plain_formatting_passes() {
        for right in [
            "text",
            "Vacciné contre la rougeole &amp; la rubéole&#160;&#233;&#xE9; &lt;&quot;&apos;&gt;",
            "<p class='x' style=\"color: red\">a<br/>b</p><!-- note --><ul><li>1</li></ul>",
            "<a href=\"https://a.example/?a=1&amp;b=2\">a</a> <a href='#x'>b</a> <a name=\"c\">c</a> <a href=\"p/q:r\">d</a>",
            "<img src=\"#pic\" alt=\"\"/><img src=\"data:image/png;base64,QUJD\" alt=\"x\"/>",
            "<table border=\"1\"><tbody><tr><td colspan=\"2\">x</td></tr></tbody></table>",
        ] {
            assert_eq!(fault(&div(right)), None, "{right}");
        }
        assert_eq!(fault(&format!(" \n{} ", div("x"))), None);
    }

    #[test]
    fn what_acts_or_loads_is_refused() {
        for wrong in [
            "<script>alert(1)</script>",
            "<SCRIPT>alert(1)</SCRIPT>",
            "<b onclick=\"x()\">a</b>",
            "<b ONCLICK=\"x()\">a</b>",
            "<a href=\"javascript:x()\">a</a>",
            "<a href=\" JavaScript :x()\">a</a>",
            "<a href=\"java&#115;cript:x()\">a</a>",
            "<a href=\"javascript&colon;x()\">a</a>",
            "<a href=\"java\tscript:x()\">a</a>",
            "<a href=\"data:text/html,x\">a</a>",
            "<img src=\"http://a.example/x.png\" alt=\"\"/>",
            "<img src=\"data:image/svg+xml;base64,QUJD\" alt=\"\"/>",
            "<iframe src=\"x\">a</iframe>",
            "<object>a</object>",
            "<form>a</form>",
            "<input/>",
            "<link href=\"x\"/>a",
            "<style>p {}</style>a",
            "<svg>a</svg>",
            "<p style=\"background: url(http://a.example/x)\">a</p>",
            "<p style=\"width: expression(x())\">a</p>",
            "<p style=\"b\\61ckground: x\">a</p>",
            "<!--[if IE]>a<![endif]-->b",
            "<![CDATA[x]]>",
            "<?php x ?>",
            "<!DOCTYPE html>",
        ] {
            assert!(fault(&div(wrong)).is_some(), "{wrong}");
        }
    }

    #[test]
    fn what_is_not_well_formed_or_empty_is_refused() {
        for wrong in [
            "<b>a",
            "a</b>",
            "<b><i>a</b></i>",
            "a & b",
            "a &x",
            "a&nbsp;b",
            "a\u{1}b",
            "&eacute;",
            "&;",
            "a < b",
            "<b class=x>a</b>",
            "<b class>a</b>",
            "<b class=\"a\" class=\"b\">a</b>",
            "<b class=\"a\"id=\"b\">a</b>",
            "&#0;",
            "&#xD800;",
            "",
            "  \n",
            "<br/>",
            "a</div><div>b",
        ] {
            assert!(fault(&div(wrong)).is_some(), "{wrong}");
        }
        for wrong in [
            "",
            "text",
            "<p>a</p>",
            "<div>",
            "<div xmlns=\"x\">a</div>",
            "<div>a</div>",
            "a<div>b</div>",
            "<divx>a</divx>",
        ] {
            assert!(fault(wrong).is_some(), "{wrong}");
        }
        assert!(fault(&div(&"<b>".repeat(100_000))).is_some());
    }
}
