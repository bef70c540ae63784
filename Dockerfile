# The services and the operators' command line: all binaries from one build, an image (target) for each.
#
#   docker build --target inbound-transfer --tag inbound-transfer .
#
# A release names both bases by digest (deploy/cloudbuild/release.yaml). The images have no shell and no package
# manager; they run as any user that is not root, on a read-only root file system.
ARG RUST_IMAGE=docker.io/library/rust:1.95-slim-bookworm
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM ${RUST_IMAGE} AS build
# A profile of Cargo.toml: dist for releases, dev for a quick look.
ARG PROFILE=dist
ENV SQLX_OFFLINE=true CARGO_TERM_COLOR=never CARGO_INCREMENTAL=0 CARGO_TARGET_DIR=/target
WORKDIR /source
COPY . .
# The folder of a profile has its name, but for dev.
RUN --mount=type=cache,target=/target,id=iidi-target \
    cargo build --locked --profile "${PROFILE}" --bins \
        --package outbound-transfer --package inbound-transfer --package aggregator --package federator \
        --package iidictl \
    && built="/target/$(if [ "${PROFILE}" = dev ]; then echo debug; else echo "${PROFILE}"; fi)" \
    && install -D --mode 0555 --target-directory /binaries \
        "${built}/outbound-transfer" "${built}/inbound-transfer" "${built}/aggregator" "${built}/federator" \
        "${built}/iidictl"

FROM ${RUNTIME_IMAGE} AS runtime-base
LABEL org.opencontainers.image.vendor="IIDI" org.opencontainers.image.licenses="MIT"
# A number, so that a cluster can tell that it is not root.
USER 65532:65532
WORKDIR /

FROM runtime-base AS outbound-transfer
LABEL org.opencontainers.image.title="outbound-transfer"
COPY --from=build /binaries/outbound-transfer /usr/local/bin/outbound-transfer
EXPOSE 8101 9101
ENTRYPOINT ["/usr/local/bin/outbound-transfer"]

FROM runtime-base AS inbound-transfer
LABEL org.opencontainers.image.title="inbound-transfer"
COPY --from=build /binaries/inbound-transfer /usr/local/bin/inbound-transfer
EXPOSE 8102 8443 9102
ENTRYPOINT ["/usr/local/bin/inbound-transfer"]

FROM runtime-base AS aggregator
LABEL org.opencontainers.image.title="aggregator"
COPY --from=build /binaries/aggregator /usr/local/bin/aggregator
EXPOSE 8103 8443 9103
ENTRYPOINT ["/usr/local/bin/aggregator"]

FROM runtime-base AS federator
LABEL org.opencontainers.image.title="federator"
COPY --from=build /binaries/federator /usr/local/bin/federator
EXPOSE 8104 9104
ENTRYPOINT ["/usr/local/bin/federator"]

FROM runtime-base AS iidictl
LABEL org.opencontainers.image.title="iidictl"
COPY --from=build /binaries/iidictl /usr/local/bin/iidictl
ENTRYPOINT ["/usr/local/bin/iidictl"]
