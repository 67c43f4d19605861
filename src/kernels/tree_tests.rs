use alloc::format;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::ops::Range;

use super::*;

/// Returns the tree as it is defined, level by level, in text form.
fn by_levels(leaves: usize) -> String {
    let mut nodes: Vec<String> = (0..leaves).map(|i| i.to_string()).collect();
    while nodes.len() > 1 {
        nodes = nodes
            .chunks(2)
            .map(|pair| match pair {
                [a, b] => format!("({a}+{b})"),
                rest => rest[0].clone(),
            })
            .collect();
    }
    nodes.pop().unwrap()
}

/// Returns the tree as [`steps`] traverses it, and the largest number of buffers in use.
fn by_steps(leaves: usize) -> (String, usize) {
    let mut held: Vec<String> = Vec::new();
    let mut most = 0;
    for step in steps(leaves) {
        match step {
            Step::Leaf { leaf, to } => {
                assert_eq!(to, held.len(), "the next free buffer");
                held.push(leaf.to_string());
            }
            Step::Merge { into } => {
                assert_eq!(into + 2, held.len(), "the last two buffers");
                let right = held.pop().unwrap();
                held[into] = format!("({}+{right})", held[into]);
            }
        }
        most = most.max(held.len());
    }
    assert_eq!(held.len(), 1);
    (held.pop().unwrap(), most)
}

#[test]
fn the_counter_goes_through_the_tree_of_pairs() {
    for leaves in 1..=70 {
        let (tree, most) = by_steps(leaves);
        assert_eq!(tree, by_levels(leaves));
        assert_eq!(most, buffers(leaves), "{leaves} leaves");
    }
    assert_eq!(by_levels(7), "(((0+1)+(2+3))+((4+5)+6))");
    assert_eq!(steps(0).count(), 0);
}

#[test]
fn an_owner_of_a_run_of_leaves_finds_the_nodes_of_the_whole_tree() {
    for leaves in 1..=70usize {
        let whole = by_levels(leaves);
        for size in [1, 2, 4, 8, 16, 32, 64] {
            for first in (0..leaves).step_by(size) {
                let own = by_levels(size.min(leaves - first));
                // The tree is the same with its leaves numbered from `first`.
                let number = |text: &str| (text.parse::<usize>().unwrap() + first).to_string();
                let mut node = String::new();
                for part in own.split_inclusive(['(', ')', '+']) {
                    let digits = part.trim_end_matches(['(', ')', '+']);
                    if !digits.is_empty() {
                        node += &number(digits);
                    }
                    node += &part[digits.len()..];
                }
                let bounded = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_digit());
                let found = whole.match_indices(&node).any(|(at, _)| {
                    bounded(whole[..at].chars().last())
                        && bounded(whole[at + node.len()..].chars().next())
                });
                assert!(found, "{node} is no node of {whole}");
            }
        }
    }
}

#[test]
fn the_sum_is_the_tree_s_and_not_the_sequential_one() {
    // In f32 adding 1 to 1e8 changes nothing, and adding 1 + 1 changes it every fourth time.
    let leaf = |i: usize| if i == 0 { 1e8f32 } else { 3.0 };
    let tree = fold(8, leaf, |a, b| a + b);
    let sequential = (0..8).map(leaf).fold(0.0, |a, b| a + b);
    let pair = |i| leaf(i) + leaf(i + 1);
    assert_eq!(tree, (pair(0) + pair(2)) + (pair(4) + pair(6)));
    assert_ne!(tree, sequential);
    for leaves in 1..=MAX_LEAVES {
        // Integers are exact in every order, so the sum shows that no leaf is lost or counted
        // twice.
        let sum = fold(leaves, |i| (i + 1) as f64, |a, b| a + b);
        assert_eq!(sum, (leaves * (leaves + 1) / 2) as f64);
    }
    assert_eq!(fold(0, |_| 1.0f64, |a, b| a + b), 0.0);
}

#[test]
fn a_merge_finds_its_two_buffers() {
    let mut buffers = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let (left, right) = pair(&mut buffers, 2, 1);
    assert_eq!((&*left, right), (&[3.0, 4.0][..], &[5.0, 6.0][..]));
}

/// However the leaves are shared out, the largest nodes of each share make the tree, and no share
/// has more of them than twice the number of levels.
#[test]
fn nodes_of_owners_make_the_tree() {
    for leaves in 1..=70usize {
        for owners in 1..=20 {
            let run = |i: usize| leaves * i / owners..leaves * (i + 1) / owners;
            let mut nodes = Vec::new();
            for i in 0..owners {
                let before = nodes.len();
                nodes.extend(nodes_within(run(i), leaves));
                assert!(nodes.len() - before <= 2 * buffers(leaves));
                let covered: Vec<usize> = nodes[before..].iter().cloned().flatten().collect();
                assert_eq!(covered, run(i).collect::<Vec<_>>());
            }
            if owners == 1 {
                assert!(nodes.len() == 1 && nodes[0] == (0..leaves));
            }
            let text = |node: &Range<usize>| {
                let own = by_levels(node.len());
                let shift = |part: &str| match part.parse::<usize>() {
                    Ok(leaf) => (leaf + node.start).to_string(),
                    Err(_) => part.to_string(),
                };
                let mut parts = vec![String::new()];
                for c in own.chars() {
                    match c.is_ascii_digit() {
                        true => parts.last_mut().unwrap().push(c),
                        false => parts.extend([c.to_string(), String::new()]),
                    }
                }
                parts.iter().map(|part| shift(part)).collect::<String>()
            };
            let mut sums: Vec<String> = nodes.iter().map(text).collect();
            for (into, from) in merges(&nodes, leaves) {
                sums[into] = format!("({}+{})", sums[into], sums[from]);
            }
            assert_eq!(sums[0], by_levels(leaves), "{owners} owners");
        }
    }
    assert!(merges(&[], 0).is_empty());
}

#[test]
#[should_panic(expected = "no nodes of the tree")]
fn what_is_no_node_is_refused() {
    merges(&[0..1, 1..3, 3..4], 4);
}
