//! The mixers, one file each.

pub mod attention;
pub mod delta;
pub mod recurrent;
pub mod rg_lru;
