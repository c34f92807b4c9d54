# Two stages: packages are built where a compiler may be, and run where there is none. Only bot/ goes in.
FROM python:3.13-slim AS build
RUN python -m venv /opt/canary-bot
ENV PATH=/opt/canary-bot/bin:$PATH
WORKDIR /build
COPY requirements/ requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/bot.txt
COPY pyproject.toml README.md LICENSE ./
COPY bot/ bot/
# What builds the wheel stays in a place of its own and does not reach the image.
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt \
 && /opt/build/bin/hatchling build -t wheel \
 && pip install --no-cache-dir --no-deps dist/*.whl

FROM python:3.13-slim
COPY --from=build /opt/canary-bot /opt/canary-bot
# services.yaml is mounted at SERVICES_FILE. USER names whoever runs `canary-bot abort` in this container: its uid is in
# no passwd file, and the story of a rollout says who ended it.
ENV PATH=/opt/canary-bot/bin:$PATH PYTHONUNBUFFERED=1 USER=canary-bot \
    SERVICES_FILE=/etc/canary-bot/services.yaml LOG_FORMAT=json
WORKDIR /etc/canary-bot
USER 10001:10001
EXPOSE 8080
ENTRYPOINT ["canary-bot"]
CMD ["run"]
