//! Depth is bounded, bits are kept.

use journey_types::limits::VALUE_DEPTH_MAX;

use super::*;
use crate::stored;

fn nested(depth: usize) -> Value {
    (0..depth).fold(Value::Null, |inner, _| Value::List(vec![inner]))
}

fn bytes_of(value: &Value) -> bytes::Bytes {
    stored::encode(None, |out| value.write_fields(out))
}

fn read(bytes: &[u8]) -> Result<Value, CodecError> {
    Value::read_fields(stored::fields(bytes, "Value", None)?)
}

#[test]
fn values_as_deep_as_an_event_may_carry_are_stored() {
    for depth in [0, 1, VALUE_DEPTH_MAX, usize::from(STORED_VALUE_DEPTH_MAX)] {
        let value = nested(depth);
        assert_eq!(read(&bytes_of(&value)).unwrap(), value);
    }
}

#[test]
fn deeper_bytes_are_refused_before_the_stack_ends() {
    // Lists within lists: each level wraps the bytes of the one inside.
    let mut bytes = vec![0x0a, 0x00];
    for _ in 0..5_000 {
        let mut out = Writer::new(None);
        out.message(7, |out| out.length_led(1, &bytes));
        bytes = out.into_bytes();
    }
    bytes.insert(0, stored::FORMAT_VERSION);
    let error = read(&bytes).unwrap_err().to_string();
    assert_eq!(
        error,
        "Value, field 7: nested deeper than 64 levels: the bytes are damaged"
    );
}

#[test]
fn doubles_keep_their_bits() {
    for double in [0.0, -0.0, 0.1, f64::MIN_POSITIVE, f64::INFINITY, f64::NAN] {
        let Value::Double(back) = read(&bytes_of(&Value::Double(double))).unwrap() else {
            panic!("a double became something else");
        };
        assert_eq!(back.to_bits(), double.to_bits());
    }
}
