//! Which tokens are accepted.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use auth::{JwksSource, LocalIssuer, TokenConfig, TokenConfigError, TokenError, TokenVerifier};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tempfile::TempDir;

pub const ISSUER: &str = "https://login.on.test";
pub const AUDIENCE: &str = "outbound-transfer";
pub const HOUR: Duration = Duration::from_hours(1);

/// An issuer and a verifier that trusts it.
pub struct World {
    pub dir: TempDir,
    pub issuer: LocalIssuer,
    pub verifier: TokenVerifier,
}

impl World {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let issuer = LocalIssuer::create(dir.path(), ISSUER, AUDIENCE).unwrap();
        let verifier = TokenVerifier::new(config(issuer.jwks_file())).unwrap();
        Self { dir, issuer, verifier }
    }

    /// The word with which a token is refused.
    pub async fn refusal(&self, token: &str) -> &'static str {
        match self.verifier.verify(token).await {
            Err(TokenError::Invalid { reason }) => reason,
            other => panic!("not refused as invalid: {other:?}"),
        }
    }

    /// Signs any header and claims with the issuer's own key.
    fn sign(&self, header: &Header, claims: &Value) -> String {
        let pem = std::fs::read(self.dir.path().join("issuer.key")).unwrap();
        jsonwebtoken::encode(header, claims, &EncodingKey::from_ec_pem(&pem).unwrap()).unwrap()
    }

    fn header(&self) -> Header {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.issuer.kid().to_owned());
        header
    }
}

pub fn config(jwks: &Path) -> TokenConfig {
    config_from(JwksSource { url: None, file: Some(jwks.to_owned()) })
}

pub fn config_from(jwks: JwksSource) -> TokenConfig {
    TokenConfig {
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        jwks,
        algorithms: vec!["ES256".to_owned()],
        leeway_seconds: 30,
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "registry", "exp": now() + 600, "scope": "transfer.read"})
}

#[tokio::test]
async fn a_good_token_gives_its_caller_and_scopes() {
    let world = World::new();
    let token = world.issuer.mint("registry", &["transfer.request", "transfer.read"], HOUR).unwrap();
    let caller = world.verifier.verify(&token).await.unwrap();
    assert_eq!(caller.subject, "registry");
    assert!(caller.has_scope("transfer.request") && caller.has_scope("transfer.read"));
    for missing in ["transfer.operate", "transfer", "TRANSFER.READ", "transfer.request transfer.read", ""] {
        assert!(!caller.has_scope(missing), "{missing:?}");
    }
}

#[tokio::test]
async fn a_token_without_scopes_may_do_nothing() {
    let world = World::new();
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove("scope");
    let caller = world.verifier.verify(&world.sign(&world.header(), &claims)).await.unwrap();
    assert!(caller.scopes.is_empty());
}

#[tokio::test]
async fn an_audience_among_others_is_enough() {
    let world = World::new();
    let mut claims = claims();
    claims["aud"] = json!(["other", AUDIENCE]);
    assert!(world.verifier.verify(&world.sign(&world.header(), &claims)).await.is_ok());
}

#[tokio::test]
async fn wrong_claims_are_refused_with_their_reason() {
    let world = World::new();
    for (claim, value, reason) in [
        ("iss", json!("https://login.bc.test"), "issuer"),
        ("iss", json!(format!("{ISSUER}/")), "issuer"),
        ("aud", json!("inbound-transfer"), "audience"),
        ("aud", json!([]), "audience"),
        ("exp", json!(now() - 31), "expired"),
        ("exp", json!("soon"), "claim-missing"),
        ("nbf", json!(now() + 120), "not-yet-valid"),
        ("sub", json!(""), "claim-missing"),
        ("sub", json!(7), "malformed"),
        ("scope", json!(["transfer.read"]), "malformed"),
    ] {
        let mut claims = claims();
        claims[claim] = value;
        assert_eq!(world.refusal(&world.sign(&world.header(), &claims)).await, reason, "{claim}: {claims}");
    }
    for claim in ["iss", "aud", "exp", "sub"] {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(claim);
        let reason = world.refusal(&world.sign(&world.header(), &claims)).await;
        assert!(["claim-missing", "malformed"].contains(&reason), "{claim}: {reason}");
    }
}

#[tokio::test]
async fn a_clock_that_is_a_little_off_is_forgiven() {
    let world = World::new();
    let mut claims = claims();
    claims["exp"] = json!(now() - 10);
    claims["nbf"] = json!(now() + 10);
    assert!(world.verifier.verify(&world.sign(&world.header(), &claims)).await.is_ok());
}

#[tokio::test]
async fn the_algorithm_is_ours_and_never_the_headers() {
    let world = World::new();
    let encode = |text: String| URL_SAFE_NO_PAD.encode(text);
    let kid = world.issuer.kid();
    let body = encode(claims().to_string());
    for alg in ["none", "None", "NONE", "", "XX256"] {
        let header = encode(json!({"alg": alg, "typ": "JWT", "kid": kid}).to_string());
        assert_eq!(world.refusal(&format!("{header}.{body}.")).await, "algorithm", "{alg}");
    }
    // The published key taken for a shared secret, in every form an attacker could try.
    let jwks = std::fs::read(world.issuer.jwks_file()).unwrap();
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        let mut header = Header::new(algorithm);
        header.kid = Some(kid.to_owned());
        let token = jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(&jwks)).unwrap();
        assert_eq!(world.refusal(&token).await, "algorithm");
    }
}

#[tokio::test]
async fn a_key_inside_the_token_is_not_used() {
    let world = World::new();
    let stranger = tempfile::tempdir().unwrap();
    let other = LocalIssuer::create(stranger.path(), ISSUER, AUDIENCE).unwrap();
    let set: Value = serde_json::from_slice(&std::fs::read(other.jwks_file()).unwrap()).unwrap();
    let pem = std::fs::read(stranger.path().join("issuer.key")).unwrap();
    let mut header = world.header();
    header.jwk = Some(serde_json::from_value(set["keys"][0].clone()).unwrap());
    header.jku = Some("https://login.on.test.attacker/jwks".to_owned());
    let token = jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_ec_pem(&pem).unwrap()).unwrap();
    assert_eq!(world.refusal(&token).await, "signature");
    assert_eq!(world.refusal(&other.mint("registry", &[], HOUR).unwrap()).await, "key-unknown");
}

#[tokio::test]
async fn a_changed_token_is_refused() {
    let world = World::new();
    let token = world.issuer.mint("registry", &["transfer.read"], HOUR).unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let mut more = claims();
    more["scope"] = json!("transfer.read transfer.operate");
    let swapped = format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(more.to_string()), parts[2]);
    assert_eq!(world.refusal(&swapped).await, "signature");
    assert_eq!(world.refusal(&format!("{}.{}.", parts[0], parts[1])).await, "signature");
}

#[tokio::test]
async fn what_is_no_token_is_refused() {
    let world = World::new();
    let good = world.issuer.mint("registry", &[], HOUR).unwrap();
    let critical = json!({"alg": "ES256", "kid": world.issuer.kid(), "crit": ["b64"], "b64": false});
    let critical = format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode(critical.to_string()));
    for text in ["", ".", "..", "a.b.c", "Bearer x", "ünïcödé.x.y", &critical, &"x".repeat(1 << 20)] {
        assert_eq!(world.refusal(text).await, "malformed");
    }
    assert_eq!(world.refusal(&format!("{good}.more")).await, "malformed");
}

#[test]
fn a_configuration_that_would_accept_anyone_is_refused() {
    let file = || config(Path::new("jwks.json"));
    for name in ["HS256", "HS512", "none", "es256", ""] {
        let config = TokenConfig { algorithms: vec![name.to_owned()], ..file() };
        assert!(matches!(TokenVerifier::new(config), Err(TokenConfigError::Algorithm { .. })), "{name}");
    }
    let config = TokenConfig { algorithms: vec![], ..file() };
    assert!(matches!(TokenVerifier::new(config), Err(TokenConfigError::NoAlgorithm)));
    let config = TokenConfig { issuer: String::new(), ..file() };
    assert!(matches!(TokenVerifier::new(config), Err(TokenConfigError::Empty)));
    let url = |url: &str| JwksSource { url: Some(url.to_owned()), file: None };
    let both = JwksSource { file: Some("jwks.json".into()), ..url("https://login.on.test/jwks") };
    for source in [JwksSource::default(), both, url("http://login.on.test/jwks"), url("login.on.test")] {
        let config = config_from(source.clone());
        assert!(matches!(TokenVerifier::new(config), Err(TokenConfigError::Source { .. })), "{source:?}");
    }
    assert!(TokenVerifier::new(config_from(url("https://login.on.test/jwks"))).is_ok());
}

#[test]
fn a_configuration_names_only_what_it_must() {
    let text = json!({"issuer": ISSUER, "audience": AUDIENCE, "jwks": {"file": "jwks.json"}});
    let read: TokenConfig = serde_json::from_value(text).unwrap();
    assert_eq!(read, config(Path::new("jwks.json")));
    let text = json!({"issuer": ISSUER, "audience": AUDIENCE, "jwks": {"file": "x"}, "audiences": []});
    assert!(serde_json::from_value::<TokenConfig>(text).is_err());
}
