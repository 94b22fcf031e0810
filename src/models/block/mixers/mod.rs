//! The mixers, one file each.

pub mod attention;
