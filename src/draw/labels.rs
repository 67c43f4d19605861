//! Names at the ends of lines: each as near to its line as the others let it.

/// Where the middles of labels stand that would like to stand at `wanted`: none nearer to
/// another than `height`, all between `low` and `high` as far as there is room, in the order of
/// what they want. Together they are moved as little as can be (least squares).
pub fn spread(wanted: &[f64], height: f64, (low, high): (f64, f64)) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|&a, &b| wanted[a].total_cmp(&wanted[b]).then(a.cmp(&b)));
    // Less `height` for each label before it, the places only have to grow: pools of labels that
    // touch each other share their mean.
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (i, &label) in order.iter().enumerate() {
        let mut pool = (wanted[label] - i as f64 * height, 1);
        while let Some(&(before, count)) = pools.last()
            && before > pool.0
        {
            let all = count + pool.1;
            pool.0 = (before * count as f64 + pool.0 * pool.1 as f64) / all as f64;
            pool.1 = all;
            pools.pop();
        }
        pools.push(pool);
    }
    let (first, last) = (
        low + height / 2.0,
        high - height / 2.0 - height * (wanted.len().max(1) - 1) as f64,
    );
    let mut places = vec![0.0; wanted.len()];
    let flat = pools
        .iter()
        .flat_map(|&(place, count)| std::iter::repeat_n(place, count));
    for (i, (&label, place)) in order.iter().zip(flat).enumerate() {
        places[label] = place.min(last).max(first) + i as f64 * height;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_keep_apart_and_in_order_and_where_they_can_stay() {
        assert_eq!(spread(&[50.0, 10.0], 12.0, (0.0, 100.0)), [50.0, 10.0]);
        assert_eq!(spread(&[50.0, 50.0], 12.0, (0.0, 100.0)), [44.0, 56.0]);
        // At the edges they are pushed inwards.
        assert_eq!(spread(&[99.0, 99.0], 12.0, (0.0, 100.0)), [82.0, 94.0]);
        let wanted = [3.0, 4.0, 90.0, 41.0, 42.0, 43.0, 5.0, 97.0];
        let places = spread(&wanted, 12.0, (0.0, 100.0));
        for i in 0..wanted.len() {
            assert!(
                places[i] >= 6.0 - 1e-9 && places[i] <= 94.0 + 1e-9,
                "{places:?}"
            );
            for j in 0..i {
                assert!((places[i] - places[j]).abs() > 12.0 - 1e-9, "{places:?}");
                assert_eq!(places[i] > places[j], wanted[i] > wanted[j]);
            }
        }
        assert!(spread(&[], 12.0, (0.0, 1.0)).is_empty());
        // More than there is room for: apart all the same, down from the upper edge.
        assert_eq!(spread(&[5.0; 3], 12.0, (0.0, 20.0)), [6.0, 18.0, 30.0]);
    }
}
