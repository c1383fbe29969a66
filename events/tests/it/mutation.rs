//! Hostile JSON: a text that is right, and then is not. Nodes are replaced by others, names are
//! lost, bytes are overwritten, the end is missing.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

/// What parsers stumble over.
fn nasty() -> Vec<Value> {
    let nested = (0..100).fold(json!(null), |inner, _| json!([inner]));
    vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(1e300),
        json!(""),
        json!("\0"),
        json!("\u{202e}\u{feff}e\u{301}"),
        json!("2026-02-30T25:61:61Z"),
        json!("+292278994-08-17T07:12:55.807Z"),
        json!("-262144-01-01T00:00:00Z"),
        json!("00000000-0000-0000-0000-000000000000"),
        json!("A".repeat(201)),
        json!([]),
        json!({}),
        nested,
    ]
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        select(nasty()),
        any::<i64>().prop_map(|number| json!(number)),
        any::<String>().prop_map(Value::String),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((".{0,8}", inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

#[derive(Debug, Clone)]
enum Edit {
    Replace(Index, Value),
    Remove(Index),
    Add(Index, String, Value),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => (any::<Index>(), any_value()).prop_map(|(node, value)| Edit::Replace(node, value)),
        1 => any::<Index>().prop_map(Edit::Remove),
        1 => (any::<Index>(), ".{0,8}", any_value())
            .prop_map(|(node, name, value)| Edit::Add(node, name, value)),
    ]
}

fn size(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(fields) => fields.values().map(size).sum(),
        _ => 0,
    }
}

/// The node with this number, counted from the root as one reads.
fn node(value: &mut Value, mut number: usize) -> Option<&mut Value> {
    if number == 0 {
        return Some(value);
    }
    number -= 1;
    let inner: Vec<&mut Value> = match value {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(fields) => fields.values_mut().collect(),
        _ => return None,
    };
    for value in inner {
        let nodes = size(value);
        if number < nodes {
            return node(value, number);
        }
        number -= nodes;
    }
    None
}

fn apply(value: &mut Value, edit: Edit) {
    let nodes = size(value);
    let (Edit::Replace(index, _) | Edit::Remove(index) | Edit::Add(index, ..)) = &edit;
    let Some(node) = node(value, index.index(nodes)) else { return };
    match edit {
        Edit::Replace(_, by) => *node = by,
        Edit::Add(_, name, value) => match node {
            Value::Object(fields) => drop(fields.insert(name, value)),
            Value::Array(items) => items.push(value),
            _ => {}
        },
        Edit::Remove(index) => match node {
            Value::Object(fields) if !fields.is_empty() => {
                let name = fields.keys().nth(index.index(fields.len())).cloned();
                name.map(|name| fields.remove(&name));
            }
            Value::Object(_) => *node = Value::Object(Map::new()),
            Value::Array(items) => drop(items.pop()),
            _ => *node = Value::Null,
        },
    }
}

/// One of these values after up to three edits, as text; in one of four also with bytes that are
/// not what they were.
pub(crate) fn mutated(seeds: Vec<Value>) -> impl Strategy<Value = Vec<u8>> {
    let bytes = (prop::collection::vec((any::<Index>(), any::<u8>()), 0..4), any::<Index>());
    let edits = prop::collection::vec(edit(), 0..4);
    (select(seeds), edits, prop::option::weighted(0.25, bytes)).prop_map(|(seed, edits, bytes)| {
        let mut value = seed;
        for edit in edits {
            apply(&mut value, edit);
        }
        let mut text = value.to_string().into_bytes();
        if let Some((overwritten, end)) = bytes {
            for (place, byte) in overwritten {
                let place = place.index(text.len());
                text[place] = byte;
            }
            text.truncate(text.len() - end.index(text.len()) / 4);
        }
        text
    })
}
