//! The values that an option of a model can take.

use seqduel::models::{Positions, Scan};
use serde::de::DeserializeOwned;

/// Every value of an option, in order, taken from its type: serde lists the names when it is given
/// an unknown one.
pub fn every<T: DeserializeOwned>() -> Vec<T> {
    let unknown = serde_json::from_str::<T>(r#""no such value""#).err();
    let message = unknown.expect("no option is called this").to_string();
    let quoted = message.split('`').skip(3).step_by(2); // the first quoted word is the unknown one
    quoted
        .map(|name| serde_json::from_value(name.into()).expect("a name that serde listed"))
        .collect()
}

#[test]
fn every_value_of_an_option_is_found() {
    use Positions::{Alibi, Learned, None, Rotary, Sinusoidal};
    let known = [None, Learned, Sinusoidal, Rotary, Alibi];
    let positions = every::<Positions>();
    assert!(known.iter().all(|scheme| positions.contains(scheme)));
    assert_eq!(every::<Scan>(), [Scan::Sequential, Scan::Parallel]);
}
