//! Markdown as HTML. HTML inside it is shown as the text that it is; links lead to the web or stay in the page; pictures are
//! those that the notebook carries.

use pulldown_cmark::{CowStr, Event, LinkType, Options, Parser, Tag, TagEnd, html};
use serde_json::Value;

/// A Markdown text as HTML.
pub fn to_html(text: &str, attachments: Option<&Value>) -> String {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_GFM;
    // Whether the picture whose description is being read is one that the page can show.
    let mut shown = Vec::new();
    let events = Parser::new_ext(text, options).map(|event| match event {
        Event::Html(raw) | Event::InlineHtml(raw) => Event::Text(raw),
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            Event::Start(Tag::Link { link_type, dest_url: harmless(dest_url), title, id })
        }
        Event::Start(Tag::Image { link_type, dest_url, title, id }) => match picture(&dest_url, attachments) {
            Some(data) => {
                shown.push(true);
                Event::Start(Tag::Image { link_type, dest_url: data.into(), title, id })
            }
            None => {
                shown.push(false);
                let link_type = if matches!(link_type, LinkType::Autolink | LinkType::Email) {
                    LinkType::Inline
                } else {
                    link_type
                };
                Event::Start(Tag::Link { link_type, dest_url: harmless(dest_url), title, id })
            }
        },
        Event::End(TagEnd::Image) => match shown.pop() {
            Some(false) => Event::End(TagEnd::Link),
            _ => Event::End(TagEnd::Image),
        },
        event => event,
    });
    let mut page = String::with_capacity(text.len() * 2);
    html::push_html(&mut page, events);
    page
}

/// A target that opens a page and does nothing else.
fn harmless(target: CowStr<'_>) -> CowStr<'_> {
    let head = target.split(['/', '?', '#']).next().unwrap_or_default();
    let scheme = head.split_once(':').map(|(scheme, _)| scheme.trim().to_ascii_lowercase());
    match scheme.as_deref() {
        None | Some("http" | "https" | "mailto") => target,
        Some(_) => "#".into(),
    }
}

/// The data of a picture inside the notebook, as a URL.
fn picture(target: &str, attachments: Option<&Value>) -> Option<String> {
    if target.starts_with("data:image/") {
        return Some(target.to_owned());
    }
    let name = target.strip_prefix("attachment:")?;
    let (mime, data) = attachments?.get(name)?.as_object()?.iter().find(|(mime, _)| mime.starts_with("image/"))?;
    let data: String = data.as_str()?.chars().filter(|character| !character.is_whitespace()).collect();
    Some(format!("data:{mime};base64,{data}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::to_html;

    #[test]
    fn markdown_is_shown_and_can_do_nothing() {
        let attachments = json!({"p.png": {"image/png": "AA\nBB"}});
        for (text, html) in [
            ("# T\n*x*", "<h1>T</h1>\n<p><em>x</em></p>\n"),
            ("<script>x()</script>", "&lt;script&gt;x()&lt;/script&gt;"),
            ("a <b onclick=x>b</b>", "<p>a &lt;b onclick=x&gt;b&lt;/b&gt;</p>\n"),
            ("[x](javascript:alert)", "<p><a href=\"#\">x</a></p>\n"),
            ("[x](JaVa&#10;Script:alert)", "<p><a href=\"#\">x</a></p>\n"),
            ("[x](data:text/html,1)", "<p><a href=\"#\">x</a></p>\n"),
            ("[x](https://a.b/c?d=e:f)", "<p><a href=\"https://a.b/c?d=e:f\">x</a></p>\n"),
            ("[x](other.ipynb#a:b)", "<p><a href=\"other.ipynb#a:b\">x</a></p>\n"),
            ("![p](attachment:p.png)", "<p><img src=\"data:image/png;base64,AABB\" alt=\"p\" /></p>\n"),
            ("![p](https://a.b/p.png)", "<p><a href=\"https://a.b/p.png\">p</a></p>\n"),
            (
                "|a|\n|-|\n|1|",
                "<table><thead><tr><th>a</th></tr></thead><tbody>\n<tr><td>1</td></tr>\n</tbody></table>\n",
            ),
        ] {
            assert_eq!(to_html(text, Some(&attachments)), html, "{text}");
        }
    }
}
