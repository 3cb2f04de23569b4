use super::*;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

const PLAN: &str = "[[plans]]\nid = \"free\"\nclass = \"free\"\nrank = 0\n\
     message = [{ per = \"day\", credits = \"CREDITS\" }]\n\
     integration = [{ per = \"day\", credits = \"25\" }]\n";

const PAID: &str = "[[plans]]\nid = \"pro\"\nclass = \"paid\"\nrank = 1\nprices = [\"price_pro\"]\n\
     message = [{ per = \"month\", credits = \"100\" }]\n\
     integration = [{ per = \"month\", credits = \"100\" }]\n";

/// A file of settings, its templates, and what was started with them.
struct Ground {
    dir: TempDir,
    reload: Reload,
}

impl Ground {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        fs::create_dir(dir.path().join("templates")).unwrap();
        let file = dir.path().join("creditd.toml");
        fs::write(&file, text(&dir, "", "5")).unwrap();
        let settings = Settings::load_here(Some(&file)).unwrap();
        let replaceable = Replaceable::try_new(&settings).unwrap();
        let reload = Reload::new(settings, replaceable, Level::unstarted());
        Self { dir, reload }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("creditd.toml")
    }

    fn write(&self, more: &str, credits: &str) {
        fs::write(self.file(), text(&self.dir, more, credits)).unwrap();
    }

    /// Message credits a day on the free plan, as the daemon's parts see it.
    fn credits(&self) -> String {
        let catalogue = self.reload.replaceable.catalogue.now();
        catalogue.free().limits.message.day.unwrap().to_string()
    }

    /// All that a refused reload says.
    fn refused(&mut self) -> String {
        self.reload.run().unwrap_err().to_string()
    }
}

fn text(dir: &TempDir, more: &str, credits: &str) -> String {
    let templates = dir.path().join("templates");
    format!(
        "[mail]\ntemplates_dir = \"{}\"\n{more}{}",
        templates.display(),
        PLAN.replace("CREDITS", credits)
    )
}

#[test]
fn plans_and_prices_are_replaced_where_the_parts_hold_them() {
    let mut ground = Ground::new();
    let prices = ground.reload.replaceable.prices();
    let price =
        crate::stripe::snapshot::PriceRef { id: "price_pro", lookup_key: None, product: None };
    assert_eq!(prices(&price), None);
    ground.write("", "7\" }]\nmessage_x = [{ per = \"day\", credits = \"7");
    assert!(ground.refused().contains("plans.1.message_x is unknown"), "{}", ground.refused());
    assert_eq!(ground.credits(), "5");

    ground.write("", "7");
    fs::write(ground.file(), fs::read_to_string(ground.file()).unwrap() + PAID).unwrap();
    assert_eq!(ground.reload.run().unwrap().taken, ["plans"]);
    assert_eq!(ground.credits(), "7");
    assert_eq!(prices(&price), Some("pro".into()));
    assert_eq!(ground.reload.run().unwrap(), Reloaded::default());
}

#[test]
fn r20_a_plan_is_not_removed_by_a_reload() {
    let mut ground = Ground::new();
    let without = fs::read_to_string(ground.file()).unwrap();
    fs::write(ground.file(), without.clone() + PAID).unwrap();
    ground.reload.run().unwrap();
    fs::write(ground.file(), without).unwrap();
    assert!(ground.refused().contains("plans lack \"pro\""), "{}", ground.refused());
    let catalogue = ground.reload.replaceable.catalogue.now();
    assert!(catalogue.plan(&"pro".into()).is_some());
}

#[test]
fn templates_are_read_again_and_wrong_ones_change_nothing() {
    let mut ground = Ground::new();
    let template = ground.dir.path().join("templates/run_out.subject.txt");
    let before = ground.reload.replaceable.templates.now();
    fs::write(&template, "{{ no_such_thing }}").unwrap();
    ground.write("", "9");
    assert!(ground.refused().contains("run_out.subject.txt"), "{}", ground.refused());
    assert_eq!(ground.credits(), "5");
    assert!(Arc::ptr_eq(&before, &ground.reload.replaceable.templates.now()));
    fs::write(&template, "Out of credits").unwrap();
    ground.reload.run().unwrap();
    assert!(!Arc::ptr_eq(&before, &ground.reload.replaceable.templates.now()));
}

#[test]
fn what_needs_a_restart_is_named_until_it_is_as_it_was() {
    let mut ground = Ground::new();
    ground.write("[server]\nmax_requests = 7\n[credits]\nidempotency_days = 3\n", "5");
    let named = ["credits.idempotency_days", "server.max_requests"];
    for _ in 0..2 {
        let reloaded = ground.reload.run().unwrap();
        assert_eq!(
            (reloaded.taken, reloaded.needs_restart),
            (vec![], named.map(str::to_owned).to_vec())
        );
    }
    ground.write("", "5");
    assert_eq!(ground.reload.run().unwrap(), Reloaded::default());
}

#[test]
fn settings_that_are_gone_are_not_taken_for_the_defaults() {
    let mut ground = Ground::new();
    fs::remove_file(ground.file()).unwrap();
    assert!(ground.refused().contains("cannot be read"), "{}", ground.refused());
}
