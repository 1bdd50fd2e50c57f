# Stands in for the image of the Valkey project where no registry answers: Debian's Valkey,
# of the same release line. infra/compose.yaml asks it for no more than the program, its
# client and a shell.
ARG BASE_IMAGE=debian:trixie-slim
FROM ${BASE_IMAGE}
COPY sandbox/image/build/install_apt.sh /build/
RUN --mount=type=secret,id=apt_conf,mode=0444 \
    --mount=type=secret,id=apt_sources,mode=0444 \
    --mount=type=secret,id=ca_bundle,mode=0444 \
    /build/install_apt.sh -- valkey-server valkey-tools \
 && rm -r /build
WORKDIR /data
EXPOSE 6379
CMD ["valkey-server"]
LABEL org.opencontainers.image.title="Valkey from Debian's packages, a stand-in"
