//! Terminal text as HTML: colours and weights become spans, progress that rewrites its line becomes the last state of it.

use super::escape;

#[derive(Default, Clone, PartialEq, Eq)]
struct Style {
    bold: bool,
    dim: bool,
    italic: bool,
    underline: bool,
    ink: Option<u8>,
    paper: Option<u8>,
}

impl Style {
    fn classes(&self) -> String {
        let mut classes = Vec::new();
        let flags = [(self.bold, "b"), (self.dim, "d"), (self.italic, "i"), (self.underline, "u")];
        classes.extend(flags.iter().filter(|(set, _)| *set).map(|(_, class)| (*class).to_owned()));
        classes.extend(self.ink.map(|color| format!("f{color}")));
        classes.extend(self.paper.map(|color| format!("g{color}")));
        classes.join(" ")
    }

    /// Applies a sequence of "select graphic rendition" codes.
    fn apply(&mut self, codes: &str) {
        let mut codes = codes.split(';').map(|code| code.parse::<u8>().unwrap_or(0));
        while let Some(code) = codes.next() {
            match code {
                0 => *self = Style::default(),
                1 => self.bold = true,
                2 => self.dim = true,
                3 => self.italic = true,
                4 => self.underline = true,
                22 => (self.bold, self.dim) = (false, false),
                23 => self.italic = false,
                24 => self.underline = false,
                30..=37 => self.ink = Some(code - 30),
                39 => self.ink = None,
                40..=47 => self.paper = Some(code - 40),
                49 => self.paper = None,
                90..=97 => self.ink = Some(code - 90 + 8),
                // Of the large palettes only the part that the small one has is shown.
                38 | 48 => {
                    let indexed = codes.next() == Some(5);
                    let color = codes.next();
                    if !indexed {
                        codes.nth(1);
                        continue;
                    }
                    match code {
                        38 => self.ink = color.filter(|color| *color < 16),
                        _ => self.paper = color.filter(|color| *color < 8),
                    }
                }
                _ => {}
            }
        }
    }
}

/// Text with escape sequences as HTML.
pub fn to_html(text: &str) -> String {
    let text = last_states(text);
    let mut html = String::with_capacity(text.len());
    let mut style = Style::default();
    let mut rest = text.as_str();
    while let Some(at) = rest.find('\u{1b}') {
        push(&mut html, &style, &rest[..at]);
        rest = &rest[at + 1..];
        if let Some(sequence) = rest.strip_prefix('[') {
            let end = sequence.find(|character| ('@'..='~').contains(&character)).unwrap_or(sequence.len());
            if sequence[end..].starts_with('m') {
                style.apply(&sequence[..end]);
            }
            rest = sequence.get(end + 1..).unwrap_or_default();
        } else if let Some(command) = rest.strip_prefix(']') {
            // Titles and links of terminals: up to a bell or a string terminator.
            let end = command.find(['\u{7}', '\u{1b}']).unwrap_or(command.len());
            rest = command[end..].trim_start_matches('\u{7}');
            rest = rest.strip_prefix("\u{1b}\\").unwrap_or(rest);
        }
    }
    push(&mut html, &style, rest);
    html
}

fn push(html: &mut String, style: &Style, text: &str) {
    // Other control characters would be nothing but boxes.
    let text: String =
        text.chars().filter(|character| !character.is_control() || "\n\t".contains(*character)).collect();
    match (text.is_empty(), *style == Style::default()) {
        (true, _) => {}
        (_, true) => html.push_str(&escape(&text)),
        _ => html.push_str(&format!("<span class=\"{}\">{}</span>", style.classes(), escape(&text))),
    }
}

/// Keeps what a terminal would show of lines that were rewritten with carriage returns.
fn last_states(text: &str) -> String {
    if !text.contains('\r') {
        return text.to_owned();
    }
    let text = text.replace("\r\n", "\n");
    let lines = text.split('\n').map(|line| {
        let line = line.trim_end_matches('\r');
        line.rsplit_once('\r').map_or(line, |(_, last)| last)
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::to_html;

    #[test]
    fn terminal_text_becomes_spans() {
        for (text, html) in [
            ("a < b & \"c\"", "a &lt; b &amp; &quot;c&quot;"),
            ("\u{1b}[1;31mred\u{1b}[0m plain", "<span class=\"b f1\">red</span> plain"),
            ("\u{1b}[91mx\u{1b}[39my", "<span class=\"f9\">x</span>y"),
            ("\u{1b}[38;5;4mx\u{1b}[m", "<span class=\"f4\">x</span>"),
            ("\u{1b}[38;2;1;2;3;1mx", "<span class=\"b\">x</span>"),
            ("\u{1b}[2Kgone\u{1b}]0;title\u{7}kept", "gonekept"),
            ("\u{1b}]8;;http://x\u{1b}\\link", "link"),
            ("10%\r50%\r100%\nnext\r\n", "100%\nnext\n"),
            ("\u{1b}[", ""),
            ("\u{1b}", ""),
            ("bell\u{7} null\0", "bell null"),
        ] {
            assert_eq!(to_html(text), html, "{text:?}");
        }
    }
}
