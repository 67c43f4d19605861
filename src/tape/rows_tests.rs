use super::*;

#[test]
fn leaves_and_chunks_cover_every_row_once_for_every_batch_size() {
    for capacity in 1..=200 {
        let full = Rows::new(capacity);
        assert_eq!(full.leaves(), capacity.min(LEAVES));
        for live in [1, capacity / 2 + 1, capacity] {
            let rows = Rows { live, ..full };
            let all: Vec<usize> = (0..live).collect();
            let covered: Vec<_> = (0..rows.chunks()).flat_map(|i| rows.of_chunk(i)).collect();
            assert_eq!(covered, all);
            let covered: Vec<_> = (0..rows.leaves()).flat_map(|i| rows.of_leaf(i)).collect();
            assert_eq!(covered, all);
            assert!((0..rows.leaves()).all(|i| !rows.of_leaf(i).is_empty()));
            assert!(rows.chunks() <= Rows::chunks_of(capacity));
            assert!(Rows::chunks_of(capacity) <= CHUNKS);
        }
    }
}

#[test]
fn a_leaf_is_the_same_rows_whatever_is_live() {
    for capacity in 1..=200 {
        let full = Rows::new(capacity);
        for live in 1..=capacity {
            let rows = Rows { live, ..full };
            for i in 0..rows.leaves() {
                let (whole, cut) = (full.of_leaf(i), rows.of_leaf(i));
                assert_eq!(cut, whole.start..whole.end.min(live));
            }
        }
    }
}

#[test]
fn every_row_is_found_in_its_leaf_and_in_its_chunk() {
    for capacity in 1..=100 {
        for live in [1, capacity / 2 + 1, capacity] {
            let rows = Rows {
                live,
                ..Rows::new(capacity)
            };
            for chunk in 0..rows.chunks() {
                let range = rows.of_chunk(chunk);
                assert!(range.len() <= rows.most_of_chunk());
                let leaves: Vec<_> = rows.leaves_in(range.clone()).collect();
                let joined: Vec<_> = leaves.iter().flat_map(|(_, leaf)| leaf.clone()).collect();
                assert_eq!(joined, range.clone().collect::<Vec<_>>());
                for row in range.clone() {
                    assert_eq!(rows.chunk_with(row), (chunk, row - range.start));
                    let begun = leaves.iter().find(|(_, leaf)| leaf.start == row);
                    assert_eq!(rows.leaf_that_begins(row), begun.map(|(i, _)| *i));
                }
            }
        }
    }
}

/// Returns the tree sum by its definition: neighbours in pairs, level by level.
fn tree(mut nodes: Vec<f64>) -> f64 {
    while nodes.len() > 1 {
        nodes = nodes.chunks(2).map(|pair| pair.iter().sum()).collect();
    }
    nodes[0]
}

/// Returns numbers whose sums differ for all orders of addition.
fn spread(i: usize) -> f64 {
    (i as f64 * 0.37).sin() * 10f64.powi((i * 7 % 23) as i32)
}

#[test]
fn a_sum_over_rows_is_the_tree_over_leaves() {
    let mut differ = 0;
    for capacity in 1..=100 {
        for live in [capacity / 2 + 1, capacity] {
            let rows = Rows {
                live,
                ..Rows::new(capacity)
            };
            let leaf = |i| rows.of_leaf(i).map(spread).sum();
            let want = tree((0..rows.leaves()).map(leaf).collect());
            assert_eq!(rows.sum(spread), want, "{live} of {capacity}");
            differ += usize::from(want != (0..live).map(spread).sum::<f64>());
        }
    }
    assert!(differ > 100, "{differ}");
}

#[test]
fn reduce_adds_in_the_tree() {
    let number = |scratch: usize, i: usize| spread(scratch * 31 + i % 97) as f32;
    for chunks in 1..=CHUNKS {
        let scratch = |s| (0..3000).map(|i| number(s, i)).collect::<Vec<f32>>();
        let mut scratch: Vec<Vec<f32>> = (0..chunks).map(scratch).collect();
        let sum = reduce(&mut scratch, |s| s, |s| s);
        let mut sequential = 0;
        for (i, &sum) in sum.iter().enumerate() {
            let mut nodes: Vec<f32> = (0..chunks).map(|s| number(s, i)).collect();
            sequential += usize::from(nodes.iter().sum::<f32>() == sum);
            while nodes.len() > 1 {
                nodes = nodes
                    .chunks(2)
                    .map(|p| p[1..].iter().fold(p[0], |a, b| a + b))
                    .collect();
            }
            assert_eq!(sum, nodes[0], "{chunks} chunks");
        }
        assert!(
            chunks < 4 || sequential < 3000,
            "the test tells no orders apart"
        );
    }
    // In f32, (1e8 + 3) + (3 + 3) keeps more of the 3s than ((1e8 + 3) + 3) + 3.
    let mut scratch = [1e8f32, 3.0, 3.0, 3.0].map(|x| vec![x; 2000]);
    let sum = reduce(&mut scratch, |s| s, |s| s)[1999];
    assert_eq!(sum, (1e8 + 3.0) + 6.0);
    assert_ne!(sum, ((1e8 + 3.0) + 3.0) + 3.0);
}
