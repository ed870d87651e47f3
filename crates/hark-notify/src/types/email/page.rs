//! The part of a mail in HTML: the same as its text, with the tone as colour and links as buttons.
//!
//! Styles stand at the elements, since mail programs drop style sheets; nothing is loaded from anywhere,
//! so that opening a mail tells nobody. Colour says nothing that the words do not.

use std::fmt::Write as _;

use hark_model::Notification;

use crate::Context;
use crate::card::{self, Tone, escaped};

/// Returns the page. `own` is the text of the receiver's own template.
pub(super) fn page(n: &Notification, own: Option<&str>, context: &Context) -> String {
    let colour = Tone::of(n).hex();
    let summary = quoted(&n.summary);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{summary}</title></head>\n\
         <body style=\"margin:0;padding:16px;font-family:sans-serif;font-size:15px;line-height:1.45\">\n\
         <div style=\"max-width:640px;border:1px solid #8888;border-left:8px solid {colour};\
         padding:12px 16px\">\n\
         <h1 style=\"margin:0 0 8px;font-size:18px\">{summary}</h1>\n"
    );
    let text = own.unwrap_or(&n.detail);
    if !text.trim().is_empty() {
        write(
            &mut page,
            format_args!(
                "<p style=\"margin:0 0 12px;white-space:pre-wrap\">{}</p>\n",
                quoted(text.trim_end())
            ),
        );
    }
    if own.is_none() {
        page.push_str("<table style=\"border-collapse:collapse;font-size:14px\">\n");
        for (name, fact) in card::facts(n) {
            write(
                &mut page,
                format_args!(
                    "<tr><th style=\"text-align:left;padding:1px 12px 1px 0;font-weight:normal;\
                 opacity:0.7\">{name}</th><td>{}</td></tr>\n",
                    quoted(&fact)
                ),
            );
        }
        page.push_str("</table>\n");
    }
    let acknowledge = context.acknowledge_link(n);
    let note = acknowledge.is_some();
    let links = [("Acknowledge", acknowledge), ("Open in hark", card::link(n, context))];
    let links: Vec<_> = links.into_iter().filter_map(|(what, link)| Some((what, link?))).collect();
    if !links.is_empty() {
        page.push_str("<p style=\"margin:16px 0 4px\">");
        for (what, link) in links {
            write(
                &mut page,
                format_args!(
                    "<a href=\"{}\" style=\"display:inline-block;margin-right:8px;padding:7px 14px;\
                 border:1px solid {colour};border-radius:4px;text-decoration:none\">{what}</a>",
                    quoted(&link)
                ),
            );
        }
        page.push_str("</p>\n");
    }
    if note {
        page.push_str(
            "<p style=\"margin:4px 0 0;font-size:12px;opacity:0.7\">Acknowledging needs no log-in; \
             the link is good for a day.</p>\n",
        );
    }
    page.push_str("</div>\n</body></html>\n");
    page
}

fn write(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _written = page.write_fmt(text);
}

/// Returns `text` for an element or a quoted attribute.
fn quoted(text: &str) -> String {
    escaped(text).replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::tests::server::{context, problem, recovery};

    #[test]
    fn the_page_says_what_the_text_says_in_colour_and_with_buttons() {
        let page = page(&problem(), None, &context());
        for expected in [
            "<h1 style=\"margin:0 0 8px;font-size:18px\">CRITICAL: db1 - cpu_monitor.cpu_percent = 95.0</h1>",
            "above 90.0 for 3 looks",
            "border-left:8px solid #d1242f",
            "<td>db1.example.net</td>",
            "<a href=\"https://hark.example.net/a/",
            "<a href=\"https://hark.example.net/incidents/1\"",
        ] {
            assert!(page.contains(expected), "{expected} is missing in {page}");
        }
        for foreign in ["<img", "<link", "<script", "@import", "url("] {
            assert!(!page.contains(foreign), "nothing may be loaded: {foreign}");
        }
    }

    #[test]
    fn what_is_over_is_green_and_has_no_button_to_acknowledge() {
        let page = page(&recovery(None), None, &context());
        assert!(page.contains("#2ea043") && !page.contains("Acknowledg"), "{page}");
        assert!(page.contains("ok (was critical)"), "{page}");
    }

    #[test]
    fn no_text_can_add_an_element() {
        let mut n = problem();
        n.summary = "<script>alert(1)</script> \"x\" & y".to_owned();
        n.detail = "</p><img src=x>".to_owned();
        let safe = page(&n, None, &context());
        assert!(!safe.contains("<script") && !safe.contains("<img"), "{safe}");
        assert!(safe.contains("&lt;script&gt;alert(1)&lt;/script&gt; &quot;x&quot; &amp; y"));
        let own = page(&n, Some("own <b>text</b>\n"), &context());
        assert!(own.contains(">own &lt;b&gt;text&lt;/b&gt;</p>") && !own.contains("<table"));
    }
}
