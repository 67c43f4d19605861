//! Constants of a file: numbers with their sides, and what operators make of constants alone.

use super::file::Node;

/// Numbers with their sides, the last side the fastest.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Array {
    pub sides: Vec<usize>,
    pub numbers: Vec<f32>,
}

type Read<T> = Result<T, String>;

impl Array {
    /// One number.
    pub fn one(number: f32) -> Self {
        Self {
            sides: Vec::new(),
            numbers: vec![number],
        }
    }

    /// The number, if it is one alone.
    pub fn single(&self) -> Option<f32> {
        match self.numbers[..] {
            [one] => Some(one),
            _ => None,
        }
    }

    /// These numbers with other sides.
    pub fn reshaped(&self, sides: &[i64]) -> Read<Self> {
        let mut made: Vec<usize> = Vec::new();
        for (i, &side) in sides.iter().enumerate() {
            made.push(match side {
                -1 => 1,
                0 => self.sides.get(i).copied().unwrap_or(1),
                side => usize::try_from(side).unwrap_or(0),
            });
        }
        let known = made.iter().try_fold(1usize, |n, &side| n.checked_mul(side));
        if let Some(i) = sides.iter().position(|&side| side == -1) {
            made[i] = self.numbers.len() / known.unwrap_or(0).max(1);
        }
        let count = made.iter().try_fold(1usize, |n, &side| n.checked_mul(side));
        match count == Some(self.numbers.len()) {
            true => Ok(Self {
                sides: made,
                numbers: self.numbers.clone(),
            }),
            false => Err("gives a constant sides that do not hold its numbers".into()),
        }
    }

    /// The numbers with their sides in another order; reversed where none is given.
    pub fn transposed(&self, order: &[i64]) -> Read<Self> {
        let rank = self.sides.len();
        let order: Vec<usize> = match order {
            [] => (0..rank).rev().collect(),
            order => order.iter().map(|&i| i as usize).collect(),
        };
        let mut all = order.clone();
        all.sort_unstable();
        if all != (0..rank).collect::<Vec<_>>() {
            return Err("turns a constant into an order that has other sides".into());
        }
        let steps = steps(&self.sides);
        let sides: Vec<usize> = order.iter().map(|&i| self.sides[i]).collect();
        let from: Vec<usize> = order.iter().map(|&i| steps[i]).collect();
        let numbers = places(&sides, &from).map(|i| self.numbers[i]).collect();
        Ok(Self { sides, numbers })
    }

    /// The numbers as often as the sides of a larger array need them, as broadcasting has it.
    fn spread(&self, sides: &[usize]) -> Read<Vec<f32>> {
        if self.sides == sides {
            return Ok(self.numbers.clone());
        }
        let missing = sides.len().checked_sub(self.sides.len());
        let missing = missing.ok_or("has constants that do not fit one another")?;
        let mut from = vec![0; sides.len()];
        for (i, step) in steps(&self.sides).into_iter().enumerate() {
            match self.sides[i] {
                1 => {}
                side if side == sides[missing + i] => from[missing + i] = step,
                _ => return Err("has constants that do not fit one another".into()),
            }
        }
        Ok(places(sides, &from).map(|i| self.numbers[i]).collect())
    }

    /// A function of numbers that stand at the same place of several arrays. The largest array has
    /// the sides of the result.
    pub fn combined(all: &[&Array], of: impl Fn(&[f32]) -> f32) -> Read<Self> {
        let largest = all.iter().max_by_key(|a| (a.numbers.len(), a.sides.len()));
        let sides = &largest.ok_or("has no inputs")?.sides;
        let spread: Vec<Vec<f32>> = all.iter().map(|a| a.spread(sides)).collect::<Read<_>>()?;
        let mut row = vec![0.0; all.len()];
        let numbers = (0..spread.first().map_or(0, Vec::len)).map(|i| {
            row.iter_mut()
                .zip(&spread)
                .for_each(|(to, from)| *to = from[i]);
            of(&row)
        });
        Ok(Self {
            sides: sides.clone(),
            numbers: numbers.collect(),
        })
    }
}

/// How far neighbours along each side lie apart.
fn steps(sides: &[usize]) -> Vec<usize> {
    let mut steps = vec![1; sides.len()];
    for i in (1..sides.len()).rev() {
        steps[i - 1] = steps[i] * sides[i];
    }
    steps
}

/// Where the numbers of an array of these sides lie, those of each side `from` apart.
fn places<'a>(sides: &'a [usize], from: &'a [usize]) -> impl Iterator<Item = usize> + 'a {
    let count: usize = sides.iter().product();
    let own = steps(sides);
    (0..count).map(move |i| {
        let one = |j: usize| i / own[j] % sides[j] * from[j];
        (0..sides.len()).map(one).sum()
    })
}

/// A function of numbers.
type Of = dyn Fn(&[f32]) -> f32;

/// What a node makes of constants alone; `None` if it is none that is computed here.
pub(super) fn fold(node: &Node<'_>, inputs: &[&Array]) -> Option<Read<Array>> {
    let truth = |is: bool| if is { 1.0 } else { 0.0 };
    let of: Box<Of> = match (node.op, inputs.len()) {
        ("Add" | "Sum", 2) => Box::new(|x| x[0] + x[1]),
        ("Sub", 2) => Box::new(|x| x[0] - x[1]),
        ("Mul", 2) => Box::new(|x| x[0] * x[1]),
        ("Div", 2) => Box::new(|x| x[0] / x[1]),
        ("Greater", 2) => Box::new(move |x| truth(x[0] > x[1])),
        ("GreaterOrEqual", 2) => Box::new(move |x| truth(x[0] >= x[1])),
        ("Less", 2) => Box::new(move |x| truth(x[0] < x[1])),
        ("LessOrEqual", 2) => Box::new(move |x| truth(x[0] <= x[1])),
        ("Where", 3) => Box::new(|x| if x[0] == 0.0 { x[2] } else { x[1] }),
        ("Clip", 3) => Box::new(|x| x[0].max(x[1]).min(x[2])),
        ("Sign", 1) => Box::new(|x| sign(x[0])),
        ("Abs", 1) => Box::new(|x| x[0].abs()),
        ("Neg", 1) => Box::new(|x| -x[0]),
        ("Not", 1) => Box::new(move |x| truth(x[0] == 0.0)),
        ("Sqrt", 1) => Box::new(|x| x[0].sqrt()),
        ("Identity", 1) => Box::new(|x| x[0]),
        _ => return None,
    };
    Some(Array::combined(inputs, of))
}

/// The sign of a number, 0 of 0.
fn sign(x: f32) -> f32 {
    match x {
        x if x > 0.0 => 1.0,
        x if x < 0.0 => -1.0,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(sides: &[usize]) -> Array {
        let count: usize = sides.iter().product();
        Array {
            sides: sides.to_vec(),
            numbers: (0..count).map(|i| i as f32).collect(),
        }
    }

    #[test]
    fn sides_are_turned_and_given_anew() {
        let turned = array(&[2, 3]).transposed(&[]).unwrap();
        assert_eq!(turned.sides, [3, 2]);
        assert_eq!(turned.numbers, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        let deep = array(&[2, 3, 4]).transposed(&[2, 0, 1]).unwrap();
        assert_eq!(deep.sides, [4, 2, 3]);
        assert_eq!(deep.numbers[1], 4.0);
        assert_eq!(deep.numbers[3], 12.0);
        assert!(array(&[2, 3]).transposed(&[0, 0]).is_err());
        assert!(array(&[2, 3]).transposed(&[0, -1]).is_err());
        let sides = |to: &[i64]| array(&[2, 6]).reshaped(to).map(|a| a.sides);
        assert_eq!(sides(&[0, -1, 3]).unwrap(), [2, 2, 3]);
        assert!(sides(&[5, -1]).is_err());
        assert!(sides(&[i64::MAX, i64::MAX, -1]).is_err());
    }

    #[test]
    fn constants_are_combined_as_broadcasting_has_it() {
        let node = Node {
            op: "Sub",
            ..Node::default()
        };
        let column = Array {
            sides: vec![2, 1],
            numbers: vec![1.0, 10.0],
        };
        let made = fold(&node, &[&array(&[2, 2]), &column]).unwrap().unwrap();
        assert_eq!(made.numbers, [-1.0, 0.0, -8.0, -7.0]);
        let made = fold(&node, &[&Array::one(1.0), &array(&[3])])
            .unwrap()
            .unwrap();
        assert_eq!(made.numbers, [1.0, 0.0, -1.0]);
        assert!(fold(&node, &[&array(&[3]), &array(&[2])]).unwrap().is_err());
    }
}
