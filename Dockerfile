# One image for CPU and CUDA: torch's wheel for Linux holds both. See README, "In a container".
FROM python:3.11-slim-bookworm AS build
COPY pyproject.toml README.md LICENSE NOTICE /source/
COPY models /source/models
COPY d3ke_cli /source/d3ke_cli
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels /source

FROM python:3.11-slim-bookworm
# EGL draws synthetic people; nothing else needs more than Python.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libegl1 libgl1 libgl1-mesa-dri \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /wheels /wheels
# Another index, such as PyTorch's own for CPUs, makes an image without CUDA, 4 GB smaller.
ARG TORCH_INDEX=""
RUN if [ -n "$TORCH_INDEX" ]; then \
        pip install --no-cache-dir --index-url "$TORCH_INDEX" torch torchvision; \
    fi \
    && pip install --no-cache-dir /wheels/*.whl \
    && rm -r /wheels
# Files belong to whom `docker run --user` names, who needs a home to cache in; else not to root.
RUN useradd --create-home --uid 1000 d3ke && chmod 1777 /home/d3ke
USER d3ke
ENV HOME=/home/d3ke
WORKDIR /data
ENTRYPOINT ["d3ke"]
CMD ["--help"]
