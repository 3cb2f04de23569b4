//! The four layers: each is read, checked for keys that do not exist, and laid over the last.

use super::reader::Reader;
use super::{DEFAULT_FILE, SettingsError};
use config::{Config, ConfigError, Map, Source, Value, ValueKind};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The built-in layer, which names every key.
pub(super) const EMBEDDED: &str = include_str!("../../config/default.toml");

/// What the built-in layer is called where origins are named.
pub(super) const BUILT_IN: &str = "built in";

/// Keys whose values may be read from systemd's credentials, by the credential's name.
const CREDENTIALS: [(&str, &str, &str); 6] = [
    ("database_url", "database", "url"),
    ("database_move_to", "database", "move_to"),
    ("stripe_webhook_secrets", "stripe", "webhook_secrets"),
    ("stripe_api_key", "stripe", "api_key"),
    ("smtp_url", "mail", "smtp_url"),
    ("traces_headers", "traces", "headers"),
];

/// Those of them that are lists, one item a line.
const LISTS: [&str; 2] = ["stripe_webhook_secrets", "traces_headers"];

/// How alike two words must be (Jaro-Winkler) for one to be offered instead of the other.
const ALIKE_MIN: f64 = 0.8;

/// One layer: a tree of values that know where they come from.
#[derive(Debug, Clone)]
struct Layer(Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

/// The names of the files that credentials are read from.
pub fn secret_files() -> [&'static str; CREDENTIALS.len()] {
    CREDENTIALS.map(|(name, _, _)| name)
}

/// Reads all layers and lays each over the one before.
pub(super) fn merge(
    file: Option<&Path>, env: &[(String, String)], credentials_dir: Option<&Path>,
) -> Reader {
    let mut errors = Vec::new();
    let known = match EMBEDDED.parse::<toml::Table>() {
        Ok(known) => known,
        Err(error) => {
            errors.push(fault(BUILT_IN, "", syntax(&error, EMBEDDED)));
            toml::Table::new()
        }
    };
    let from_file = file.map(|path| read_file(path, &known, &mut errors)).unwrap_or_default();
    let layers = [
        layer(BUILT_IN, known.clone()),
        from_file,
        environment(env, &known, &mut errors),
        credentials(credentials_dir, &mut errors),
    ];
    let merged = layers
        .into_iter()
        .fold(Config::builder(), |builder, layer| builder.add_source(Layer(layer)))
        .build();
    let root = match merged {
        Ok(config) => config.cache,
        Err(error) => {
            errors.push(fault(BUILT_IN, "", format!("cannot be merged: {error}")));
            Value::default()
        }
    };
    Reader { root, errors, files: Vec::new() }
}

fn fault(origin: &str, key: &str, problem: String) -> SettingsError {
    SettingsError { origin: origin.to_owned(), key: key.to_owned(), problem }
}

fn layer(origin: &str, table: toml::Table) -> Map<String, Value> {
    let origin = origin.to_owned();
    table.into_iter().map(|(key, value)| (key, with_origin(&origin, value))).collect()
}

fn with_origin(origin: &String, value: toml::Value) -> Value {
    let kind = match value {
        toml::Value::String(text) => ValueKind::String(text),
        toml::Value::Integer(number) => ValueKind::I64(number),
        toml::Value::Float(number) => ValueKind::Float(number),
        toml::Value::Boolean(flag) => ValueKind::Boolean(flag),
        toml::Value::Datetime(instant) => ValueKind::String(instant.to_string()),
        toml::Value::Array(items) => {
            ValueKind::Array(items.into_iter().map(|item| with_origin(origin, item)).collect())
        }
        toml::Value::Table(table) => ValueKind::Table(layer(origin, table)),
    };
    Value::new(Some(origin), kind)
}

// --- The file ---------------------------------------------------------------------------------

/// The standard file, if there is one.
/// The file to read: the one that was named, else [`DEFAULT_FILE`] where there is one. That it
/// cannot be looked up shows when it is read.
pub(super) fn file(named: Option<&Path>) -> Option<PathBuf> {
    let is_there = || !matches!(Path::new(DEFAULT_FILE).try_exists(), Ok(false));
    named.map(Path::to_path_buf).or_else(|| is_there().then(|| DEFAULT_FILE.into()))
}

fn read_file(
    path: &Path, known: &toml::Table, errors: &mut Vec<SettingsError>,
) -> Map<String, Value> {
    let origin = path.display().to_string();
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            errors.push(fault(&origin, "", format!("cannot be read: {error}")));
            return Map::new();
        }
    };
    match text.parse::<toml::Table>() {
        Ok(table) => layer(&origin, only_known(table, known, "", &origin, errors)),
        Err(error) => {
            errors.push(fault(&origin, "", syntax(&error, &text)));
            Map::new()
        }
    }
}

/// What is wrong with a file's syntax and in which line; the line itself may hold a secret.
fn syntax(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map_or(1, |before| before.matches('\n').count() + 1);
    format!("line {line} is not valid TOML: {}", error.message().replace('\n', "; "))
}

/// Takes out what the built-in layer does not know, with an error for each.
fn only_known(
    table: toml::Table, known: &toml::Table, under: &str, origin: &str,
    errors: &mut Vec<SettingsError>,
) -> toml::Table {
    let mut kept = toml::Table::new();
    for (name, value) in table {
        let key = if under.is_empty() { name.clone() } else { format!("{under}.{name}") };
        let Some(ours) = known.get(&name) else {
            errors.push(fault(origin, &key, format!("is unknown{}", hint(&key, under, known))));
            continue;
        };
        match (ours, value) {
            (toml::Value::Table(ours), toml::Value::Table(theirs)) if key != "actions" => {
                let inner = only_known(theirs, ours, &key, origin, errors);
                kept.insert(name, toml::Value::Table(inner));
            }
            (toml::Value::Table(_), theirs) if !theirs.is_table() => {
                let problem = format!("must be a table: [{key}], then its keys");
                errors.push(fault(origin, &key, problem));
            }
            (ours, toml::Value::Table(_)) if !ours.is_table() => {
                errors.push(fault(origin, &key, "is a single value and has no keys".into()));
            }
            (_, theirs) => {
                kept.insert(name, theirs);
            }
        }
    }
    kept
}

/// What an unknown key may have been meant to be, else which keys there are beside it.
///
/// A key of the same name in another section comes first, then one beside it that is alike, then
/// one elsewhere that is alike.
fn hint(key: &str, under: &str, beside: &toml::Table) -> String {
    let all = leaves();
    let name = last(key);
    let same = || all.iter().find(|path| last(path) == name).cloned();
    let alike_here = || {
        let found = closest(name, beside.keys().cloned())?;
        Some(if under.is_empty() { found } else { format!("{under}.{found}") })
    };
    let alike_elsewhere = || {
        let found = closest(name, all.iter().map(|path| last(path).to_owned()))?;
        all.iter().find(|path| last(path) == found).cloned()
    };
    match same().or_else(alike_here).or_else(alike_elsewhere) {
        Some(meant) => format!("; did you mean {meant}?"),
        None => {
            let names: Vec<&str> = beside.keys().map(String::as_str).collect();
            format!("; there are {}", names.join(", "))
        }
    }
}

/// The last part of a key.
fn last(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// Every key that has a value of its own, such as `server.listen`.
fn leaves() -> Vec<String> {
    fn walk(under: &str, table: &toml::Table, into: &mut Vec<String>) {
        for (name, value) in table {
            let key = if under.is_empty() { name.clone() } else { format!("{under}.{name}") };
            match value.as_table().filter(|_| key != "actions") {
                Some(inner) => walk(&key, inner, into),
                None => into.push(key),
            }
        }
    }
    let mut keys = Vec::new();
    walk("", &EMBEDDED.parse().unwrap_or_default(), &mut keys);
    keys
}

/// The candidate that is most like `word`, if any is like it at all.
pub(super) fn closest(word: &str, candidates: impl IntoIterator<Item = String>) -> Option<String> {
    let scored = candidates.into_iter().map(|name| (strsim::jaro_winkler(word, &name), name));
    let best = scored.max_by(|(a, _), (b, _)| a.total_cmp(b));
    best.filter(|(score, _)| *score >= ALIKE_MIN).map(|(_, name)| name)
}

// --- The environment --------------------------------------------------------------------------

/// What stands before the keys in the names of variables.
const PREFIX: &str = "CREDITD__";

fn environment(
    env: &[(String, String)], known: &toml::Table, errors: &mut Vec<SettingsError>,
) -> Map<String, Value> {
    let mut merged = Map::new();
    for (name, value) in env.iter().filter(|(name, _)| name.to_uppercase().starts_with("CREDITD_"))
    {
        let upper = !name.bytes().any(|byte| byte.is_ascii_lowercase());
        let path = name.strip_prefix(PREFIX).filter(|_| upper);
        let path = path.map(|rest| rest.to_lowercase().replace("__", "."));
        let known_as = path.and_then(|path| Some((kind_of(&path, known)?, path)));
        match known_as {
            Some((ours, path)) => {
                insert(&mut merged, &path, with_origin(name, converted(value, &ours)));
            }
            None => errors.push(fault(name, "", unknown_variable(name))),
        }
    }
    merged
}

/// A built-in value under this path, whose kind the variable's value takes.
fn kind_of(path: &str, known: &toml::Table) -> Option<toml::Value> {
    let text = || Some(toml::Value::String(String::new()));
    match path.split('.').collect::<Vec<_>>().as_slice() {
        ["plans", ..] => None,
        ["actions", name, "kind" | "cost"] if !name.is_empty() => text(),
        ["actions", name, "cost_by_class", "free" | "paid"] if !name.is_empty() => text(),
        ["actions", ..] => None,
        names => {
            let (last, sections) = names.split_last()?;
            let table =
                sections.iter().try_fold(known, |table, name| table.get(*name)?.as_table())?;
            table.get(*last).filter(|value| !value.is_table()).cloned()
        }
    }
}

/// A variable's text as the kind of value that the key takes; text that is none stays text, and
/// the reader says what is allowed.
fn converted(text: &str, ours: &toml::Value) -> toml::Value {
    let as_text = || toml::Value::String(text.to_owned());
    if ours.is_bool() {
        return text.parse().map_or_else(|_| as_text(), toml::Value::Boolean);
    }
    if ours.is_integer() {
        return text.parse().map_or_else(|_| as_text(), toml::Value::Integer);
    }
    if ours.is_array() {
        let parts = text.split(',').map(str::trim).filter(|_| !text.trim().is_empty());
        return toml::Value::Array(parts.map(|part| part.to_owned().into()).collect());
    }
    as_text()
}

fn insert(into: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            into.insert(path.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = into
                .entry(first.to_owned())
                .or_insert_with(|| Value::new(None, ValueKind::Table(Map::new())));
            if let ValueKind::Table(inner) = &mut inner.kind {
                insert(inner, rest, value);
            }
        }
    }
}

fn unknown_variable(name: &str) -> String {
    let squeezed = |text: &str| text.to_uppercase().replace(['_', '.'], "");
    let given = squeezed(name.get("CREDITD_".len()..).unwrap_or_default());
    if given.starts_with("PLANS") {
        return "is unknown: plans can only be given in a file".into();
    }
    let variable = |key: &String| format!("{PREFIX}{}", key.to_uppercase().replace('.', "__"));
    let keys: Vec<String> =
        leaves().into_iter().filter(|key| key != "plans" && key != "actions").collect();
    let same = |key: &&String| squeezed(key) == given || squeezed(last(key)) == given;
    let alike = || {
        let squeezed_key = closest(&given, keys.iter().map(|key| squeezed(key)))?;
        keys.iter().find(|key| squeezed(key) == squeezed_key)
    };
    match keys.iter().find(same).or_else(alike) {
        Some(meant) => format!("is unknown; did you mean {}?", variable(meant)),
        None => format!("is unknown; variables are named {PREFIX}SECTION__KEY"),
    }
}

// --- Credentials ------------------------------------------------------------------------------

fn credentials(directory: Option<&Path>, errors: &mut Vec<SettingsError>) -> Map<String, Value> {
    let mut merged = Map::new();
    let Some(directory) = directory else { return merged };
    for (name, section, key) in CREDENTIALS {
        let path = directory.join(name);
        let origin = format!("credential {}", path.display());
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => {
                errors.push(fault(&origin, "", format!("cannot be read: {error}")));
                continue;
            }
        };
        let value = if LISTS.contains(&name) {
            let lines: Vec<&str> = if text.is_empty() { vec![""] } else { text.lines().collect() };
            toml::Value::Array(lines.into_iter().map(|line| line.trim().into()).collect())
        } else {
            toml::Value::String(text.trim().to_owned())
        };
        insert(&mut merged, &format!("{section}.{key}"), with_origin(&origin, value));
    }
    merged
}
