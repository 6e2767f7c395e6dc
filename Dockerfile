# syntax=docker/dockerfile:1
# A static binary on an empty image, run by nobody in particular.

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
ARG COMMIT=unknown
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION} -X main.commit=${COMMIT}" -o /out/aihigress . \
    && mkdir -p /out/spool

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/aihigress /aihigress
COPY --from=build --chown=65532:65532 /out/spool /var/lib/aihigress/spool
ENV LISTEN=:8080 SPOOL_DIR=/var/lib/aihigress/spool
USER 65532:65532
EXPOSE 8080
VOLUME /var/lib/aihigress/spool
ENTRYPOINT ["/aihigress"]
CMD ["serve"]
