//! Records of epochs as files.

use super::*;

/// A record of a run that began before units were watched.
const OLD: &str = r#"{"epoch":1,"train_loss":0.5,"train_accuracy":0.9,"val_loss":null,"val_accuracy":null,"slope":1.0,"lr":0.1,"img_per_s":2.0,"seconds":3.0}"#;

fn history() -> [EpochRecord; 2] {
    let old: EpochRecord = serde_json::from_str(OLD).unwrap();
    let mut new = EpochRecord {
        epoch: 2,
        saturated: Some(0.25),
        ..old.clone()
    };
    new.saturated_layers.insert("a,b".into(), 0.5);
    [old, new]
}

fn origin() -> Origin {
    Origin {
        run_id: "0123456789abcdef0123456789abcdef".into(),
        config_sha256: seal::sha256(b"{}"),
    }
}

fn path() -> &'static Path {
    Path::new("metrics.jsonl")
}

#[test]
fn shares_have_columns_where_any_epoch_has_them() {
    let history = history();
    let columns: Vec<_> = SHARES.iter().map(|s| s.columns(&history)).collect();
    assert_eq!(
        columns,
        [vec![], vec![None, Some("a,b".to_string())], vec![]]
    );
    let csv = to_csv(&history);
    let lines: Vec<&str> = csv.lines().collect();
    assert!(
        lines[0].ends_with(",seconds,saturated,saturated a_b"),
        "{csv}"
    );
    assert_eq!(lines[1], "1,0.5,0.9,,,1,0.1,2,3,,");
    assert_eq!(lines[2], "2,0.5,0.9,,,1,0.1,2,3,0.25,0.5");
}

#[test]
fn lines_are_read_as_they_were_written_and_older_ones_too() {
    for origin in [None, Some(origin())] {
        let text = to_lines(&history(), origin.as_ref(), path()).unwrap();
        let found = lines(text.as_bytes(), path()).unwrap();
        assert!(found.iter().all(|line| line.origin == origin));
        let records: Vec<_> = found.into_iter().map(|line| line.record).collect();
        assert_eq!(records, history());
    }
    assert_eq!(
        lines(OLD.as_bytes(), path()).unwrap()[0].record,
        history()[0]
    );
}

#[test]
fn a_flipped_bit_anywhere_is_damage() {
    let text = to_lines(&history(), Some(&origin()), path()).unwrap();
    for at in 0..text.len() {
        for bit in 0..8 {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let found = lines(&bytes, path());
            assert!(found.is_err(), "byte {at}, bit {bit}: {found:?}");
        }
    }
}

#[test]
fn a_line_that_a_crash_cut_off_is_left_out_and_no_other() {
    let text = to_lines(&history(), Some(&origin()), path()).unwrap();
    let first = text.find('\n').unwrap() + 1;
    for length in 0..=text.len() {
        let found = lines(&text.as_bytes()[..length], path()).unwrap();
        let whole = match length {
            n if n + 1 < first => 0,
            n if n + 1 < text.len() => 1,
            _ => 2,
        };
        assert_eq!(found.len(), whole, "{length} bytes");
    }
    let broken = format!("{}\n{}", &text[..first / 2], &text[first..]);
    let error = lines(broken.as_bytes(), path()).unwrap_err().to_string();
    assert!(error.contains("line 1 is damaged"), "{error}");
}

#[test]
fn epochs_that_are_missing_or_impossible_are_refused() {
    let [one, two] = history();
    check(&[one.clone(), two.clone()], path()).unwrap();
    for records in [
        vec![two.clone()],
        vec![one.clone(), one.clone()],
        vec![EpochRecord {
            slope: 0.0,
            ..one.clone()
        }],
        vec![EpochRecord {
            train_accuracy: 1.5,
            ..one.clone()
        }],
    ] {
        check(&records, path()).unwrap_err();
    }
}
