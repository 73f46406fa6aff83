# Build and run only. Settings: mount a file over /app/config.yaml, or GATEWAY_… variables.
# The root file system can be read-only: what is written is in the volumes and in /tmp.

FROM python:3.13-slim AS build
WORKDIR /app
RUN python -m venv /opt/venv
COPY requirements-uv.txt requirements.txt ./
# pip brings uv, which brings the rest in a fraction of the time; the image gets no uv.
RUN /opt/venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check \
    --require-hashes --target /opt/uv -r requirements-uv.txt \
    && /opt/uv/bin/uv pip install --no-cache --require-hashes --python /opt/venv/bin/python \
    -r requirements.txt
COPY handlers handlers
COPY service service
COPY storage storage
COPY upstream upstream
# Byte code is made here, since it cannot be written later.
RUN /opt/venv/bin/python -m compileall -q /app /opt/venv/lib

FROM python:3.13-slim
RUN useradd --uid 10001 --home-dir /app --no-create-home --shell /usr/sbin/nologin gateway \
    && install -d -o gateway -g gateway /app/data /app/log
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /app
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
COPY config.yaml gpts.yaml ./
USER gateway
VOLUME ["/app/data", "/app/log"]
EXPOSE 33333
# A port other than 33333 is best set by GATEWAY_SERVER__PORT, which this reads as well.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import os, urllib.request as u; u.build_opener(u.ProxyHandler({})).open('http://127.0.0.1:%s/healthz' % os.environ.get('GATEWAY_SERVER__PORT', 33333), timeout=4)"]
# SIGTERM lets running answers finish for server.drain_seconds: give it longer than 30 seconds.
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "-m", "service"]
