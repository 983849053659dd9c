//! The parameters of a call, from a JSON body or from a query string. An explicit `null` counts as
//! absent (docs/protocol.md, section 1.5). A value of the wrong type is refused with an error that
//! names it.

use serde_json::{Map, Value};

use crate::simulator::protocol::decode;
use crate::simulator::protocol::reply::Refusal;

/// The parameters of one call, or the members of an object among them.
#[derive(Debug)]
pub(crate) struct Fields {
    values: Map<String, Value>,
    /// In a query everything is text: numbers are read from it, lists are separated by commas.
    from_query: bool,
}

impl Fields {
    pub(crate) fn from_query(query: Option<&str>) -> Result<Self, Refusal> {
        let pairs = decode::query(query)
            .ok_or_else(|| Refusal::bad_request("The query string is not valid"))?;
        let values = pairs
            .into_iter()
            .map(|(name, value)| (name, Value::String(value)));
        Ok(Self {
            values: values.collect(),
            from_query: true,
        })
    }

    pub(crate) fn from_body(body: &[u8]) -> Result<Self, Refusal> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(values)) => Ok(Self {
                values,
                from_query: false,
            }),
            Ok(_) => Err(bad_json("the body is not a JSON object")),
            Err(error) => Err(bad_json(&error.to_string())),
        }
    }

    pub(crate) fn of_object(value: &Value, name: &str) -> Result<Self, Refusal> {
        match value {
            Value::Object(values) => Ok(Self {
                values: values.clone(),
                from_query: false,
            }),
            _ => Err(wrong_type(name, "an object")),
        }
    }

    /// The value, if it is present and not `null`.
    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn string(&self, name: &str) -> Result<Option<&str>, Refusal> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong_type(name, "a string")),
        }
    }

    pub(crate) fn required_string(&self, name: &str) -> Result<&str, Refusal> {
        self.string(name)?.ok_or_else(|| missing(name))
    }

    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let number = match self.value(name) {
            None => return Ok(None),
            Some(Value::String(text)) if self.from_query => text.parse().ok(),
            Some(value) => value.as_i64(),
        };
        number
            .map(Some)
            .ok_or_else(|| wrong_type(name, "an integer"))
    }

    pub(crate) fn required_integer(&self, name: &str) -> Result<i64, Refusal> {
        self.integer(name)?.ok_or_else(|| missing(name))
    }

    pub(crate) fn boolean(&self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(Value::String(text)) if self.from_query && text == "true" => Ok(Some(true)),
            Some(Value::String(text)) if self.from_query && text == "false" => Ok(Some(false)),
            Some(_) => Err(wrong_type(name, "true or false")),
        }
    }

    pub(crate) fn object(&self, name: &str) -> Result<Option<Self>, Refusal> {
        self.value(name)
            .map(|value| Self::of_object(value, name))
            .transpose()
    }

    pub(crate) fn array(&self, name: &str) -> Result<Option<&[Value]>, Refusal> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(_) => Err(wrong_type(name, "an array")),
        }
    }

    pub(crate) fn strings(&self, name: &str) -> Result<Option<Vec<String>>, Refusal> {
        if let (true, Some(Value::String(text))) = (self.from_query, self.value(name)) {
            return Ok(Some(text.split(',').map(str::to_owned).collect()));
        }
        let Some(items) = self.array(name)? else {
            return Ok(None);
        };
        let strings = items.iter().map(|item| item.as_str().map(str::to_owned));
        let strings: Option<Vec<String>> = strings.collect();
        strings
            .map(Some)
            .ok_or_else(|| wrong_type(name, "an array of strings"))
    }

    /// Reads how many rows a listing may return. Absent or 0 means the default, and a number beyond
    /// the limit is `out_of_range` (docs/protocol.md, section 9.4).
    pub(crate) fn count(&self, name: &str, default: usize, max: usize) -> Result<usize, Refusal> {
        match self.integer(name)? {
            None | Some(0) => Ok(default),
            Some(count) => usize::try_from(count)
                .ok()
                .filter(|count| *count <= max)
                .ok_or_else(|| {
                    Refusal::new(400, "out_of_range", format!("{name} out of range: {count}"))
                }),
        }
    }

    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.values.iter()
    }
}

pub(crate) fn missing(name: &str) -> Refusal {
    Refusal::bad_request(format!("required field {name} is missing"))
}

fn wrong_type(name: &str, expected: &str) -> Refusal {
    Refusal::bad_request(format!("field {name} must be {expected}"))
}

fn bad_json(reason: &str) -> Refusal {
    Refusal::new(400, "bad_json", format!("Bad request: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_absent_and_a_wrong_type_is_named() {
        let fields = Fields::from_body(br#"{"prefix": null, "delimiter": 7, "n": 1.5}"#).unwrap();
        assert_eq!(fields.string("prefix"), Ok(None));
        let refusal = fields.string("delimiter").unwrap_err();
        assert_eq!(
            refusal,
            Refusal::bad_request("field delimiter must be a string")
        );
        assert!(fields.integer("n").is_err());
        assert_eq!(Fields::from_body(b"[]").unwrap_err().code, "bad_json");
        assert_eq!(Fields::from_body(b"{").unwrap_err().code, "bad_json");
        assert_eq!(
            fields.required_string("prefix").unwrap_err().code,
            "bad_request"
        );
    }

    #[test]
    fn queries_carry_numbers_and_lists_as_text() {
        let fields = Fields::from_query(Some("maxFileCount=7&bucketTypes=all,shared")).unwrap();
        assert_eq!(fields.count("maxFileCount", 100, 1000), Ok(7));
        assert_eq!(fields.strings("bucketTypes").unwrap().unwrap().len(), 2);
    }

    #[test]
    fn counts_out_of_range_quote_the_number() {
        let fields = Fields::from_body(br#"{"maxFileCount": 10001, "zero": 0}"#).unwrap();
        let refusal = fields.count("maxFileCount", 100, 10_000).unwrap_err();
        assert_eq!(refusal.code, "out_of_range");
        assert_eq!(refusal.message, "maxFileCount out of range: 10001");
        assert_eq!(fields.count("zero", 100, 10_000), Ok(100));
    }
}
