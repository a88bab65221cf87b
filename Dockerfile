# rekindle in a small image: built with everything vendored, run as an unprivileged user, no package added.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src ./src
COPY schemas ./schemas
COPY benches ./benches
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin rekindle && cp target/release/rekindle /usr/local/bin/rekindle

FROM debian:bookworm-slim
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /usr/local/bin/rekindle /usr/local/bin/rekindle
USER 65532:65532
# The allocator asks for huge pages: an event touches the memory of one session among very many.
ENV MIMALLOC_ALLOW_LARGE_OS_PAGES=1
# A container's loopback is reachable from nowhere else: listening beyond it has to be allowed. Until keys, tokens or
# client certificates are set up (http.auth, http.tls) there is no access control, and the port must be published to
# trusted networks only. The health check speaks plain HTTP: with http.tls replace it.
ENV REKINDLE_HTTP__LISTEN=0.0.0.0:8080 \
    REKINDLE_HTTP__ALLOW_REMOTE=true \
    REKINDLE_LOG__FORMAT=json
EXPOSE 8080
STOPSIGNAL SIGTERM
# The image has no HTTP client; bash speaks enough of it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /livez HTTP/1.0\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
ENTRYPOINT ["rekindle"]
CMD ["run"]
