# The web tier, the handlers and galaxyctl in one image; docker-compose.yml starts it. BASE needs Node 20.19 or newer, a shell,
# coreutils and util-linux (setsid). Tools run inside the handlers' containers: build on an image that has the programs they call.
ARG BASE=node:20-bookworm-slim

FROM ${BASE} AS build
WORKDIR /srv/galaxy/server
COPY . .
# Installs what pnpm-lock.yaml names, unless the context has brought it along.
RUN node scripts/build.mjs packages/web packages/handler packages/ctl && node docker/shed-development.mjs

FROM ${BASE}
RUN echo 'galaxy:x:10001:10001:Galaxy:/srv/galaxy:/bin/sh' >> /etc/passwd && echo 'galaxy:x:10001:' >> /etc/group \
 && mkdir -p /srv/galaxy/database && chown 10001:10001 /srv/galaxy/database
COPY --from=build /srv/galaxy/server /srv/galaxy/server
COPY docker/galaxy.yml /srv/galaxy/config/galaxy.yml
RUN mkdir -p /usr/local/bin \
 && ln -s /srv/galaxy/server/packages/web/bin/galaxy-web.js /usr/local/bin/galaxy-web \
 && ln -s /srv/galaxy/server/packages/handler/bin/galaxy-handler.js /usr/local/bin/galaxy-handler \
 && ln -s /srv/galaxy/server/packages/ctl/bin/galaxyctl.js /usr/local/bin/galaxyctl
ENV NODE_ENV=production GALAXY_CONFIG_FILE=/srv/galaxy/config/galaxy.yml HOME=/tmp
USER 10001:10001
WORKDIR /srv/galaxy
VOLUME /srv/galaxy/database
EXPOSE 8080
CMD ["galaxy-web"]
