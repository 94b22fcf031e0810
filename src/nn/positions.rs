//! Fixed position vectors.

use kernels::{Matrix, matrix};

/// The (`positions`, `width`) table of Vaswani et al. 2017, section 3.5: columns 2i and 2i+1 hold
/// sin and cos of position / 10000^(2i/width).
pub fn sinusoidal(positions: usize, width: usize) -> Matrix {
    let mut values = Vec::with_capacity(positions * width);
    for position in 0..positions {
        values.extend(sinusoidal_row(position, width));
    }
    matrix(values, positions, width)
}

/// One row of [`sinusoidal`].
pub fn sinusoidal_row(position: usize, width: usize) -> impl Iterator<Item = f32> {
    (0..width).map(move |column| {
        let exponent = (column - column % 2) as f64 / width as f64;
        let angle = position as f64 / libm::pow(10_000.0, exponent);
        (if column % 2 == 0 {
            libm::sin(angle)
        } else {
            libm::cos(angle)
        }) as f32
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernels::values;

    #[test]
    fn follows_the_formula() {
        let table = values(&sinusoidal(3, 4));
        assert_eq!(table[..4], [0.0, 1.0, 0.0, 1.0]);
        let expected = [2f64.sin(), 2f64.cos(), 0.02f64.sin(), 0.02f64.cos()];
        for (value, expected) in table[8..].iter().zip(expected) {
            assert!((*value as f64 - expected).abs() < 1e-7);
        }
    }
}
