use super::*;
use crate::store::Pooler;
use crate::stripe::snapshot::PriceRef;
use creditd_rules::id::{ActionId, PlanId};
use creditd_rules::plan::{Class, Downgrade, FreeWindow, Limits, PerKind, Rebuy};
use creditd_rules::{Amount, Kind};
use secrecy::ExposeSecret;
use std::fs;
use tempfile::TempDir;

/// Settings from a file of this text and these variables; no machine's own file is read.
fn load(text: &str, env: &[(&str, &str)]) -> Result<Settings, SettingsErrors> {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("creditd.toml");
    fs::write(&file, text).unwrap();
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let loaded = Settings::load(Some(&file), env, None);
    let folder = format!("{}/", dir.path().display());
    loaded.map_err(|SettingsErrors(errors)| {
        let short = |error: SettingsError| SettingsError {
            origin: error.origin.replace(&folder, ""),
            ..error
        };
        SettingsErrors(errors.into_iter().map(short).collect())
    })
}

/// What is wrong, a line for each thing.
#[track_caller]
fn faults(text: &str, env: &[(&str, &str)]) -> Vec<String> {
    let SettingsErrors(errors) = load(text, env).expect_err("these settings are wrong");
    errors.iter().map(ToString::to_string).collect()
}

/// One fault, which holds all of `parts`.
#[track_caller]
fn check_fault(text: &str, parts: &[&str]) {
    let faults = faults(text, &[]);
    assert_eq!(faults.len(), 1, "{text}: {faults:?}");
    for part in parts {
        assert!(faults[0].contains(part), "{text}: {part:?} is not in {:?}", faults[0]);
    }
}

fn credits(text: &str) -> Amount {
    text.parse().unwrap()
}

#[test]
fn without_settings_everything_goes_to_the_state_directory() {
    let settings = load("", &[("STATE_DIRECTORY", "/var/lib/creditd:/other")]).unwrap();
    assert_eq!(settings.database.url.expose(), "sqlite:///var/lib/creditd/creditd.db");
    assert_eq!(settings.mail.directory, Path::new("/var/lib/creditd/mail"));
    assert!(settings.mail.smtp.is_none());
    assert!(!settings.stripe.livemode);
    assert!(settings.stripe.webhook_secrets.is_empty());
    assert_eq!(settings.clock, Mode::System);
    assert!(settings.notices.iter().any(|notice| notice.contains("webhooks_not_configured")));

    let settings = load("", &[]).unwrap();
    assert_eq!(settings.database.url.expose(), "sqlite://data/creditd.db");
}

#[test]
fn r1_the_shipped_table_of_prices() {
    let catalogue = load("", &[]).unwrap().catalogue;
    let mut table = Vec::new();
    for action in catalogue.actions() {
        let (free, paid) = (action.cost_for(Class::Free), action.cost_for(Class::Paid));
        table.push((action.id.to_string(), action.kind, free, paid));
    }
    let row = |id: &str, kind, free, paid| (id.to_owned(), kind, credits(free), credits(paid));
    assert_eq!(
        table,
        [
            row("agent_message", Kind::Integration, "3", "3"),
            row("auto_fix", Kind::Message, "1", "0"),
            row("chat", Kind::Message, "1", "1"),
            row("discuss", Kind::Message, "0.3", "0.3"),
            row("integration_call", Kind::Integration, "1", "1"),
            row("resolve_with_ai", Kind::Message, "1", "0"),
            row("visual_edit", Kind::Message, "0", "0"),
            row("visual_edit_ai", Kind::Message, "1", "1"),
        ]
    );
}

#[test]
fn r1_the_shipped_plans() {
    let settings = load("", &[]).unwrap();
    let plans = settings.catalogue.plans();
    let found: Vec<_> =
        plans.iter().map(|plan| (plan.id.as_str(), plan.class, plan.limits)).collect();
    let day = |m, i| PerKind {
        message: Limits::daily(Amount::credits(m)),
        integration: Limits::daily(Amount::credits(i)),
    };
    let month = |m, i| PerKind {
        message: Limits::monthly(Amount::credits(m)),
        integration: Limits::monthly(Amount::credits(i)),
    };
    assert_eq!(
        found,
        [
            ("free", Class::Free, day(5, 25)),
            ("starter", Class::Paid, month(100, 2_000)),
            ("builder", Class::Paid, month(250, 10_000)),
            ("pro", Class::Paid, month(500, 20_000)),
            ("elite", Class::Paid, month(1_200, 50_000)),
        ]
    );
}

#[test]
fn the_built_in_limits_are_those_of_the_code() {
    let settings = load("", &[]).unwrap();
    assert_eq!(settings.server.limits, crate::http::Limits::default());
    let (inbox, tempo) = (settings.inbox, Tempo::default());
    assert_eq!(
        (inbox.tries, inbox.pause, inbox.pause_max),
        (tempo.tries, tempo.pause, tempo.pause_max)
    );
    let (limits, built_in) = (settings.writer, writer::Limits::default());
    assert_eq!((limits.queue, limits.batch), (built_in.queue, built_in.batch));
}

#[test]
fn the_built_in_choices_are_those_of_the_rules() {
    assert_eq!(load("", &[]).unwrap().catalogue.policy, Default::default());
}

#[test]
fn a_file_replaces_the_plans_and_merges_actions_by_name() {
    let settings = load(
        r#"
        [[plans]]
        id = "none"
        class = "free"
        rank = 0
        message = [{ per = "day", credits = "5" }, { per = "month", credits = "30" }]
        integration = [{ per = "day", credits = "25" }]
        [[plans]]
        id = "team"
        class = "paid"
        rank = 7
        prices = ["price_1", "team_monthly"]
        products = ["prod_1"]
        message = [{ per = "month", credits = "250.5" }]
        integration = [{ per = "month", credits = "10000" }]
        [actions.chat]
        cost = "2"
        [actions.translate]
        kind = "message"
        cost = "0.25"
        cost_by_class = { paid = "0.1" }
        "#,
        &[("CREDITD__ACTIONS__DISCUSS__COST", "0.4")],
    )
    .unwrap();
    let names: Vec<_> = settings.catalogue.plans().iter().map(|p| p.id.to_string()).collect();
    assert_eq!(names, ["none", "team"]);
    let limits = settings.catalogue.free().limits.message;
    assert_eq!((limits.day, limits.month), (Some(credits("5")), Some(credits("30"))));

    let cost = |name: &str, class| {
        settings.catalogue.action(&ActionId::from(name)).unwrap().cost_for(class)
    };
    assert_eq!(cost("chat", Class::Free), credits("2"));
    assert_eq!(cost("translate", Class::Paid), credits("0.1"));
    assert_eq!(cost("discuss", Class::Paid), credits("0.4"));
    assert_eq!(cost("auto_fix", Class::Paid), Amount::ZERO);

    let team = PlanId::from("team");
    let prices = &settings.prices;
    assert_eq!(prices.plan_for("price_1", None, None), Some(&team));
    assert_eq!(prices.plan_for("price_9", Some("team_monthly"), None), Some(&team));
    assert_eq!(prices.plan_for("price_9", Some("x"), Some("prod_1")), Some(&team));
    assert_eq!(prices.plan_for("price_9", None, Some("prod_9")), None);
    let price = PriceRef { id: "price_1", lookup_key: None, product: None };
    assert_eq!(prices.clone().into_prices()(&price), Some(team.clone()));
    assert_eq!(prices.of_plan(&team).collect::<Vec<_>>(), ["price_1", "team_monthly", "prod_1"]);
}

#[test]
fn each_layer_is_laid_over_the_one_before() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("f.toml");
    fs::write(
        &file,
        "[server]\nlisten = \"127.0.0.1:1\"\nops_listen = \"127.0.0.1:2\"\n\
         [stripe]\napi_key = \"sk_test_file\"\nwebhook_secrets = [\"whsec_file\"]\n",
    )
    .unwrap();
    fs::write(dir.path().join("stripe_webhook_secrets"), "whsec_a\nwhsec_b\n").unwrap();
    fs::write(dir.path().join("stripe_api_key"), "sk_test_credential\n").unwrap();
    fs::write(dir.path().join("unrelated"), "anything").unwrap();
    let env = [
        ("CREDITD__SERVER__LISTEN", "127.0.0.1:3"),
        ("CREDITD__STRIPE__API_KEY", "sk_test_env"),
        ("CREDITD__MAIL__RETRY", "1s, 2s"),
        ("CREDITD__DATABASE__MIGRATE", "false"),
        ("CREDITD__CREDITS__IDEMPOTENCY_DAYS", "30"),
    ];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let settings = Settings::load(Some(&file), env, Some(dir.path())).unwrap();
    assert_eq!(settings.server.listen.port(), 3);
    assert_eq!(settings.server.ops_listen.port(), 2);
    assert_eq!(settings.mail.retry.len(), 2);
    assert!(!settings.database.migrate);
    assert_eq!(settings.idempotency_days, 30);
    let secrets: Vec<_> =
        settings.stripe.webhook_secrets.iter().map(ExposeSecret::expose_secret).collect();
    assert_eq!(secrets, ["whsec_a", "whsec_b"]);
    assert_eq!(settings.stripe.api_key.as_ref().unwrap().expose_secret(), "sk_test_credential");

    let origin = |key: &str| {
        let shown = settings.shown.iter().find(|shown| shown.key == key).unwrap();
        shown.origin.replace(&format!("{}/", dir.path().display()), "")
    };
    assert_eq!(origin("server.listen"), "CREDITD__SERVER__LISTEN");
    assert_eq!(origin("server.ops_listen"), "f.toml");
    assert_eq!(origin("stripe.api_key"), "credential stripe_api_key");
    assert_eq!(origin("writer.batch"), "built in");
    assert_eq!(origin("plans"), "built in");
}

#[test]
fn all_errors_are_found_at_once_and_name_origin_and_key() {
    let faults = faults(
        r#"
        [server]
        lisen = "127.0.0.1:80"
        ops_listen = "nine"
        [mail]
        from = "nobody"
        retry = ["5"]
        [clock]
        mode = "fast"
        [credits]
        past_due_grace = 7
        idempotency_days = 0
        [maintenance]
        prune = "15 3 * * 1"
        "#,
        &[("CREDITD__WRITER__QUEUE", "many"), ("CREDITD_LISTEN", "127.0.0.1:80")],
    );
    let begins: Vec<String> =
        faults.iter().map(|fault| fault.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        begins,
        [
            "creditd.toml: server.lisen",
            "CREDITD_LISTEN: is",
            "creditd.toml: server.ops_listen",
            "CREDITD__WRITER__QUEUE: writer.queue",
            "creditd.toml: mail.from",
            "creditd.toml: mail.retry",
            "creditd.toml: clock.mode",
            "creditd.toml: credits.idempotency_days",
            "creditd.toml: credits.past_due_grace",
            "creditd.toml: maintenance.prune",
        ],
        "{faults:#?}"
    );
}

#[test]
fn unknown_keys_come_with_a_suggestion() {
    check_fault(
        "[server]\nlisten_on = \"x\"",
        &["server.listen_on is unknown", "mean server.listen?"],
    );
    check_fault("[sever]\nlisten = \"127.0.0.1:1\"", &["sever is unknown", "mean server?"]);
    check_fault("listen = \"127.0.0.1:1\"", &["listen is unknown", "mean server.listen?"]);
    check_fault("[server]\nsmtp_url = \"\"", &["did you mean mail.smtp_url?"]);
    check_fault("[clock]\nzzz = 1", &["clock.zzz is unknown; there are mode"]);
    check_fault("[actions.chat]\ncosts = \"1\"", &["actions.chat.costs", "mean cost?"]);
    check_fault(
        "[credits.signup_grant]\nmesage = \"1\"",
        &["signup_grant.mesage", "signup_grant.message?"],
    );
    check_fault("server = 3", &["server must be a table: [server]"]);
    check_fault("[clock.mode]\nx = 1", &["clock.mode is a single value"]);
    check_fault("plans = 3", &["plans must be tables: [[plans]]"]);
}

#[test]
fn unknown_variables_come_with_a_suggestion() {
    let check = |name: &str, expected: &str| {
        let faults = faults("", &[(name, "127.0.0.1:80")]);
        assert_eq!(faults, [format!("{name}: is unknown{expected}")]);
    };
    check("CREDITD_LISTEN", "; did you mean CREDITD__SERVER__LISTEN?");
    check("CREDITD_SERVER_LISTEN", "; did you mean CREDITD__SERVER__LISTEN?");
    check("CREDITD__SERVER_LISTEN", "; did you mean CREDITD__SERVER__LISTEN?");
    check("CREDITD__SERVER__LISTN", "; did you mean CREDITD__SERVER__LISTEN?");
    check("creditd__server__listen", "; did you mean CREDITD__SERVER__LISTEN?");
    check("CREDITD_XYZ", "; variables are named CREDITD__SECTION__KEY");
    check("CREDITD__PLANS__0__RANK", ": plans can only be given in a file");
}

#[test]
fn amounts_are_strings_and_a_number_is_refused() {
    check_fault("[actions.chat]\ncost = 1", &["actions.chat.cost", "in quotes"]);
    check_fault("[actions.chat]\ncost = \"-1\"", &["actions.chat.cost", "decimal"]);
    check_fault("[actions.chat]\ncost = \"0.1234567\"", &["at most 6 decimals"]);
    check_fault("[credits]\nshare_reward = 20", &["credits.share_reward", "in quotes", "not 20"]);
}

const FREE: &str = "[[plans]]\nid = \"free\"\nclass = \"free\"\nrank = 0\n\
     message = [{ per = \"day\", credits = \"5\" }]\n\
     integration = [{ per = \"day\", credits = \"25\" }]\n";

fn paid(id: &str, rank: u32, more: &str) -> String {
    format!(
        "[[plans]]\nid = \"{id}\"\nclass = \"paid\"\nrank = {rank}\n{more}\n\
         message = [{{ per = \"month\", credits = \"5\" }}]\n\
         integration = [{{ per = \"month\", credits = \"25\" }}]\n"
    )
}

#[test]
fn plans_must_make_a_catalogue() {
    let two = |a: &str, b: &str| format!("{FREE}{a}{b}");
    check_fault(&two(&paid("a", 1, ""), &paid("b", 1, "")), &["a and b both have rank 1"]);
    check_fault(&two(FREE.replace("rank = 0", "rank = 9").as_str(), ""), &["exactly one"]);
    check_fault(&paid("a", 1, ""), &["no plan has class \"free\""]);
    check_fault(&two(&paid("a", 1, ""), &paid("a", 2, "")), &["plan a is given twice"]);
    check_fault(
        &two(&paid("a", 1, "").replace("month", "day"), ""),
        &["no message limit per month"],
    );
    let priced = paid("a", 1, "prices = [\"price_1\"]");
    check_fault(
        &two(&priced, &paid("b", 2, "prices = [\"price_1\"]")),
        &["plans.3.prices", "\"price_1\" to b", "plan a has it too"],
    );
    check_fault(&FREE.replace("rank", "prices = [\"p\"]\nrank"), &["plans.1.prices", "free plan"]);
    check_fault(&FREE.replace("\"25\"", "25"), &["plans.1.integration", "amounts in quotes"]);
    check_fault(&FREE.replace("rank = 0", "rank = -1"), &["plans.1.rank", "whole number"]);
    check_fault(&FREE.replace("rank = 0\n", ""), &["plans.1.rank is missing"]);
    check_fault(&FREE.replace("rank = 0", "rank = 0\nranks = 1"), &["plans.1.ranks is unknown"]);
    check_fault(&FREE.replace("id = \"free\"", "id = \"a b\""), &["plans.1.id", "letters"]);
    check_fault("plans = []", &["no plan has class \"free\""]);
}

#[test]
fn a_database_is_a_file_or_postgres() {
    let url = |url: &str| load(&format!("[database]\nurl = \"{url}\""), &[]).unwrap().database.url;
    assert_eq!(url("sqlite:///tmp/a.db").engine(), Engine::Sqlite);
    assert_eq!(url("postgres://ada@host/db").engine(), Engine::Postgres);
    for wrong in ["mysql://x", "/tmp/a.db", "sqlite://", "sqlite://:memory:"] {
        check_fault(&format!("[database]\nurl = \"{wrong}\""), &["creditd.toml: database.url"]);
    }
}

#[test]
fn postgres_may_have_a_role_that_migrates_and_a_pooler() {
    let database = |rest: &str| load(&format!("[database]\n{rest}"), &[]).unwrap().database;
    let plain = database("url = \"postgres://ada@host/db\"").postgres();
    assert_eq!((plain.migration_url, plain.connections, plain.pooler), (None, 8, Pooler::None));
    let both = "url = \"postgres://ada@host/db\"\nmigration_url = \"postgresql://owner@host/db\"";
    let chosen = database(&format!("{both}\nconnections = 3\npooler = \"transaction\"")).postgres();
    assert_eq!(chosen.migration_url.as_deref(), Some("postgresql://owner@host/db"));
    assert_eq!((chosen.connections, chosen.pooler), (3, Pooler::Transaction));
    for wrong in ["migration_url = \"postgres://a/b\"", "migration_url = \"x\""] {
        check_fault(&format!("[database]\n{wrong}"), &["creditd.toml: database.migration_url"]);
    }
    let moved = database("move_to = \"postgres://ada:hunter2@host/db\"").move_to.unwrap();
    assert_eq!(moved.expose(), "postgres://ada:hunter2@host/db");
    assert_eq!(moved.to_string(), "postgres://ada:(hidden)@host/db");
    let plain = DatabaseUrl::parse("postgres://ada@host/db").unwrap();
    assert_eq!(plain.to_string(), "postgres://ada@host/db", "there is nothing to hide");
    for wrong in ["postgres://ada@host/db?password=hunter2", "postgres://a@b:hunter2@host/db"] {
        assert!(!DatabaseUrl::parse(wrong).unwrap().to_string().contains("hunter2"), "{wrong}");
    }
    check_fault("[database]\nmove_to = \"sqlite://a\"", &["database.move_to is for PostgreSQL"]);
    check_fault("[database]\nconnections = 0", &["database.connections", "from 1 to 1000"]);
    check_fault("[database]\npooler = \"session\"", &["database.pooler", "transaction"]);
}

#[test]
fn a_test_clock_never_runs_on_live_money() {
    let test = "[clock]\nmode = \"test\"\n[stripe]\n";
    for live in ["api_key = \"sk_live_x\"", "api_key = \"rk_live_x\"", "livemode = true"] {
        check_fault(&format!("{test}{live}"), &["clock.mode must be \"system\" where stripe."]);
    }
    assert_eq!(load(&format!("{test}api_key = \"sk_test_x\""), &[]).unwrap().clock, Mode::Test);
}

#[test]
fn what_is_missing_for_production_is_told() {
    let told = |stripe: &str| {
        let notices = load(&format!("[stripe]\n{stripe}"), &[]).unwrap().notices;
        notices.iter().any(|notice| notice.contains("different modes"))
    };
    assert!(!told(""));
    assert!(!told("api_key = \"sk_test_x\""));
    assert!(!told("api_key = \"sk_live_x\"\nlivemode = true"));
    assert!(told("api_key = \"sk_live_x\""));
    assert!(told("api_key = \"rk_test_x\"\nlivemode = true"));
}

#[test]
fn a_blank_webhook_secret_is_an_error() {
    for blank in ["[\"\"]", "[\"whsec_a\", \"  \"]"] {
        check_fault(&format!("[stripe]\nwebhook_secrets = {blank}"), &["none is blank"]);
    }
    for blank in ["", "\n", "whsec_a\n\nwhsec_b\n"] {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("creditd.toml");
        fs::write(&file, "").unwrap();
        fs::write(dir.path().join("stripe_webhook_secrets"), blank).unwrap();
        let error = Settings::load(Some(&file), [], Some(dir.path())).unwrap_err().to_string();
        assert!(error.contains("credential"), "{error}");
        assert!(error.contains("stripe_webhook_secrets: stripe.webhook_secrets"), "{error}");
        assert!(!error.contains("whsec_a"), "{error}");
    }
}

#[test]
fn secrets_are_in_no_error_no_debug_and_not_shown() {
    let text = r#"
        [database]
        url = "postgres://ada:s3cret@host/db"
        [stripe]
        webhook_secrets = ["whsec_s3cret"]
        api_key = "sk_test_s3cret"
        [mail]
        smtp_url = "smtp://ada:s3cret@mx.example.com"
    "#;
    let settings = load(text, &[]).unwrap();
    assert!(!format!("{settings:?}").contains("s3cret"));
    assert!(settings.shown.iter().any(|shown| shown.value.contains("mx.example.com")));
    let wrong = text
        .replace("postgres:", "mysql:")
        .replace("[\"whsec_s3cret\"]", "[\"whsec_s3cret\", 3]")
        .replace("sk_test", "pk_test")
        .replace("smtp:", "http:");
    let faults = faults(&wrong, &[]);
    assert_eq!(faults.len(), 4, "{faults:?}");
    assert!(!faults.concat().contains("s3cret"), "{faults:?}");
}

#[test]
fn a_broken_file_is_named_with_its_line() {
    check_fault("[server]\nlisten = = 1\nx", &["creditd.toml: line 2 is not valid TOML"]);
    check_fault("[stripe]\napi_key = sk_s3cret", &["line 2"]);
    let error = faults("[stripe]\napi_key = sk_s3cret", &[]).concat();
    assert!(!error.contains("s3cret"), "{error}");
    let missing = Settings::load(Some(Path::new("/nonexistent/creditd.toml")), [], None);
    assert!(
        missing.unwrap_err().to_string().starts_with("/nonexistent/creditd.toml: cannot be read")
    );
}

#[test]
fn templates_are_tried_and_files_must_be_there() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().display().to_string();
    check_fault(
        "[mail]\ntemplates_dir = \"/nonexistent\"",
        &["mail.templates_dir must be a directory"],
    );
    check_fault(
        &format!("[mail]\nca_file = \"{path}\""),
        &["mail.ca_file must be a file", "is none"],
    );
    load(&format!("[mail]\ntemplates_dir = \"{path}\""), &[]).unwrap();
    fs::write(dir.path().join("run_out.txt"), "{{ nothing_like_it }}").unwrap();
    let faults = faults(&format!("[mail]\ntemplates_dir = \"{path}\""), &[]);
    assert!(faults[0].contains("mail.templates_dir has a template that is wrong"), "{faults:?}");
    assert!(faults[0].contains("run_out.txt"), "{faults:?}");
}

#[test]
fn the_host_chooses_where_the_rules_leave_a_choice() {
    let settings = load(
        "[credits]\nfree_window = \"signup\"\ndowngrade = \"immediately\"\nrebuy = \"carry_used\"\n\
         past_due_grace = \"3d\"\nsignup_grant = { message = \"2.5\" }\n\
         [mail]\nrun_out = [\"message\", \"integration\"]\nwarn_at_80 = [\"message\"]",
        &[],
    )
    .unwrap();
    let policy = settings.catalogue.policy;
    assert_eq!(policy.free_window, FreeWindow::Signup);
    assert_eq!(policy.downgrade, Downgrade::Immediately);
    assert_eq!(policy.rebuy, Rebuy::CarryUsed);
    assert_eq!(policy.past_due_grace.num_days(), 3);
    assert_eq!(policy.signup_grant, PerKind { message: credits("2.5"), integration: Amount::ZERO });
    assert_eq!(policy.mail_run_out, PerKind { message: true, integration: true });
    assert_eq!(policy.mail_warning, PerKind { message: true, integration: false });
}
