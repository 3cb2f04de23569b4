//! What mails say.
//!
//! A mail has three parts: subject, text and HTML. The built-in ones are in `templates/mail`; an
//! operator's directory may replace any of them by a file of the same name (`run_out.html`), and
//! add languages as whole sets of three (`run_out.de.subject.txt`, `run_out.de.txt`,
//! `run_out.de.html`), so that no mail mixes two of them.
//!
//! | variable | what it is |
//! |---|---|
//! | `name` | how to address the person; none where unknown |
//! | `account` | the account's id |
//! | `kind` | `message` or `integration` |
//! | `spendable`, `allowance` | decimal strings: what can still be spent, the plan's allowance |
//! | `resets_at` | `3 March 2026 at 14:05:09 UTC`; none where no reset is due |
//! | `resets_date`, `resets_time` | `2026-03-03` and `14:05:09`, for other languages; or none |
//! | `product` | the name in the setting `mail.from` |

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use creditd_rules::command::{Mail, MailTemplate};
use creditd_rules::{Amount, Kind};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior, Value, context};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Steps that one rendering may take. The built-in templates take a few hundred.
const FUEL: u64 = 100_000;

/// The largest template file, in bytes.
const FILE_BYTES_MAX: u64 = 256 * 1024;

const TEMPLATES: [MailTemplate; 2] = [MailTemplate::RunOut, MailTemplate::Warning];

/// One part of a mail. `Subject` comes first, because its files end in `.txt` as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Subject,
    Text,
    Html,
}

impl Part {
    const ALL: [Self; 3] = [Self::Subject, Self::Text, Self::Html];

    const fn suffix(self) -> &'static str {
        match self {
            Self::Subject => "subject.txt",
            Self::Text => "txt",
            Self::Html => "html",
        }
    }
}

/// A mail in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// One line, never empty.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part, with every variable escaped.
    pub html: String,
}

/// What is wrong with a template, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The directory or a file in it cannot be read.
    #[error("{}: cannot be read: {reason}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// A file's name is not one of a template.
    #[error(
        "{}: not the name of a mail template; allowed are run_out and warning, then maybe a \
         language such as .de, then .subject.txt, .txt or .html",
        path.display()
    )]
    UnknownName {
        /// Which.
        path: PathBuf,
    },
    /// A language lacks a part.
    #[error("{}: missing; a language needs subject.txt, txt and html", path.display())]
    Missing {
        /// The file that should be there.
        path: PathBuf,
    },
    /// It cannot be parsed, or not be rendered with sample values.
    #[error("{}:{line}: {reason}", path.display())]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// The line, from 1; 0 where it concerns the whole file.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
}

/// All templates, parsed and tried with sample values.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
}

impl Templates {
    /// Takes the built-in templates and those of `dir`, and renders each with sample values.
    ///
    /// # Errors
    /// Everything that is wrong in `dir`, by file and line.
    pub fn try_new(dir: Option<&Path>) -> Result<Self, Vec<TemplateError>> {
        let mut errors = Vec::new();
        let mut sources = built_in();
        if let Some(dir) = dir {
            read_overrides(dir, &mut sources, &mut errors);
            find_missing(dir, &sources, &mut errors);
        }
        let mut environment =
            new_environment().map_err(|error| vec![invalid(Path::new("templates"), &error)])?;
        for (name, source) in &sources {
            let invalid = |error: &minijinja::Error| invalid(&source.path, error);
            if let Err(error) = environment.add_template_owned(name.clone(), source.text.clone()) {
                errors.push(invalid(&error));
            } else if let Err(error) = try_samples(&environment, name) {
                errors.push(invalid(&error));
            }
        }
        if errors.is_empty() { Ok(Self { environment }) } else { Err(errors) }
    }

    /// Renders a mail in its account's language, or without it where there is no such template.
    ///
    /// # Errors
    /// When a template fails with these values although it passed with the samples.
    pub fn render(&self, mail: &Mail, product: &str) -> Result<Rendered, TemplateError> {
        let locale = mail.locale.as_deref().and_then(|tag| self.best_locale(mail.template, tag));
        let variables = variables(mail, product);
        let part = |part: Part| {
            let name = name_of(mail.template, locale.as_deref(), part);
            self.environment
                .get_template(&name)
                .and_then(|template| template.render(&variables))
                .map_err(|error| invalid(Path::new(&name), &error))
        };
        let subject = one_line(&part(Part::Subject)?);
        Ok(Rendered { subject, text: part(Part::Text)?, html: part(Part::Html)? })
    }

    /// The longest known prefix of a language tag: `de-AT`, else `de`.
    fn best_locale(&self, template: MailTemplate, tag: &str) -> Option<String> {
        let mut locale = normal_locale(tag)?;
        loop {
            let name = name_of(template, Some(&locale), Part::Text);
            if self.environment.get_template(&name).is_ok() {
                return Some(locale);
            }
            locale.truncate(locale.rfind('-')?);
        }
    }
}

/// A template's text, and where it is from.
struct Source {
    path: PathBuf,
    text: String,
}

fn built_in() -> BTreeMap<String, Source> {
    macro_rules! embedded {
        ($($name:literal),+ $(,)?) => {[$(
            ($name, include_str!(concat!("../../templates/mail/", $name)))
        ),+]};
    }
    let files = embedded![
        "run_out.subject.txt",
        "run_out.txt",
        "run_out.html",
        "warning.subject.txt",
        "warning.txt",
        "warning.html",
    ];
    let source = |name: &str, text: &str| Source {
        path: Path::new("templates/mail").join(name),
        text: text.to_owned(),
    };
    files.into_iter().map(|(name, text)| (name.to_owned(), source(name, text))).collect()
}

/// Puts the files of an operator's directory over the built-in ones.
fn read_overrides(
    dir: &Path, sources: &mut BTreeMap<String, Source>, errors: &mut Vec<TemplateError>,
) {
    let unreadable = |path: &Path, error: &std::io::Error| TemplateError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let entries = match std::fs::read_dir(dir).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
        Ok(entries) => entries,
        Err(error) => return errors.push(unreadable(dir, &error)),
    };
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths.into_iter().filter(|path| is_meant_as_template(path)) {
        let file_name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some((template, locale, part)) = parse_name(file_name) else {
            errors.push(TemplateError::UnknownName { path });
            continue;
        };
        match read_limited(&path) {
            Ok(text) => {
                sources.insert(name_of(template, locale.as_deref(), part), Source { path, text });
            }
            Err(error) => errors.push(unreadable(&path, &error)),
        }
    }
}

/// Whether a file would be missed if it were skipped: text and HTML, but no editor's leavings.
fn is_meant_as_template(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let extension = path.extension().and_then(|extension| extension.to_str());
    !hidden && matches!(extension, Some("txt" | "html"))
}

fn read_limited(path: &Path) -> std::io::Result<String> {
    if std::fs::metadata(path)?.len() > FILE_BYTES_MAX {
        return Err(std::io::Error::other(format!("larger than {FILE_BYTES_MAX} bytes")));
    }
    std::fs::read_to_string(path)
}

/// Names the parts that a language lacks.
fn find_missing(dir: &Path, sources: &BTreeMap<String, Source>, errors: &mut Vec<TemplateError>) {
    for template in TEMPLATES {
        let mut locales: Vec<String> = sources
            .keys()
            .filter_map(|name| parse_name(name))
            .filter(|(of, _, _)| *of == template)
            .filter_map(|(_, locale, _)| locale)
            .collect();
        locales.dedup();
        for locale in locales {
            for part in Part::ALL {
                let name = name_of(template, Some(&locale), part);
                if !sources.contains_key(&name) {
                    errors.push(TemplateError::Missing { path: dir.join(name) });
                }
            }
        }
    }
}

fn new_environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    // Tags on lines of their own leave no empty lines in the text.
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    Ok(environment)
}

/// Renders one template with every mixture of what may be there or not.
fn try_samples(environment: &Environment<'_>, name: &str) -> Result<(), minijinja::Error> {
    let template = environment.get_template(name)?;
    for sample in samples() {
        let text = template.render(variables(&sample, "Credits"))?;
        if text.trim().is_empty() {
            return Err(minijinja::Error::new(
                minijinja::ErrorKind::InvalidOperation,
                "it renders to nothing",
            ));
        }
    }
    Ok(())
}

/// Sample mails: both kinds, with and without name, reset and rest.
fn samples() -> impl Iterator<Item = Mail> {
    let resets_at = DateTime::from_timestamp(1_772_546_709, 0);
    (0..16_u8).map(move |mixture| Mail {
        template: MailTemplate::RunOut,
        account: "user_1".into(),
        to: "ada@example.com".to_owned(),
        name: (mixture & 1 != 0).then(|| "Ada Lovelace".to_owned()),
        locale: None,
        kind: if mixture & 2 != 0 { Kind::Integration } else { Kind::Message },
        spendable: if mixture & 4 != 0 { Amount::from_micros(200_000) } else { Amount::ZERO },
        allowance: if mixture & 4 != 0 { Amount::credits(10_000) } else { Amount::ZERO },
        resets_at: resets_at.filter(|_| mixture & 8 != 0),
    })
}

fn variables(mail: &Mail, product: &str) -> Value {
    // Rounded up: at the second that the mail names, the credits must be there.
    let resets_at = mail.resets_at.map(whole_second_from);
    let resets = |format: &str| resets_at.map(|at| at.format(format).to_string());
    context! {
        name => mail.name.as_deref().map(one_line).filter(|name| !name.is_empty()),
        account => mail.account.as_str(),
        kind => mail.kind.as_str(),
        spendable => mail.spendable.to_string(),
        allowance => mail.allowance.to_string(),
        resets_at => resets("%-d %B %Y at %H:%M:%S UTC"),
        resets_date => resets("%Y-%m-%d"),
        resets_time => resets("%H:%M:%S"),
        product => product,
    }
}

/// The first whole second that is not before `at`.
fn whole_second_from(at: DateTime<Utc>) -> DateTime<Utc> {
    let second = at.trunc_subsecs(0);
    if second == at {
        return at;
    }
    second.checked_add_signed(TimeDelta::seconds(1)).unwrap_or(second)
}

/// The same words on one line without control characters.
pub(super) fn one_line(text: &str) -> String {
    let spaced = text.replace(char::is_control, " ");
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

const fn stem_of(template: MailTemplate) -> &'static str {
    match template {
        MailTemplate::RunOut => "run_out",
        MailTemplate::Warning => "warning",
    }
}

fn name_of(template: MailTemplate, locale: Option<&str>, part: Part) -> String {
    let (stem, suffix) = (stem_of(template), part.suffix());
    match locale {
        Some(locale) => format!("{stem}.{locale}.{suffix}"),
        None => format!("{stem}.{suffix}"),
    }
}

/// Takes a file name apart; none where it is not a template's.
fn parse_name(file_name: &str) -> Option<(MailTemplate, Option<String>, Part)> {
    TEMPLATES.into_iter().find_map(|template| {
        let rest = file_name.strip_prefix(stem_of(template))?.strip_prefix('.')?;
        Part::ALL.into_iter().find_map(|part| {
            let locale = rest.strip_suffix(part.suffix())?;
            if locale.is_empty() {
                return Some((template, None, part));
            }
            Some((template, Some(normal_locale(locale.strip_suffix('.')?)?), part))
        })
    })
}

/// A language tag in lower case with hyphens (`de_AT` becomes `de-at`); none for anything else.
///
/// `subject` is none, or `run_out.subject.txt` would be that language's text.
fn normal_locale(tag: &str) -> Option<String> {
    let tag = tag.replace('_', "-").to_ascii_lowercase();
    let subtag = |text: &str| {
        (1..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let language = tag.split('-').next().unwrap_or_default();
    let named = (2..=8).contains(&language.len())
        && language.bytes().all(|byte| byte.is_ascii_alphabetic())
        && language != "subject";
    (named && tag.len() <= 35 && tag.split('-').all(subtag)).then_some(tag)
}

fn invalid(path: &Path, error: &minijinja::Error) -> TemplateError {
    let reason = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    TemplateError::Invalid { path: path.to_owned(), line: error.line().unwrap_or(0), reason }
}

#[cfg(test)]
mod tests;
