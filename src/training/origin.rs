//! The weights that a run began with, and how far it may go from them.

use crate::model::tensor_file::Named;

/// Takes `trained` weights back to the part `way` of the way from those of `before`.
pub fn go_part_way(before: &Named, trained: &mut Named, way: f64) {
    for (name, tensor) in trained {
        if let Some(start) = before.get(name) {
            *tensor = tch::no_grad(|| start.lerp(tensor, way));
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::Tensor;

    use super::*;

    #[test]
    fn part_of_the_way_lies_between() {
        let named = |value: f32| Named::from([("w".to_owned(), Tensor::from_slice(&[value]))]);
        for (way, expected) in [(0.0, 2.0), (0.7, 9.0), (1.0, 12.0)] {
            let mut trained = named(12.0);
            go_part_way(&named(2.0), &mut trained, way);
            assert_eq!(trained["w"].double_value(&[0]), expected);
        }
    }
}
