//! The inner product, which is nearly all that a search does.

/// Numbers that are multiplied side by side: enough for four registers of the widest kind.
const LANES: usize = 64;

/// The inner product of two vectors of one length; of a longer one the rest is left out.
#[inline]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        // The answers are kept by the standard library: each is one load and a branch that always goes the same way.
        if has!("avx512f") {
            // SAFETY: the processor has what the function is compiled for, as was just asked.
            return unsafe { dot_512(a, b) };
        }
        if has!("avx2") && has!("fma") {
            // SAFETY: as above.
            return unsafe { dot_256(a, b) };
        }
    }
    dot_lanes(a, b, |x, y, sum| x * y + sum)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn dot_512(a: &[f32], b: &[f32]) -> f32 {
    dot_lanes(a, b, f32::mul_add)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn dot_256(a: &[f32], b: &[f32]) -> f32 {
    dot_lanes(a, b, f32::mul_add)
}

/// Sums in lanes, so that the compiler may use the registers of the processor.
#[inline(always)]
fn dot_lanes(a: &[f32], b: &[f32], step: impl Fn(f32, f32, f32) -> f32) -> f32 {
    let length = a.len().min(b.len());
    let (a, a_rest) = a[..length].as_chunks::<LANES>();
    let (b, b_rest) = b[..length].as_chunks::<LANES>();
    let mut lanes = [0.0f32; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            lanes[lane] = step(a[lane], b[lane], lanes[lane]);
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    a_rest.iter().zip(b_rest).fold(lanes[0], |sum, (x, y)| step(*x, *y, sum))
}

/// Makes a vector one of length 1. One without a direction (zero, or not finite) stays or becomes zero, and is near to nothing.
pub fn normalise(vector: &mut [f32]) {
    let length = f64::from(dot(vector, vector)).sqrt();
    if length.is_finite() && length > 0.0 {
        vector.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
    } else {
        vector.fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_product_is_the_sum_of_products(
            pairs in prop::collection::vec((-1.0f32..1.0, -1.0f32..1.0), 0..200)
        ) {
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.iter().copied().unzip();
            let exact: f64 = pairs.iter().map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
            prop_assert!((f64::from(dot(&a, &b)) - exact).abs() < 1e-4);
            prop_assert!((f64::from(dot_lanes(&a, &b, |x, y, sum| x * y + sum)) - exact).abs() < 1e-4);
        }

        #[test]
        fn normal_vectors_have_length_one(mut vector in prop::collection::vec(-1e3f32..1e3, 1..100)) {
            let zero = vector.iter().all(|x| *x == 0.0);
            normalise(&mut vector);
            let length = dot(&vector, &vector);
            let expected = if zero { 0.0 } else { 1.0 };
            prop_assert!((length - expected).abs() < 1e-3);
        }
    }

    #[test]
    fn what_has_no_direction_is_zero() {
        for mut vector in [vec![0.0; 4], vec![f32::NAN, 1.0], vec![f32::INFINITY, 1.0], vec![f32::MAX; 8]] {
            normalise(&mut vector);
            assert!(vector.iter().all(|x| x.is_finite()), "{vector:?}");
        }
    }
}
