//! Comparison: when two values are equal, and which is larger.

use std::{cmp::Ordering, sync::Arc};

use crate::{fold::fold, value::Value};

/// A comparison operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// Compares two values.
    pub(crate) fn holds(self, left: &Value, right: &Value) -> bool {
        match self {
            Self::Equal => equal(left, right),
            Self::NotEqual => !equal(left, right),
            Self::Less => order(left, right) == Some(Ordering::Less),
            Self::Greater => order(left, right) == Some(Ordering::Greater),
            Self::LessOrEqual => equal(left, right) || order(left, right) == Some(Ordering::Less),
            Self::GreaterOrEqual => {
                equal(left, right) || order(left, right) == Some(Ordering::Greater)
            }
        }
    }
}

/// Returns whether two values are equal as the operator `==` has it.
///
/// Values of different kinds are compared as numbers, texts without regard to
/// case, and arrays and objects by identity: two that merely look alike differ.
pub fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::String(left), Value::String(right)) => fold(left) == fold(right),
        (Value::Array(left), Value::Array(right)) => Arc::ptr_eq(left, right),
        (Value::Object(left), Value::Object(right)) => Arc::ptr_eq(left, right),
        (left, right) if left.is_primitive() && right.is_primitive() => {
            let (left, right) = (left.to_number(), right.to_number());
            #[expect(clippy::float_cmp, reason = "the language compares exactly")]
            let same = left == right;
            same
        }
        _ => false,
    }
}

/// Returns the order of two values, if they have one.
fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        // Nothing is not more than nothing.
        (Value::Null, Value::Null) => None,
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::String(left), Value::String(right)) => {
            Some(fold(left).encode_utf16().cmp(fold(right).encode_utf16()))
        }
        (left, right) if left.is_primitive() && right.is_primitive() => {
            left.to_number().partial_cmp(&right.to_number())
        }
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Generates values of every kind, nested a little.
    pub(crate) fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<f64>().prop_map(Value::Number),
            (-3_i32..3).prop_map(Value::from),
            "[aAbB01 .xeıß-]{0,4}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("[abAB]{1,2}", inner), 0..4).prop_map(Value::object),
            ]
        })
    }

    #[track_caller]
    fn check(left: impl Into<Value>, right: impl Into<Value>, expected: Option<Ordering>) {
        let (left, right) = (left.into(), right.into());
        let found = if equal(&left, &right) { Some(Ordering::Equal) } else { order(&left, &right) };
        assert_eq!(found, expected, "{left:?} {right:?}");
    }

    #[test]
    fn different_kinds_are_compared_as_numbers() {
        check(Value::Null, false, Some(Ordering::Equal));
        check(Value::Null, "", Some(Ordering::Equal));
        check(true, 1, Some(Ordering::Equal));
        check(true, "1", Some(Ordering::Equal));
        check(2, "0x2", Some(Ordering::Equal));
        check(2, "10", Some(Ordering::Less));
        check(2, "ten", None);
    }

    #[test]
    fn texts_are_compared_without_case_and_not_as_numbers() {
        check("abc", "ABC", Some(Ordering::Equal));
        check("10", "9", Some(Ordering::Less));
        check("a", "B", Some(Ordering::Less));
        check("_", "a", Some(Ordering::Greater));
    }

    #[test]
    fn nan_has_no_order_and_equals_nothing() {
        check(f64::NAN, f64::NAN, None);
        check(f64::NAN, 1, None);
    }

    #[test]
    fn arrays_and_objects_are_equal_to_themselves_alone() {
        let list = Value::array([Value::Null]);
        check(list.clone(), list.clone(), Some(Ordering::Equal));
        check(list.clone(), Value::array([Value::Null]), None);
        check(list, "Array", None);
    }

    #[test]
    fn surrogates_sort_below_the_last_of_the_basic_plane() {
        check("\u{1F600}", "\u{FFFD}", Some(Ordering::Less));
    }

    proptest! {
        #[test]
        fn equality_is_symmetric(left in any_value(), right in any_value()) {
            prop_assert_eq!(equal(&left, &right), equal(&right, &left));
        }

        #[test]
        fn order_turns_round_with_its_sides(left in any_value(), right in any_value()) {
            prop_assert_eq!(order(&left, &right), order(&right, &left).map(Ordering::reverse));
        }

        #[test]
        fn not_equal_is_the_opposite_of_equal(left in any_value(), right in any_value()) {
            prop_assert_ne!(
                Comparison::Equal.holds(&left, &right),
                Comparison::NotEqual.holds(&left, &right)
            );
        }

        #[test]
        fn or_equal_is_either(left in any_value(), right in any_value()) {
            prop_assert_eq!(
                Comparison::LessOrEqual.holds(&left, &right),
                Comparison::Less.holds(&left, &right) || equal(&left, &right)
            );
        }
    }
}
