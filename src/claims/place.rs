//! Where a comparison stands, and which records it is made of.

use crate::record::Record;

/// Models that read one token at a time and keep a state.
pub(super) const RECURRENT: [&str; 3] = ["elman", "lstm", "gru"];
/// The model that attends.
pub(super) const ATTENTION: &str = "transformer";
/// Both kinds.
pub(super) const MODELS: [&str; 4] = ["elman", "lstm", "gru", ATTENTION];
/// The minimal cells too: claims about what each recurrent model retains judge all but the
/// transformer, which is shown beside them.
pub(super) const ALL_MODELS: [&str; 6] = ["elman", "lstm", "gru", "mingru", "minlstm", ATTENTION];

/// Kinds of step that are timed: the task in the records and its name in sentences.
pub(super) const MODES: [(&str, &str); 3] = [
    (TRAINING, "training"),
    (FORWARD, "the forward pass"),
    ("decode", "decoding"),
];
/// A training step.
pub(super) const TRAINING: &str = "train-step";
/// A forward pass.
pub(super) const FORWARD: &str = "forward";

/// The columns that tell a comparison from the others of its claim. Rules group comparisons by
/// these and never by the words of a label. Columns that are not given do not matter.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Place {
    /// The model, or the one compared with, where there are two.
    pub model: String,
    /// Task of the records.
    pub task: Option<String>,
    /// Scan of the model.
    pub scan: Option<&'static str>,
    /// Position scheme of a transformer.
    pub positions: Option<String>,
    /// Initial gates of a recurrent model.
    pub gates: Option<String>,
    /// What tells models of one name apart, where that is none of the above; no column of records.
    pub variant: Option<String>,
    /// Tokens in a sequence.
    pub seq_len: Option<usize>,
    /// Sequences in a batch.
    pub batch: Option<usize>,
    /// Width of the model.
    pub width: Option<usize>,
    /// Abscissa within the run: tokens of context or of a window.
    pub x: Option<usize>,
    /// Value of the parameter of a task that is swept, such as its delay; which column holds it
    /// is the rule's to say.
    pub point: Option<usize>,
    /// Width at a point of the sweep, where several are swept.
    pub size: usize,
}

impl Place {
    pub fn of(model: &str) -> Self {
        Self::default().model(model)
    }

    pub fn model(mut self, model: &str) -> Self {
        self.model = model.to_owned();
        self
    }

    pub fn task(mut self, task: &str) -> Self {
        self.task = Some(task.to_owned());
        self
    }

    pub fn scan(mut self, scan: &'static str) -> Self {
        self.scan = Some(scan);
        self
    }

    pub fn positions(mut self, scheme: &str) -> Self {
        self.positions = Some(scheme.to_owned());
        self
    }

    pub fn gates(mut self, gates: Option<&str>) -> Self {
        self.gates = gates.map(str::to_owned);
        self
    }

    pub fn variant(mut self, name: Option<&str>) -> Self {
        self.variant = name.map(str::to_owned);
        self
    }

    pub fn seq_len(mut self, tokens: usize) -> Self {
        self.seq_len = Some(tokens);
        self
    }

    pub fn batch(mut self, sequences: usize) -> Self {
        self.batch = Some(sequences);
        self
    }

    pub fn width(mut self, width: usize) -> Self {
        self.width = Some(width);
        self
    }

    pub fn x(mut self, tokens: usize) -> Self {
        self.x = Some(tokens);
        self
    }

    /// A point of the sweep at one width.
    pub fn point(mut self, value: usize, size: usize) -> Self {
        (self.point, self.size) = (Some(value), size);
        self
    }

    /// Value of the swept column.
    pub fn at(&self) -> usize {
        let swept = self.point.or(self.x).or(self.width).or(self.seq_len);
        swept.unwrap_or(0)
    }

    /// Name of the kind of step in sentences.
    pub fn mode(&self) -> &'static str {
        let here = |(task, _): &&(&str, &str)| self.task.as_deref() == Some(*task);
        MODES.iter().find(here).map_or("", |(_, name)| name)
    }

    /// Whether a record has the columns that are given.
    pub fn has(&self, record: &Record) -> bool {
        fn same<T: PartialEq>(wanted: Option<T>, column: Option<T>) -> bool {
            wanted.is_none() || wanted == column
        }
        self.model == record.model
            && same(self.seq_len, record.seq_len)
            && same(self.task.as_deref(), record.task.as_deref())
            && same(self.batch, record.batch)
            && same(self.width, record.width)
            && same(self.x.map(|x| x as f64), record.x)
            && same(self.scan, record.option("scan"))
            && same(self.positions.as_deref(), record.option("positions"))
            && same(self.gates.as_deref(), record.option("gates"))
    }
}

/// A model with its variant: what one line of a plot shows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Series {
    pub model: String,
    /// Of a transformer.
    pub positions: Option<String>,
    /// Of a recurrent model.
    pub gates: Option<String>,
}

impl Series {
    pub fn of(record: &Record) -> Self {
        let (model, positions, gates) = Self::key(record);
        Self {
            model: model.to_owned(),
            positions: positions.map(str::to_owned),
            gates: gates.map(str::to_owned),
        }
    }

    /// Whether the record is of this series.
    pub fn has(&self, record: &Record) -> bool {
        let (positions, gates) = (self.positions.as_deref(), self.gates.as_deref());
        (self.model.as_str(), positions, gates) == Self::key(record)
    }

    fn key(record: &Record) -> (&str, Option<&str>, Option<&str>) {
        let attends = record.model == ATTENTION;
        let positions = record.option("positions").filter(|_| attends);
        let gates = record.option("gates").filter(|_| !attends);
        (&record.model, positions, gates)
    }

    /// The transformer with this scheme of positions.
    pub fn of_attention(positions: &str) -> Self {
        Self {
            model: ATTENTION.to_owned(),
            positions: Some(positions.to_owned()),
            gates: None,
        }
    }

    pub fn is_recurrent(&self) -> bool {
        RECURRENT.contains(&self.model.as_str())
    }

    pub fn label(&self) -> String {
        match (&self.positions, self.gates.as_deref()) {
            (Some(scheme), _) => with_positions(&self.model, scheme),
            (_, Some("chrono")) => format!("{} (chrono)", self.model),
            _ => self.model.clone(),
        }
    }
}

/// `transformer (rotary)`.
pub(super) fn with_positions(model: &str, scheme: &str) -> String {
    match scheme {
        "none" => format!("{model} (no positions)"),
        scheme => format!("{model} ({scheme})"),
    }
}

/// Whether a record is of a model as it is, no variant.
pub(super) fn is_plain(record: &Record) -> bool {
    let gates = record.option("gates").unwrap_or("default");
    gates == "default" && record.options.get("radius").is_none() && record.clip.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            model: "mingru".to_owned(),
            task: Some(TRAINING.to_owned()),
            seq_len: Some(512),
            options: [
                ("scan", Some("parallel")),
                ("positions", Some("rotary")),
                ("gates", Some("chrono")),
            ]
            .into(),
            ..Record::default()
        }
    }

    #[test]
    fn columns_that_are_not_given_do_not_matter() {
        let place = Place::of("mingru");
        assert!(place.has(&record()));
        assert!(place.clone().seq_len(512).scan("parallel").has(&record()));
        assert!(!place.clone().seq_len(64).has(&record()));
        assert!(!place.clone().batch(1).has(&record()));
        assert!(!place.task(FORWARD).has(&record()));
        assert!(!Place::of("lstm").has(&record()));
    }

    #[test]
    fn the_swept_column_is_the_one_given() {
        assert_eq!(Place::of("lstm").seq_len(64).batch(8).at(), 64);
        assert_eq!(Place::of("lstm").width(32).at(), 32);
        assert_eq!(Place::of("lstm").point(100, 1).at(), 100);
        assert_eq!(Place::of("lstm").at(), 0);
    }

    #[test]
    fn a_series_has_the_records_it_is_of() {
        let mut attention = record();
        let recurrent = Series::of(&attention);
        assert_eq!(recurrent.label(), "mingru (chrono)");
        attention.model = ATTENTION.to_owned();
        let series = Series::of(&attention);
        assert_eq!(series.label(), "transformer (rotary)");
        assert!(series.has(&attention) && !recurrent.has(&attention));
        assert!(recurrent.has(&record()));
    }
}
