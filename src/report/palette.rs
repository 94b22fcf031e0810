//! Names, colours, markers and dashes of the series: the same for a model in every plot.

use crate::models::OptionRow;

/// The looks of one series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Style {
    /// Index in [`super::shape::SERIES`]: by model.
    pub color: usize,
    /// By model, so that the plots can be read without colour.
    pub marker: Marker,
    /// Dashes and gaps in pixels: by variant of the model; solid for the first.
    pub dash: &'static [f64],
    /// Whether the marker is hollow, as it is for variants.
    pub hollow: bool,
}

/// Shape of a marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    /// ●
    Circle,
    /// ■
    Square,
    /// ▲
    Triangle,
    /// ◆
    Diamond,
    /// ▼
    Down,
    /// ✚
    Plus,
}

/// Dashes of floors and baselines.
pub const DOTTED: &[f64] = &[1.5, 4.0];

const VARIANTS: [&[f64]; 5] = [
    &[],
    &[7.0, 4.0],
    &[2.0, 3.0],
    &[9.0, 3.0, 2.0, 3.0],
    &[12.0, 3.0],
];

/// Model or baseline, name in print, colour, marker.
const MODELS: [(&str, &str, usize, Marker); 26] = [
    ("elman", "Elman RNN", 0, Marker::Square),
    ("lstm", "LSTM", 1, Marker::Circle),
    ("gru", "GRU", 2, Marker::Triangle),
    ("transformer", "transformer", 3, Marker::Diamond),
    ("mingru", "minGRU", 4, Marker::Down),
    ("minlstm", "minLSTM", 5, Marker::Plus),
    // In the colour of another LSTM, as hues for lines are no more than six.
    ("slstm", "sLSTM", 5, Marker::Square),
    // In the colours of what they are made of, which no plot shows beside them.
    ("encoder-decoder", "transformer", 3, Marker::Diamond),
    ("gru-encoder-decoder", "GRU", 2, Marker::Triangle),
    ("lstm-encoder-decoder", "LSTM", 1, Marker::Circle),
    // In those of the minimal cells, which are on no plot with them.
    ("bert", "masked transformer", 4, Marker::Down),
    ("bilstm", "masked LSTM", 5, Marker::Plus),
    // Blocks, each in the colour of what mixes positions in it, or of what it is shown beside.
    ("vaswani2017", "block of 2017", 0, Marker::Diamond),
    ("gpt2", "GPT-2's block", 3, Marker::Diamond),
    ("llama", "LLaMA's block", 1, Marker::Diamond),
    ("gemma2", "Gemma 2's block", 2, Marker::Diamond),
    ("gemma3", "Gemma 3's block", 4, Marker::Diamond),
    ("mixtral", "Mixtral's block", 5, Marker::Diamond),
    ("griffin", "Griffin", 4, Marker::Plus),
    ("deltanet", "DeltaNet", 2, Marker::Square),
    ("gated-deltanet", "Gated DeltaNet", 0, Marker::Triangle),
    ("xlstm", "xLSTM", 1, Marker::Square),
    ("unigram", "unigram", 6, Marker::Circle),
    (
        "kneser-ney-seen",
        "n-gram on the same tokens",
        6,
        Marker::Triangle,
    ),
    ("kneser-ney", "n-gram of the same size", 6, Marker::Square),
    (
        "kneser-ney-unlimited",
        "n-gram of any size",
        6,
        Marker::Diamond,
    ),
];

/// Name of a model in print.
pub fn name(model: &str) -> &str {
    MODELS
        .iter()
        .find(|row| row.0 == model)
        .map_or(model, |row| row.1)
}

/// Place of a model in legends: the order of the table, then others.
pub fn rank(model: &str) -> usize {
    MODELS
        .iter()
        .position(|row| row.0 == model)
        .unwrap_or(MODELS.len())
}

/// Style of the `variant`-th variant (from 0) of a model. A model without a row gets a colour that
/// depends on its name alone, so that it too is the same in every plot.
pub fn style(model: &str, variant: usize) -> Style {
    let (color, marker) = match MODELS.iter().find(|row| row.0 == model) {
        Some(row) => (row.2, row.3),
        None => {
            let sum: usize = model.bytes().map(usize::from).sum();
            let marks = [Marker::Plus, Marker::Down, Marker::Square];
            (sum % 6, marks[sum % 3])
        }
    };
    Style {
        color,
        marker,
        dash: VARIANTS[variant % VARIANTS.len()],
        hollow: variant % 2 == 1,
    }
}

/// Style of the `i`-th of what others published: the grey of baselines, told apart by marks and dashes.
pub fn of_others(i: usize) -> Style {
    let marks = [
        Marker::Circle,
        Marker::Square,
        Marker::Triangle,
        Marker::Diamond,
    ];
    Style {
        color: 6,
        marker: marks[i % marks.len()],
        dash: VARIANTS[i % VARIANTS.len()],
        hollow: true,
    }
}

/// A factor's value as a legend prints it; `None` if it need not be named (such as `default` gates).
pub fn factor_label(column: &str, value: &str) -> Option<String> {
    match (column, value) {
        (_, "") | (_, "default") => None,
        ("model", model) => Some(name(model).to_string()),
        ("clip", "0" | "0.0") => Some("not clipped".into()),
        ("clip", value) => Some(format!("clipped at {value}")),
        ("task", value) => Some(value.replace([':', ','], ", ").replace('=', " ")),
        ("equal", value) => Some(format!("equal {value}")),
        ("threads", "1") => Some("1 thread".into()),
        ("threads" | "pairs" | "layers", value) => Some(format!("{value} {column}")),
        ("sides", "both") => Some("both sides".into()),
        ("sides", "product") => Some("left × right".into()),
        ("sides", "rescored") => Some("left, candidates tried".into()),
        ("sides", side) => Some(format!("{side} side")),
        ("arm", "first") => Some("before".into()),
        ("arm", "scratch") => Some("from scratch".into()),
        ("arm", "all") => Some("all of it".into()),
        ("arm", "head") => Some("head only".into()),
        ("arm", arm) => Some(arm.replace("lora:", "LoRA of rank ")),
        ("characters", value) => Some(format!("{value} characters")),
        ("size", value) => Some(format!("width about {value}")),
        ("seq_len", value) => Some(format!("T = {value}")),
        ("batch", value) => Some(format!("B = {value}")),
        (column, value) => match OptionRow::find(column) {
            Some(option) => (option.label)(value),
            None => Some(format!("{} {value}", column.replace('_', " "))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_and_its_loop_are_told_apart_and_named() {
        let label = |value: &str| factor_label("scan", value).unwrap();
        assert_eq!(
            [label("sequential"), label("parallel")],
            ["loop", "parallel scan"]
        );
        assert_eq!(factor_label("scan", ""), None);
        assert_eq!(
            factor_label("positions", "alibi").unwrap(),
            "ALiBi positions"
        );
        let sides = ["left", "both", "product"].map(|side| factor_label("sides", side).unwrap());
        assert_eq!(sides, ["left side", "both sides", "left × right"]);
        assert_eq!([name("mingru"), name("minlstm")], ["minGRU", "minLSTM"]);
        let dashes: Vec<_> = (0..VARIANTS.len())
            .map(|v| style("mingru", v).dash)
            .collect();
        for (i, dash) in dashes.iter().enumerate() {
            assert!(!dashes[..i].contains(dash));
        }
        let colors = ["elman", "lstm", "gru", "transformer", "mingru", "minlstm"];
        let colors = colors.map(|model| style(model, 0).color);
        assert!((0..6).all(|i| !colors[..i].contains(&colors[i])));
    }
}
