//! `/sources`: how it stands with each province, without its data.

use axum::Json;
use axum::extract::State as Has;
use contracts::ProblemCode;
use contracts::federated::SourceList;
use service_kit::ProblemResponse;

use super::readers::Reader;
use crate::national::National;

/// Returns how it stands with each source.
#[utoipa::path(get, path = "/sources", responses((status = 200, body = SourceList)))]
pub async fn sources(Has(national): Has<National>, _: Reader) -> Result<Json<SourceList>, ProblemResponse> {
    let written = national.current().await.ok_or_else(|| ProblemResponse::new(ProblemCode::Internal))?;
    Ok(Json(SourceList { sources: written.sources.clone(), errors: written.errors.clone() }))
}
