//! Extractors that refuse in our format.

use std::marker::PhantomData;

use auth::{Caller, TokenError, TokenVerifier};
use axum::extract::{FromRef, FromRequest, FromRequestParts, Request};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use contracts::ProblemCode;
use serde::de::DeserializeOwned;

use crate::problem::ProblemResponse;

/// A JSON body.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = ProblemResponse;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        use axum::extract::rejection::JsonRejection as R;
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(R::MissingJsonContentType(_)) => Err(ProblemResponse::new(ProblemCode::UnsupportedMediaType)
                .detail("send Content-Type: application/json")),
            Err(R::JsonSyntaxError(_)) => {
                Err(ProblemResponse::new(ProblemCode::InvalidJson).detail("the body is not well-formed JSON"))
            }
            Err(R::JsonDataError(_)) => Err(ProblemResponse::new(ProblemCode::InvalidRequest)
                .detail("a member is missing, unknown or of the wrong kind; see /openapi.json")),
            Err(other) if other.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE => {
                Err(ProblemResponse::new(ProblemCode::TooLarge))
            }
            Err(_) => {
                Err(ProblemResponse::new(ProblemCode::InvalidRequest).detail("the body could not be read"))
            }
        }
    }
}

/// The query string.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(_) => Err(ProblemResponse::new(ProblemCode::InvalidRequest)
                .detail("a query parameter is unknown or malformed; see /openapi.json")),
        }
    }
}

/// A scope that a call needs.
pub trait Scope: Send + Sync + 'static {
    /// Its name in tokens.
    const NAME: &'static str;
}

/// A caller whose bearer token is valid and has the scope `S`.
#[derive(Debug)]
pub struct Bearer<S: Scope> {
    /// Who calls.
    pub caller: Caller,
    scope: PhantomData<S>,
}

impl<St, S> FromRequestParts<St> for Bearer<S>
where
    St: Send + Sync,
    S: Scope,
    TokenVerifier: FromRef<St>,
{
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut Parts, state: &St) -> Result<Self, Self::Rejection> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer ")).ok_or_else(|| {
            ProblemResponse::new(ProblemCode::Unauthenticated).detail("send Authorization: Bearer <token>")
        })?;
        let verifier = TokenVerifier::from_ref(state);
        let caller = verifier.verify(token.trim()).await.map_err(|error| match error {
            TokenError::Unavailable { .. } => {
                ProblemResponse::new(ProblemCode::AuthorizationServerUnavailable)
            }
            TokenError::Invalid { reason, .. } => ProblemResponse::new(ProblemCode::Unauthenticated)
                .detail(format!("the token was refused: {reason}")),
        })?;
        if let Some(known) = parts.extensions.get::<crate::request_log::Caller>() {
            known.is_actor(&caller.subject);
        }
        if !caller.has_scope(S::NAME) {
            return Err(ProblemResponse::new(ProblemCode::InsufficientScope)
                .detail(format!("this call needs the scope {}", S::NAME)));
        }
        Ok(Self { caller, scope: PhantomData })
    }
}
