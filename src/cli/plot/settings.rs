//! Which runs differ in their seed alone, and what each of the others is called.

use bnn_cpu::draw::facets::Setting;
use bnn_cpu::train::{Config, RunFolder};

use super::super::output;
use super::super::result::parts;

/// What a configuration is, in words that are joined by commas.
pub fn setting(config: &Config) -> Setting {
    let mut parts = parts(config);
    let model = parts.remove(0);
    let name = std::iter::once(&model).chain(&parts).map(String::as_str);
    let name = name.collect::<Vec<_>>().join(", ");
    let mut three = parts.into_iter();
    Setting {
        name,
        parts: [(); 3].map(|()| three.next().unwrap_or_default()),
    }
}

/// The number of each run's setting, and the settings. Where words alone do not tell two of
/// them apart, the folder of the first run of each stands beside its own.
pub fn settings(runs: &[RunFolder]) -> (Vec<usize>, Vec<Setting>) {
    let (mut lines, mut firsts): (Vec<usize>, Vec<&RunFolder>) = (Vec::new(), Vec::new());
    for run in runs {
        let known = firsts.iter().position(|first| {
            let mut other = run.config().clone();
            other.seed = first.config().seed;
            other == *first.config()
        });
        lines.push(known.unwrap_or(firsts.len()));
        if known.is_none() {
            firsts.push(run);
        }
    }
    let mut settings: Vec<Setting> = firsts.iter().map(|run| setting(run.config())).collect();
    let names: Vec<String> = settings
        .iter()
        .map(|setting| setting.name.clone())
        .collect();
    for ((setting, run), name) in settings.iter_mut().zip(&firsts).zip(&names) {
        if names.iter().filter(|other| *other == name).count() > 1 {
            let folder = run.path().file_name().unwrap_or(run.path().as_os_str());
            let folder = output::one_line(&folder.to_string_lossy()).replace(", ", " ");
            setting.name += &format!(", {}", without_seed(&folder));
        }
    }
    (lines, settings)
}

/// A folder's name without the seed at its end, which is not that of all its runs.
fn without_seed(folder: &str) -> &str {
    let stem = folder.trim_end_matches(|c: char| c.is_ascii_digit());
    let stem = stem
        .strip_suffix("-seed")
        .or_else(|| stem.strip_suffix('-'));
    match stem {
        Some(stem) if !stem.is_empty() => stem,
        _ => folder,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_at_the_end_of_a_name_is_left_out() {
        let names = ["det-both-st-seed3", "a", "net-2", "12", "seed", "-3"];
        let stems = ["det-both-st", "a", "net", "12", "seed", "-3"];
        assert_eq!(names.map(without_seed), stems);
    }
}
