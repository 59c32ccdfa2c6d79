# check=skip=RedundantTargetPlatform
#
# One image for controller and agents. `npm run build` must have filled dist/ before (for both: -- --arch amd64 --arch arm64).
#
# The last stage runs nothing, so that an image for arm64 is built on amd64 without emulation. Its layers go from what changes
# never to what changes with every build, so that nodes fetch three megabytes for a new version.

FROM --platform=$BUILDPLATFORM debian:trixie-slim AS apparmor
ARG TARGETARCH
# Unpacked, not installed: the package's scripts would want to load profiles. Of /etc/apparmor.d only what policies include;
# the package's profiles for programs of a host are not ours to load. parser.conf pins a text without an abi rule to the
# features file, so that it means the same on every kernel that has these features. Fixed times make equal layers.
RUN set -eu; \
    dpkg --add-architecture "$TARGETARCH"; \
    apt-get update -q; \
    mkdir -p /unpacked /image; \
    cd /tmp; apt-get download -q "apparmor:$TARGETARCH"; dpkg -x apparmor_*.deb /unpacked; \
    cd /unpacked; \
    cp -a --parents usr/sbin/apparmor_parser usr/share/apparmor-features usr/share/doc/apparmor/copyright \
      etc/apparmor/parser.conf etc/apparmor.d/abi etc/apparmor.d/abstractions etc/apparmor.d/tunables /image/; \
    find /image -exec touch --no-dereference --date=@0 {} +

# What is the default elsewhere: up to 1.39 at least, buildah builds each stage for the platform that the last FROM named, and
# would put a parser for arm64 on a Debian for amd64.
FROM --platform=$TARGETPLATFORM debian:trixie-slim
LABEL org.opencontainers.image.title="apparmor-operator" \
      org.opencontainers.image.description="Kubernetes operator for AppArmor: controller and node agent" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/debian:trixie-slim"
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# The agent's pod sets another user: loading policy needs root.
USER 65532:65532
# An agent has little to do, and each node pays for its memory. Measured after 50 changes of policies: a young generation of 1 MB, and an
# option that the agent sets itself once it is loaded, halve what it grows; without compilers to machine code (--lite-mode) it has 21 MB
# of its own instead of 27, and 67 resident instead of 81, for 0.05 s more at its start and the same per change; and where it may collect
# its garbage when it has nothing to do (--expose-gc), 18.7 and 64.7 at rest. With 25 policies instead of 10 and 250 changes that was 20.1,
# of which 2.5 were holes in the heap of malloc: with one arena and pages of their own for all from 16 KB on it gives them back. All that
# would slow down the controller, whose Deployment therefore gives a whole command of its own.
ENTRYPOINT ["/usr/bin/env", "MALLOC_ARENA_MAX=1", "MALLOC_MMAP_THRESHOLD_=16384", "MALLOC_TRIM_THRESHOLD_=16384", \
  "MALLOC_TOP_PAD_=4096", "/usr/local/bin/node", "--max-semi-space-size=1", "--lite-mode", "--expose-gc", "/app/agent.mjs"]
CMD ["agent"]
ARG TARGETARCH
COPY --from=apparmor /image/ /
COPY dist/node-${TARGETARCH}/LICENSE /usr/share/doc/node/
COPY dist/node-${TARGETARCH}/node /usr/local/bin/
COPY dist/controller.mjs dist/agent.mjs /app/
