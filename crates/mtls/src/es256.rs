//! ECDSA signatures on P-256: JOSE writes two numbers of fixed width, certificates' libraries write DER.

use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;

/// Says whether the holder of a leaf certificate (DER) signed the message with ES256.
///
/// The signature is `r` and `s`, 32 bytes each. The chain is judged elsewhere.
pub fn verify_es256(leaf_der: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let leaf = CertificateDer::from(leaf_der);
    let (Ok(leaf), Some(der)) = (EndEntityCert::try_from(&leaf), variable_width(signature)) else {
        return false;
    };
    leaf.verify_signature(webpki::aws_lc_rs::ECDSA_P256_SHA256, message, &der).is_ok()
}

/// Turns two numbers of fixed width into the DER form.
fn variable_width(fixed: &[u8]) -> Option<Vec<u8>> {
    let (r, s) = fixed.split_at_checked(32).filter(|(_, s)| s.len() == 32)?;
    let numbers = [integer_der(r), integer_der(s)].concat();
    let mut der = vec![0x30, u8::try_from(numbers.len()).ok()?];
    der.extend(numbers);
    Some(der)
}

/// Writes an unsigned number of at most 32 bytes as the shortest DER integer.
fn integer_der(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take(number.len() - 1).take_while(|&&digit| digit == 0).count();
    let digits = &number[zeros..];
    let sign: &[u8] = if digits[0] >= 0x80 { &[0] } else { &[] };
    let length = u8::try_from(sign.len() + digits.len()).unwrap_or(u8::MAX);
    [&[0x02, length], sign, digits].concat()
}

/// Turns the DER form of an ECDSA signature on P-256 into two numbers of fixed width.
pub(crate) fn fixed_width(der: &[u8]) -> Option<[u8; 64]> {
    let [0x30, length, rest @ ..] = der else { return None };
    if usize::from(*length) != rest.len() {
        return None;
    }
    let (r, rest) = integer(rest)?;
    let (s, rest) = integer(rest)?;
    if !rest.is_empty() {
        return None;
    }
    let mut fixed = [0; 64];
    fixed.get_mut(32 - r.len()..32)?.copy_from_slice(r);
    fixed.get_mut(64 - s.len()..64)?.copy_from_slice(s);
    Some(fixed)
}

/// Takes one DER integer of at most 32 significant bytes off the front.
fn integer(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let [0x02, length, rest @ ..] = der else { return None };
    let (digits, rest) = rest.split_at_checked(usize::from(*length))?;
    let digits = crate::identity::unsigned(digits);
    (digits.len() <= 32).then_some((digits, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_numbers_get_their_fixed_places() {
        let mut der = vec![0x30, 0x26, 0x02, 0x01, 0x05, 0x02, 0x21, 0x00];
        der.extend([0xff; 32]);
        let fixed = fixed_width(&der).unwrap();
        assert_eq!(fixed[..31], [0; 31]);
        assert_eq!(fixed[31], 5);
        assert_eq!(fixed[32..], [0xff; 32]);
    }

    #[test]
    fn both_forms_turn_into_each_other() {
        for (first, last) in [(0, 0), (0x7f, 1), (0x80, 0xff)] {
            let mut fixed = [0_u8; 64];
            (fixed[0], fixed[31], fixed[32], fixed[63]) = (first, 9, first, last);
            assert_eq!(fixed_width(&variable_width(&fixed).unwrap()).unwrap(), fixed);
        }
        assert!(variable_width(&[1; 63]).is_none());
        assert!(variable_width(&[1; 65]).is_none());
    }

    #[test]
    fn bytes_that_are_no_signature_are_refused() {
        let too_long = [&[0x30, 0x26, 0x02, 0x21][..], &[0xff; 33], &[0x02, 0x01, 0x01]].concat();
        for der in [&[][..], &[0x30, 0x00], &[0x30, 0x02, 0x02, 0x09], &too_long] {
            assert!(fixed_width(der).is_none());
        }
    }
}
