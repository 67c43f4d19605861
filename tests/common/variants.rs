//! Files that differ from a sound one in a single place, for the fuzzers to begin with: a
//! mutation of bytes rarely meets the one number or name that a check is about. They are given one
//! by one, since those of a large configuration together are more than a machine's memory.

use serde_json::{Value, json};

/// Gives every JSON value that differs from this one in one place: a number, a text or a flag is
/// another, or a part is missing or there twice.
pub fn of_json(whole: &Value, give: &mut dyn FnMut(Value)) {
    let mut texts = Vec::new();
    collect(whole, &mut texts);
    vary(whole, &texts, give);
}

/// All texts of a value, each once.
fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) if !texts.contains(text) => texts.push(text.clone()),
        Value::Array(parts) => parts.iter().for_each(|part| collect(part, texts)),
        Value::Object(parts) => parts.values().for_each(|part| collect(part, texts)),
        _ => {}
    }
}

fn vary(value: &Value, texts: &[String], give: &mut dyn FnMut(Value)) {
    match value {
        Value::Null => give(json!(1)),
        Value::Bool(flag) => give(json!(!flag)),
        Value::Number(_) => {
            for other in [json!(0), json!(1), json!(2), json!(5000), json!(70_000)] {
                give(other);
            }
            for other in [
                json!(-1),
                json!(0.5),
                json!(0.99),
                json!(1e300),
                json!(1u64 << 40),
                json!(null),
            ] {
                give(other);
            }
        }
        Value::String(text) => {
            // In a suite of many rows every text in place of every other would be millions.
            let most = if texts.len() > 64 { 4 } else { texts.len() - 1 };
            let own = texts.iter().position(|known| known == text);
            let others = texts.iter().cycle().skip(own.unwrap_or(0) + 1);
            for other in others.take(most) {
                give(json!(other));
            }
            give(json!("x"));
        }
        Value::Array(parts) => {
            for i in 0..parts.len() {
                let mut other = parts.clone();
                other.remove(i);
                give(json!(other));
                let mut other = parts.clone();
                other.insert(i, parts[i].clone());
                give(json!(other));
                vary(&parts[i], texts, &mut |part| {
                    let mut other = parts.clone();
                    other[i] = part;
                    give(json!(other));
                });
            }
        }
        Value::Object(parts) => {
            for (key, part) in parts {
                let mut other = parts.clone();
                other.remove(key);
                give(json!(other));
                let mut other = parts.clone();
                let moved = other.remove(key).expect("it is there");
                other.insert("x".into(), moved);
                give(json!(other));
                vary(part, texts, &mut |part| {
                    let mut other = parts.clone();
                    other[key] = part;
                    give(json!(other));
                });
            }
        }
    }
}

/// Gives every safetensors file whose header, or what this program keeps as text in the header,
/// differs in one place; and those with one tensor that is all zeros, or all ones.
pub fn of_safetensors(bytes: &[u8], give: &mut dyn FnMut(Vec<u8>)) {
    let Some(length) = bytes.first_chunk().map(|n| u64::from_le_bytes(*n) as usize) else {
        return;
    };
    let (header, numbers) = bytes[8..].split_at(length);
    let header: Value = serde_json::from_slice(header).expect("a sound file");
    let whole = |header: &Value, numbers: &[u8]| {
        let text = serde_json::to_vec(header).expect("JSON");
        [&(text.len() as u64).to_le_bytes(), &text[..], numbers].concat()
    };
    for (name, part) in header.as_object().expect("an object") {
        if name == "__metadata__" {
            for (key, text) in part.as_object().expect("an object") {
                let inner = text.as_str().expect("text");
                let Ok(inner) = serde_json::from_str(inner) else {
                    continue;
                };
                of_json(&inner, &mut |inner| {
                    let mut header = header.clone();
                    header["__metadata__"][key] = json!(inner.to_string());
                    give(whole(&header, numbers));
                });
            }
            continue;
        }
        // Without it, its numbers and all, nothing else in the file moves but the rest.
        let offsets = &part["data_offsets"];
        let at = |i: usize| offsets[i].as_u64().expect("a place") as usize;
        for fill in [0, 0xFF] {
            let mut numbers = numbers.to_vec();
            numbers[at(0)..at(1)].fill(fill);
            give(whole(&header, &numbers));
        }
        let count = part["shape"].as_array().expect("a shape").iter();
        let count: u64 = count.filter_map(Value::as_u64).product();
        let mut renamed = header.clone();
        let moved = renamed.as_object_mut().expect("an object").remove(name);
        renamed["x"] = moved.expect("it is there");
        give(whole(&renamed, numbers));
        let mut flat = header.clone();
        flat[name]["shape"] = json!([1, 1, count]);
        give(whole(&flat, numbers));
        for dtype in ["F32", "I32", "I64", "U64", "U8", "I8", "F16"] {
            let mut other = header.clone();
            other[name]["dtype"] = json!(dtype);
            other[name]["shape"] = json!([]);
            let size = (at(1) - at(0)) as u64;
            for width in [1, 2, 4, 8] {
                other[name]["shape"] = json!([size / width]);
                give(whole(&other, numbers));
            }
        }
        if let Some((header, numbers)) = shortened(&header, name, numbers) {
            give(whole(&header, &numbers));
        }
    }
}

/// The header and numbers without the tensor `name`.
fn shortened(header: &Value, name: &str, numbers: &[u8]) -> Option<(Value, Vec<u8>)> {
    let mut header = header.clone();
    let all = header.as_object_mut()?;
    let gone = all.remove(name)?;
    let place = |of: &Value, i: usize| of["data_offsets"][i].as_u64();
    let (from, to) = (place(&gone, 0)?, place(&gone, 1)?);
    for (_, part) in all.iter_mut().filter(|(key, _)| *key != "__metadata__") {
        let (start, end) = (place(part, 0)?, place(part, 1)?);
        if start >= to {
            part["data_offsets"] = json!([start - (to - from), end - (to - from)]);
        }
    }
    let rest = [&numbers[..from as usize], &numbers[to as usize..]].concat();
    Some((header, rest))
}
