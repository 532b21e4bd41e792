# Layers are ordered by how often they change: OS packages, locked dependencies, conf/, code, bundled notebooks.

FROM debian:trixie-slim AS base
ENV LANG=C.UTF-8
# Not pinned: Debian removes a version from its mirrors when a security update replaces it.
# hadolint ignore=DL3008
RUN export DEBIAN_FRONTEND=noninteractive \
    && apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates nginx python3 python3-venv tini \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
    && find /var/log -type f -delete


FROM base AS wheels
COPY requirements.txt /
RUN python3 -m venv /build \
    && /build/bin/pip wheel --no-deps --require-hashes --no-cache-dir \
       --wheel-dir /wheels --requirement /requirements.txt


FROM base
# Unused files are removed: a second copy of JupyterLab's pages (the one in share/ is served), its test fixture, type stubs
# for packages that are not installed, C sources, helpers for Windows and PyPy, tests, Babel's data of languages other than
# English, which Jupyter is in. All modules are compiled here, because the root file system may be read-only at run time,
# and each start would compile them again.
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    python3 -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-deps --no-index --no-cache-dir --no-compile /wheels/*.whl \
    && site=$(/opt/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \
    && rm -rf "$site"/jupyterlab/static "$site"/jupyterlab/galata \
       "$site"/jedi/third_party/django-stubs "$site"/jedi/third_party/typeshed/stubs/* \
       "$site"/debugpy/_vendored/pydevd/pydevd_attach_to_process/winappdbg \
       "$site"/zstandard/_cffi.*.so \
    && find "$site" -name '*.c' -delete \
    && find "$site"/babel/locale-data -name '*.dat' ! -name 'root.dat' ! -name 'en*.dat' -delete \
    && find "$site" -type d \( -name tests -o -name test \) -prune -exec rm -rf {} + \
    && /opt/venv/bin/python -m compileall -q -j 0 "$site"

# For user 1000, and for any other user with group 0, as on OpenShift.
RUN useradd --uid 1000 --gid 0 --no-create-home --home-dir /notebook/.home --shell /bin/bash notebook \
    && mkdir /notebook \
    && chown 1000:0 /notebook \
    && chmod 0770 /notebook \
    # A tmpfs mounted here gets this mode.
    && chmod 1777 /run

ENV PATH=/opt/venv/bin:$PATH \
    USER=notebook \
    BIND_ADDRESS=0.0.0.0 \
    NOTEBOOK_DIR=/notebook \
    SHIPPED_DIR=/app/notebook \
    HOME_DIR=/notebook/.home \
    RUN_DIR=/run/notebook-api \
    BODY_DIR=/notebook/.bodies \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1

WORKDIR /app
COPY conf/ conf/
COPY control/ control/
COPY gateway/ gateway/
COPY notebook/ notebook/
# Writable for root only and readable for all, whatever umask the tree was checked out with.
RUN python -m compileall -q control gateway && chmod -R u=rwX,go=rX .

USER 1000:0
VOLUME /notebook
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --start-interval=1s --retries=3 \
    CMD ["python", "-m", "control.launch.healthcheck"]
# This process replaces itself with tini, which starts the stack (control/launch/launch.py).
ENTRYPOINT ["python", "-m", "control"]

ARG VERSION=dev
ARG REVISION=unknown
ENV BUILD_VERSION=$VERSION BUILD_REVISION=$REVISION
LABEL org.opencontainers.image.title="Notebook API" \
      org.opencontainers.image.description="Write Python in Jupyter and serve it as an HTTP API." \
      org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.revision=$REVISION \
      org.opencontainers.image.base.name="debian:trixie-slim"
