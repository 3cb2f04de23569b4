//! Forms as Stripe takes them: names with brackets, such as `items[0][price]`.
//!
//! What is read is taken out. A request that leaves something over asks for what the fake does not
//! know, and is refused, so that a test never believes that it was heard.

use crate::calendar::Instant;
use crate::fault::Fault;
use crate::object::Metadata;
use crate::request::{MetadataChange, Patch};
use chrono::DateTime;

/// Parameters that are taken and change nothing here.
const WITHOUT_EFFECT: [&str; 9] = [
    "automatic_tax",
    "cancellation_details",
    "days_until_due",
    "error_if_incomplete",
    "off_session",
    "payment_settings",
    "proration_date",
    "billing_details",
    "payment_intent_data",
];

/// The parameters of a request, each with its whole name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Form {
    prefix: String,
    fields: Vec<(String, String)>,
}

impl Form {
    /// Reads `a=1&b[c]=2`.
    ///
    /// # Errors
    /// When it is not UTF-8 under its percent signs.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let fields = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name), decode(value));
            name.zip(value).ok_or_else(|| Fault::invalid("The request's form is not UTF-8."))
        });
        Ok(Self { prefix: String::new(), fields: fields.collect::<Result<_, _>>()? })
    }

    /// The text of a parameter; empty where it is emptied.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let place = self.fields.iter().rposition(|(field, _)| field == name)?;
        let text = self.fields.remove(place).1;
        self.fields.retain(|(field, _)| field != name);
        Some(text)
    }

    /// The text of a parameter that must be there.
    ///
    /// # Errors
    /// When it is not.
    pub fn required(&mut self, name: &str) -> Result<String, Fault> {
        let text = self.text(name).filter(|text| !text.is_empty());
        text.ok_or_else(|| Fault::required(&self.whole(name)))
    }

    /// A text that an empty one clears.
    pub fn patch(&mut self, name: &str) -> Patch<String> {
        match self.text(name) {
            None => Patch::Keep,
            Some(text) if text.is_empty() => Patch::Clear,
            Some(text) => Patch::Set(text),
        }
    }

    /// A number.
    ///
    /// # Errors
    /// When it is none.
    pub fn number<T: std::str::FromStr>(&mut self, name: &str) -> Result<Option<T>, Fault> {
        let Some(text) = self.text(name).filter(|text| !text.is_empty()) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| Fault {
            code: Some("parameter_invalid_integer"),
            ..Fault::param(&self.whole(name), format!("Invalid integer: {text}"))
        })
    }

    /// Yes or no.
    ///
    /// # Errors
    /// When it is neither.
    pub fn flag(&mut self, name: &str) -> Result<Option<bool>, Fault> {
        match self.text(name).as_deref() {
            None | Some("") => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(text) => Err(Fault::param(&self.whole(name), format!("Invalid boolean: {text}"))),
        }
    }

    /// An instant in seconds.
    ///
    /// # Errors
    /// When it is none.
    pub fn instant(&mut self, name: &str) -> Result<Option<Instant>, Fault> {
        let Some(seconds) = self.number::<i64>(name)? else { return Ok(None) };
        let at = DateTime::from_timestamp(seconds, 0).filter(|_| seconds >= 0);
        let fault = || Fault::param(&self.whole(name), "Invalid timestamp");
        at.map(Some).ok_or_else(fault)
    }

    /// A word of a few.
    ///
    /// # Errors
    /// When it is another.
    pub fn word<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Result<Option<T>, Fault> {
        let Some(text) = self.text(name).filter(|text| !text.is_empty()) else { return Ok(None) };
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        found.map(Some).ok_or_else(|| {
            let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            let message =
                format!("Invalid {}: must be one of {}", self.whole(name), known.join(", or "));
            Fault::param(&self.whole(name), message)
        })
    }

    /// The parameters below a name.
    pub fn under(&mut self, name: &str) -> Self {
        let mut below = Self { prefix: self.whole(name), fields: Vec::new() };
        let open = format!("{name}[");
        self.fields.retain(|(field, text)| match field.strip_prefix(&open) {
            Some(rest) => {
                // `a[b][c]` becomes `b[c]`.
                let inner = rest.replacen(']', "", 1);
                below.fields.push((inner, text.clone()));
                false
            }
            None => true,
        });
        below
    }

    /// The parts of a list, in the order of their numbers: `a[0][b]`, `a[1][b]`; or `a[][b]`.
    pub fn parts(&mut self, name: &str) -> Vec<Self> {
        let mut below = self.under(name);
        let mut keys: Vec<String> = Vec::new();
        for (field, _) in &below.fields {
            let key = field.split('[').next().unwrap_or_default().to_owned();
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys.sort_by_key(|key| key.parse::<u32>().unwrap_or(u32::MAX));
        keys.iter().map(|key| below.under(key)).collect()
    }

    /// The texts of a list: `a[]=1&a[]=2`, or `a[0]=1`.
    pub fn texts(&mut self, name: &str) -> Vec<String> {
        let mut below = self.under(name);
        below.fields.sort_by_key(|(field, _)| field.parse::<u32>().unwrap_or(u32::MAX));
        below.fields.into_iter().map(|(_, text)| text).collect()
    }

    /// Metadata of something new.
    pub fn metadata(&mut self, name: &str) -> Metadata {
        let pairs = self.under(name).fields.into_iter();
        pairs.filter(|(_, text)| !text.is_empty()).collect()
    }

    /// Metadata to be set, and whether all goes first.
    pub fn metadata_change(&mut self, name: &str) -> (MetadataChange, bool) {
        let clears = self.text(name).is_some_and(|text| text.is_empty());
        (self.under(name).fields, clears)
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Refuses what nobody took.
    ///
    /// # Errors
    /// When something is left that would have an effect.
    pub fn finish(self) -> Result<(), Fault> {
        let first = |field: &str| field.split('[').next().unwrap_or_default().to_owned();
        let left = self.fields.iter().map(|(field, _)| field);
        let unknown = left.filter(|field| !WITHOUT_EFFECT.contains(&first(field).as_str())).min();
        unknown.map_or(Ok(()), |field| Err(Fault::unknown_param(&self.whole(field))))
    }

    fn whole(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}[{name}]", self.prefix) }
    }
}

/// Percent signs and pluses.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_names_are_read_part_by_part() {
        let text = "customer=cus_1&items[1][price]=b&items%5B0%5D[price]=a&items[0][quantity]=2\
                    &metadata[account]=a+b%26c&expand[]=x&expand[]=y";
        let mut form = Form::parse(text).unwrap();
        assert_eq!(form.text("customer").as_deref(), Some("cus_1"));
        let mut items = form.parts("items");
        assert_eq!(items.len(), 2);
        assert_eq!(items[0].text("price").as_deref(), Some("a"));
        assert_eq!(items[0].number::<u64>("quantity"), Ok(Some(2)));
        assert_eq!(items[1].text("price").as_deref(), Some("b"));
        assert_eq!(form.metadata("metadata").get("account").map(String::as_str), Some("a b&c"));
        assert_eq!(form.texts("expand"), ["x", "y"]);
        assert_eq!(form.finish(), Ok(()));
    }

    #[test]
    fn what_nobody_took_is_refused_by_its_whole_name() {
        let mut form = Form::parse("items[0][colour]=red&off_session=true").unwrap();
        let item = form.parts("items").remove(0);
        let fault = item.finish().unwrap_err();
        assert_eq!(fault.param.as_deref(), Some("items[0][colour]"));
        assert_eq!(form.finish(), Ok(()), "some are taken without effect");
    }

    #[test]
    fn values_that_cannot_be_are_refused() {
        let mut form = Form::parse("n=x&f=maybe&t=-1&w=c").unwrap();
        assert_eq!(form.number::<u32>("n").unwrap_err().code, Some("parameter_invalid_integer"));
        assert_eq!(form.flag("f").unwrap_err().param.as_deref(), Some("f"));
        assert_eq!(form.instant("t").unwrap_err().status, 400);
        assert_eq!(form.word("w", &[("a", 1), ("b", 2)]).unwrap_err().param.as_deref(), Some("w"));
        assert!(Form::parse("a=%zz").is_err());
    }
}
