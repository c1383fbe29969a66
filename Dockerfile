# One image for every part; the subcommand says which one a container is.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
# migrations/ and proto/ come along: both are embedded in the binary.
COPY . .
# The caches outlive the layer, so that a change of one file compiles that crate and not 300.
# For the same reason they are not part of the layer: the binary has to be copied out.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --release --locked --bin portal \
    && install -D --strip target/release/portal /out/portal

# The same Debian as the builder's: the binary links its libc and nothing else.
FROM debian:bookworm-slim
# Roots for servers that are reached by TLS, from the builder: no package is installed here.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# A fixed number: a volume keeps its owner from image to image, and a host can see that it is not
# root. A named volume that is new takes over the owner of /data.
RUN groupadd --gid 10001 portal \
    && useradd --uid 10001 --gid portal --home-dir /data --no-create-home --shell /usr/sbin/nologin portal \
    && install --directory --owner=portal --group=portal --mode=0700 /data
COPY --from=build /out/portal /usr/local/bin/portal

USER 10001:10001
WORKDIR /data
# Inside a container 127.0.0.1 would be reachable by nobody.
ENV PORTAL_DATA_DIR=/data \
    PORTAL_LISTEN=0.0.0.0:8080
EXPOSE 8080
VOLUME ["/data"]
# There is no curl here; the binary asks its own /health/ready.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s CMD ["portal", "health"]
ENTRYPOINT ["portal"]
