# The program with all extras, from these sources:  docker build -t config-reconciler .
FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY reconciler reconciler
RUN python -m venv /opt/reconciler && /opt/reconciler/bin/pip install --no-cache-dir '.[aws,otel,serve,systems]'

FROM python:3.12-slim
# An unattended apply asks git which commit it applies, and git asks whether it may trust a folder of another owner.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/* \
    && git config --system --add safe.directory /work \
    && useradd --uid 10001 --create-home reconciler
COPY --from=build /opt/reconciler /opt/reconciler
ENV PATH=/opt/reconciler/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 RECONCILER_HEALTH_URL=http://127.0.0.1:8080/healthz
WORKDIR /work
USER 10001:10001
EXPOSE 8080 8081
# For `serve`; a command that ends is gone before the first check.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-I", "-c", "import os, urllib.request as r; r.urlopen(os.environ['RECONCILER_HEALTH_URL'], timeout=4)"]
ENTRYPOINT ["reconciler"]
CMD ["--help"]
