# One image for every service; the subcommand selects it.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
# Includes migrations/ and proto/: both are embedded in the binary.
COPY . .
# The caches outlive the layer, so that a change of one file compiles one crate and not 300. They are not
# part of the layer, so the binary is copied out.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --release --locked --bin portal \
    && install -D --strip target/release/portal /out/portal

# The same Debian as the builder's: the binary links only its libc.
FROM debian:bookworm-slim
# Root certificates for TLS, copied from the builder: no package is installed here.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# A fixed uid: volumes keep their owner across images, and the host can see that it is not root. A new
# named volume inherits the owner of /data.
RUN groupadd --gid 10001 portal \
    && useradd --uid 10001 --gid portal --home-dir /data --no-create-home --shell /usr/sbin/nologin portal \
    && install --directory --owner=portal --group=portal --mode=0700 /data
COPY --from=build /out/portal /usr/local/bin/portal

USER 10001:10001
WORKDIR /data
# 127.0.0.1 inside a container would not be reachable from outside.
ENV PORTAL_DATA_DIR=/data \
    PORTAL_LISTEN=0.0.0.0:8080
EXPOSE 8080
VOLUME ["/data"]
# The image has no curl: the binary queries its own /health/ready.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s CMD ["portal", "health"]
ENTRYPOINT ["portal"]
