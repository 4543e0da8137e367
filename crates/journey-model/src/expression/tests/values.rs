//! What expressions give.

use super::fixture::gives;

#[test]
fn numbers_mix_whatever_arrives() {
    gives(&[
        ("event.properties.quantity * 2", "4"),
        ("event.properties.value * 2", "25"),
        ("event.properties.value + event.properties.quantity", "14.5"),
        ("event.properties.quantity / 2.0", "1"),
        ("7 / 2", "3"),
        ("-7 / 2", "-3"),
        ("7 / 2.0", "3.5"),
        ("-7 % 3", "-1"),
        ("1 + 2 * 3 - 4", "3"),
        ("-event.properties.value", "-12.5"),
        ("event.properties.quantity == 2.0", "true"),
        ("2 < 2.5 && 2.5 > 2 && 2 <= 2.0 && 2.0 >= 2", "true"),
        ("1 in [1.0, 2.0]", "true"),
        ("9007199254740993 == 9007199254740992.0", "false"),
        ("9223372036854775807 < 9223372036854775807.0", "true"),
        ("(event.properties.value - 3) / 2.0", "4.75"),
        ("0x10 + 1", "17"),
        ("1e3", "1000"),
    ]);
}

#[test]
fn arithmetic_faults_are_errors() {
    gives(&[
        (
            "9223372036854775807 + 1",
            "error: `9223372036854775807 + 1` overflows",
        ),
        (
            "-9223372036854775808 - 1",
            "error: `-9223372036854775808 - 1` overflows",
        ),
        (
            "9223372036854775807 * 2",
            "error: `9223372036854775807 * 2` overflows",
        ),
        ("-(-9223372036854775807 - 1)", "error: `-` overflows"),
        (
            "(-9223372036854775807 - 1) / -1",
            "error: `-9223372036854775808 / -1` overflows",
        ),
        ("1 / 0", "error: `1 / 0` divides by zero"),
        ("1 % 0", "error: `1 % 0` divides by zero"),
        ("1 / 0.0", "error: `1.0 / 0` divides by zero"),
        ("1.5 % 2.0", "error: `%` needs whole numbers"),
        ("1e308 * 10", "error: `1e308 * 10.0` overflows"),
        ("'a' + 1", "error: `+` does not apply to text and int"),
        ("true < 1", "error: `<` does not compare bool with int"),
        ("!1", "error: the value is int, not true or false"),
        ("-'a'", "error: `-` does not apply to text"),
    ]);
}

#[test]
fn missing_fields_are_errors_and_can_be_asked_for() {
    gives(&[
        (
            "event.properties.valeu",
            "error: no field `valeu` in `event.properties`",
        ),
        (
            "customer.traits.x",
            "error: no field `x` in `customer.traits`",
        ),
        (
            "customer.traits.x.y",
            "error: no field `x` in `customer.traits`",
        ),
        (
            "customer.traits.age.y",
            "error: `customer.traits.age` is int and has no field `y`",
        ),
        ("vars.nothing", "error: no field `nothing` in `vars`"),
        ("event.device", "error: no `event.device`"),
        ("instance.key", "error: no `instance.key`"),
        ("has(event.properties.value)", "true"),
        ("has(event.properties.valeu)", "false"),
        ("has(event.properties.note)", "true"),
        ("has(event.properties.basket.total)", "true"),
        (
            "has(event.properties.nope.total)",
            "error: no field `nope` in `event.properties`",
        ),
        ("has(event.device)", "false"),
        ("has(event.channel)", "true"),
        ("has(instance.key)", "false"),
        ("event.properties.?value.orValue(0)", "12.5"),
        ("event.properties.?valeu.orValue(0)", "0"),
        ("event.properties.?basket.?total.orValue(0)", "19.5"),
        ("event.properties.?nope.?total.orValue(0)", "0"),
        ("event.properties.?nope.total.orValue(0)", "0"),
        ("event.properties.?basket.total.value()", "19.5"),
        ("event.?device.orValue('none')", "\"none\""),
        ("event.properties.?nope.hasValue()", "false"),
        (
            "event.properties.?nope.or(event.properties.?value).value()",
            "12.5",
        ),
        (
            "event.properties.?nope.value()",
            "error: the optional is empty",
        ),
        (
            "event.properties.?nope",
            "error: gave an optional: end it with `.orValue(…)`",
        ),
        ("event.properties.basket.items[?9].orValue(-1)", "-1"),
        ("event.properties[?'value'].orValue(0)", "12.5"),
        ("optional.of(1).value() + optional.none().orValue(2)", "3"),
        (
            "has(customer.lifecycle) && customer.lifecycle == 'loyal'",
            "true",
        ),
    ]);
}

#[test]
fn and_and_or_absorb_errors() {
    gives(&[
        ("event.properties.nope == 1 || true", "true"),
        ("true || event.properties.nope == 1", "true"),
        ("event.properties.nope == 1 && false", "false"),
        ("false && event.properties.nope == 1", "false"),
        (
            "event.properties.nope == 1 || false",
            "error: no field `nope` in `event.properties`",
        ),
        (
            "event.properties.nope == 1 && true",
            "error: no field `nope` in `event.properties`",
        ),
        ("1 || true", "true"),
        ("true ? 1 : event.properties.nope", "1"),
        (
            "[1, 2].exists(x, event.properties.nope == x || x == 2)",
            "true",
        ),
        (
            "[1, 2].all(x, x == 1 && event.properties.nope == x)",
            "false",
        ),
    ]);
}

#[test]
fn text_lists_and_maps() {
    gives(&[
        ("'a' + \"b\"", "\"ab\""),
        ("size(event.properties.sku)", "8"),
        ("event.properties.sku.size()", "8"),
        (
            "event.properties.sku.startsWith('Üm') && event.properties.sku.endsWith('7')",
            "true",
        ),
        ("event.properties.sku.contains('laut')", "true"),
        ("event.properties.sku.matches('^[A-ZÜ].*-[0-9]+$')", "true"),
        ("matches('abc', '^b')", "false"),
        (
            "'Ada'.lowerAscii() + 'x'.upperAscii() + ' y '.trim()",
            "\"adaXy\"",
        ),
        ("customer.traits.first_name in ['Ada', 'Bob']", "true"),
        ("'first_name' in customer.traits", "true"),
        ("3 in event.properties.basket.items", "true"),
        ("event.properties.basket.items[1]", "4"),
        (
            "event.properties.basket.items[7]",
            "error: no item 7 in `event.properties.basket.items`, which has 3",
        ),
        ("event.properties['value']", "12.5"),
        (
            "event.properties.basket",
            "{\"items\":[3,4,5],\"total\":19.5}",
        ),
        ("[1, event.properties.quantity] + [3]", "[1,2,3]"),
        (
            "{'a': 1, 'b': [event.name]}",
            "{\"a\":1,\"b\":[\"purchase\"]}",
        ),
        ("{'a': 1}.a", "1"),
        ("{'a': 1, 'a': 2}", "error: the key `a` is there twice"),
        (
            "event.properties.basket == {'total': 19.5, 'items': [3.0, 4, 5]}",
            "true",
        ),
        ("'1' == 1", "false"),
        ("null == event.properties.note", "true"),
        ("event.properties.basket.items.map(x, x * 2)", "[6,8,10]"),
        ("event.properties.basket.items.filter(x, x > 3)", "[4,5]"),
        (
            "event.properties.basket.items.map(x, x > 3, x + 0.5)",
            "[4.5,5.5]",
        ),
        ("event.properties.basket.items.exists(x, x == 5)", "true"),
        ("event.properties.basket.items.exists_one(x, x > 4)", "true"),
        ("event.properties.basket.items.all(x, x > 3)", "false"),
        (
            "event.properties.basket.map(key, key)",
            "[\"items\",\"total\"]",
        ),
        (
            "[[1, 2], [3]].map(row, row.map(x, x + size(row)))",
            "[[3,4],[4]]",
        ),
        ("[1].map(event, event + 1)", "[2]"),
        ("event.properties.gift ? 'gift' : 'own'", "\"gift\""),
    ]);
}

#[test]
fn conversions_between_kinds() {
    gives(&[
        ("int('42') + int(1.9) + int(-1.9)", "42"),
        ("int('4x')", "error: `int`: `4x` is no whole number"),
        (
            "int(1e30)",
            "error: `int(1000000000000000000000000000000)` overflows",
        ),
        ("double('1.5') + double(1)", "2.5"),
        ("double('inf')", "error: `double`: `inf` is no number"),
        ("string(1) + string(1.5) + string(true)", "\"11.5true\""),
        (
            "string(timestamp('2026-01-05T09:00:00Z'))",
            "\"2026-01-05T09:00:00Z\"",
        ),
        ("string(span('36h'))", "\"36h\""),
        ("bool('true')", "true"),
        ("int(timestamp('1970-01-01T00:01:00Z'))", "60"),
        ("string(null)", "error: `string` does not apply to null"),
    ]);
}

#[test]
fn time_is_not_text() {
    gives(&[
        ("now", "\"2026-01-05T09:30:15Z\""),
        (
            "timestamp('2026-01-05T09:00:00+01:00')",
            "\"2026-01-05T08:00:00Z\"",
        ),
        (
            "timestamp(event.properties.day)",
            "\"2026-01-06T09:00:00Z\"",
        ),
        (
            "timestamp(event.properties.day) - span('1d')",
            "\"2026-01-05T09:00:00Z\"",
        ),
        ("event.properties.paid_at", "\"2025-12-29T09:20:00Z\""),
        (
            "timestamp(event.properties.paid_at) == event.properties.paid_at",
            "true",
        ),
        ("timestamp(60)", "\"1970-01-01T00:01:00Z\""),
        (
            "timestamp(event.properties.sku)",
            "error: `timestamp`: `Ümlaut-7` is not RFC 3339 such as 2026-01-05T09:00:00Z",
        ),
        (
            "event.properties.day < now",
            "error: `<` does not compare text with time",
        ),
        ("now - event.occurred_at == span('31.25m')", "true"),
        ("now - instance.entered_at >= span('3d')", "true"),
        (
            "span('1.5h') == span('90m') && span('1w') > span('6d')",
            "true",
        ),
        ("span('1d') + span('12h') == span('36h')", "true"),
        ("now + span('1w')", "\"2026-01-12T09:30:15Z\""),
        (
            "now - now",
            "error: gave a span: give a timestamp or a number",
        ),
        (
            "now - timestamp('1950-06-01T00:00:00Z') > span('26w')",
            "true",
        ),
        (
            "timestamp('1950-06-01T00:00:00Z')",
            "error: gave a time outside 1970 to 9999",
        ),
        (
            "now + span('999999999w')",
            "error: the time lies outside the years 1 to 9999",
        ),
        ("local.hour", "10"),
        ("local.minute", "30"),
        ("local.weekday", "1"),
        ("local.date", "\"2026-01-05\""),
        ("now.getFullYear()", "2026"),
        ("now.getMonth()", "0"),
        ("now.getDate() + now.getDayOfMonth()", "9"),
        ("now.getDayOfWeek()", "1"),
        ("now.getHours('America/New_York')", "4"),
        (
            "now.getHours('Nowhere/Land')",
            "error: `Nowhere/Land` is no IANA time zone",
        ),
        ("span('90m').getHours()", "1"),
        ("span('90m').getMonth()", "error: a span has no date"),
        ("[now]", "[\"2026-01-05T09:30:15Z\"]"),
    ]);
}

#[test]
fn every_root_is_there() {
    gives(&[
        (
            "event.name + '/' + event.id + '/' + event.source + '/' + event.customer_id",
            "\"purchase/e-1/shop/c-1\"",
        ),
        ("event.occurred_at", "\"2026-01-05T08:59:00Z\""),
        ("entry.properties.plan", "\"gold\""),
        ("entry.name", "\"signed_up\""),
        ("instance.step", "\"wait\""),
        ("instance.entered_at", "\"2026-01-02T09:30:15Z\""),
        ("vars.tries + 1", "2"),
        ("vars", "{\"tries\":1}"),
        ("customer.id", "\"c-1\""),
        ("customer.locale", "\"en-GB\""),
        ("customer.zone", "\"Europe/Berlin\""),
        ("customer.lifecycle", "\"loyal\""),
        ("journeys.active('welcome')", "1"),
        (
            "journeys.state('welcome') + journeys.state('other')",
            "\"active\"",
        ),
        ("journeys.outcome('welcome')", "\"\""),
    ]);
}

#[test]
fn history_counts_sums_and_remembers() {
    gives(&[
        ("history.count('purchase')", "7"),
        ("history.count('purchase', '30d')", "3"),
        ("history.count('purchase', '1d')", "0"),
        ("history.absent('purchase', '1d')", "true"),
        ("history.absent('purchase')", "false"),
        (
            "history.count('purchase', '30d', 'event.properties.value > 10') >= 3",
            "true",
        ),
        ("history.first('purchase')", "\"2026-01-01T00:00:00Z\""),
        ("history.last('purchase')", "null"),
        (
            "history.last('purchase') == null || now - history.last('purchase') > span('30d')",
            "true",
        ),
        ("history.sum('purchase', 'value')", "99"),
        ("history.sum('purchase', 'value', '30d')", "12.5"),
        ("history.sum('purchase', 'value') / 2", "49.5"),
    ]);
}

#[test]
fn evaluation_cannot_run_away() {
    gives(&[
        (
            "event.properties.numbers.all(x, event.properties.numbers.all(y, x + y >= 0))",
            "error: took more than 100000 steps of work",
        ),
        (
            "event.properties.numbers.map(x, event.properties.numbers)",
            "error: the result is larger than 32768 bytes",
        ),
        (
            "(event.properties.numbers + [1]).size()",
            "error: the list has more than 1000 items",
        ),
        (
            "event.properties.numbers.exists(x, event.properties.numbers.exists(y, x + y < 0)) || true",
            "error: took more than 100000 steps of work",
        ),
    ]);
}
