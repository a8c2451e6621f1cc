//! Ways to bend an input.

use oq_core::testing::sim_entropy::Dice;

/// What trips readers of JSON, keys, ids and numbers.
const TOKENS: &[&[u8]] = &[
    b"null",
    b"true",
    b"[]",
    b"{}",
    b"\"\"",
    b"0",
    b"-1",
    b"1e309",
    b"1.5",
    b"-0",
    b"18446744073709551615",
    b"18446744073709551616",
    b"9007199254740993",
    b"4294967296",
    b"65536",
    b"253402300800000",
    b"\"v\":2",
    b"\"v\":1",
    b",",
    b":",
    b"}",
    b"]",
    b"{",
    b"[",
    b"\\u0000",
    b"\\ud800",
    b"\\",
    b"\"",
    b"\0",
    b"\n",
    b"\x1b[2J",
    b"\xff",
    b"\xe2\x80\xae",
    b"../",
    b"/",
    b"//",
    b".",
    b"%2F",
    b"live/",
    b"done/",
    b"dead/",
    b"key/",
    b"payload/",
    b"bell",
    b"fleet/here/",
    b"7ZZZZZZZZZZZZZZZZZZZZZZZZZ",
    b"ZZ",
    b"I",
    b"L",
    b"O",
    b"U",
    b"running",
    b"pending",
    b"terminal",
    b"?",
    b"@",
    b"s3://",
    b"&",
    b"=",
];

/// One of the pool, bent in one to eight places.
pub fn bend(pool: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut input = dice.pick(pool).cloned().unwrap_or_default();
    let most = 1 << dice.below(4);
    for _ in 0..dice.range(1, most) {
        once(&mut input, pool, dice);
    }
    // A reader must not need more for more than this.
    input.truncate(1 << 16);
    input
}

fn once(input: &mut Vec<u8>, pool: &[Vec<u8>], dice: &mut Dice) {
    let len = input.len() as u64;
    let from = dice.below(len + 1) as usize;
    let longest = 1 << dice.below(8);
    let to = (from + dice.below(longest) as usize).min(input.len());
    match dice.below(9) {
        0 if from < input.len() => input[from] ^= 1 << dice.below(8),
        1 if from < input.len() => input[from] = dice.below(256) as u8,
        2 => input.insert(from, b' ' + dice.below(95) as u8),
        3 => drop(input.drain(from..to)),
        4 => {
            let copy = input[from..to].to_vec();
            input.splice(from..from, copy);
        }
        5 | 6 => {
            let token = dice.pick(TOKENS).copied().unwrap_or_default();
            let until = if dice.chance(0.5) { to } else { from };
            input.splice(from..until, token.iter().copied());
        }
        7 => {
            let other = dice.pick(pool).cloned().unwrap_or_default();
            let at = dice.below(other.len() as u64 + 1) as usize;
            input.truncate(from);
            input.extend(&other[at..]);
        }
        // A number is replaced by another.
        _ => {
            let digit = |b: &u8| b.is_ascii_digit();
            if let Some(at) = input[from..].iter().position(digit).map(|n| n + from) {
                let end = input[at..].iter().position(|b| !digit(b));
                let end = end.map_or(input.len(), |n| n + at);
                let number = dice.bits() >> dice.below(64);
                input.splice(at..end, number.to_string().into_bytes());
            }
        }
    }
}
