use super::*;
use std::fs;

fn mail() -> Mail {
    Mail {
        template: MailTemplate::RunOut,
        account: "user_1".into(),
        to: "ada@example.com".to_owned(),
        name: Some("Ada".to_owned()),
        locale: None,
        kind: Kind::Integration,
        spendable: Amount::ZERO,
        allowance: Amount::credits(10_000),
        resets_at: DateTime::from_timestamp(1_772_546_709, 0),
    }
}

fn built_in_templates() -> Templates {
    Templates::try_new(None).unwrap()
}

fn dir_with(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

/// What is wrong with a directory of these files, its own path left out.
fn errors_of(files: &[(&str, &str)]) -> Vec<String> {
    let dir = dir_with(files);
    let errors = Templates::try_new(Some(dir.path())).unwrap_err();
    let prefix = format!("{}/", dir.path().display());
    errors.iter().map(|error| error.to_string().replace(&prefix, "")).collect()
}

#[test]
fn r16_the_mail_says_which_credits_ran_out_and_when_they_reset() {
    let rendered = built_in_templates().render(&mail(), "Credits").unwrap();
    assert_eq!(rendered.subject, "Your integration credits have run out");
    for part in [&rendered.text, &rendered.html] {
        assert!(part.contains("integration credits have run out"), "{part}");
        assert!(part.contains("3 March 2026 at 14:05:09 UTC"), "{part}");
        assert!(part.contains("10000 integration credits"), "{part}");
        assert!(!part.contains("are left"), "{part}");
    }
}

#[test]
fn r16_a_refusal_with_some_left_says_how_much() {
    let left = Mail { spendable: Amount::from_micros(200_000), kind: Kind::Message, ..mail() };
    let rendered = built_in_templates().render(&left, "Credits").unwrap();
    for part in [&rendered.text, &rendered.html] {
        assert!(part.contains("0.2 are left"), "{part}");
        assert!(part.contains("your message credits have run out"), "{part}");
    }
}

#[test]
fn without_a_reset_no_date_is_named() {
    let none = Mail { resets_at: None, ..mail() };
    let rendered = built_in_templates().render(&none, "Credits").unwrap();
    assert!(rendered.text.contains("No reset is due at present."), "{}", rendered.text);
    assert!(rendered.html.contains("none is due at present"), "{}", rendered.html);
    for part in [&rendered.text, &rendered.html] {
        assert!(!part.contains("UTC"), "{part}");
    }
}

#[test]
fn without_a_name_the_greeting_has_none() {
    let templates = built_in_templates();
    for name in [None, Some(" \n ".to_owned())] {
        let rendered = templates.render(&Mail { name, ..mail() }, "Credits").unwrap();
        assert!(rendered.text.starts_with("Hello,\n"), "{}", rendered.text);
        assert!(rendered.html.contains(">Hello,<"), "{}", rendered.html);
    }
}

#[test]
fn the_text_part_reads_well() {
    let rendered = built_in_templates().render(&mail(), "Credits").unwrap();
    let expected = "Hello Ada,\n\
        \n\
        your integration credits have run out.\n\
        \n\
        Apps that you own cannot call outside tools until you have credits again.\n\
        \n\
        Next reset: 3 March 2026 at 14:05:09 UTC\n\
        Your plan: 10000 integration credits\n\
        Account: user_1\n\
        \n\
        --\n\
        Credits";
    assert_eq!(rendered.text.trim_end(), expected);
}

#[test]
fn a_reset_within_a_second_is_named_by_the_second_after_it() {
    let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    let check = |from: &str, expected: &str| {
        assert_eq!(whole_second_from(at(from)), at(expected), "{from}");
    };
    check("2026-03-03T14:05:09Z", "2026-03-03T14:05:09Z");
    check("2026-03-03T14:05:09.000001Z", "2026-03-03T14:05:10Z");
    check("2026-12-31T23:59:59.5Z", "2027-01-01T00:00:00Z");
}

#[test]
fn html_escapes_what_people_typed() {
    let odd = Mail { name: Some("<b>Bob</b> & \"Eve\"".to_owned()), ..mail() };
    let rendered = built_in_templates().render(&odd, "A<B").unwrap();
    assert!(!rendered.html.contains("<b>"), "{}", rendered.html);
    assert!(rendered.html.contains("&lt;b&gt;Bob"), "{}", rendered.html);
    assert!(rendered.html.contains("A&lt;B"), "{}", rendered.html);
    assert!(rendered.text.contains("Hello <b>Bob</b> & \"Eve\","), "{}", rendered.text);
}

#[test]
fn html_loads_nothing_from_outside() {
    for template in TEMPLATES {
        let rendered =
            built_in_templates().render(&Mail { template, ..mail() }, "Credits").unwrap();
        for forbidden in ["<img", "<script", "<link", "http:", "https:", "url("] {
            assert!(!rendered.html.contains(forbidden), "{forbidden} in {template:?}");
        }
    }
}

#[test]
fn an_operator_replaces_single_files() {
    let dir = dir_with(&[
        ("run_out.subject.txt", "Out of\n{{ kind }}\r\ncredits"),
        ("README.md", "not a template"),
        (".run_out.txt.swp", "{{"),
        ("run_out.txt~", "{{"),
    ]);
    let templates = Templates::try_new(Some(dir.path())).unwrap();
    let rendered = templates.render(&mail(), "Credits").unwrap();
    assert_eq!(rendered.subject, "Out of integration credits");
    assert_eq!(rendered.text, built_in_templates().render(&mail(), "Credits").unwrap().text);
}

#[test]
fn a_language_is_found_by_its_tag_and_its_prefixes() {
    let dir = dir_with(&[
        ("run_out.de.subject.txt", "Leer"),
        ("run_out.de.txt", "Am {{ resets_date }} um {{ resets_time }}"),
        ("run_out.de.html", "<p>{{ name }}</p>"),
    ]);
    let templates = Templates::try_new(Some(dir.path())).unwrap();
    let subject_for = |template: MailTemplate, locale: &str| {
        let mail = Mail { template, locale: Some(locale.to_owned()), ..mail() };
        templates.render(&mail, "Credits").unwrap().subject
    };
    for locale in ["de", "DE", "de-AT", "de_DE", "de-Latn-CH"] {
        assert_eq!(subject_for(MailTemplate::RunOut, locale), "Leer", "{locale}");
    }
    for locale in ["fr", "den", "", "../de", "d", "de/../x", "de--", "subject"] {
        let subject = subject_for(MailTemplate::RunOut, locale);
        assert_eq!(subject, "Your integration credits have run out", "{locale}");
    }
    let warning = subject_for(MailTemplate::Warning, "de");
    assert!(warning.starts_with("Your integration credits are running low"), "{warning}");
}

#[test]
fn a_language_is_a_whole_set() {
    let errors = errors_of(&[("run_out.de.txt", "Leer")]);
    assert_eq!(
        errors,
        [
            "run_out.de.subject.txt: missing; a language needs subject.txt, txt and html",
            "run_out.de.html: missing; a language needs subject.txt, txt and html",
        ]
    );
}

#[test]
fn errors_name_file_and_line_all_at_once() {
    let errors = errors_of(&[
        ("run_out.html", "<p>\n{{ nmae }}\n</p>"),
        ("run_out.txt", "a\nb\n{% if name %}"),
        ("warning.subject.txt", "{% if not name %}only some{% endif %}"),
        ("warning.txt", "{% for i in range(100000) %}{{ i }}{% endfor %}"),
        ("runout.txt", "a typo"),
    ]);
    let starts = [
        "runout.txt: not the name of a mail template",
        "run_out.html:2: undefined value",
        "run_out.txt:3: syntax error",
        "warning.subject.txt:0: invalid operation: it renders to nothing",
        "warning.txt:1: ",
    ];
    assert_eq!(errors.len(), starts.len(), "{errors:#?}");
    for (error, start) in errors.iter().zip(starts) {
        assert!(error.starts_with(start), "{error} should start with {start}");
    }
}

#[test]
fn a_directory_that_is_not_there_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let errors = Templates::try_new(Some(&dir.path().join("none"))).unwrap_err();
    assert!(matches!(errors.as_slice(), [TemplateError::Unreadable { .. }]), "{errors:?}");
}

#[test]
fn a_file_that_is_no_text_or_too_large_is_an_error() {
    let dir = dir_with(&[("run_out.html", &"x".repeat(300_000))]);
    fs::write(dir.path().join("run_out.txt"), b"\xff\xfe").unwrap();
    let errors = Templates::try_new(Some(dir.path())).unwrap_err();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors.iter().all(|error| matches!(error, TemplateError::Unreadable { .. })));
}
