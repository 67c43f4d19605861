//! The tables that come with the program, by name: those in `results/` when it was built.

/// The tables on MNIST, in alphabetical order, each with the text of its JSON file.
const TABLES: [(&str, &str); 7] = [
    (
        "anneal-mnist",
        include_str!("../../results/anneal-mnist.json"),
    ),
    ("best-mnist", include_str!("../../results/best-mnist.json")),
    (
        "estimators-mnist",
        include_str!("../../results/estimators-mnist.json"),
    ),
    ("mlp-mnist", include_str!("../../results/mlp-mnist.json")),
    (
        "mlp-tuned-mnist",
        include_str!("../../results/mlp-tuned-mnist.json"),
    ),
    (
        "reference-mnist",
        include_str!("../../results/reference-mnist.json"),
    ),
    (
        "tuned-mnist",
        include_str!("../../results/tuned-mnist.json"),
    ),
];

/// The names of the tables that come with the program.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLES.iter().map(|(name, _)| *name)
}

/// The text of the table of that name that comes with the program.
pub fn text(name: &str) -> Option<&'static str> {
    let found = TABLES.iter().find(|(own, _)| *own == name);
    found.map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::study::Table;

    #[test]
    fn each_is_a_sound_table_of_its_name() {
        for name in names() {
            let table = Table::parse(text(name).unwrap(), Path::new(name)).unwrap();
            assert_eq!(format!("{}-mnist", table.suite), name);
            assert!(!table.rows.is_empty() && !table.validation, "{name}");
        }
        assert!(text("none").is_none());
    }
}
