//! How the fields of a record stand in a text file: an empty text is no value.

/// A field that can be written to a column and read back, to the bit.
pub(super) trait Field: Sized {
    fn write(&self) -> String;
    fn read(text: &str) -> Option<Self>;
}

impl Field for String {
    fn write(&self) -> String {
        self.clone()
    }
    fn read(text: &str) -> Option<Self> {
        Some(text.into())
    }
}

impl<T: Item> Field for Option<T> {
    fn write(&self) -> String {
        self.as_ref().map_or(String::new(), Item::write)
    }
    fn read(text: &str) -> Option<Self> {
        match text {
            "" => Some(None),
            text => T::read(text).map(Some),
        }
    }
}

/// What may be missing.
pub(super) trait Item: Sized {
    fn write(&self) -> String;
    fn read(text: &str) -> Option<Self>;
}

macro_rules! by_display {
    ($($type:ty),*) => {$(
        impl Item for $type {
            fn write(&self) -> String {
                self.to_string()
            }
            fn read(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        }
    )*};
}
by_display!(String, usize, u64);

impl Item for f64 {
    /// The shortest text that reads back to the same bits, short for tiny and huge values too.
    fn write(&self) -> String {
        match self.is_finite() {
            true => serde_json::to_string(self).expect("a finite number"),
            false => self.to_string(),
        }
    }
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}
