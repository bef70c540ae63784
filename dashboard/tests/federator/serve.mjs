// Serves a made-up federator: `node tests/federator/serve.mjs [port] [rows]`, over plain HTTP; tests start it with TLS.
// What it answers is made as the real one's answers are; tests/browser/system holds both to each other.
import { createHash, randomUUID } from "node:crypto";
import http from "node:http";
import https from "node:https";
import { gzipSync } from "node:zlib";
import { pathToFileURL } from "node:url";
import { makeAnswer, problem } from "./answer.mjs";

/** Starts it. `say(answer)` changes what it says, `fall(answer)` makes it answer 503 with that one's sources, `drop()` makes it hang up,
 * `hang()` makes it never answer. */
export async function startFederator({ answer, tls = null, port = 0 }) {
  let body, about, sources, errors, dropping = false, hanging = false;
  const seen = [];
  const say = (next) => {
    dropping = hanging = false;
    body = JSON.stringify(next);
    ({ sources, errors } = next);
    about = {
      ETag: `W/"${createHash("sha256").update(body).digest("hex")}"`, Vary: "accept, accept-encoding, authorization",
      "Cache-Control": "private, no-cache", "X-IIDI-Sources": sources.map((one) => `${one.jurisdiction}=${one.status}`).join(", "),
    };
  };
  const fall = (next) => {
    dropping = hanging = false;
    body = null;
    ({ sources, errors } = next);
  };
  say(answer);
  const handle = (request, response) => {
    seen.push({ path: request.url, etag: request.headers["if-none-match"], peer: request.socket.getPeerCertificate?.()?.subject?.CN });
    if (dropping) return request.socket.destroy();
    if (hanging) return;
    response.setHeader("X-Request-Id", randomUUID());
    if (request.url === "/sources") return response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify({ sources, errors }));
    if (request.url !== "/aggregated-data") return refuse(response, problem(404, "not-found", "There is no such thing here, or it is not yours."));
    if (!body) {
      response.setHeader("Retry-After", "15");
      return refuse(response, problem(503, "no-source", "No province's data is here.", errors.join(" | ")));
    }
    if (request.headers["if-none-match"] === about.ETag) return response.writeHead(304, about).end();
    response.writeHead(200, { "Content-Type": "application/json", "Content-Encoding": "gzip", ...about });
    response.end(gzipSync(body, { level: 1 }));
  };
  const server = tls
    ? https.createServer({ ...tls, requestCert: true, rejectUnauthorized: true, minVersion: "TLSv1.3" }, handle)
    : http.createServer(handle);
  await new Promise((done) => server.listen(port, "127.0.0.1", done));
  const refuse = (response, said) => response.writeHead(said.status, { "Content-Type": "application/problem+json" }).end(JSON.stringify(said));
  return {
    url: `${tls ? "https://localhost" : "http://127.0.0.1"}:${server.address().port}`, seen, say, fall,
    hang: () => { hanging = true; },
    drop: () => { dropping = true; server.closeAllConnections(); },
    stop: () => { server.closeAllConnections(); return new Promise((done) => server.close(done)); },
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [port = "0", rows = "0"] = process.argv.slice(2);
  const states = { BC: "stale", AB: "unavailable", NS: "suspended" };
  const federator = await startFederator({ answer: makeAnswer({ rows: Number(rows), states: Number(rows) ? {} : states }), port: Number(port) });
  console.log(federator.url);
}
