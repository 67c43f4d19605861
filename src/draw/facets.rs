//! Many lines in few panels: by where binary units stand, how they fire, or what estimates
//! their gradients.

/// A setting whose runs differ in their seed alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// Its parts, joined by commas, as `seed-net, both binary, det, st`.
    pub name: String,
    /// Where its binary units stand, how they fire, and their estimator, each as the name has
    /// it; empty where there is none.
    pub parts: [String; 3],
}

/// Lines that a panel has at most, where it can be helped.
pub const MOST: usize = 8;

/// A setting in a panel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its number among the panels.
    pub panel: usize,
    /// What it is called there.
    pub label: String,
    /// The number of its colour: alike labels have one.
    pub colour: usize,
}

/// Where settings are drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facets {
    /// What all settings have in common.
    pub common: String,
    /// The titles of the panels; a single one has none.
    pub panels: Vec<String>,
    /// A place for each setting.
    pub places: Vec<Place>,
}

/// The parts by which panels can be told apart, in the order in which they are tried.
const WAYS: [&[usize]; 7] = [&[0], &[1], &[2], &[0, 1], &[0, 2], &[1, 2], &[0, 1, 2]];

impl Facets {
    /// Few panels, none with more than [`MOST`] lines where that can be.
    pub fn of(settings: &[Setting]) -> Self {
        let names: Vec<Vec<&str>> = settings
            .iter()
            .map(|s| s.name.split(", ").collect())
            .collect();
        let everywhere = |part: &&str| names.iter().all(|name| name.contains(part));
        let common: Vec<&str> = match names.first() {
            Some(first) => first.iter().copied().filter(|p| everywhere(p)).collect(),
            None => Vec::new(),
        };
        let title = |setting: &Setting, way: &[usize]| {
            let parts = way.iter().map(|&i| setting.parts[i].as_str());
            let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
            parts.join(", ")
        };
        let (panels, way) = match settings.len() {
            0..=MOST => (vec![String::new()], &[][..]),
            _ => best(settings, title),
        };
        let mut labels: Vec<String> = Vec::new();
        let place = |(setting, name): (&Setting, &Vec<&str>)| {
            let shown = title(setting, way);
            let said: Vec<&str> = way.iter().map(|&i| setting.parts[i].as_str()).collect();
            let rest = name
                .iter()
                .filter(|p| !common.contains(p) && !said.contains(p));
            let label = rest.copied().collect::<Vec<_>>().join(", ");
            let known = labels.iter().position(|l| *l == label);
            let colour = known.unwrap_or_else(|| {
                labels.push(label.clone());
                labels.len() - 1
            });
            Place {
                panel: panels.iter().position(|p| *p == shown).unwrap_or(0),
                label,
                colour,
            }
        };
        let places = settings.iter().zip(&names).map(place).collect();
        Self {
            common: common.join(", "),
            panels,
            places,
        }
    }
}

/// The titles of panels, and the parts that tell them apart: the fewest panels of which none has
/// too many lines; where there are no such, those whose fullest has the fewest.
fn best(
    settings: &[Setting],
    title: impl Fn(&Setting, &[usize]) -> String,
) -> (Vec<String>, &'static [usize]) {
    let split = |way: &'static [usize]| {
        let all: Vec<String> = settings.iter().map(|s| title(s, way)).collect();
        let mut titles: Vec<String> = Vec::new();
        for one in &all {
            if !titles.contains(one) {
                titles.push(one.clone());
            }
        }
        let lines = |one: &String| all.iter().filter(|other| *other == one).count();
        let fullest = titles.iter().map(lines).max().unwrap_or(0);
        (fullest.max(MOST), titles.len(), titles, way)
    };
    let ways = WAYS.into_iter().map(split);
    let best = ways.min_by_key(|(fullest, count, ..)| (*fullest, *count));
    best.map_or_else(|| (vec![String::new()], &[][..]), |b| (b.2, b.3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(place: &str, mode: &str, estimator: &str) -> Setting {
        let parts = [place, mode, estimator].map(String::from);
        let named = parts.iter().filter(|p| !p.is_empty()).cloned();
        let name = std::iter::once("net".to_string()).chain(named);
        Setting {
            name: name.collect::<Vec<_>>().join(", "),
            parts,
        }
    }

    #[test]
    fn few_settings_share_a_panel_and_are_called_by_what_differs() {
        let few = [setting("both", "det", "st"), setting("both", "stoch", "st")];
        let facets = Facets::of(&few);
        assert_eq!(
            (facets.common.as_str(), facets.panels.len()),
            ("net, both, st", 1)
        );
        let labels: Vec<_> = facets
            .places
            .iter()
            .map(|p| (p.label.as_str(), p.colour))
            .collect();
        assert_eq!(labels, [("det", 0), ("stoch", 1)]);
        assert_eq!(Facets::of(&few[..1]).places[0].label, "");
    }

    #[test]
    fn many_settings_get_panels_in_which_alike_ones_have_one_colour() {
        let mut many = vec![setting("none", "", "")];
        for place in ["first", "last", "both"] {
            for mode in ["det", "stoch"] {
                many.extend(["st", "sign", "arm"].map(|e| setting(place, mode, e)));
            }
        }
        let facets = Facets::of(&many);
        // 19 lines: by estimator there would be four panels too, by place there are none fuller
        // than six, and by place comes first.
        assert_eq!(facets.panels, ["none", "first", "last", "both"]);
        for panel in 0..4 {
            let within = facets.places.iter().filter(|p| p.panel == panel);
            let within: Vec<_> = within.collect();
            assert!(within.len() <= MOST && !within.is_empty());
            let mut colours: Vec<_> = within.iter().map(|p| p.colour).collect();
            colours.sort_unstable();
            colours.dedup();
            assert_eq!(colours.len(), within.len(), "told apart within a panel");
        }
        let arms = facets.places.iter().filter(|p| p.label == "stoch, arm");
        let arms: Vec<usize> = arms.map(|p| p.colour).collect();
        assert_eq!(arms, [arms[0]; 3], "one colour in all panels");
    }
}
