//! Tables of the page: a column that is empty in every row is left out.

use maud::{Markup, Render, html};

/// A column.
pub struct Column {
    head: &'static str,
    /// Whether it has words, which stand at its left edge.
    words: bool,
    cells: Vec<Option<Markup>>,
    foot: Option<Markup>,
}

impl Column {
    /// A column of numbers; `None` is an empty cell.
    pub fn new<T: Render>(head: &'static str, cells: impl Iterator<Item = Option<T>>) -> Self {
        Self {
            head,
            words: false,
            cells: cells.map(|cell| Some(cell?.render())).collect(),
            foot: None,
        }
    }

    /// A column of words.
    pub fn words<T: Render>(head: &'static str, cells: impl Iterator<Item = T>) -> Self {
        Self {
            words: true,
            ..Self::new(head, cells.map(Some))
        }
    }

    /// The cell in the last row.
    #[must_use]
    pub fn foot(mut self, foot: impl Render) -> Self {
        self.foot = Some(foot.render());
        self
    }

    fn is_empty(&self) -> bool {
        self.cells.iter().all(Option::is_none)
    }
}

/// The table of those columns that have anything in them, in a box of its own that scrolls.
pub fn table(columns: Vec<Column>) -> Markup {
    let columns: Vec<Column> = columns.into_iter().filter(|c| !c.is_empty()).collect();
    let rows = columns
        .iter()
        .map(|column| column.cells.len())
        .max()
        .unwrap_or(0);
    let class = |column: &Column| column.words.then_some("words");
    html! {
        div.scroll { table {
            thead { tr { @for column in &columns { th class=[class(column)] { (column.head) } } } }
            tbody { @for row in 0..rows { tr {
                @for column in &columns {
                    td class=[class(column)] {
                        @match column.cells.get(row) {
                            Some(Some(cell)) => { (cell) }
                            _ => { "\u{2013}" }
                        }
                    }
                }
            } } }
            @if columns.iter().any(|column| column.foot.is_some()) {
                tfoot { tr { @for column in &columns {
                    td class=[class(column)] { @if let Some(foot) = &column.foot { (foot) } }
                } } }
            }
        } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_without_a_number_is_left_out() {
        let rows = [("a <b>", Some(1.5), None::<f64>), ("c", None, None)];
        let of = |columns: Vec<Column>| table(columns).into_string();
        let html = of(vec![
            Column::words("row", rows.iter().map(|r| r.0)),
            Column::new("some", rows.iter().map(|r| r.1)).foot("sum"),
            Column::new("none", rows.iter().map(|r| r.2)),
        ]);
        assert!(
            html.contains("<th>some</th>") && !html.contains("none"),
            "{html}"
        );
        assert!(html.contains("a &lt;b&gt;") && html.contains("<td>1.5</td>"));
        assert_eq!(html.matches("<td>\u{2013}</td>").count(), 1);
        assert_eq!(html.matches("<tr>").count(), 4, "a head, two rows, a foot");
    }
}
