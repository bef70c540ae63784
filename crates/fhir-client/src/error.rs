use reqwest::StatusCode;
use serde_json::Value;

/// Why a call to the FHIR server failed, sorted by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum FhirError {
    /// Unreachable, overloaded or without its database; the same call may work later.
    #[error("the FHIR server is unavailable")]
    Unavailable {
        /// What the connection said, if it was the connection.
        source: Option<reqwest::Error>,
    },
    /// It has tried and failed, and says so (500): nothing of it was stored; the same call may work later.
    #[error("the FHIR server has failed on the request")]
    Failed,
    /// Two writers met; the same call may work at once.
    #[error("the FHIR server reports concurrent writes")]
    Collision,
    /// What was read is no longer what is stored (`If-Match`): read again and decide again.
    #[error("a resource has changed on the FHIR server meanwhile")]
    Stale,
    /// Understood and refused; the same call will fail again.
    #[error("the FHIR server refused the request with status {status} ({code})")]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// The server's own code, such as `HAPI-1094`; `none` without one.
        code: String,
    },
    /// The answer is not what FHIR says it should be.
    #[error("the FHIR server's answer cannot be read: {what}")]
    Unreadable {
        /// What is wrong with it, without its content.
        what: &'static str,
    },
}

impl FhirError {
    /// Tells whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Failed | Self::Collision | Self::Unreadable { .. })
    }

    pub(crate) fn connection(source: reqwest::Error) -> Self {
        Self::Unavailable { source: Some(source.without_url()) }
    }

    /// Sorts an answer that is no success. The text may hold identifiers and SQL: only codes are taken from it.
    pub(crate) fn from_answer(status: StatusCode, body: &[u8]) -> Self {
        let (codes, is_referred_to) = hapi_codes(body);
        let has = |code: &str| codes.iter().any(|found| found == code);
        if status == StatusCode::CONFLICT {
            return match () {
                () if has("HAPI-0989") => Self::Stale,
                () if is_referred_to => Self::refused(status, &codes),
                () if has("HAPI-0823")
                    || has("HAPI-0825")
                    || codes.iter().all(|code| code == "HAPI-0550") =>
                {
                    Self::Collision
                }
                () => Self::refused(status, &codes),
            };
        }
        if status == StatusCode::PRECONDITION_FAILED && has("HAPI-0989") {
            return Self::Stale;
        }
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            return Self::Failed;
        }
        let is_passing = status.is_server_error()
            || status == StatusCode::TOO_MANY_REQUESTS
            || status == StatusCode::REQUEST_TIMEOUT;
        if is_passing {
            return Self::Unavailable { source: None };
        }
        Self::refused(status, &codes)
    }

    fn refused(status: StatusCode, codes: &[String]) -> Self {
        let code = if codes.is_empty() { "none".to_owned() } else { codes.join(" ") };
        Self::Refused { status, code }
    }
}

/// Finds the codes `HAPI-nnnn` in an OperationOutcome's diagnostics, and whether it says that something refers to what
/// should be deleted: the one conflict that has no code.
fn hapi_codes(body: &[u8]) -> (Vec<String>, bool) {
    let Ok(outcome) = serde_json::from_slice::<Value>(body) else { return (Vec::new(), false) };
    let issues = outcome.get("issue").and_then(Value::as_array);
    let (mut codes, mut is_referred_to) = (Vec::new(), false);
    for diagnostics in issues.into_iter().flatten().filter_map(|issue| issue.get("diagnostics")?.as_str()) {
        is_referred_to |= diagnostics.contains("Unable to delete");
        for (at, _) in diagnostics.match_indices("HAPI-") {
            let code: String = diagnostics[at..].chars().take(9).collect();
            if code.len() == 9 && code[5..].bytes().all(|b| b.is_ascii_digit()) && !codes.contains(&code) {
                codes.push(code);
            }
        }
    }
    (codes, is_referred_to)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16, diagnostics: &str) -> FhirError {
        let body = json!({"resourceType": "OperationOutcome", "issue": [{"diagnostics": diagnostics}]});
        FhirError::from_answer(StatusCode::from_u16(status).unwrap(), body.to_string().as_bytes())
    }

    #[test]
    fn answers_are_sorted_by_what_to_do_next() {
        assert!(matches!(answer(409, "HAPI-0550: HAPI-0989: stale"), FhirError::Stale));
        assert!(matches!(answer(409, "HAPI-0550: HAPI-0823: busy"), FhirError::Collision));
        assert!(matches!(answer(409, "HAPI-0550: HAPI-0825: client-assigned ID"), FhirError::Collision));
        assert!(matches!(answer(409, "HAPI-0550: duplicate key"), FhirError::Collision));
        assert!(matches!(answer(409, "Unable to delete Patient/1"), FhirError::Refused { .. }));
        assert!(matches!(answer(409, "HAPI-0550: HAPI-0515: Unable to delete"), FhirError::Refused { .. }));
        assert!(matches!(answer(500, "HAPI-0389: no database"), FhirError::Failed));
        assert!(matches!(answer(503, ""), FhirError::Unavailable { .. }));
        assert!(matches!(answer(400, "HAPI-1094: unknown"), FhirError::Refused { .. }));
        assert!(matches!(answer(429, ""), FhirError::Unavailable { .. }));
    }

    #[test]
    fn what_the_server_says_stays_out_of_our_errors() {
        let error =
            answer(400, "HAPI-1094: Resource Patient/4711 unknown, select * from x where name='Tremblay'");
        assert_eq!(
            error.to_string(),
            "the FHIR server refused the request with status 400 Bad Request (HAPI-1094)"
        );
    }
}
