//! The server's own judgement of a resource, which it does not store.

use bytes::Bytes;
use reqwest::StatusCode;
use serde_json::Value;

use crate::client::FhirServer;
use crate::error::FhirError;
use crate::transport::{FHIR_JSON, FhirRequest};

impl FhirServer {
    /// Returns what the server's `$validate` finds wrong with a resource: a code for each error, nothing of the content.
    ///
    /// The codes are the validator's message ids, such as `Validation_VAL_Profile_Minimum`, or the issue's own code.
    pub async fn validate(&self, resource_type: &str, resource: &Value) -> Result<Vec<String>, FhirError> {
        let body = Bytes::from(resource.to_string());
        let request = FhirRequest::post(format!("{resource_type}/$validate"), FHIR_JSON, body);
        match self.call(request).await {
            Ok(outcome) => errors(&outcome)
                .ok_or(FhirError::Unreadable { what: "a validation without an OperationOutcome" }),
            // An illegal code or date is refused before it is validated.
            Err(FhirError::Refused {
                status: StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY,
                code,
            }) => Ok(vec![code]),
            Err(error) => Err(error),
        }
    }
}

fn errors(outcome: &Value) -> Option<Vec<String>> {
    if outcome.get("resourceType")?.as_str()? != "OperationOutcome" {
        return None;
    }
    let issues = outcome.get("issue")?.as_array()?;
    let is_error =
        |issue: &&Value| matches!(issue.get("severity").and_then(Value::as_str), Some("error" | "fatal"));
    Some(issues.iter().filter(is_error).map(code).collect())
}

/// The code of an issue. The texts beside it may quote the resource.
fn code(issue: &Value) -> String {
    let message = issue.pointer("/details/coding/0/code").and_then(Value::as_str);
    let code = message.or_else(|| issue.get("code").and_then(Value::as_str)).unwrap_or("none");
    let is_word =
        code.len() <= 120 && code.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.:/#".contains(&b));
    if is_word { code.to_owned() } else { "none".to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_errors_count_and_only_their_codes_are_taken() {
        let outcome = json!({"resourceType": "OperationOutcome", "issue": [
            {"severity": "error", "code": "processing", "diagnostics": "Jane",
                "details": {"coding": [{"code": "Type_Specific_Checks_DT_Identifier_System"}]}},
            {"severity": "warning", "code": "processing"},
            {"severity": "fatal", "code": "structure", "diagnostics": "Jane"},
            {"severity": "error", "details": {"coding": [{"code": "Jane Doe"}]}},
        ]});
        let expected = ["Type_Specific_Checks_DT_Identifier_System", "structure", "none"];
        assert_eq!(errors(&outcome).unwrap(), expected);
        assert_eq!(errors(&json!({"resourceType": "Patient"})), None);
    }
}
