//! The page at `/docs`: the OpenAPI document as plain HTML, readable without network or scripts.

use super::super::problem::Code;
use serde_json::{Map, Value};

/// The page's style.
pub(crate) const STYLE: &str = include_str!("style.css");

/// Writes the page.
pub(crate) fn write(document: &Value, codes: &[Code]) -> String {
    let info = &document["info"];
    let mut html = String::with_capacity(128 * 1024);
    html.push_str("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
    html.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    html.push_str("<title>creditd: the API</title>");
    html.push_str("<link rel=\"icon\" href=\"data:,\">");
    html.push_str("<link rel=\"stylesheet\" href=\"/docs/style.css\"></head><body>");
    tag(&mut html, "h1", &format!("{} {}", text(&info["title"]), text(&info["version"])));
    prose(&mut html, "p", text(&info["description"]));
    html.push_str("<p>The same for programs: <a href=\"/openapi.json\">openapi.json</a>.</p>");
    contents(&mut html, document);
    for (path, methods) in members(&document["paths"]) {
        for (method, call) in members(methods) {
            write_call(&mut html, document, path, method, call);
        }
    }
    html.push_str("<h2 id=\"codes\">Codes</h2><table><tr><th>code<th>status<th>meaning</tr>");
    for code in codes {
        let (name, status) = (code.as_str(), code.status().as_u16());
        put(&mut html, format_args!("<tr id=\"{name}\"><td><code>{name}</code><td>{status}<td>"));
        escape(&mut html, code.title());
        html.push_str("</tr>");
    }
    html.push_str("</table></body></html>");
    html
}

fn contents(html: &mut String, document: &Value) {
    html.push_str("<nav><ul>");
    for (path, methods) in members(&document["paths"]) {
        for (method, call) in members(methods) {
            put(html, format_args!("<li><a href=\"#{}\">", anchor(method, path)));
            tag(html, "code", &format!("{} {path}", method.to_uppercase()));
            put(html, format_args!("</a> "));
            escape(html, text(&call["summary"]));
            html.push_str("</li>");
        }
    }
    html.push_str("<li><a href=\"#codes\">Codes</a></li></ul></nav>");
}

fn write_call(html: &mut String, document: &Value, path: &str, method: &str, call: &Value) {
    put(html, format_args!("<section id=\"{}\"><h2>", anchor(method, path)));
    tag(html, "code", &format!("{} {path}", method.to_uppercase()));
    html.push_str("</h2>");
    tag(html, "p", text(&call["summary"]));
    if call["description"].is_string() {
        prose(html, "p", text(&call["description"]));
    }
    let scopes = call["security"].as_array().into_iter().flatten();
    for scope in scopes.filter_map(|one| one["key"].as_array()).flatten() {
        tag(html, "p", &format!("Scope: {}", text(scope)));
    }
    write_parameters(html, document, call);
    let body = &call["requestBody"]["content"]["application/json"]["schema"];
    if !body.is_null() {
        html.push_str("<h3>Body</h3>");
        write_schema(html, document, body, Side::Asked, 0);
    }
    let answer = &call["responses"]["200"]["content"]["application/json"]["schema"];
    if !answer.is_null() {
        html.push_str("<h3>200</h3>");
        write_schema(html, document, answer, Side::Answered, 0);
    }
    html.push_str("</section>");
}

fn write_parameters(html: &mut String, document: &Value, call: &Value) {
    let parameters = call["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    if parameters.is_empty() {
        return;
    }
    html.push_str("<h3>Parameters</h3><dl>");
    for parameter in parameters {
        html.push_str("<dt>");
        tag(html, "code", text(&parameter["name"]));
        let needed = if parameter["required"] == true { ", needed" } else { "" };
        put(html, format_args!(" <small>{}{needed}</small><dd>", text(&parameter["in"])));
        prose(html, "span", text(&parameter["description"]));
        let note = describe(document, &parameter["schema"]);
        tag(html, "small", &note);
    }
    html.push_str("</dl>");
}

/// Whose fields are shown: those of a request may be left out, those of an answer are always there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Asked,
    Answered,
}

/// How deep objects in objects are shown.
const DEPTH_MAX: usize = 4;

fn write_schema(html: &mut String, document: &Value, schema: &Value, side: Side, depth: usize) {
    let schema = resolve(document, schema);
    if let Some(parts) = schema["allOf"].as_array() {
        for part in parts {
            write_schema(html, document, part, side, depth);
        }
        return;
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        for (place, choice) in choices.iter().enumerate() {
            tag(html, "p", if place == 0 { "either:" } else { "or:" });
            write_schema(html, document, choice, side, depth);
        }
        return;
    }
    if schema["type"] == "array" {
        tag(html, "p", "a list of:");
        return write_schema(html, document, &schema["items"], side, depth);
    }
    let fields = members(&schema["properties"]);
    html.push_str("<dl>");
    for (name, field) in fields {
        html.push_str("<dt>");
        tag(html, "code", name);
        let must = schema["required"].as_array().is_some_and(|all| all.iter().any(|n| n == name));
        let note = if must || side == Side::Answered { "" } else { " <small>optional</small>" };
        put(html, format_args!("{note}<dd>"));
        prose(html, "span", text(&field["description"]));
        tag(html, "small", &describe(document, field));
        if let Some(inner) = object_in(document, field)
            && depth < DEPTH_MAX
        {
            write_schema(html, document, inner, side, depth.saturating_add(1));
        }
    }
    html.push_str("</dl>");
}

/// The object that a field holds, alone, in a list, or where it is not null.
fn object_in<'a>(document: &'a Value, field: &'a Value) -> Option<&'a Value> {
    let schema = resolve(document, field);
    if schema["properties"].is_object() || schema["allOf"].is_array() {
        return Some(schema);
    }
    if schema["type"] == "array" {
        return object_in(document, &schema["items"]);
    }
    let choices = schema["oneOf"].as_array()?;
    let mut objects = choices.iter().filter_map(|one| object_in(document, one));
    match (objects.next(), objects.next()) {
        (Some(_), Some(_)) => Some(schema),
        (one, _) => one,
    }
}

/// A value's type and bounds in a few words.
fn describe(document: &Value, schema: &Value) -> String {
    let schema = resolve(document, schema);
    let mut note = String::new();
    match &schema["type"] {
        Value::String(one) => put(&mut note, format_args!(" {one}")),
        Value::Array(all) => {
            let names: Vec<&str> = all.iter().map(text).collect();
            put(&mut note, format_args!(" {}", names.join(" or ")));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {}
    }
    for one in schema["oneOf"].as_array().into_iter().flatten() {
        note.push_str(&describe(document, one));
    }
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<&str> = words.iter().map(text).collect();
        put(&mut note, format_args!(": {}", words.join(", ")));
    }
    for bound in ["format", "minimum", "maximum", "minLength", "maxLength", "pattern"] {
        let value = &schema[bound];
        if let Some(value) = value.as_str() {
            put(&mut note, format_args!(", {bound} {value}"));
        } else if value.is_number() {
            put(&mut note, format_args!(", {bound} {value}"));
        }
    }
    note
}

fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema["$ref"].as_str().and_then(|link| link.strip_prefix('#'));
    target.and_then(|pointer| document.pointer(pointer)).unwrap_or(schema)
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

fn anchor(method: &str, path: &str) -> String {
    let word = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    format!("{method}{}", path.chars().map(word).collect::<String>())
}

fn tag(html: &mut String, name: &str, content: &str) {
    put(html, format_args!("<{name}>"));
    escape(html, content);
    put(html, format_args!("</{name}>"));
}

/// Text in which backticks mark what is written as it is.
fn prose(html: &mut String, name: &str, content: &str) {
    put(html, format_args!("<{name}>"));
    for (place, part) in content.split('`').enumerate() {
        if place % 2 == 1 {
            tag(html, "code", part);
        } else {
            escape(html, part);
        }
    }
    put(html, format_args!("</{name}>"));
}

fn escape(html: &mut String, content: &str) {
    for c in content.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            other => html.push(other),
        }
    }
}

fn put(html: &mut String, arguments: std::fmt::Arguments<'_>) {
    html.push_str(&arguments.to_string());
}
